//! How an upload ended, and what was seen on the way.

use std::collections::BTreeMap;
use std::fmt;

use crate::callback::CallbackAnswer;
use crate::checkpoint::Unreadable;
use crate::digest::Crc64;
use crate::error::OssError;
use crate::operation::complete::Completion;
use crate::part::{ETag, PartNumber, UploadId};
use crate::request::Operation;

use super::effect::{SourceError, StoreError, TransportError};

/// How an upload ended.
///
/// ```
/// use ossup_core::upload::{End, Outcome};
///
/// fn in_a_line(outcome: &Outcome) -> String {
///     match &outcome.end {
///         End::Completed(completed) => format!("it is there: {:?}", completed.evidence),
///         End::Suspended { .. } => "a later run goes on".to_owned(),
///         End::Discarded(discarded) => format!("deleted; verified: {}", discarded.verified),
///         End::Failed(failed) if failed.resumable => format!("{failed}; a later run goes on"),
///         End::Failed(failed) => failed.to_string(),
///     }
/// }
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it came to.
    pub end: End,
    /// What was seen on the way.
    pub report: Report,
}

/// What an upload came to. Exhaustive on purpose: these are all the ways there are.
#[derive(Clone, Debug)]
pub enum End {
    /// The object is there, and it is the source.
    Completed(Completed),
    /// Ended early on request. Everything is left for a later run.
    Suspended {
        /// The upload on the server, if there is one.
        upload_id: Option<UploadId>,
        /// Whether the checkpoint knows all of it. If it could not be written, a later run compares finished parts with the
        /// source, and looks on the server for the upload where not even its id is noted. Without a checkpoint, only
        /// [`Resume::Adopt`](super::Resume::Adopt) finds it.
        recorded: bool,
    },
    /// Ended early on request. Everything that was sent is deleted, but for an object that was made of it.
    Discarded(Discarded),
    /// It did not work.
    Failed(Failed),
}

/// The object is there, and it is the source.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completed {
    /// The ETag of the object. Not its MD5 when it was made of parts.
    pub etag: Option<ETag>,
    /// The CRC-64 of the object, as the server said it.
    pub crc64: Option<Crc64>,
    /// The version of the object, in a bucket with versioning.
    pub version_id: Option<String>,
    /// The id under which the server remembers the last request.
    pub request_id: Option<String>,
    /// What shows that the object is the source.
    pub evidence: Evidence,
    /// What became of the callback.
    pub callback: CallbackEnd,
}

impl Completed {
    /// The acknowledgement was lost, and the object was found to be there.
    pub(super) fn confirmed(completion: &Completion, request_id: Option<String>, callback: bool) -> Self {
        Self {
            etag: completion.etag.clone(),
            crc64: completion.crc64,
            version_id: completion.version_id.clone(),
            request_id,
            evidence: Evidence::ContentMatch,
            callback: if callback { CallbackEnd::Lost } else { CallbackEnd::NotAsked },
        }
    }
}

/// What shows that the object is the source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Evidence {
    /// The server acknowledged it, and its CRC-64 of the object is that of the bytes we read.
    AcknowledgedAndEqual,
    /// The server acknowledged it and said no CRC-64, or none was to be compared.
    Acknowledged,
    /// The acknowledgement was lost; the object that is there has the length and CRC-64 of the bytes we read.
    ContentMatch,
}

/// What became of the callback. Exhaustive on purpose: whoever asks for one has an answer to each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallbackEnd {
    /// None was asked for.
    NotAsked,
    /// The application answered.
    Answered(CallbackAnswer),
    /// The object is stored, and OSS could not get an answer from the application.
    Failed(Box<OssError>),
    /// The object is stored; the answer was lost on the way to us. OSS calls when it has made the object, and not again
    /// for a Complete that is repeated after that. Should somebody else have made an equal object meanwhile, the
    /// application was called for that one, or not at all.
    Lost,
}

/// Everything that was sent is deleted, but for an object that was made of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Discarded {
    /// Whether there was an upload to delete: not so where none had been begun, or where the server did not know it any
    /// more when it was asked.
    pub existed: bool,
    /// Whether the server confirmed that nothing is left of the upload, the last one if it was begun again; earlier ones that
    /// could not be deleted are in [`Report::left`] all the same. If not, its id is in [`Report::left`]: either this
    /// account may not list parts, which [`Report::denied`] says then, or the server did not come to answer.
    pub verified: bool,
    /// What there is under the key now, as far as it is known. An object is never deleted: it may be another's, and may
    /// have replaced one that cannot be had back.
    pub object: Visibility,
}

/// An upload that did not work.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{cause}", .request.map(|request| format!("{request}: ")).unwrap_or_default())]
#[non_exhaustive]
pub struct Failed {
    /// Why.
    #[source]
    pub cause: Cause,
    /// The request whose answer, or want of one, this is about; none where it is about no request, or about several.
    pub request: Option<Asked>,
    /// What there is under the key now, as far as it is known.
    pub object: Visibility,
    /// Whether a later run can go on from here.
    pub resumable: bool,
    /// The upload that is left on the server, if any.
    pub upload_id: Option<UploadId>,
}

