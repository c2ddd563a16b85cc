//! Both adapters behind one face.

use std::sync::Arc;
use std::time::Duration;

use ossup_core::endpoint::Endpoint;
use ossup_core::object::{BucketName, ObjectName};
use ossup_core::part::UploadId;
use ossup_core::sign::Signer;
use ossup_core::upload::survey::Found;
use ossup_core::upload::{Cancel, Cause, Outcome, Progress};
use ossup_fs::{CheckpointFolder, FileUpload, StartError};

/// An adapter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Adapter {
    Ureq,
    Reqwest,
}

impl Adapter {
    pub(crate) const ALL: [Self; 2] = [Self::Ureq, Self::Reqwest];

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Ureq => Self::Reqwest,
            Self::Reqwest => Self::Ureq,
        }
    }

    pub(crate) fn client(
        self,
        endpoint: &Endpoint,
        signer: impl Signer + 'static,
        stall_timeout: Duration,
    ) -> Client {
        match self {
            Self::Ureq => {
                let settings =
                    ossup_ureq::HttpSettings::new().no_proxy().stall_timeout(stall_timeout).unwrap();
                Client::Ureq(ossup_ureq::Client::with_signer(endpoint, signer, settings))
            }
            Self::Reqwest => {
                let settings =
                    ossup_reqwest::HttpSettings::new().no_proxy().stall_timeout(stall_timeout).unwrap();
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .unwrap();
                Client::Reqwest(ossup_reqwest::Client::with_signer(endpoint, signer, settings), runtime)
            }
        }
    }
}

/// A client of an adapter, and what it runs in.
pub(crate) enum Client {
    Ureq(ossup_ureq::Client),
    Reqwest(ossup_reqwest::Client, tokio::runtime::Runtime),
}

impl Client {
    /// Uploads; `act` is called once that has begun.
    pub(crate) fn upload(
        &self,
        upload: FileUpload,
        act: impl FnOnce(&Control<'_>),
    ) -> Result<Outcome, StartError> {
        match self {
            Self::Ureq(client) => {
                let handle = client.start(upload)?;
                act(&Control::Ureq(&handle));
                Ok(handle.wait())
            }
            Self::Reqwest(client, runtime) => {
                let handle = runtime.block_on(client.start(upload))?;
                act(&Control::Reqwest(&handle));
                Ok(runtime.block_on(handle.wait()))
            }
        }
    }

    /// Begins an upload, and drops it when `act` is done.
    pub(crate) fn begin_and_drop(
        &self,
        upload: FileUpload,
        act: impl FnOnce(&Control<'_>),
    ) -> Result<(), StartError> {
        match self {
            Self::Ureq(client) => act(&Control::Ureq(&client.start(upload)?)),
            Self::Reqwest(client, runtime) => {
                act(&Control::Reqwest(&runtime.block_on(client.start(upload))?));
            }
        }
        Ok(())
    }

    pub(crate) fn discard(&self, folder: CheckpointFolder, name: &str) -> Result<Outcome, StartError> {
        match self {
            Self::Ureq(client) => Ok(client.start_discard(&folder, name)?.wait()),
            Self::Reqwest(client, runtime) => {
                let start = client.start_discard(Arc::new(folder), name);
                runtime.block_on(async { Ok(start.await?.wait().await) })
            }
        }
    }

    pub(crate) fn unfinished(&self, bucket: &BucketName, prefix: Option<&str>) -> Result<Found, Cause> {
        match self {
            Self::Ureq(client) => client.unfinished(bucket, prefix),
            Self::Reqwest(client, runtime) => runtime.block_on(client.unfinished(bucket, prefix)),
        }
    }

    pub(crate) fn discard_id(&self, object: ObjectName, id: UploadId) -> Outcome {
        match self {
            Self::Ureq(client) => client.start_discard_id(object, id).unwrap().wait(),
            Self::Reqwest(client, runtime) => {
                runtime.block_on(async { client.start_discard_id(object, id).await.unwrap().wait().await })
            }
        }
    }
}

/// Controls an upload that is under way.
pub(crate) enum Control<'a> {
    Ureq(&'a ossup_ureq::UploadHandle),
    Reqwest(&'a ossup_reqwest::UploadHandle),
}

impl Control<'_> {
    /// Whether it has ended, so that there is nothing to wait for.
    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Self::Ureq(handle) => handle.is_finished(),
            Self::Reqwest(handle) => handle.is_finished(),
        }
    }

    pub(crate) fn pause(&self) {
        match self {
            Self::Ureq(handle) => handle.pause(),
            Self::Reqwest(handle) => handle.pause(),
        }
    }

    pub(crate) fn unpause(&self) {
        match self {
            Self::Ureq(handle) => handle.unpause(),
            Self::Reqwest(handle) => handle.unpause(),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        match self {
            Self::Ureq(handle) => handle.progress(),
            Self::Reqwest(handle) => handle.progress(),
        }
    }

    pub(crate) fn cancel(&self, how: Cancel) {
        match self {
            Self::Ureq(handle) => handle.cancel(how),
            Self::Reqwest(handle) => handle.cancel(how),
        }
    }
}
