//! What uploads are measured with: [`head`] reads the heads of HTTP messages for `drain` and `floor`.
//!
//! `drain` is a server that takes everything and keeps nothing. `floor` sends a file with the least work there can be,
//! `adapter` by one of the adapters. `scripts/bench-upload` runs them all, with `curl` and `ossup`; `docs/performance.md`
//! tells what came of it.

pub mod head;
