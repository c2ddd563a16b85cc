//! What is known. Facts are only ever added; what they call for is derived in [`goal`](super::goal), and how answers
//! become facts lives in [`learn`](super::learn).
//!
//! The facts about one upload id are an [`Attempt`]. When an upload has to begin again, its attempt is replaced whole:
//! that is the only way in which anything is unlearnt.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::auth::AuthProblem;
use crate::checkpoint::{RecordedPart, SourceIdentity};
use crate::digest::{ContentDigest, Crc64};
use crate::error::OssError;
use crate::operation::complete::Completion;
use crate::operation::list_parts::ListedPart;
use crate::operation::list_uploads::{ListedUpload, Marker};
use crate::part::{PartNumber, UploadId};
use crate::plan::Plan;

use super::effect::TransportKind;
use super::job::{Cancel, Job, Recording, Resume};
use super::outcome::{Cause, Corruption, Denied, End, NotResumable, Report, Visibility};
use super::parts::PartTable;
use super::tempo::{Blame, Failures};

/// Everything that is known.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) job: Job,
    /// The source that the parts are of.
    pub(super) source: SourceIdentity,
    pub(super) cancel: Option<Cancel>,
    pub(super) disk: Disk,
    pub(super) attempt: Attempt,
    pub(super) search: Search,
    pub(super) report: Report,
    /// How often the source was found to have changed.
    pub(super) changes: u32,
    /// What earlier attempts, which are given up, have left under the key.
    pub(super) before: Visibility,
    /// How the upload ends. What is left then is to clean up.
    pub(super) end: Option<End>,
    /// Deleting what a failed upload has sent did not work; it is not tried for ever.
    pub(super) cleanup_failed: bool,
}

/// What is known of the checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) recording: Recording,
    /// There is, or may be, something to remove at the end.
    pub(super) exists: bool,
    /// What is there cannot be read, for this reason, and must be put out of the way.
    pub(super) unreadable: Option<NotResumable>,
    /// These facts about the present attempt are durable.
    pub(super) durable: Stages,
    /// The next write replaces all there is.
    pub(super) rewrite: bool,
    pub(super) health: Health,
}

/// What the last write to the checkpoint says of the place where it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Health {
    /// It takes what is written.
    Well,
    /// A write failed. The next one that matters will show whether it is well again.
    Ailing,
    /// The last write of all failed.
    GivenUp,
}

/// The facts of a checkpoint that others wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is said by a line of the journal, or not")]
pub(super) struct Stages {
    pub(super) header: bool,
    pub(super) upload_id: bool,
    pub(super) sealed: bool,
    pub(super) discarding: bool,
    /// A later run compares the parts that are noted with the source before they count: they are noted as parts of
    /// another state of it, or of one of which nothing is known.
    pub(super) doubted: bool,
}

