//! What a world is made of, and how much may go wrong in it.

use std::num::NonZeroU16;
use std::time::Duration;

use ossup_core::upload::{Cancel, Patience, Policy, Recording};

use crate::service::{PART, Quirks};

/// What is in a world, and how much may go wrong in it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Setting {
    /// Parts of the source.
    pub parts: u16,
    /// Parts in flight.
    pub parallel: u16,
    /// Whether a checkpoint is kept.
    pub recording: Recording,
    /// Requests and answers that may be lost, answers that may be 500, writes that may fail.
    pub faults: u8,
    /// How often credentials may expire.
    pub expiries: u8,
    /// It is the clock that is refused, and not the credentials.
    pub skewed: bool,
    /// Answers are given twice, and to the wrong upload.
    pub misused: bool,
    /// How often the process may die.
    pub crashes: u8,
    /// Whether a checkpoint may be damaged when its process dies.
    pub rots: bool,
    /// How the user may end the upload, once.
    pub cancel: Option<Cancel>,
    /// How often the source may be edited.
    pub edits: u8,
    /// How often the source may be edited in a way that no attribute of it betrays.
    pub unseen_edits: u8,
    /// Things that others may do to the bucket.
    pub foreign: Vec<Foreign>,
    /// How often an upload that ended without its object may be run again.
    pub reruns: u8,
    /// How the service differs from others.
    pub quirks: Quirks,
    /// The policies of the job.
    pub policy: Policy,
    /// Whether an object that is there must stay.
    pub forbid_overwrite: bool,
}

/// Something that others do to the bucket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Foreign {
    /// All unfinished uploads are deleted, as by a lifecycle rule.
    DeleteUploads,
    /// Another object is put under the key.
    PutObject,
    /// Another upload of the key is begun, with a part that cannot be of the source.
    BeginUpload,
    /// The source is put under the key, as by another process with the same file.
    PutEqual,
    /// The object under the key is deleted.
    DeleteObject,
    /// The first part of our upload is replaced by other bytes.
    Part,
    /// Our upload is completed, with the parts that it has.
    Complete,
}

impl Setting {
    /// A world in which nothing goes wrong.
    #[must_use]
    pub fn calm(parts: u16, parallel: u16) -> Self {
        let mut policy = Policy { put_threshold: 0, part_size: PART, ..Policy::default() };
        policy.retry.base = Duration::ZERO;
        policy.retry.attempts = 20;
        policy.retry.budget = 100;
        policy.retry.patience = Patience::Limited(Duration::MAX);
        policy.parallel = NonZeroU16::new(parallel).unwrap_or(NonZeroU16::MIN);
        Self {
            parts,
            parallel,
            recording: Recording::Checkpoint,
            faults: 0,
            expiries: 0,
            skewed: false,
            misused: false,
            crashes: 0,
            rots: false,
            cancel: None,
            edits: 0,
            unseen_edits: 0,
            foreign: Vec::new(),
            reruns: 0,
            quirks: Quirks::default(),
            policy,
            forbid_overwrite: false,
        }
    }
}
