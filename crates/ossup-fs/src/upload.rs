//! What is to be uploaded, how it begins, and why it could not.
//!
//! An adapter takes it from here: it drives the machine and speaks HTTP.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ossup_core::callback::Callback;
use ossup_core::checkpoint::{Unreadable, journal, record_name};
use ossup_core::object::ObjectName;
use ossup_core::options::ObjectOptions;
use ossup_core::part::UploadId;
use ossup_core::time::Timestamp;
use ossup_core::upload::{Job, Notice, Policy, Recording, Upload};

use crate::listener::{Listener, Listeners, OnNotice, OnProgress};
use crate::store::{BoxError, CheckpointRecord, CheckpointStore};
use crate::{CheckpointFolder, Cleanup, FileSource, LockError, OpenError};

/// A file that is to become an object.
///
/// ```
/// use ossup_core::options::ObjectOptions;
/// use ossup_fs::FileUpload;
///
/// let upload = FileUpload::new("/data/film.mp4", "oss://bucket/films/film.mp4".parse()?)
///     .options(ObjectOptions::new().metadata("camera", "north")?)
///     .checkpoint_folder("/var/lib/app/checkpoints")
///     .on_progress(|_just, sent, total| eprintln!("{sent} of {total} bytes"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileUpload {
    path: PathBuf,
    object: ObjectName,
    options: ObjectOptions,
    callback: Option<Callback>,
    policy: Policy,
    checkpoints: Checkpoints,
    listeners: Listeners,
}

/// Where the checkpoint is kept.
#[derive(Clone, Debug)]
enum Checkpoints {
    Nowhere,
    Folder(PathBuf),
    Store(Arc<dyn CheckpointStore>),
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
            checkpoints: Checkpoints::Nowhere,
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
    /// that finds one there goes on from it. Without a folder or a store nothing outlives this run.
    #[must_use]
    pub fn checkpoint_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { checkpoints: Checkpoints::Folder(folder.into()), ..self }
    }

    /// Keeps a checkpoint in this store. For those who have a better place than a folder.
    #[must_use]
    pub fn checkpoint_store(self, store: Arc<dyn CheckpointStore>) -> Self {
        Self { checkpoints: Checkpoints::Store(store), ..self }
    }

    /// Calls `listener` as bytes go out, with how many just did, how many have in all (those of earlier runs included),
    /// and how many there are. The second number never goes back and ends at the third. See [`Listener::progress`].
    #[must_use]
    pub fn on_progress(self, listener: impl FnMut(u64, u64, u64) + Send + 'static) -> Self {
        self.listener(OnProgress(listener))
    }

    /// Calls `listener` when something happens that a person may want to know, such as a request that is repeated. See
    /// [`Listener::notice`].
    #[must_use]
    pub fn on_notice(self, listener: impl FnMut(&Notice) + Send + 'static) -> Self {
        self.listener(OnNotice(listener))
    }

    /// Tells `listener` how it goes. There may be several.
    #[must_use]
    pub fn listener(mut self, listener: impl Listener + 'static) -> Self {
        self.listeners.add(listener);
        self
    }

    /// Opens the file, takes the record and makes the machine. For adapters; `destination` is the host and port that
    /// requests go to, `now` the time by the clock of this machine, `seed` any number.
    ///
    /// This reads files, so it may block.
    ///
    /// # Errors
    /// The upload cannot begin. Nothing has been sent or written.
    pub fn begin(self, destination: &str, now: Timestamp, seed: u64) -> Result<Begun, StartError> {
        let source = FileSource::open(self.path)?;
        let key = self.object.key.as_str().to_owned();
        let path = source.full_path();
        let name = record_name(destination, self.object.bucket.as_str(), &key, &path);
        let mut record = match self.checkpoints {
            Checkpoints::Nowhere => None,
            Checkpoints::Folder(folder) => Some(lock(&open(folder)?, &name)?),
            Checkpoints::Store(store) => Some(lock(&*store, &name)?),
        };
        let written = match &mut record {
            Some(record) => record.load().map_err(StartError::Checkpoint)?,
            None => None,
        };
        let mut listeners = self.listeners;
        listeners.trace(&self.object, source.identity().len);
        let job = Job {
            source_name: Some(path),
            options: self.options,
            callback: self.callback,
            recording: if record.is_some() { Recording::Checkpoint } else { Recording::Nowhere },
            policy: self.policy,
            ..Job::new(self.object, destination, source.identity().clone(), now)
        };
        let upload = match written {
            Some(written) => Upload::resume(job, &written, seed),
            None => Upload::start(job, seed),
        };
        Ok(Begun { upload, key, source: Some(source), record, listeners })
    }
}