/// What is known of one upload on the server.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, learnt at its own time")]
pub(super) struct Attempt {
    pub(super) id: Option<UploadId>,
    pub(super) origin: Origin,
    /// When the upload began, by the clock of the machine that began it.
    pub(super) begun: i64,
    /// Requests for an upload id whose answers were lost.
    pub(super) lost_initiates: u32,
    /// The checkpoint may have known the upload id, in a line that is damaged.
    pub(super) id_was_damaged: bool,
    /// Finished parts that the checkpoint knows, until they are compared with the server's list.
    pub(super) recorded: BTreeMap<PartNumber, RecordedPart>,
    pub(super) listing: Listing,
    /// The server has parts that the plan has not, or may have.
    pub(super) strangers: bool,
    pub(super) parts: PartTable,
    pub(super) slots: BTreeMap<PartNumber, Slot>,
    /// The parts are of another state of the source, or may be.
    pub(super) doubted: bool,
    /// Something read from the source shows that it has changed.
    pub(super) suspicious: bool,
    /// The source was inspected after the last part had arrived.
    pub(super) inspected: bool,
    /// Complete may have been sent, by this run or an earlier one.
    pub(super) complete_tried: bool,
    /// Complete may have been sent by an earlier run.
    pub(super) sealed_before: bool,
    /// How often Complete was refused because of the parts.
    pub(super) repairs: u32,
    /// The server does not know the upload id.
    pub(super) gone: bool,
    pub(super) confirmation: Option<Confirmation>,
    /// The CRC-64 of the source, once all of it is known.
    pub(super) whole: Option<Crc64>,
    /// The source cannot be read, and that is no reason not to discard what was sent of it.
    pub(super) blind: bool,
    /// The upload is to be deleted, and then this.
    pub(super) doom: Option<Doom>,
    pub(super) abort: Abort,
    /// How often the server has acknowledged an abort.
    pub(super) aborts: u32,
    /// The server did not know the upload when it was asked again to delete it: an earlier request may have done it.
    pub(super) abort_unsure: bool,
    pub(super) put: Option<PutDone>,
    /// How often the PutObject arrived as other bytes.
    pub(super) put_corruptions: u32,
    /// An object that must not be overwritten is in the way, and may be ours.
    pub(super) in_the_way: Option<Box<OssError>>,
    /// The parts whose arrival is being asked about.
    pub(super) probed: Vec<PartNumber>,
    /// Parts of earlier runs that count, and their bytes as they are counted.
    pub(super) kept: BTreeMap<PartNumber, u64>,
    /// Parts that this run has sent.
    pub(super) sent: BTreeSet<PartNumber>,
}

/// Where an upload id comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// This run asked for it, the checkpoint knew it, or it was found and looked at; or there is none yet.
    Ours,
    /// It was found on the server; it may be the one whose answer was lost.
    Recovered,
    /// It was found on the server and is to be adopted.
    Adopted,
}

/// How far the server's list of parts is known.
#[derive(Clone, Debug)]
pub(super) enum Listing {
    /// It is to be asked for, behind this part.
    Wanted { after: Option<PartNumber>, so_far: Vec<ListedPart> },
    /// It has been compared with what is known.
    Settled,
}

impl Listing {
    pub(super) const FROM_THE_START: Self = Self::Wanted { after: None, so_far: Vec::new() };
}

/// A part that is being sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) state: SlotState,
    /// Attempts that failed.
    pub(super) failures: Failures,
    /// Attempts that arrived as other bytes.
    pub(super) corruptions: u32,
    /// What the range was when it was first read.
    pub(super) first_read: Option<ContentDigest>,
    /// Bytes of the body that have gone out in the present attempt.
    pub(super) sent: u64,
    /// The wait is one that the server has asked for.
    pub(super) asked: bool,
}

/// What a slot waits for.
#[derive(Clone, Debug, Default)]
pub(super) enum SlotState {
    /// To be sent.
    #[default]
    Ready,
    /// The answer.
    InFlight,
    /// To wait for this long.
    Due(Duration),
    /// The end of a wait.
    Waiting,
    /// To be told whether the part arrived, and what was sent.
    Doubtful(Option<ContentDigest>, Box<Trouble>),
}

/// Why a request is to be repeated.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Transport(super::effect::TransportError),
    Server(OssError),
    Malformed(crate::request::Operation, String),
    /// The bytes that arrived are not those that were sent.
    BadBytes {
        /// None of a source that is sent in one request.
        part: Option<PartNumber>,
        what: String,
        error: Option<OssError>,
    },
}

impl Trouble {
    pub(super) fn blame(&self) -> Blame {
        match self {
            Self::Transport(error) if error.kind != TransportKind::Signing => Blame::Network,
            Self::Transport(_) | Self::Server(_) | Self::Malformed(..) | Self::BadBytes { .. } => {
                Blame::Server
            }
        }
    }

    /// What the server said, if it said anything.
    pub(super) fn server(&self) -> Option<&OssError> {
        match self {
            Self::Server(error) | Self::BadBytes { error: Some(error), .. } => Some(error),
            Self::Transport(_) | Self::Malformed(..) | Self::BadBytes { error: None, .. } => None,
        }
    }

