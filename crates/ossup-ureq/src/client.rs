//! The client: an endpoint, whoever signs for it, and the connections to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use ossup_core::checkpoint::journal;
use ossup_core::endpoint::Endpoint;
use ossup_core::sign::{LocalSigner, Provider, SignError, SignatureVersion, Signer};
use ossup_core::upload::{Job, Outcome, Policy, Recording, Upload};
use ossup_fs::{CheckpointFolder, FileSource, Record};

use crate::driver::{Driver, Listeners};
use crate::handle::UploadHandle;
use crate::line::Lines;
use crate::settings::HttpSettings;
use crate::upload::{FileUpload, StartError};
use crate::worker::{Site, now};

/// Uploads files to an endpoint. Cheap to clone; the clones share their connections.
#[derive(Clone)]
pub struct Client {
    destination: Arc<str>,
    signer: Arc<dyn Signer>,
    lines: Arc<Lines>,
}

impl Client {
    /// A client that signs with these credentials (signature V4) and has the default [`HttpSettings`].
    ///
    /// # Errors
    /// The signature needs the region of the endpoint, and the endpoint has none.
    pub fn new(endpoint: &Endpoint, credentials: impl Provider + 'static) -> Result<Self, SignError> {
        let signer = LocalSigner::new(endpoint.clone(), credentials, SignatureVersion::V4)?;
        Ok(Self::with_signer(endpoint, signer, HttpSettings::default()))
    }

    /// A client whose requests are signed by `signer`. `endpoint` is where the signer sends them.
    pub fn with_signer(endpoint: &Endpoint, signer: impl Signer + 'static, settings: HttpSettings) -> Self {
        Self {
            destination: endpoint.authority().into(),
            signer: Arc::new(signer),
            lines: Arc::new(Lines::new(settings.into_http())),
        }
    }

    /// Uploads a file, and waits until that is over.
    ///
    /// # Errors
    /// It could not begin. How it ended if it did begin is what the [`Outcome`] says.
    pub fn upload(&self, upload: FileUpload) -> Result<Outcome, StartError> {
        Ok(self.start(upload)?.wait())
    }

    /// Begins to upload a file.
    ///
    /// # Errors
    /// It could not begin.
    pub fn start(&self, upload: FileUpload) -> Result<UploadHandle, StartError> {
        let source = FileSource::open(upload.path)?;
        let record = match upload.checkpoint_folder {
            Some(folder) => {
                Some(CheckpointFolder::open(folder)?.lock_for(&self.destination, &upload.object, &source)?)
            }
            None => None,
        };
        let written = record.as_ref().map(Record::load).transpose()?.flatten();
        let job = Job {
            options: upload.options,
            callback: upload.callback,
            recording: if record.is_some() { Recording::Checkpoint } else { Recording::Nowhere },
            policy: upload.policy,
            ..Job::new(upload.object, &*self.destination, source.identity().clone(), now())
        };
        let machine = match written {
            Some(written) => Upload::resume(job, &written, fastrand::u64(..)),
            None => Upload::start(job, fastrand::u64(..)),
        };
        self.drive(machine, Some(source), record, upload.listeners)
    }

    /// Begins to delete what an upload has sent, knowing nothing but its checkpoint: one of those that
    /// [`CheckpointFolder::list`] names.
    ///
    /// # Errors
    /// There is no such checkpoint, it is in use or cannot be read, or it is of an upload to another endpoint.
    pub fn start_discard(&self, folder: impl Into<PathBuf>, name: &str) -> Result<UploadHandle, StartError> {
        let record = CheckpointFolder::open(folder)?.lock(name)?;
        let written = record.load()?.ok_or_else(|| StartError::NoCheckpoint(name.to_owned()))?;
        let destination = journal::read(&written)?.header.destination;
        if *destination != *self.destination {
            return Err(StartError::OtherDestination(destination));
        }
        let machine = Upload::discard(&written, Policy::default(), fastrand::u64(..))?;
        self.drive(machine, None, Some(record), Listeners::default())
    }

    fn drive(
        &self,
        upload: Upload,
        source: Option<FileSource>,
        record: Option<Record>,
        listeners: Listeners,
    ) -> Result<UploadHandle, StartError> {
        let site = Site { source, signer: Arc::clone(&self.signer), lines: Arc::clone(&self.lines) };
        let driver = Driver::new(upload, site, record, listeners);
        let desk = driver.desk();
        let thread = thread::Builder::new()
            .name("ossup-driver".into())
            .spawn(move || driver.run())
            .map_err(StartError::Thread)?;
        Ok(UploadHandle::new(desk, thread))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("destination", &self.destination).finish_non_exhaustive()
    }
}
