//! A scene: an emulator, a file, a folder for checkpoints, and keys to sign with.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ossup_core::digest::Crc64;
use ossup_core::endpoint::{Endpoint, Region};
use ossup_core::object::ObjectName;
use ossup_core::part::UploadId;
use ossup_core::retry::RetryPolicy;
use ossup_core::sign::{Credentials, LocalSigner, Provider, ProviderError, SignatureVersion};
use ossup_core::upload::survey::Found;
use ossup_core::upload::{End, Outcome, Policy};
use ossup_emulator::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, Clock, DEFAULT_BUCKET, DEFAULT_REGION, Emulator, Operation,
    Rule,
};
use ossup_fs::{FileUpload, StartError};

use crate::adapter::{Adapter, Client, Control};
use crate::seen::{self, Seen};

pub(crate) const PART: usize = 100 << 10;

/// An hour: longer than any test. Who waits for so long has failed to be interrupted.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(3600);

/// Silence for as long as a test lasts.
pub(crate) fn silence() -> Action {
    Action::Stall { millis: 3_600_000 }
}

/// Plays a scenario with each adapter. What is seen must be the same.
pub(crate) fn alike<T: PartialEq + std::fmt::Debug>(scenario: impl Fn(&mut Scene) -> T) {
    let seen = Adapter::ALL.map(|adapter| scenario(&mut Scene::new(adapter)));
    assert_eq!(seen[0], seen[1], "{:?} on the left, {:?} on the right", Adapter::Ureq, Adapter::Reqwest);
}

pub(crate) struct Scene {
    pub(crate) adapter: Adapter,
    pub(crate) emulator: Emulator,
    pub(crate) keys: Keys,
    pub(crate) stall_timeout: Duration,
    root: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new(adapter: Adapter) -> Self {
        // Signatures have the time of this machine, so the clock goes with it. Equal seeds make equal ids.
        let emulator =
            Emulator::builder().bucket(DEFAULT_BUCKET).seed(7).clock(Clock::system()).start().unwrap();
        Self::with(adapter, emulator)
    }

