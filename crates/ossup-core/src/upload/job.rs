//! What an upload is to do, and the policies it follows.
//!
//! All of it is data. What follows from it is decided in [`goal`](super::goal).

use std::num::NonZeroU16;
use std::time::Duration;

use crate::callback::Callback;
use crate::checkpoint::SourceIdentity;
use crate::digest::Integrity;
use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::plan::{DEFAULT_PART_SIZE, suggested_part_size};
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

/// One upload: which bytes, where to, and how. Fields may be added: write what differs, and `..Job::new(…)`.
#[derive(Clone, Debug)]
pub struct Job {
    /// The object to make.
    pub object: ObjectName,
    /// Host and port of the endpoint, to which the checkpoint is bound.
    pub destination: String,
    /// The source as it is now.
    pub source: SourceIdentity,
    /// What the source is called, such as the path of a file. Only noted in the checkpoint, for people; not if it has
    /// more than 4 KiB.
    pub source_name: Option<String>,
    /// The attributes of the object.
    pub options: ObjectOptions,
    /// Whom OSS is to call when the object is there.
    pub callback: Option<Callback>,
    /// Whether there is somewhere to keep a checkpoint.
    pub recording: Recording,
    /// The time by the local clock. Only noted in the checkpoint, to tell uploads begun by this run from others.
    pub now: Timestamp,
    /// How to go about it.
    pub policy: Policy,
}

impl Job {
    /// An upload with the default policies, without a checkpoint.
    #[must_use]
    pub fn new(
        object: ObjectName,
        destination: impl Into<String>,
        source: SourceIdentity,
        now: Timestamp,
    ) -> Self {
        Self {
            object,
            destination: destination.into(),
            source,
            source_name: None,
            options: ObjectOptions::default(),
            callback: None,
            recording: Recording::Nowhere,
            now,
            policy: Policy::default(),
        }
    }
}

/// Whether a checkpoint is kept. Exhaustive on purpose: there is somewhere, or nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Recording {
    /// No: nothing is written, and what a failed run has sent is deleted on the server where that is possible.
    #[default]
    Nowhere,
    /// Yes: the machine asks for writes and for the removal at the end.
    Checkpoint,
}

/// The decisions that are the user's. Fields may be added: write what differs, and `..Policy::default()`.
///
/// ```
/// use ossup_core::upload::{Policy, Resume};
/// let policy = Policy { part_size: 16 << 20, resume: Resume::Adopt, ..Policy::default() };
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Policy {
    /// The size of every part but the last, in bytes; grown where the source would need more than 10,000 parts. An upload
    /// that is continued keeps the size it was begun with.
    pub part_size: u64,
    /// How many parts may be in flight at once.
    pub parallel: NonZeroU16,
    /// How many parts may be in flight where the link turns out to carry more than `parallel`; none for never more. Less
    /// than twice `parallel` counts as twice, since it would leave nothing to find out.
    /// Finding out takes a clock: see [`Upload::passed`](super::Upload::passed).
    pub most_parallel: Option<NonZeroU16>,
    /// A source of at most this many bytes is sent in one PutObject. An empty source always is: OSS has no parts
    /// without bytes.
    pub put_threshold: u64,
    /// Which check values are computed and compared.
    pub integrity: Integrity,
    /// What of earlier runs may be used.
    pub resume: Resume,
    /// What to do when an earlier run cannot be continued.
    pub unresumable: Unresumable,
    /// What to do when the source is not what it was.
    pub changed: Changed,
    /// When parts of earlier runs are compared with the source.
    pub recheck: Recheck,
    /// How failed requests are repeated.
    pub retry: RetryPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            part_size: DEFAULT_PART_SIZE,
            parallel: NonZeroU16::new(4).unwrap_or(NonZeroU16::MIN),
            most_parallel: None,
            put_threshold: DEFAULT_PART_SIZE,
            integrity: Integrity::Md5AndCrc,
            resume: Resume::FromCheckpoint,
            unresumable: Unresumable::Restart,
            changed: Changed::KeepMatching,
            recheck: Recheck::InDoubt,
            retry: RetryPolicy::default(),
        }
    }
}

impl Policy {
    /// The default policy, with the size of parts fitted to a source of `len` bytes, and up to 16 parts in flight where
    /// the link carries them: at most 64 MiB where parts have 4, 256 MiB where they have 16. Parts in flight are not held in
    /// memory.
    #[must_use]
    pub fn adaptive(len: u64) -> Self {
        let part_size = suggested_part_size(len);
        Self { part_size, most_parallel: NonZeroU16::new(16), ..Self::default() }
    }
}

/// What of earlier runs may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum Resume {
    /// Nothing: an upload that the checkpoint knows is discarded.
    Never,
    /// The upload that the checkpoint knows.
    #[default]
    FromCheckpoint,
    /// The upload that the checkpoint knows; without one, or where it leads to none, an unfinished upload of the same key
    /// that the server has.
    /// Every part of it is compared with the source before it counts. The attributes of the object are those that whoever
    /// began it has asked for.
    Adopt,
}

/// What to do when an earlier run cannot be continued: its upload id is gone, its checkpoint cannot be read, or it was
/// made with other attributes of the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum Unresumable {
    /// Begin again from the first byte, and say so in the outcome.
    #[default]
    Restart,
    /// End with [`Cause::CannotResume`](super::Cause::CannotResume). The checkpoint stays as it is, so each further run
    /// ends the same way, until one may restart or the upload is discarded.
    Fail,
}

/// What to do when the source is not what it was when its parts were sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum Changed {
    /// Compare the finished parts with the source by their check values, and send again those that differ.
    #[default]
    KeepMatching,
    /// Discard the upload and begin again from the first byte.
    Restart,
    /// End with [`Cause::OtherSource`](super::Cause::OtherSource) or
    /// [`Cause::SourceChanged`](super::Cause::SourceChanged).
    Fail,
}

/// When parts of earlier runs are compared with the source before they count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum Recheck {
    /// When the source may have changed, or could have without its identity
    /// [betraying it](crate::checkpoint::SourceIdentity::betrays_every_edit), or the checkpoint does not know the part.
    #[default]
    InDoubt,
    /// Always, and before an object that an earlier run may have completed is taken for the source. Reads all that earlier
    /// runs have sent.
    Always,
}

/// How to end an upload early. A `Keep` can be strengthened to a `Discard`, never the other way. Exhaustive on purpose: each
/// further way would have its place between these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Cancel {
    /// Stop, and leave everything for a later run.
    Keep,
    /// Stop, and delete everything that was sent.
    Discard,
}

/// How long a request is repeated to which there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum Patience {
    /// Until the waits between its attempts add up to this. An answer to it, whatever it says, begins the count anew; the
    /// time that attempts take, such as until a connection is given up, is not counted.
    Limited(Duration),
    /// Until the network is back.
    UntilNetworkIsBack,
}
