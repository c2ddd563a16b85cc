//! The program as people have it: processes, sockets, signals, disks, and a network that fails.
//!
//! What is random comes from seeds. A failure prints its seed, and `OSSUP_SEED=N` runs that one alone, as far as a
//! machine can be made to do the same again. `OSSUP_LONG=1` does ten times as much, and waits for what takes long.

#![cfg(unix)]

#[path = "../../crates/ossup-cli/tests/common/mod.rs"]
mod common;
mod disk;
mod edited;
mod killed;
mod network;
mod proxy;
mod rivals;
mod scene;
mod signals;