    pub(crate) fn with(adapter: Adapter, emulator: Emulator) -> Self {
        let keys = Keys::new(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET));
        let root = tempfile::tempdir().unwrap();
        Self { adapter, emulator, keys, stall_timeout: FOR_EVER, root }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.root.path().join("file")
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.root.path().join("checkpoints")
    }

    /// Makes the file have so many bytes.
    pub(crate) fn write(&self, len: usize) -> Vec<u8> {
        let content: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
        std::fs::write(self.file(), &content).unwrap();
        content
    }

    /// An upload of the file, one part after the other.
    pub(crate) fn describe(&self) -> FileUpload {
        self.describe_as("key", policy())
    }

    pub(crate) fn describe_as(&self, key: &str, policy: Policy) -> FileUpload {
        let object = ObjectName { bucket: DEFAULT_BUCKET.parse().unwrap(), key: key.parse().unwrap() };
        FileUpload::new(self.file(), object).policy(policy).checkpoint_folder(self.checkpoints())
    }

    pub(crate) fn try_upload(
        &self,
        upload: FileUpload,
        act: impl FnOnce(&Control<'_>),
    ) -> Result<Outcome, StartError> {
        self.client().upload(upload, act)
    }

    pub(crate) fn client(&self) -> Client {
        let endpoint: Endpoint = self.emulator.endpoint().parse().unwrap();
        let region: Region = DEFAULT_REGION.parse().unwrap();
        let endpoint = endpoint.with_region(region);
        let signer = LocalSigner::new(endpoint.clone(), self.keys.clone(), SignatureVersion::V4).unwrap();
        self.adapter.client(&endpoint, signer, self.stall_timeout)
    }

    /// What the server says is unfinished.
    pub(crate) fn unfinished(&self, prefix: Option<&str>) -> Found {
        self.client().unfinished(&DEFAULT_BUCKET.parse().unwrap(), prefix).unwrap()
    }

    /// Deletes an upload of which nothing is known but its id.
    pub(crate) fn discard_id(&self, id: &UploadId) -> Outcome {
        let object = ObjectName { bucket: DEFAULT_BUCKET.parse().unwrap(), key: "key".parse().unwrap() };
        self.client().discard_id(object, id.clone())
    }

    /// Uploads, and does something meanwhile.
    pub(crate) fn upload_and(&self, upload: FileUpload, act: impl FnOnce(&Control<'_>)) -> Outcome {
        self.try_upload(upload, act).unwrap()
    }

    /// Uploads to the end.
    pub(crate) fn upload(&self, upload: FileUpload) -> Outcome {
        self.upload_and(upload, |_| {})
    }

    /// Uploads with a server that falls silent at this part, and does something then.
    pub(crate) fn upload_up_to(
        &self,
        part: u16,
        upload: FileUpload,
        act: impl FnOnce(&Control<'_>),
    ) -> Outcome {
        let rule = self.emulator.faults().add(Rule::on(Operation::UploadPart, silence()).part(part));
        let outcome = self.upload_and(upload, |control| {
            self.await_part(part, control);
            act(control);
        });
        self.emulator.faults().remove(rule);
        outcome
    }

    /// Waits until this part is on its way.
    pub(crate) fn await_part(&self, part: u16, control: &Control<'_>) {
        let waits = || {
            let journal = self.emulator.journal();
            journal.in_flight().iter().any(|flying| flying.entry.part_number == Some(part))
        };
        while !waits() && !control.is_finished() {
            std::thread::yield_now();
        }
    }

    /// Asserts that the object is this, and nothing is left of the checkpoint.
    pub(crate) fn assert_arrived(&self, key: &str, content: &[u8], outcome: &Outcome) {
        let End::Completed(completed) = &outcome.end else { panic!("{outcome:?}") };
        let object = self.emulator.model().object_bytes(DEFAULT_BUCKET, key).unwrap().unwrap();
        assert!(object == content, "the object is the source");
        assert_eq!(completed.crc64, Some(Crc64::of(content)));
        assert_eq!(std::fs::read_dir(self.checkpoints()).unwrap().count(), 0, "the checkpoint is gone");
        assert!(self.emulator.model().uploads(DEFAULT_BUCKET).is_empty(), "nothing is left on the server");
    }

    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.emulator.journal().count(operation)
    }

    /// All there is to be seen.
    pub(crate) fn seen(&self, outcome: &Outcome) -> Seen {
        Seen {
            outcome: seen::outcome(outcome),
            requests: seen::requests(&self.emulator),
            record: seen::record(&self.checkpoints()),
        }
    }
}

/// One part after the other, so that the order of requests is the order of things.
pub(crate) fn policy() -> Policy {
    Policy {
        part_size: PART as u64,
        put_threshold: 0,
        parallel: NonZeroU16::MIN,
        // Nothing is gained by waiting here.
        retry: RetryPolicy { base: Duration::from_millis(1), ..RetryPolicy::default() },
        ..Policy::default()
    }
}

/// Several parts at a time.
pub(crate) fn parallel(parts: u16) -> Policy {
    Policy { parallel: NonZeroU16::new(parts).unwrap(), ..policy() }
}

/// Keys that can be exchanged.
#[derive(Clone)]
pub(crate) struct Keys {
    present: Arc<Mutex<Credentials>>,
    next: Arc<Mutex<Option<Credentials>>>,
    errand: Arc<Mutex<Option<(usize, Errand)>>>,
}

type Errand = Box<dyn FnOnce() + Send>;

impl Keys {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { present: Arc::new(Mutex::new(credentials)), next: Arc::default(), errand: Arc::default() }
    }

    /// Does something when the `n`th request from now is to be signed, counted from 1, and signs it then.
    pub(crate) fn before_signing(&self, n: usize, errand: impl FnOnce() + Send + 'static) {
        *self.errand.lock().unwrap() = Some((n, Box::new(errand)));
    }

    fn run_errand(&self) {
        let mut kept = self.errand.lock().unwrap();
        let due = match kept.take() {
            Some((1, errand)) => Some(errand),
            earlier => {
                *kept = earlier.map(|(n, errand)| (n - 1, errand));
                None
            }
        };
        drop(kept);
        if let Some(errand) = due {
            errand();
        }
    }

    /// These now, and those when they are asked for.
    pub(crate) fn set(&self, present: Credentials, next: Option<Credentials>) {
        *self.present.lock().unwrap() = present;
        *self.next.lock().unwrap() = next;
    }
}

impl Provider for Keys {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        self.run_errand();
        Ok(self.present.lock().unwrap().clone())
    }

    fn refresh(&self) -> Result<(), ProviderError> {
        let next = self.next.lock().unwrap().take();
        *self.present.lock().unwrap() = next.ok_or_else(|| ProviderError("there are no others".into()))?;
        Ok(())
    }
}
