//! Local files for resumable uploads: the source that is read, and the folder where checkpoints are kept.
//!
//! Both adapters stand on this crate, and share from it how an upload of a file is described ([`FileUpload`]) and begun.
//! It reads and writes what it is told to and decides nothing: when to write, what a changed source means and what a
//! record says is the business of `ossup-core`. Checkpoints can be kept elsewhere than in a folder: see
//! [`CheckpointStore`].
//!
//! ```
//! use ossup_core::digest::{Integrity, Md5};
//! use ossup_core::part::ByteRange;
//! use ossup_fs::FileSource;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("data");
//! # std::fs::write(&path, b"hello world")?;
//! let source = FileSource::open(&path)?;
//! let range = ByteRange::new(6, 5).expect("a range of eleven bytes");
//! let digest = source.digest(range, Integrity::Md5AndCrc, || false)?;
//! assert_eq!(digest.md5, Some(Md5::of(b"world")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! - `tracing` (off by default): adapters say to [`tracing`](https://docs.rs/tracing) what they do, with the target `ossup`: a span
//!   `upload` (object, bytes), within it a span for each `request` (operation, part, bytes, answer), write to the
//!   `checkpoint`, `refresh` of credentials (why), `hash`, `inspect` and `wait`, and events for repetitions with their
//!   reasons, for all other [notices](ossup_core::upload::Notice) and for the end. No secret is in any of them. For metrics
//!   there is [`Listener`].

mod cleanup;
mod desk;
mod error;
mod folder;
mod listener;
mod lock;
mod platform;
mod rate;
mod record;
mod source;
mod store;
mod trace;
mod upload;

pub use cleanup::Cleanup;
pub use error::FileError;
pub use folder::CheckpointFolder;
pub use listener::{CheckpointEnd, Listener, Listeners, RequestEnd};
pub use lock::{Holder, LockError};
pub use rate::Rate;
pub use record::Record;
pub use source::{FileSource, OpenError, RangeReader};
pub use store::{BoxError, CheckpointRecord, CheckpointStore};
pub use upload::{Begun, FileUpload, StartError};
