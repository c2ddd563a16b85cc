//! The emulator without sockets: requests in, answers out, over a storage, a clock that is told and ids from a seed.
//!
//! A request is taken in three steps, so that a body of any size costs no memory: [`Model::begin`] reads the head,
//! [`Intake::write`] takes the body piece by piece, [`Model::finish`] does the work. [`Model::handle`] is all three at
//! once.

mod admit;
mod append;
mod attributes;
mod bucket;
mod callback;
mod complete;
mod copy;
mod delete;
mod get;
mod intake;
mod list_objects;
mod list_uploads;
mod multipart;
mod object;
mod operation;
mod page;
mod parameters;
mod put;
mod received;
pub(crate) mod refusal;
mod reply;
mod setup;
mod survey;
mod tagging;
mod weight;
pub(crate) mod world;
mod xml;

pub(crate) use received::{Received, Target, bare_host};
pub(crate) use refusal::Refusal;

pub use callback::{Calling, Delivery, DeliveryResult, Finished};
pub(crate) use callback::{MARK as CALLBACK_MARK, MAX_ANSWER};
pub use intake::Intake;
pub(crate) use intake::flip;
pub use operation::Operation;
pub use reply::Body;
pub use setup::{BucketView, ObjectView, PartView, UploadView};
pub(crate) use survey::Most;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};

use crate::auth::Keys;
use crate::clock::Clock;
use crate::config::{Config, Credentials};
use crate::faults::Faults;
use crate::journal::Journal;
use crate::storage::Storage;
use crate::storage::account::Account;
use crate::storage::directory::{Directory, OpenError};
use crate::storage::memory::Memory;
use world::Buckets;

/// An OSS without sockets.
///
/// A clone is another world that begins as a copy of this one; what it receives later it keeps in memory.
pub struct Model {
    config: Arc<Config>,
    storage: Arc<dyn Storage>,
    /// The memory for records, and for content that is kept in memory.
    account: Arc<Account>,
    state: Mutex<State>,
    /// How often records were written.
    written: AtomicU64,
    clock: Clock,
    faults: Faults,
    journal: Journal,
    callbacks: Mutex<Option<Deliver>>,
    /// Work that takes long is to end.
    interrupted: AtomicBool,
}

/// Makes callbacks for a model that has no server.
type Deliver = Arc<dyn Fn(&Delivery) -> DeliveryResult + Send + Sync>;

#[derive(Clone)]
pub(crate) struct State {
    buckets: Buckets,
    keys: Keys,
    /// How many ids were made.
    ids: u64,
}

impl State {
    /// The next number of a sequence that looks random and is the same for the same seed.
    fn random(&mut self, seed: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.ids = self.ids.wrapping_add(1);
        let mut z = seed.wrapping_add(self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Model {
    /// An empty world in memory that knows the default credentials.
    #[must_use]
    pub fn new(config: Config, clock: Clock) -> Self {
        let account = Account::new(config.memory_limit);
        let storage = Arc::new(Memory::new(account.clone()));
        Self::with(config, clock, storage, account, Buckets::new())
    }

    /// The world that is kept in a directory; an empty one if there is none yet.
    pub fn open(config: Config, clock: Clock, directory: &Path) -> Result<Self, OpenError> {
        let (storage, mut buckets) = Directory::open(directory)?;
        let account = Account::new(config.memory_limit);
        weight::count(&mut buckets, &account);
        Ok(Self::with(config, clock, Arc::new(storage), account, buckets))
    }

    fn with(
        config: Config,
        clock: Clock,
        storage: Arc<dyn Storage>,
        account: Arc<Account>,
        buckets: Buckets,
    ) -> Self {
        let mut keys = Keys::default();
        keys.add(Credentials::default());
        Self {
            config: Arc::new(config),
            storage,
            account,
            state: Mutex::new(State { buckets, keys, ids: 0 }),
            written: AtomicU64::new(0),
            clock,
            faults: Faults::default(),
            journal: Journal::default(),
            callbacks: Mutex::new(None),
            interrupted: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The storage, to write a record: what was seen of the world before is old from now on.
    fn records(&self) -> &dyn Storage {
        self.written.fetch_add(1, Ordering::SeqCst);
        &*self.storage
    }

    fn callbacks(&self) -> MutexGuard<'_, Option<Deliver>> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes callbacks by calling this, where there is no server to make them.
    pub fn on_callback(&self, deliver: impl Fn(&Delivery) -> DeliveryResult + Send + Sync + 'static) {
        *self.callbacks() = Some(Arc::new(deliver));
    }

    fn deliver(&self, delivery: &Delivery) -> DeliveryResult {
        let deliver = self.callbacks().clone();
        deliver.map_or_else(|| Err("there is no network".into()), |deliver| deliver(delivery))
    }

    /// Has work that takes long fail, now and from now on.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// Fails once the work is to end.
    fn check_interrupted(&self) -> std::io::Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    /// How the model was set up.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The rules that say what goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The record of all requests.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Serves a request whose body is at hand. Faults that are about the connection are not carried out; they are
    /// among the extensions of the response, as [`Conduct`](crate::Conduct).
    ///
    /// ```
    /// use ossup_core::time::Timestamp;
    /// use ossup_emulator::{Clock, Config, Model};
    /// let model = Model::new(Config::default(), Clock::fixed(Timestamp::from_unix(1_702_743_657)));
    /// let request = http::Request::get("/bucket/key").body(Vec::new().into()).unwrap();
    /// assert_eq!(model.handle(request).status(), 403);
    /// ```
    pub fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let mut intake = self.begin(&head);
        intake.write(body);
        let (head, body) = self.finish(intake).into_parts();
        // Only content in a directory can fail to be read; cut short, it is noticed as on a real connection.
        Response::from_parts(head, body.into_bytes().unwrap_or_default())
    }
}

impl Clone for Model {
    fn clone(&self) -> Self {
        let account = Account::new(self.config.memory_limit);
        Self {
            config: self.config.clone(),
            storage: Arc::new(Memory::new(account.clone())),
            account,
            state: Mutex::new(self.state().clone()),
            written: AtomicU64::new(0),
            clock: self.clock.fork(),
            faults: self.faults.fork(),
            journal: self.journal.fork(),
            callbacks: Mutex::new(self.callbacks().clone()),
            interrupted: AtomicBool::new(false),
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.storage.close();
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("config", &self.config)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
