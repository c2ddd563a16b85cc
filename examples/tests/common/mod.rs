//! What the tests of the examples share: a file, an emulator, and what is to be true in the end.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use ossup_core::endpoint::{Endpoint, Region};
use ossup_core::retry::RetryPolicy;
use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, StaticCredentials};
use ossup_core::upload::{End, Outcome, Policy};
use ossup_emulator::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, DEFAULT_BUCKET, DEFAULT_REGION, Emulator, Operation, Rule,
};
use ossup_fs::FileUpload;

/// The size of a part, in bytes.
pub(crate) const PART: usize = 100 << 10;

/// A file of nine parts and a bit, and somewhere to send it.
pub(crate) struct Place {
    pub(crate) emulator: Emulator,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) content: Vec<u8>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut random = fastrand::Rng::with_seed(3);
        let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(9 * PART + 77).collect();
        std::fs::write(folder.path().join("file"), &content).unwrap();
        Self { emulator: Emulator::start().unwrap(), folder, content }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let region: Region = DEFAULT_REGION.parse().unwrap();
        self.emulator.endpoint().parse::<Endpoint>().unwrap().with_region(region)
    }

    pub(crate) fn signer(&self) -> LocalSigner<StaticCredentials> {
        let keys = StaticCredentials::new(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET));
        LocalSigner::new(self.endpoint(), keys, SignatureVersion::V4).unwrap()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    /// The upload of the file to this key, in parts, with checkpoints in the folder.
    pub(crate) fn upload(&self, key: &str) -> FileUpload {
        let object = format!("oss://{DEFAULT_BUCKET}/{key}").parse().unwrap();
        FileUpload::new(self.file(), object).policy(policy()).checkpoint_folder(self.checkpoints())
    }

    /// Lets the server refuse every part but the first few, for good.
    pub(crate) fn refuse_parts_after(&self, first: u64) {
        self.emulator.faults().add(Rule::on(Operation::UploadPart, Action::Deny).after(first));
    }

    pub(crate) fn assert_arrived(&self, key: &str, outcome: &Outcome) {
        assert!(matches!(outcome.end, End::Completed(_)), "{outcome:?}");
        let object = self.emulator.model().object_bytes(DEFAULT_BUCKET, key).unwrap().unwrap();
        assert!(object == self.content, "the object is the file");
        assert!(self.emulator.model().uploads(DEFAULT_BUCKET).is_empty(), "no upload is left");
    }

    /// How often each part of a key was stored.
    pub(crate) fn stored(&self, key: &str) -> BTreeMap<u16, usize> {
        let mut stored = BTreeMap::new();
        for entry in self.emulator.journal().of(Operation::UploadPart) {
            if entry.is_success() && entry.key.as_deref() == Some(key) {
                *stored.entry(entry.part_number.unwrap()).or_default() += 1;
            }
        }
        stored
    }

    pub(crate) fn assert_each_part_was_stored_once(&self, key: &str) {
        let stored = self.stored(key);
        assert_eq!(stored.len(), self.content.len().div_ceil(PART));
        assert!(stored.values().all(|times| *times == 1), "{stored:?}");
    }

    pub(crate) fn assert_no_checkpoint_is_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.checkpoints()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// One part after the other: a refusal breaks off whatever else is in flight, and how many of those arrive is not
/// for a test to say.
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

/// Several parts in flight, for uploads that are not broken off.
pub(crate) fn side_by_side() -> Policy {
    Policy { parallel: NonZeroU16::new(3).unwrap(), ..policy() }
}
