//! What is to be uploaded, and why an upload could not begin.

use std::io;
use std::path::PathBuf;

use ossup_core::callback::Callback;
use ossup_core::checkpoint::Unreadable;
use ossup_core::object::ObjectName;
use ossup_core::options::ObjectOptions;
use ossup_core::upload::{Notice, Policy};
use ossup_fs::{FileError, LockError, OpenError};

use crate::driver::Listeners;

/// A file that is to become an object.
///
/// ```
/// use ossup_core::options::ObjectOptions;
/// use ossup_ureq::FileUpload;
///
/// let upload = FileUpload::new("/data/film.mp4", "oss://bucket/films/film.mp4".parse()?)
///     .options(ObjectOptions::new().metadata("camera", "north")?)
///     .checkpoint_folder("/var/lib/app/checkpoints")
///     .on_progress(|_just, sent, total| eprintln!("{sent} of {total} bytes"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileUpload {
    pub(crate) path: PathBuf,
    pub(crate) object: ObjectName,
    pub(crate) options: ObjectOptions,
    pub(crate) callback: Option<Callback>,
    pub(crate) policy: Policy,
    pub(crate) checkpoint_folder: Option<PathBuf>,
    pub(crate) listeners: Listeners,
}

impl FileUpload {
    /// The file at `path`, to become `object`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, object: ObjectName) -> Self {
        Self {
            path: path.into(),
            object,
            options: ObjectOptions::default(),
            callback: None,
            policy: Policy::default(),
            checkpoint_folder: None,
            listeners: Listeners::default(),
        }
    }

    /// Gives the object these attributes.
    #[must_use]
    pub fn options(self, options: ObjectOptions) -> Self {
        Self { options, ..self }
    }

    /// Has OSS call an application once the object is there.
    #[must_use]
    pub fn callback(self, callback: Callback) -> Self {
        Self { callback: Some(callback), ..self }
    }

    /// Goes about it by this policy: part size, parts in flight, check values, resuming, retries.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Keeps a checkpoint in this folder, which is made if there is none. An upload of the same file to the same object
    /// that finds one there goes on from it. Without a folder nothing outlives this run.
    #[must_use]
    pub fn checkpoint_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { checkpoint_folder: Some(folder.into()), ..self }
    }

    /// Calls `listener` as bytes go out, with how many just did, how many have in all (those of earlier runs included),
    /// and how many there are. The second number never goes back and ends at the third.
    ///
    /// It is called by the thread that drives the upload, which waits for it.
    #[must_use]
    pub fn on_progress(mut self, listener: impl FnMut(u64, u64, u64) + Send + 'static) -> Self {
        self.listeners.progress = Some(Box::new(listener));
        self
    }

    /// Calls `listener` when something happens that a person may want to know, such as a request that is repeated.
    ///
    /// It is called by the thread that drives the upload, which waits for it.
    #[must_use]
    pub fn on_notice(mut self, listener: impl FnMut(&Notice) + Send + 'static) -> Self {
        self.listeners.notice = Some(Box::new(listener));
        self
    }
}

impl std::fmt::Debug for FileUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileUpload")
            .field("path", &self.path)
            .field("object", &self.object)
            .field("options", &self.options)
            .field("callback", &self.callback)
            .field("policy", &self.policy)
            .field("checkpoint_folder", &self.checkpoint_folder)
            .finish_non_exhaustive()
    }
}

/// Why an upload could not begin. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The file cannot be a source.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The folder of the checkpoints, or the checkpoint in it, cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] FileError),
    /// The checkpoint is in use, because the upload is already under way; or it cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is no checkpoint of this name.
    #[error("there is no checkpoint {0}")]
    NoCheckpoint(String),
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The checkpoint is of an upload to another endpoint.
    #[error("the checkpoint is of an upload to {0}")]
    OtherDestination(String),
    /// The system has no thread for it.
    #[error("the system has no thread for the upload: {0}")]
    Thread(#[source] io::Error),
}
