//! Both adapters do alike: each scenario is played once with each of them, over real sockets, against an emulator with
//! the same faults. It must end the same way, with the same requests on the wire and the same record on disk.
//!
//! * `adapter` — both behind one face
//! * `scene` — an emulator, a file, a folder for checkpoints, keys
//! * `seen` — what is compared, without what must differ: ports, times, words of an HTTP library
//!
//! The scenarios: `upload`, `cancel`, `changed`, `faults`, `keys`, `refusals`, `strays`; and what is told of them: `listeners`, `traces`.

mod adapter;
mod cancel;
mod changed;
mod faults;
mod keys;
mod listeners;
mod refusals;
mod scene;
mod seen;
mod strays;
mod traces;
mod upload;
