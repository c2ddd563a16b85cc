//! The emulator on a socket: how it is started, reached and stopped. What one request meets lives in `service`.

mod body;
mod callback;
mod connections;
mod service;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use ossup_core::digest::Integrity;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{Config, Credentials, DEFAULT_BUCKET};
use crate::faults::Faults;
use crate::journal::Journal;
use crate::model::Model;
use crate::storage::directory::OpenError;
use connections::Role;

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

    /// Where it listens, as an endpoint for clients: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin interface listens, if it was asked for.
    #[must_use]
    pub fn admin_endpoint(&self) -> Option<String> {
        self.admin.map(|address| format!("http://{address}"))
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
        let port = self.address.port();
        let region = &self.model.config().region;
        let Credentials { access_key_id, access_key_secret, .. } = self.credentials();
        format!(
            r#"# Environment (ossup, ossutil, and what reads the same names)
export OSS_ENDPOINT={endpoint}
export OSS_REGION={region}
export OSS_ACCESS_KEY_ID={access_key_id}
export OSS_ACCESS_KEY_SECRET={access_key_secret}

# Python, oss2
bucket = oss2.Bucket(oss2.AuthV4("{access_key_id}", "{access_key_secret}"), "{endpoint}", BUCKET,
                     region="{region}", is_path_style=True)

# Python, alibabacloud-oss-v2
config = oss.config.load_default()
config.credentials_provider = oss.credentials.StaticCredentialsProvider("{access_key_id}", "{access_key_secret}")
config.region, config.endpoint, config.use_path_style = "{region}", "{endpoint}", True
client = oss.Client(config)

# Node, ali-oss: a name as endpoint, since with an address it sends a Host of its own
const client = new OSS({{
  accessKeyId: "{access_key_id}", accessKeySecret: "{access_key_secret}", region: "oss-{region}",
  endpoint: "http://localhost:{port}", sldEnable: true, authorizationV4: true, bucket: BUCKET,
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

    /// Stops: no new connections, idle ones closed, requests under way given a moment to end.
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

/// Sets up an [`Emulator`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    config: Config,
    seed: Option<u64>,
    clock: Clock,
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    console: Option<bool>,
    data: Option<PathBuf>,
    buckets: Vec<String>,
    credentials: Vec<Credentials>,
    limits: Limits,
}

/// Bounds on what clients may take up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            seed: None,
            clock: Clock::system(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin: None,
            console: None,
            data: None,
            buckets: Vec::new(),
            credentials: Vec::new(),
            limits: Limits { connections: 1024 },
        }
    }
}

impl Builder {
    /// Listens there. Port 0 is any free one.
    pub fn listen(self, address: SocketAddr) -> Self {
        Self { listen: address, ..self }
    }

    /// Serves the admin interface there. Whoever reaches it can do anything: leave it on the loopback interface.
    pub fn admin(self, address: SocketAddr) -> Self {
        Self { admin: Some(address), ..self }
    }

    /// Shows the page `/_console`, or not. Unless told, it is shown when listening on the loopback interface.
    pub fn console(self, shown: bool) -> Self {
        Self { console: Some(shown), ..self }
    }

    /// Keeps everything in a directory, which is made if need be, and finds there what was kept before.
    pub fn data(self, directory: impl Into<PathBuf>) -> Self {
        Self { data: Some(directory.into()), ..self }
    }

    /// Has this bucket from the start.
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.buckets.push(name.into());
        self
    }

    /// Knows these credentials besides the default ones.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials.push(credentials);
        self
    }

    /// Is in this region.
    pub fn region(self, region: impl Into<String>) -> Self {
        self.configure(|config| config.region = region.into())
    }

    /// Makes a bucket when a request first names it.
    pub fn auto_create_buckets(self) -> Self {
        self.configure(|config| config.auto_create_buckets = true)
    }

    /// Allows every request, signed or not.
    pub fn without_signature_checks(self) -> Self {
        self.configure(|config| config.check_signatures = false)
    }

    /// Computes only these check values over received content.
    pub fn integrity(self, integrity: Integrity) -> Self {
        self.configure(|config| config.integrity = integrity)
    }

    /// Lets parts be as small as this, in bytes, so that tests with many parts stay small.
    pub fn min_part_size(self, bytes: u64) -> Self {
        self.configure(|config| config.min_part_size = bytes)
    }

    /// Makes callbacks to other machines too. Whoever may upload can then have this machine send requests.
    pub fn remote_callbacks(self) -> Self {
        self.configure(|config| config.remote_callbacks = true)
    }

    /// Goes by this clock instead of the system's.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Makes ids from this seed; otherwise each start has ids of its own.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Accepts no more than so many connections at once; more wait.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections.max(1);
        self
    }

    /// Changes anything else.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts.
    pub fn start(self) -> Result<Emulator, StartError> {
        let Self { mut config, seed, clock, listen, admin, console, data, buckets, credentials, limits } =
            self;
        config.seed = seed.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (since.as_nanos() as u64) ^ u64::from(std::process::id()).rotate_left(40)
        });
        let model = match data {
            Some(directory) => Model::open(config, clock, &directory)?,
            None => Model::new(config, clock),
        };
        for credentials in credentials {
            model.add_credentials(credentials);
        }
        for bucket in buckets {
            model.create_bucket(&bucket).map_err(|source| StartError::Bucket { bucket, source })?;
        }
        let model = Arc::new(model);
        let (listener, address) = bind(listen)?;
        let admin = admin.map(bind).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ossup-emulator")
            .enable_io()
            .enable_time()
            .build()
            .map_err(StartError::Threads)?;
        // A runtime cannot be dropped by a thread that runs async code, so it lives on a thread of its own.
        let served = model.clone();
        let admin_address = admin.as_ref().map(|(_, address)| *address);
        let admin_listener = admin;
        let thread = std::thread::Builder::new()
            .name("ossup-emulator".into())
            .spawn(move || {
                runtime.block_on(async {
                    let remote = served.config().remote_callbacks;
                    let caller = Arc::new(callback::Caller::new(address, remote));
                    let console = console.unwrap_or_else(|| address.ip().is_loopback());
                    if let Some((listener, _)) = admin_listener {
                        let (model, stopped) = (served.clone(), stopped.clone());
                        tokio::spawn(connections::accept(listener, model, Role::Admin, limits, stopped));
                    }
                    connections::accept(listener, served, Role::Oss { console, caller }, limits, stopped)
                        .await;
                });
                runtime.shutdown_background();
            })
            .map_err(StartError::Threads)?;
        Ok(Emulator { address, admin: admin_address, model, stop, thread: Some(thread) })
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let found = listener.local_addr().map_err(failed)?;
    Ok((listener, found))
}