/// What the server was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Asked {
    /// The operation.
    pub operation: Operation,
    /// The part that was to be stored by it.
    pub part: Option<PartNumber>,
}

/// `UploadPart of part 3`
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operation.fmt(f)?;
        self.part.map_or(Ok(()), |part| write!(f, " of part {part}"))
    }
}

/// Whether this upload has made its object visible. Exhaustive on purpose: each asks something else of a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Visibility {
    /// No.
    Absent,
    /// Yes, or it may have; it could not be confirmed.
    Unknown,
    /// An object is there that is not the source.
    Wrong,
}

/// Why an upload did not work.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The server refused, and a repetition would not help.
    #[error("{0}")]
    Refused(#[source] Box<OssError>),
    /// The credentials were refused, and no better ones can be had.
    #[error("the credentials were refused: {error}{}", .reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())]
    CredentialsRefused {
        /// What the server said.
        #[source]
        error: Box<OssError>,
        /// Why there are no better ones.
        reason: Option<String>,
    },
    /// The clock that requests are signed with is wrong, and could not be set by the server's.
    #[error("the clock is wrong, and could not be set: {error}{}", .reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())]
    ClockSkewed {
        /// What the server said.
        #[source]
        error: Box<OssError>,
        /// Why it could not be set.
        reason: Option<String>,
    },
    /// The requests could not be signed, and no better credentials can be had.
    #[error("{error}{}", .reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())]
    Unsigned {
        /// Why.
        #[source]
        error: TransportError,
        /// Why there are no better ones.
        reason: Option<String>,
    },
    /// The server went on failing for as long as the retry policy lasts.
    #[error("the server went on failing: {0}")]
    ServerFailing(#[source] Box<OssError>),
    /// The server could not be reached for as long as the retry policy lasts.
    #[error("the server could not be reached: {0}")]
    Network(#[source] TransportError),
    /// The server answered a success that cannot be understood.
    #[error("the server's answer cannot be understood: {what}")]
    Malformed {
        /// The request.
        operation: Operation,
        /// What is wrong with the answer.
        what: String,
    },
    /// Bytes arrived as others than were sent, again and again.
    #[error("{0}")]
    Corrupted(Corruption),
    /// An earlier run cannot be continued, and the policy is to end then.
    #[error("cannot resume: {0}")]
    CannotResume(#[source] NotResumable),
    /// The source is not what it was when an earlier run sent parts of it, and the policy is to end then.
    #[error("the source has changed since an earlier run sent parts of it")]
    OtherSource,
    /// The source changed during this run, and the policy is to end then, or it does not stop changing.
    #[error("the source changed while it was being uploaded")]
    SourceChanged,
    /// The source cannot be read.
    #[error("{0}")]
    Source(#[source] SourceError),
    /// The checkpoint cannot be written.
    #[error("{0}")]
    Store(#[source] StoreError),
    /// The source cannot be uploaded in the parts asked for.
    #[error("{0}")]
    Plan(#[source] crate::plan::InvalidPlan),
    /// The upload is gone after Complete may have been sent, and nothing shows whether the object under the key is the
    /// source.
    #[error("it is not known whether the upload was completed: {0}")]
    Unconfirmed(String),
    /// There is an object under the key, and it must not be overwritten.
    #[error("there is an object under this key, and it must not be overwritten: {0}")]
    ObjectExists(#[source] Box<OssError>),
    /// Parts of an upload were there after the server had deleted it, again and again: somebody is still sending them.
    #[error("parts of it are there again each time after it was deleted; somebody may still be sending them")]
    StillArriving,
    /// What was sent could not be deleted.
    #[error("what was sent could not be deleted: {0}")]
    NotDiscarded(#[source] Box<Cause>),
}

/// Where bytes were found to differ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// In a part.
    #[error("part {0} arrived with other bytes than were sent, again and again")]
    Part(PartNumber),
    /// In a source that was sent in one request.
    #[error("the object arrived with other bytes than were sent, again and again")]
    Put,
    /// In the whole object.
    #[error("the object has CRC-64 {object}, the source {source_crc64}")]
    Object {
        /// The CRC-64 of the object, as the server said it.
        object: Crc64,
        /// The CRC-64 of the bytes that were read.
        source_crc64: Crc64,
    },
}

/// Why an earlier run cannot be continued.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotResumable {
    /// The server does not know the upload id any more: a lifecycle rule of the bucket or somebody else has ended it.
    #[error("the server does not know the upload {0} any more; a lifecycle rule may have deleted it")]
    UploadGone(UploadId),
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The checkpoint is of an upload to somewhere else.
    #[error("the checkpoint is of an upload to {0}")]
    OtherDestination(String),
    /// The checkpoint is of an upload with other attributes of the object (content type, metadata, encryption, …),
    /// which are fixed when an upload begins: those with these names, where the checkpoint tells.
    #[error("the checkpoint is of an upload with other attributes of the object{}", listed(.0))]
    OtherOptions(Vec<String>),
    /// The upload has begun again too often in one run.
    #[error("the upload had to begin again too often")]
    TooOften,
    /// The source cannot be cut into the parts that the upload was begun with.
    #[error("the source does not fit into the parts that the upload was begun with")]
    OtherPlan,
    /// A part on the server is not what the source has there, and in sequential mode none is taken twice.
    #[error(
        "part {0} on the server has other bytes than the source, and in sequential mode it cannot be sent again"
    )]
    PartInTheWay(PartNumber),
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
}

/// How many notices a report has.
pub(super) const MAX_NOTICES: usize = 256;

/// What was seen on the way.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many bytes the source has.
    pub total: u64,
    /// Bytes of parts that were sent by earlier runs and kept.
    pub resumed_bytes: u64,
    /// Parts that were sent by earlier runs and kept.
    pub resumed_parts: u16,
    /// Bytes of parts that this run has sent and the server has acknowledged.
    pub sent_bytes: u64,
    /// Parts that this run has sent and the server has acknowledged.
    pub sent_parts: u32,
    /// How many requests were repeated.
    pub retries: u32,
    /// How often credentials were renewed or the clock was set.
    pub refreshes: u32,
    /// How often the upload was begun again from the first byte.
    pub restarts: u32,
    /// Uploads that this or an earlier run may have begun without learning their ids: their requests were sent and the
    /// answers lost. A lifecycle rule of the bucket, or `AbortMultipartUpload`, removes them.
    pub orphan_risk: u32,
    /// Uploads that were to be deleted and are, or may be, left on the server: it did not delete them, or it was not seen
    /// that nothing is left. At most one for each time the upload was begun.
    pub left: Vec<UploadId>,
    /// What this account may not do, and was therefore not done.
    pub denied: Vec<Denied>,
    /// Parts that did not arrive at the first attempt. A PutObject stands here as part 1.
    pub troubles: BTreeMap<PartNumber, PartTrouble>,
    /// What happened that a person may want to know, in order; the first 256 of them.
    pub notices: Vec<Notice>,
    /// How many more there were. [`Upload::notices`](super::Upload::notices) has told them.
    pub more_notices: u64,
}

/// An operation that was refused and can be done without.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Denied {
    /// ListParts: what earlier runs have sent is taken from the checkpoint alone, and deletion is not verified.
    ListParts,
    /// ListMultipartUploads: uploads whose ids were lost cannot be found.
    ListMultipartUploads,
    /// HeadObject: a completion whose answer was lost cannot be confirmed.
    HeadObject,
}

/// A part that did not arrive at the first attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PartTrouble {
    /// How many attempts there were, with the one that succeeded.
    pub attempts: u32,
    /// How many of them failed.
    pub failures: u32,
    /// The last failure, in words.
    pub last: String,
    /// The HTTP status of the last failure that was an answer. There may have been others behind it.
    pub status: Option<u16>,
    /// The error code of OSS in this answer, if there was one.
    pub code: Option<String>,
    /// The id under which the server remembers the request.
    pub request_id: Option<String>,
}

/// Something that happened and that a person may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The checkpoint of an earlier run cannot be used; it was set aside.
    SetAside(NotResumable),
    /// An earlier run cannot be continued; the upload began again.
    Restarted(NotResumable),
    /// The source is not what it was; its finished parts are compared with it.
    SourceChanged,
    /// The source is not what it was; it is sent again from the first byte.
    SourceReplaced,
    /// An upload that no checkpoint knew was found on the server and is continued.
    Adopted(UploadId),
    /// The object will have the attributes (content type, metadata, encryption, …) that the upload which is continued was
    /// begun with. The server does not tell them, and those of this job do not count.
    AttributesUnknown,
    /// A request failed and will be repeated.
    Retrying {
        /// What failed, in words.
        what: String,
        /// How long to wait before, in milliseconds.
        after_ms: u64,
    },
    /// The server asked for less; so many parts are in flight from now on.
    Throttled {
        /// Parts in flight.
        parallel: u16,
    },
    /// Another number of parts is in flight from now on, because of what the link does.
    Adapted {
        /// Parts in flight.
        parallel: u16,
        /// Why.
        why: Adapted,
    },
    /// What has been achieved cannot be noted in the checkpoint at present; going on from it later would cost comparing
    /// finished parts.
    NotRecorded(StoreError),
    /// The checkpoint could not be removed after the end.
    NotForgotten(StoreError),
    /// New credentials are in use.
    Refreshed,
    /// The clock that requests are signed with was set by the server's.
    ClockSet,
    /// The account may not do something that can be done without.
    Denied(Denied),
    /// So much has happened that nobody asked about in time.
    Missed {
        /// How many notices.
        notices: u64,
    },
}

/// Why another number of parts is in flight.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Adapted {
    /// Round trips are long: with fewer parts in flight, a fast link would idle until the first have arrived.
    LongTrips,
    /// More parts in flight may arrive faster. This is tried, and kept if it is so.
    CarriesMore,
    /// More parts in flight did not arrive faster: back to what there were.
    NoGain,
    /// A part stood still: the link is full, or nearly gone.
    Stalled,
}
