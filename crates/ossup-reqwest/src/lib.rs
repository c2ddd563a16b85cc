//! Resumable uploads of files to Alibaba Cloud OSS, for async programs: tokio and `reqwest`.
//!
//! ```no_run
//! use ossup_core::sign::{Credentials, StaticCredentials};
//! use ossup_core::upload::End;
//! use ossup_reqwest::{Client, FileUpload};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = Credentials::new(std::env::var("OSS_ACCESS_KEY_ID")?, std::env::var("OSS_ACCESS_KEY_SECRET")?);
//! let client = Client::new(&"oss-cn-hangzhou.aliyuncs.com".parse()?, StaticCredentials::new(keys))?;
//!
//! let upload = FileUpload::new("film.mp4", "oss://my-bucket/films/film.mp4".parse()?)
//!     .checkpoint_folder("checkpoints")
//!     .on_progress(|_just, sent, total| println!("{sent} of {total} bytes"));
//!
//! match client.upload(upload).await?.end {
//!     End::Completed(object) => println!("there, with CRC-64 {:?}", object.crc64),
//!     End::Failed(failed) => println!("{failed}; to be resumed: {}", failed.resumable),
//!     other => println!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Run again after whatever ended it, the same upload goes on from its checkpoint, also if it was begun by another
//! adapter. To watch it, to pause it or to cancel it, [`start`](Client::start) it and keep the [`UploadHandle`].
//!
//! # Ending early
//! * [`UploadHandle::cancel`], or from elsewhere [`UploadControl::cancel`];
//! * [`UploadHandle::cancel_when`], with any future: the end of a `CancellationToken`, ctrl-c, a deadline;
//! * dropping the future of [`Client::upload`], or the handle: as [`Cancel::Keep`](ossup_core::upload::Cancel::Keep)
//!   does, the parts on the server and the checkpoint stay.
//!
//! Requests under way are broken off then. What still goes on for a moment is the last note in the checkpoint; the same
//! upload, if it is begun again, waits for that.
//!
//! # The runtime
//! tokio, and no other, with its timers and its I/O enabled. One with a single thread will do. The futures are `Send` and
//! `'static`. What blocks (the file, the checkpoint, a [`Signer`](ossup_core::sign::Signer)) is done on tokio's threads
//! for blocking work, but for those bytes of the file that Linux has in memory: they are copied where they are needed. Listeners are called by the task that drives the upload and must not block.
//!
//! # What happens inside
//! All decisions are made by the machine in [`ossup_core::upload`]; this crate executes them. One task drives the machine,
//! and one more runs for each effect under way. A body is read from the file piece by piece as the connection takes it,
//! so memory depends on the number of parts in flight and on nothing else. A part with a `Content-MD5` is read twice,
//! once to digest it and once to send it, because the digest goes ahead of the bytes.
//!
//! # What reqwest cannot do
//! It makes a URL of the address of every request, and a URL has no path segments `.` and `..`. An object whose key has
//! such a segment is refused with [`StartError::KeyNotSendable`] before anything is sent; `ossup-ureq` can upload it.
//!
//! It does not tell of `100 Continue`. Where the machine wants the server to be asked before a body is sent, which it
//! does after failures, the body is held back until the server has answered otherwise or a second has passed.
//!
//! Proxies are taken from `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` unless [`HttpSettings`] say otherwise.
//!
//! # Features
//! - `tracing` (off by default): spans and events of what is done, without secrets, in the span in which an upload is begun.
//!   What there is to be seen is told in [`ossup_fs`].

mod blocking;
mod body;
mod client;
mod driver;
mod failure;
mod feed;
mod handle;
mod http_client;
mod pieces;
mod progress;
mod settings;
mod survey;
mod task;

pub use client::Client;
pub use handle::{UploadControl, UploadHandle};
#[doc(no_inline)]
pub use ossup_fs::{CheckpointEnd, Cleanup, FileUpload, Listener, Rate, RequestEnd, StartError};
pub use progress::ProgressStream;
pub use settings::{HttpSettings, InvalidSetting};
