//! Both adapters behind one face.

use std::time::Duration;

use ossup_core::endpoint::Endpoint;
use ossup_core::sign::Signer;
use ossup_core::upload::{Cancel, Outcome};
use ossup_fs::{FileUpload, StartError};

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

    /// Uploads; `act` is called once that has begun.
    pub(crate) fn upload(
        self,
        endpoint: &Endpoint,
        signer: impl Signer + 'static,
        stall_timeout: Duration,
        upload: FileUpload,
        act: impl FnOnce(&Control<'_>),
    ) -> Result<Outcome, StartError> {
        match self {
            Self::Ureq => {
                let settings = ossup_ureq::HttpSettings::new().no_proxy().stall_timeout(stall_timeout);
                let client = ossup_ureq::Client::with_signer(endpoint, signer, settings);
                let handle = client.start(upload)?;
                act(&Control::Ureq(&handle));
                Ok(handle.wait())
            }
            Self::Reqwest => {
                let settings = ossup_reqwest::HttpSettings::new().no_proxy().stall_timeout(stall_timeout);
                let client = ossup_reqwest::Client::with_signer(endpoint, signer, settings);
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .unwrap();
                let handle = runtime.block_on(client.start(upload))?;
                act(&Control::Reqwest(&handle));
                Ok(runtime.block_on(handle.wait()))
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

    pub(crate) fn cancel(&self, how: Cancel) {
        match self {
            Self::Ureq(handle) => handle.cancel(how),
            Self::Reqwest(handle) => handle.cancel(how),
        }
    }
}