    /// The cause of a failure, when there is to be no further attempt.
    pub(super) fn into_cause(self) -> Cause {
        match self {
            Self::Transport(error) if error.kind == TransportKind::Signing => {
                Cause::Unsigned { error, reason: None }
            }
            Self::Transport(error) => Cause::Network(error),
            Self::Server(error) => Cause::ServerFailing(Box::new(error)),
            Self::Malformed(operation, what) => Cause::Malformed { operation, what },
            Self::BadBytes { part, .. } => Cause::Corrupted(part.map_or(Corruption::Put, Corruption::Part)),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Server(error) => error.fmt(f),
            Self::Malformed(_, what) | Self::BadBytes { what, .. } => f.write_str(what),
        }
    }
}

/// What the object under the key is, after the upload id was gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Confirmation {
    /// It is the source.
    Ours { completion: Completion, request_id: Option<String> },
    /// It is something else.
    Other,
    /// There is none.
    Absent,
    /// It was there before the upload began. Equal or not, it is not what the upload has made.
    Older,
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// What follows when an upload is deleted.
#[derive(Clone, Debug)]
pub(super) enum Doom {
    /// Another upload of the same source.
    StartOver(NotResumable),
    /// Another upload of the source as it is now.
    SourceChanged,
    /// Another upload: the user does not want this one continued, or an earlier run was deleting it.
    Unwanted,
}

/// How far an abort has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Abort {
    /// It is to be sent (again), if the upload is to be discarded.
    #[default]
    Wanted,
    /// The server has acknowledged it; whether anything is left is to be seen.
    Unverified,
    /// It is over.
    Ended { verified: bool },
}

/// An object that was put in one request.
#[derive(Clone, Debug)]
pub(super) struct PutDone {
    pub(super) end: super::outcome::Completed,
}

/// The search for uploads of the key that no checkpoint knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    pub(super) wanted: Option<SearchFor>,
    pub(super) after: Option<Marker>,
    pub(super) found: Vec<ListedUpload>,
    pub(super) pages: u32,
    /// Uploads that were looked at and are not ours.
    pub(super) rejected: BTreeSet<UploadId>,
}

/// What is searched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SearchFor {
    /// The upload whose id was lost.
    Lost,
    /// Any upload that can be adopted.
    Adoptable,
}

impl Attempt {
    pub(super) fn new(plan: Plan, begun: i64) -> Self {
        Self {
            id: None,
            origin: Origin::Ours,
            begun,
            lost_initiates: 0,
            id_was_damaged: false,
            recorded: BTreeMap::new(),
            listing: Listing::Settled,
            strangers: false,
            parts: PartTable::new(plan),
            slots: BTreeMap::new(),
            doubted: false,
            suspicious: false,
            inspected: false,
            complete_tried: false,
            sealed_before: false,
            repairs: 0,
            gone: false,
            confirmation: None,
            whole: None,
            blind: false,
            doom: None,
            abort: Abort::Wanted,
            aborts: 0,
            abort_unsure: false,
            put: None,
            put_corruptions: 0,
            in_the_way: None,
            probed: Vec::new(),
            kept: BTreeMap::new(),
            sent: BTreeSet::new(),
        }
    }

    /// The upload that is ours to name, to note down and to delete. One that was found is not before it was looked at.
    pub(super) fn ours(&self) -> Option<&UploadId> {
        self.id.as_ref().filter(|_| self.origin == Origin::Ours)
    }

    /// Requests for an upload id whose answers were lost, and nothing found that is known to come of them.
    pub(super) fn unaccounted(&self) -> u32 {
        match (&self.id, self.origin) {
            (None, _) | (_, Origin::Adopted) => self.lost_initiates,
            (Some(_), Origin::Recovered) => self.lost_initiates + 1,
            (Some(_), Origin::Ours) => 0,
        }
    }

    pub(super) fn is_reconciled(&self) -> bool {
        matches!(self.listing, Listing::Settled)
    }

