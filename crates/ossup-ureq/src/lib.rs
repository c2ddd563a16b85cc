//! Resumable uploads of files to Alibaba Cloud OSS, for programs that block: threads and `ureq`.
//!
//! ```no_run
//! use ossup_core::sign::{Credentials, StaticCredentials};
//! use ossup_core::upload::End;
//! use ossup_ureq::{Client, FileUpload};
//!
//! let keys = Credentials::new(std::env::var("OSS_ACCESS_KEY_ID")?, std::env::var("OSS_ACCESS_KEY_SECRET")?);
//! let client = Client::new(&"oss-cn-hangzhou.aliyuncs.com".parse()?, StaticCredentials::new(keys))?;
//!
//! let upload = FileUpload::new("film.mp4", "oss://my-bucket/films/film.mp4".parse()?)
//!     .checkpoint_folder("checkpoints")
//!     .on_progress(|_just, sent, total| println!("{sent} of {total} bytes"));
//!
//! match client.upload(upload)?.end {
//!     End::Completed(object) => println!("there, with CRC-64 {:?}", object.crc64),
//!     End::Failed(failed) => println!("{failed}; to be resumed: {}", failed.resumable),
//!     other => println!("{other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Run again after whatever ended it, the same upload goes on from its checkpoint. To do something else meanwhile, or
//! to cancel from a signal handler, [`start`](Client::start) it and keep the [`UploadHandle`].
//!
//! # What happens inside
//! All decisions are made by the machine in [`ossup_core::upload`]; this crate executes them. One thread drives the
//! machine. Others, no more than the machine has work for, send requests, read the source and write the checkpoint.
//! Each has a connection and a few small buffers, so memory depends on the number of parts in flight and on nothing
//! else. A part with a `Content-MD5` is read twice, once to digest it and once to send it, because the digest goes ahead
//! of the bytes. Parts that are to be digested at the same time are digested side by side, while others are sent.
//!
//! Proxies are taken from `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` unless [`HttpSettings`] say otherwise.
//!
//! # Features
//! - `tracing` (off by default): spans and events of what is done, without secrets. What there is to be seen is told in
//!   [`ossup_fs`].
//!
//! ureq itself speaks to the crate `log`, without secrets down to the level `debug`. At `trace` it tells whole addresses:
//! with a [`Signer`](ossup_core::sign::Signer) that signs by address (presigned URLs), the signature is among them.

mod body;
mod client;
mod crew;
mod driver;
mod exchange;
mod failure;
mod handle;
mod line;
mod name;
mod settings;
mod survey;
mod wire;
mod worker;

pub use client::Client;
pub use handle::{UploadControl, UploadHandle};
#[doc(no_inline)]
pub use ossup_fs::{CheckpointEnd, Cleanup, FileUpload, Listener, Rate, RequestEnd, StartError};
pub use settings::{HttpSettings, InvalidSetting};
