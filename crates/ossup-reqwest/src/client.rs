//! The client: an endpoint, whoever signs for it, and the connections to it.

use std::sync::Arc;

use ossup_core::endpoint::Endpoint;
use ossup_core::object::{BucketName, ObjectName};
use ossup_core::part::UploadId;
use ossup_core::sign::{LocalSigner, Provider, SignError, SignatureVersion, Signer};
use ossup_core::upload::survey::Found;
use ossup_core::upload::{Cause, Outcome, TransportError, TransportKind};
use ossup_fs::{Begun, CheckpointStore, Cleanup, FileUpload, StartError};

use crate::blocking::off_reactor;
use crate::driver::Driver;
use crate::handle::UploadHandle;
use crate::http_client::Http;
use crate::pieces::Memory;
use crate::settings::HttpSettings;
use crate::survey;
use crate::task::{Site, now};

/// Uploads files to an endpoint. Cheap to clone; the clones share their connections.
///
/// A client belongs to the runtime in which it is used: do not use it in a second one after the first has shut down.
#[derive(Clone)]
pub struct Client {
    destination: Arc<str>,
    signer: Arc<dyn Signer>,
    cleanup: Arc<Cleanup>,
    http: Result<Arc<Http>, Arc<reqwest::Error>>,
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
            http: settings.into_http().map(Arc::new).map_err(Arc::new),
        }
    }

    /// The same client, which cleans up like this: what [`start_discard`](Self::start_discard),
    /// [`start_discard_id`](Self::start_discard_id) and [`unfinished`](Self::unfinished) do.
    #[must_use]
    pub fn with_cleanup(self, cleanup: Cleanup) -> Self {
        Self { cleanup: Arc::new(cleanup), ..self }
    }

    /// Uploads a file. Dropping the future ends the upload and keeps what it has come to, as dropping an
    /// [`UploadHandle`] does.
    ///
    /// # Errors
    /// It could not begin. How it ended if it did begin is what the [`Outcome`] says.
    pub fn upload(
        &self,
        upload: FileUpload,
    ) -> impl Future<Output = Result<Outcome, StartError>> + Send + use<> {
        let start = self.start(upload);
        async move { Ok(start.await?.wait().await) }
    }

    /// Begins to upload a file.
    ///
    /// # Errors
    /// It could not begin.
    pub fn start(
        &self,
        upload: FileUpload,
    ) -> impl Future<Output = Result<UploadHandle, StartError>> + Send + use<> {
        self.drive(move |destination| upload.begin(destination, now(), fastrand::u64(..)))
    }

    /// Begins to delete what an upload has sent, knowing nothing but its checkpoint: such as one of those that
    /// [`CheckpointFolder::list`](ossup_fs::CheckpointFolder::list) names.
    ///
    /// # Errors
    /// There is no such checkpoint, it is in use or cannot be read, or it is of an upload to another endpoint.
    pub fn start_discard(
        &self,
        store: Arc<dyn CheckpointStore>,
        name: &str,
    ) -> impl Future<Output = Result<UploadHandle, StartError>> + Send + use<> {
        let (name, cleanup) = (name.to_owned(), Arc::clone(&self.cleanup));
        self.drive(move |destination| {
            Begun::discard(&*store, &name, destination, &cleanup, fastrand::u64(..))
        })
    }

    /// Begins to delete an upload of which nothing is known but its id, such as one that [`unfinished`](Self::unfinished)
    /// has found. Whoever is still sending parts of it will find it gone.
    ///
    /// # Errors
    /// The key cannot be asked for, or the HTTP client could not be made.
    pub fn start_discard_id(
        &self,
        object: ObjectName,
        id: UploadId,
    ) -> impl Future<Output = Result<UploadHandle, StartError>> + Send + use<> {
        let cleanup = Arc::clone(&self.cleanup);
        self.drive(move |_| Ok(Begun::discard_id(object, id, &cleanup, fastrand::u64(..))))
    }

    /// The uploads of a bucket that are neither completed nor aborted, or those whose keys begin with `prefix`, whoever
    /// began them.
    ///
    /// # Errors
    /// The server refused (it takes the permission `oss:ListMultipartUploads`), or could not be asked.
    pub fn unfinished(
        &self,
        bucket: &BucketName,
        prefix: Option<&str>,
    ) -> impl Future<Output = Result<Found, Cause>> + Send + use<> {
        let survey = self.cleanup.survey(bucket.clone(), prefix, fastrand::u64(..));
        let (signer, http) = (Arc::clone(&self.signer), self.http.clone());
        async move {
            let http = http.map_err(|error| {
                Cause::Network(TransportError::new(TransportKind::Connect, error.to_string()))
            })?;
            survey::conduct(survey, signer, http).await
        }
    }

    fn drive<F>(&self, how: F) -> impl Future<Output = Result<UploadHandle, StartError>> + Send + use<F>
    where
        F: FnOnce(&str) -> Result<Begun, StartError> + Send + 'static,
    {
        let Self { destination, signer, http, .. } = self.clone();
        async move {
            let http = http.map_err(|error| StartError::Client(error.into()))?;
            let begun = off_reactor(move || how(&destination)).await?;
            if !is_sendable(&begun.key) {
                return Err(StartError::KeyNotSendable(begun.key));
            }
            let memory = Memory::default();
            let site = Site { source: begun.source.map(Arc::new), signer, http, memory };
            let (driver, desk) = Driver::new(begun.upload, site, begun.record, begun.listeners);
            Ok(UploadHandle::new(desk, tokio::spawn(driver.run())))
        }
    }
}

/// Whether a request about this key goes to the path it should go to. A URL has no segments `.` and `..`; all other
/// characters that mean something in one are written as escapes in a request.
fn is_sendable(key: &str) -> bool {
    !key.split('/').any(|segment| segment == "." || segment == "..")
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("destination", &self.destination).finish_non_exhaustive()
    }
}