    /// Whether the upload is gone and may have been completed, and what is under the key does not tell.
    pub(super) fn is_undecided(&self) -> bool {
        let told = matches!(&self.confirmation, Some(told) if !matches!(told, Confirmation::Unknown(_)));
        self.gone && self.complete_tried && !told
    }

    /// The parts that may have arrived, in order.
    pub(super) fn doubtful_slots(&self) -> impl Iterator<Item = PartNumber> + '_ {
        self.slots.iter().filter(|(_, slot)| matches!(slot.state, SlotState::Doubtful(..))).map(|(n, _)| *n)
    }

    /// The CRC-64 of the source as an earlier run has recorded it, part by part.
    pub(super) fn recorded_crc64(&self) -> Option<Crc64> {
        let plan = self.parts.plan();
        plan.numbers().try_fold(Crc64::EMPTY, |whole, n| {
            Some(whole.followed_by(self.recorded.get(&n)?.crc64?, plan.range(n)?.len()))
        })
    }

    /// Parts that are, or are said to be, on the server.
    pub(super) fn kept_count(&self) -> u16 {
        if self.gone {
            return 0;
        }
        let listed = usize::from(self.parts.done_count()) + self.parts.unproven_count();
        let count = self.parts.plan().count();
        u16::try_from(listed.max(self.recorded.len())).map_or(count, |kept| kept.min(count))
    }

    /// Whether the server is to be left alone for a while.
    pub(super) fn is_held_back(&self) -> bool {
        let waits = |slot: &Slot| matches!(slot.state, SlotState::Due(_) | SlotState::Waiting);
        self.slots.values().any(|slot| slot.asked && waits(slot))
    }

    pub(super) fn in_flight(&self) -> usize {
        self.slots.values().filter(|slot| matches!(slot.state, SlotState::InFlight)).count()
    }
}

impl Facts {
    pub(super) fn new(job: Job, plan: Plan) -> Self {
        let report = Report { total: job.source.len, ..Report::default() };
        Self {
            source: job.source.clone(),
            cancel: None,
            disk: Disk {
                recording: job.recording,
                exists: false,
                unreadable: None,
                durable: Stages::default(),
                rewrite: true,
                health: Health::Well,
            },
            attempt: Attempt::new(plan, job.now.unix()),
            search: Search::default(),
            report,
            changes: 0,
            before: Visibility::Absent,
            end: None,
            cleanup_failed: false,
            job,
        }
    }

    pub(super) fn is_denied(&self, what: Denied) -> bool {
        self.report.denied.contains(&what)
    }

    /// Whether the source goes up in one PutObject.
    pub(super) fn is_small(&self) -> bool {
        let len = self.source.len;
        len == 0 || (len <= self.job.policy.put_threshold && len <= crate::part::MAX_PART_SIZE)
    }

    /// Whether an upload that nobody here has begun may be continued.
    pub(super) fn adopts(&self) -> bool {
        self.job.policy.resume == Resume::Adopt && !self.is_small()
    }

    pub(super) fn records(&self) -> bool {
        self.disk.recording == Recording::Checkpoint
    }
}

/// What a signature calls for that was refused or could not be made.
#[derive(Clone, Debug)]
pub(super) struct AuthNeed {
    pub(super) problem: AuthProblem,
    /// What showed it.
    pub(super) trouble: Box<Trouble>,
}

impl AuthNeed {
    /// The cause of a failure, when nothing better can be had, for this reason.
    pub(super) fn into_cause(self, reason: Option<String>) -> Cause {
        match *self.trouble {
            Trouble::Server(error) if matches!(self.problem, AuthProblem::ClockSkew { .. }) => {
                Cause::ClockSkewed { error: Box::new(error), reason }
            }
            Trouble::Server(error) => Cause::CredentialsRefused { error: Box::new(error), reason },
            Trouble::Transport(error) => Cause::Unsigned { error, reason },
            other => other.into_cause(),
        }
    }
}
