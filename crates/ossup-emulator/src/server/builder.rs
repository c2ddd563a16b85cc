//! Setting up an emulator, and starting it.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ossup_core::digest::Integrity;
use tokio::sync::watch;

use super::connections::{self, Role};
use super::{Emulator, StartError, callback, endpoint, tls};
use crate::clock::Clock;
use crate::config::{Config, Credentials};
use crate::model::Model;

/// How long work that cannot be interrupted may keep the server from stopping: a copy under way sees that it is to end,
/// a name that is being looked up does not.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

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
    https: bool,
    data: Option<PathBuf>,
    buckets: Vec<String>,
    credentials: Vec<Credentials>,
    limits: Limits,
}

/// Bounds on what clients may take up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    /// How long requests under way have when the server stops.
    pub(crate) grace: Duration,
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
            https: false,
            data: None,
            buckets: Vec::new(),
            credentials: Vec::new(),
            limits: Limits { connections: 1024, grace: Duration::from_millis(500) },
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

    /// Speaks https, with a certificate that it makes for itself: see [`Emulator::certificate`].
    pub fn https(self) -> Self {
        Self { https: true, ..self }
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

    /// Gives requests that are under way so long to end when it stops; half a second unless told.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.limits.grace = grace;
        self
    }

    /// Changes anything else.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts.
    pub fn start(self) -> Result<Emulator, StartError> {
        let Self {
            mut config,
            seed,
            clock,
            listen,
            admin,
            console,
            https,
            data,
            buckets,
            credentials,
            limits,
        } = self;
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
        let tls = https.then(|| {
            let buckets: Vec<String> = model.buckets().into_iter().map(|bucket| bucket.name).collect();
            tls::Tls::new(address.ip(), &model.config().base_domains, &buckets)
        });
        let tls = tls.transpose().map_err(StartError::Certificate)?;
        let (tls, certificate) = tls.map(|tls| (tls.acceptor, tls.certificate)).unzip();
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ossup-emulator")
            .enable_io()
            .enable_time()
            .build()
            .map_err(StartError::Threads)?;
        // A runtime cannot be dropped by a thread that runs async code, so it lives on a thread of its own.
        let (served, ending) = (model.clone(), model.clone());
        let endpoint = endpoint(address, certificate.is_some());
        let admin_address = admin.as_ref().map(|(_, address)| *address);
        let admin_listener = admin;
        let thread = std::thread::Builder::new()
            .name("ossup-emulator".into())
            .spawn(move || {
                runtime.block_on(async {
                    let remote = served.config().remote_callbacks;
                    let reach = callback::Reach { remote, address, admin: admin_address };
                    let caller = Arc::new(callback::Caller::new(&endpoint, reach));
                    let console = console.unwrap_or_else(|| address.ip().is_loopback());
                    if let Some((listener, _)) = admin_listener {
                        let (model, stopped) = (served.clone(), stopped.clone());
                        tokio::spawn(connections::accept(listener, model, Role::Admin, limits, stopped));
                    }
                    connections::accept(
                        listener,
                        served,
                        Role::Oss { console, caller, tls },
                        limits,
                        stopped,
                    )
                    .await;
                });
                ending.interrupt();
                drop(ending);
                // Nobody but the caller has the model then, so that its directory is free.
                runtime.shutdown_timeout(STOPPED_WITHIN);
            })
            .map_err(StartError::Threads)?;
        Ok(Emulator { address, admin: admin_address, certificate, model, stop, thread: Some(thread) })
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let found = listener.local_addr().map_err(failed)?;
    Ok((listener, found))
}
