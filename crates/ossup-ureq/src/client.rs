//! The client: an endpoint, whoever signs for it, and the connections to it.

use std::sync::Arc;
use std::thread;

use ossup_core::endpoint::Endpoint;
use ossup_core::object::{BucketName, ObjectName};
use ossup_core::part::UploadId;
use ossup_core::sign::{LocalSigner, Provider, SignError, SignatureVersion, Signer};
use ossup_core::upload::survey::Found;
use ossup_core::upload::{Cause, Outcome};
use ossup_fs::{Begun, CheckpointStore, Cleanup, FileUpload, StartError};

use crate::driver::Driver;
use crate::handle::UploadHandle;
use crate::line::Lines;
use crate::settings::HttpSettings;
use crate::survey;
use crate::worker::{Site, now};

/// Uploads files to an endpoint. Cheap to clone; the clones share their connections.
#[derive(Clone)]
pub struct Client {
    destination: Arc<str>,
    signer: Arc<dyn Signer>,
    cleanup: Arc<Cleanup>,
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
            cleanup: Arc::default(),
            lines: Arc::new(Lines::new(settings.into_http())),
        }
    }

    /// The same client, which cleans up like this: what [`start_discard`](Self::start_discard),
    /// [`start_discard_id`](Self::start_discard_id) and [`unfinished`](Self::unfinished) do.
    #[must_use]
    pub fn with_cleanup(self, cleanup: Cleanup) -> Self {
        Self { cleanup: Arc::new(cleanup), ..self }
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
        self.drive(upload.begin(&self.destination, now(), fastrand::u64(..))?)
    }

    /// Begins to delete what an upload has sent, knowing nothing but its checkpoint: such as one of those that
    /// [`CheckpointFolder::list`](ossup_fs::CheckpointFolder::list) names.
    ///
    /// # Errors
    /// There is no such checkpoint, it is in use or cannot be read, or it is of an upload to another endpoint.
    pub fn start_discard(&self, store: &dyn CheckpointStore, name: &str) -> Result<UploadHandle, StartError> {
        self.drive(Begun::discard(store, name, &self.destination, &self.cleanup, fastrand::u64(..))?)
    }

    /// Begins to delete an upload of which nothing is known but its id, such as one that [`unfinished`](Self::unfinished)
    /// has found. Whoever is still sending parts of it will find it gone.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start_discard_id(&self, object: ObjectName, id: UploadId) -> Result<UploadHandle, StartError> {
        self.drive(Begun::discard_id(object, id, &self.cleanup, fastrand::u64(..)))
    }

    /// The uploads of a bucket that are neither completed nor aborted, or those whose keys begin with `prefix`, whoever
    /// began them. Waits for the answer.
    ///
    /// # Errors
    /// The server refused (it takes the permission `oss:ListMultipartUploads`), or could not be asked.
    pub fn unfinished(&self, bucket: &BucketName, prefix: Option<&str>) -> Result<Found, Cause> {
        let survey = self.cleanup.survey(bucket.clone(), prefix, fastrand::u64(..));
        survey::conduct(survey, &*self.signer, &self.lines)
    }

    fn drive(&self, begun: Begun) -> Result<UploadHandle, StartError> {
        let site =
            Site { source: begun.source, signer: Arc::clone(&self.signer), lines: Arc::clone(&self.lines) };
        let driver = Driver::new(begun.upload, site, begun.record, begun.listeners);
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