/// An upload that has begun: the machine, and what there is to execute its effects with.
#[derive(Debug)]
pub struct Begun {
    /// The machine.
    pub upload: Upload,
    /// The key of the object. Not every HTTP client can ask for each: see [`StartError::KeyNotSendable`].
    pub key: String,
    /// The file; `None` when nothing of it will be read.
    pub source: Option<FileSource>,
    /// The record, if one is kept.
    pub record: Option<Box<dyn CheckpointRecord>>,
    /// Those who are to be told how it goes.
    pub listeners: Listeners,
}

impl Begun {
    /// Begins to delete what an upload has sent, knowing nothing but its record, such as one that
    /// [`CheckpointFolder::list`] names. The file need not exist any more. For adapters; see [`FileUpload::begin`].
    ///
    /// # Errors
    /// There is no such record, it is in use or cannot be read, or it is of an upload to another destination.
    pub fn discard(
        store: &dyn CheckpointStore,
        name: &str,
        destination: &str,
        cleanup: &Cleanup,
        seed: u64,
    ) -> Result<Self, StartError> {
        let mut record = lock(store, name)?;
        let written = record.load().map_err(StartError::Checkpoint)?;
        let written = written.ok_or_else(|| StartError::NoCheckpoint(name.to_owned()))?;
        let header = journal::read(&written)?.header;
        if header.destination != destination {
            return Err(StartError::OtherDestination(header.destination));
        }
        let upload = Upload::discard(&written, &cleanup.options, cleanup.policy.clone(), seed)?;
        let mut listeners = Listeners::default();
        if let (Ok(bucket), Ok(key)) = (header.bucket.parse(), header.key.parse()) {
            listeners.trace(&ObjectName { bucket, key }, header.source.len);
        }
        Ok(Self { upload, key: header.key, source: None, record: Some(record), listeners })
    }

    /// Begins to delete an upload of which nothing is known but its id. For adapters; see [`FileUpload::begin`].
    #[must_use]
    pub fn discard_id(object: ObjectName, id: UploadId, cleanup: &Cleanup, seed: u64) -> Self {
        let key = object.key.to_string();
        let mut listeners = Listeners::default();
        listeners.trace(&object, 0);
        let upload = Upload::discard_id(object, id, &cleanup.options, cleanup.policy.clone(), seed);
        Self { upload, key, source: None, record: None, listeners }
    }
}

fn open(folder: PathBuf) -> Result<CheckpointFolder, StartError> {
    CheckpointFolder::open(folder).map_err(|error| StartError::Checkpoint(error.into()))
}

/// How long a record is waited for that an upload of this process has: whoever has just dropped the handle of one, and
/// begins it again, is not to be told to wait for what is at its end.
const ENDING: Duration = Duration::from_secs(2);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(2);

fn lock(store: &dyn CheckpointStore, name: &str) -> Result<Box<dyn CheckpointRecord>, StartError> {
    let begun = Instant::now();
    loop {
        match store.lock(name) {
            Err(LockError::Held { holder: Some(holder), .. })
                if holder.is_this_process() && begun.elapsed() < ENDING =>
            {
                thread::sleep(LOOK);
            }
            result => return Ok(result?),
        }
    }
}

/// Why an upload could not begin. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The file cannot be a source.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// The place where checkpoints are kept, or the checkpoint in it, cannot be used. Of a [`CheckpointFolder`] it is a
    /// [`FileError`](crate::FileError).
    #[error(transparent)]
    Checkpoint(BoxError),
    /// The checkpoint is in use, because the upload is already under way; or it cannot be locked. One of this process is
    /// waited for two seconds before: after its handle was dropped, an upload goes on until its checkpoint is written.
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
    /// The HTTP client in use makes a URL of each address, and a URL has no path segments `.` and `..`: the requests
    /// would go to another key than they are signed for.
    #[error(
        "the key {0:?} has a path segment . or .., which the HTTP client in use cannot send; the blocking adapter can"
    )]
    KeyNotSendable(String),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[source] BoxError),
    /// The system has no thread for it.
    #[error("the system has no thread for the upload: {0}")]
    Thread(#[source] io::Error),
}
