//! What uploads are measured with: [`head`] reads the heads of HTTP messages for both programs of this package.
//!
//! `drain` is a server that takes everything and keeps nothing. `floor` sends a file with the least work there can be.
//! `scripts/bench-upload` runs both, with `curl` and `ossup`; `docs/performance.md` tells what came of it.

pub mod head;
