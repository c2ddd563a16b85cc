//! The emulator on a socket: how it is reached and stopped. What one request meets lives in `service`.

mod body;
mod builder;
mod callback;
mod connections;
mod service;
mod tls;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{Credentials, DEFAULT_BUCKET};
use crate::faults::Faults;
use crate::journal::Journal;
use crate::model::Model;
use crate::storage::directory::OpenError;

pub use builder::Builder;
pub(crate) use builder::Limits;

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What failed.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A bucket cannot be made.
    #[error("cannot make the bucket {bucket}")]
    Bucket {
        /// The name.
        bucket: String,
        /// What failed.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// The operating system gave no thread.
    #[error("cannot start the server's threads")]
    Threads(#[source] io::Error),
}

/// An OSS look-alike that listens on a socket and stops when it is dropped.
///
/// ```
/// use ossup_emulator::{Action, Emulator, Operation, Rule};
/// let emulator = Emulator::start()?;
/// emulator.faults().add(Rule::on(Operation::UploadPart, Action::LoseAnswer).part(2).nth(1));
/// // … point a client at emulator.endpoint() …
/// assert_eq!(emulator.journal().count(Operation::UploadPart), 0);
/// # Ok::<(), ossup_emulator::StartError>(())
/// ```
pub struct Emulator {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    certificate: Option<String>,
    model: Arc<Model>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Emulator {
    /// An emulator in memory on a free port of the loopback interface, with the bucket
    /// [`DEFAULT_BUCKET`] and the credentials [`ACCESS_KEY_ID`](crate::ACCESS_KEY_ID) and
    /// [`ACCESS_KEY_SECRET`](crate::ACCESS_KEY_SECRET).
    pub fn start() -> Result<Self, StartError> {
        Self::builder().bucket(DEFAULT_BUCKET).start()
    }

    /// An emulator to be set up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens, as an endpoint for clients of this machine: `http://127.0.0.1:PORT`, or `https`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        endpoint(self.address, self.certificate.is_some())
    }

    /// The certificate that clients must trust, in PEM, where it speaks https.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin interface listens, if it was asked for.
    #[must_use]
    pub fn admin_endpoint(&self) -> Option<String> {
        self.admin.map(|address| endpoint(address, false))
    }

    /// What it knows, and ways to look at it.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The record of all requests.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        self.model.journal()
    }

    /// The rules that say what goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.model.faults()
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.model.clock()
    }

    /// Lines to paste that point the official clients, and `ossup`, at this emulator.
    #[must_use]
    pub fn instructions(&self) -> String {
        let endpoint = self.endpoint();
        let scheme = endpoint.split(':').next().unwrap_or_default();
        let port = self.address.port();
        let region = &self.model.config().region;
        let buckets = self.model.buckets();
        let bucket = buckets.first().map_or("BUCKET", |bucket| bucket.name.as_str());
        let Credentials { access_key_id, access_key_secret, .. } = self.credentials();
        format!(
            r#"# Environment (ossup, ossutil, and what reads the same names)
export OSS_ENDPOINT={endpoint}
export OSS_REGION={region}
export OSS_ACCESS_KEY_ID={access_key_id}
export OSS_ACCESS_KEY_SECRET={access_key_secret}

# Python, oss2
bucket = oss2.Bucket(oss2.AuthV4("{access_key_id}", "{access_key_secret}"), "{endpoint}", "{bucket}",
                     region="{region}", is_path_style=True)

# Python, alibabacloud-oss-v2
config = oss.config.load_default()
config.credentials_provider = oss.credentials.StaticCredentialsProvider("{access_key_id}", "{access_key_secret}")
config.region, config.endpoint, config.use_path_style = "{region}", "{endpoint}", True
client = oss.Client(config)

# Node, ali-oss: a name as endpoint, since with an address it sends a Host of its own
const client = new OSS({{
  accessKeyId: "{access_key_id}", accessKeySecret: "{access_key_secret}", region: "oss-{region}",
  endpoint: "{scheme}://localhost:{port}", sldEnable: true, authorizationV4: true, bucket: "{bucket}",
}});
"#
        )
    }

    /// Makes a bucket; one that is there stays as it is.
    pub fn create_bucket(&self, name: &str) -> io::Result<()> {
        self.model.create_bucket(name)
    }

    /// The credentials that it knows from the start.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials::default()
    }

    /// Waits until it stops: for ever, unless its threads die.
    pub fn wait(mut self) {
        self.join();
    }

    /// Stops: no new connections, idle ones closed, requests under way given a moment to end
    /// ([`Builder::grace`]). Then port and data directory are free.
    pub fn stop(self) {
        drop(self);
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic in the server's thread was reported there.
            let _ = thread.join();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.join();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("address", &self.address).finish_non_exhaustive()
    }
}

fn endpoint(mut address: SocketAddr, https: bool) -> String {
    // Whoever listens everywhere is not at the address for that.
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let scheme = if https { "https" } else { "http" };
    format!("{scheme}://{address}")
}
