//! What the machine asks the world to do, and what the world may answer.
//!
//! Every effect comes with a ticket. A ticket is the only way to make the answer to its effect: it is consumed by it,
//! cannot be copied, and offers only the answers that this kind of effect can have. So a second answer, or one of the
//! wrong kind, does not compile.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::auth::AuthProblem;
use crate::checkpoint::SourceIdentity;
use crate::digest::{ContentDigest, Integrity};
use crate::part::ByteRange;
use crate::request::{PartRequest, Request, Response};

/// Something the world must do. Exhaustive on purpose: an embedder that misses one must not compile.
#[must_use = "the upload waits for the answer to every effect"]
#[derive(Debug)]
#[cfg_attr(feature = "explore", derive(Clone))]
pub enum Effect {
    /// Sign and send this request, whose body is small or empty.
    Send(SendTicket, Request),
    /// Read a range of the source, sign and send it.
    SendPart(PartTicket, PartRequest),
    /// Write to the checkpoint.
    Save(StoreTicket, Write),
    /// Remove the checkpoint. That there is none is a success.
    Forget(StoreTicket),
    /// Look at the source anew (open it again by its name) and say what identifies it now.
    Inspect(InspectTicket),
    /// Read a range of the source and compute these check values.
    Hash(HashTicket, ByteRange, Integrity),
    /// Let this much time pass.
    Wait(WaitTicket, Duration),
    /// Get new credentials, or set the clock that requests are signed with. Nothing is sent meanwhile.
    Refresh(AuthTicket, AuthProblem),
    /// The answer to this effect is no longer of interest: end it as soon as possible. Advice; the effect is still to
    /// be answered, with [`TransportError::stopped`] or whatever it came to, or given up by
    /// [`Upload::abandon`](super::Upload::abandon). Only requests, hashes, waits and refreshes are ever stopped.
    Stop(EffectId),
}

impl Effect {
    /// Which effect this is; of a [`Stop`](Self::Stop), the one to be stopped.
    #[must_use]
    pub fn id(&self) -> EffectId {
        match self {
            Self::Send(ticket, _) => ticket.id(),
            Self::SendPart(ticket, _) => ticket.id(),
            Self::Save(ticket, _) | Self::Forget(ticket) => ticket.id(),
            Self::Inspect(ticket) => ticket.id(),
            Self::Hash(ticket, ..) => ticket.id(),
            Self::Wait(ticket, _) => ticket.id(),
            Self::Refresh(ticket, _) => ticket.id(),
            Self::Stop(id) => *id,
        }
    }
}

/// Names an effect of one upload, for tables of what is under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EffectId {
    pub(super) machine: u32,
    pub(super) seq: u32,
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.seq)
    }
}

/// A write to the checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Write {
    /// Put these bytes in place of all there is, in one step that a crash cannot cut in two. To be answered when the
    /// bytes and their name are on the disk (fsync of file and folder).
    Replace(Bytes),
    /// Add these bytes at the end.
    Append(Bytes, Durability),
    /// Keep what there is under another name, out of the way: it cannot be read.
    SetAside,
}

/// When an append counts as done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Durability {
    /// When the operating system has the bytes. They survive the end of the process, not that of the machine.
    Written,
    /// When the bytes are on the disk (fsync).
    Durable,
}

macro_rules! tickets {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[must_use = "the upload waits for the answer to every effect"]
        #[derive(Debug)]
        #[cfg_attr(feature = "explore", derive(Clone))]
        pub struct $name(pub(super) EffectId);

        impl $name {
            /// The effect this ticket answers.
            #[must_use]
            pub fn id(&self) -> EffectId {
                self.0
            }
        }
    )*};
}

tickets! {
    /// Answers [`Effect::Send`].
    SendTicket
    /// Answers [`Effect::SendPart`].
    PartTicket
    /// Answers [`Effect::Save`] and [`Effect::Forget`].
    StoreTicket
    /// Answers [`Effect::Inspect`].
    InspectTicket
    /// Answers [`Effect::Hash`].
    HashTicket
    /// Answers [`Effect::Wait`].
    WaitTicket
    /// Answers [`Effect::Refresh`].
    AuthTicket
}

impl SendTicket {
    /// The server answered, with whatever status.
    pub fn responded(self, response: Response) -> Answer {
        Answer { id: self.0, said: Said::Responded(response) }
    }

    /// There is no answer.
    pub fn failed(self, error: TransportError) -> Answer {
        Answer { id: self.0, said: Said::Failed(error) }
    }
}

impl PartTicket {
    /// The server answered, with whatever status. `sent` is the digest of the range as it was read for this request.
    pub fn responded(self, response: Response, sent: ContentDigest) -> Answer {
        Answer { id: self.0, said: Said::PartResponded(response, Some(sent)) }
    }

    /// The server answered before the range was read to its end.
    pub fn responded_early(self, response: Response) -> Answer {
        Answer { id: self.0, said: Said::PartResponded(response, None) }
    }

    /// There is no answer. `sent` is the digest of the range where it was read to its end, so that the part is known
    /// again should it turn out to have arrived.
    pub fn failed(self, error: TransportError, sent: Option<ContentDigest>) -> Answer {
        Answer { id: self.0, said: Said::PartFailed(error, sent) }
    }

    /// The range could not be read.
    pub fn unreadable(self, error: SourceError) -> Answer {
        Answer { id: self.0, said: Said::Unreadable(error) }
    }
}

impl StoreTicket {
    /// The write is done, and as durable as was asked.
    pub fn durable(self) -> Answer {
        Answer { id: self.0, said: Said::Stored }
    }

    /// The write failed; what is on the disk is what was there before, or some first part of an append.
    pub fn failed(self, error: StoreError) -> Answer {
        Answer { id: self.0, said: Said::NotStored(error) }
    }
}

impl InspectTicket {
    /// What identifies the source now.
    pub fn found(self, identity: SourceIdentity) -> Answer {
        Answer { id: self.0, said: Said::Found(identity) }
    }

    /// The source cannot be looked at.
    pub fn unreadable(self, error: SourceError) -> Answer {
        Answer { id: self.0, said: Said::Unreadable(error) }
    }
}

impl HashTicket {
    /// The check values of the range.
    pub fn hashed(self, digest: ContentDigest) -> Answer {
        Answer { id: self.0, said: Said::Hashed(digest) }
    }

    /// The range could not be read, or reading was stopped.
    pub fn unreadable(self, error: SourceError) -> Answer {
        Answer { id: self.0, said: Said::Unreadable(error) }
    }
}

impl WaitTicket {
    /// The time has passed, or the wait was stopped.
    pub fn elapsed(self) -> Answer {
        Answer { id: self.0, said: Said::Elapsed }
    }
}

impl AuthTicket {
    /// Requests will be signed with something better from now on.
    pub fn refreshed(self) -> Answer {
        Answer { id: self.0, said: Said::Refreshed }
    }

    /// Nothing better can be had, for this reason, or the refresh was stopped.
    pub fn refused(self, reason: impl Into<String>) -> Answer {
        Answer { id: self.0, said: Said::NotRefreshed(reason.into()) }
    }
}

/// The answer to an effect, made by its ticket.
#[must_use = "an answer is to be given to `Upload::answer`"]
#[derive(Debug)]
#[cfg_attr(feature = "explore", derive(Clone))]
pub struct Answer {
    pub(super) id: EffectId,
    pub(super) said: Said,
}

impl Answer {
    /// The effect this answers.
    #[must_use]
    pub fn id(&self) -> EffectId {
        self.id
    }

    /// What the server answered to a request; none where it did not, and where nothing was asked of it.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.said {
            Said::Responded(response) | Said::PartResponded(response, _) => Some(response.status()),
            _ => None,
        }
    }

    /// Why a request has no answer; none where it has one, and where none was sent.
    #[must_use]
    pub fn failure(&self) -> Option<TransportKind> {
        match &self.said {
            Said::Failed(error) | Said::PartFailed(error, _) => Some(error.kind),
            _ => None,
        }
    }

    /// Whether it is that the source could not be read, the record not written, or nothing done about a signature.
    #[must_use]
    pub fn is_in_vain(&self) -> bool {
        matches!(self.said, Said::Unreadable(_) | Said::NotStored(_) | Said::NotRefreshed(_))
    }
}

/// What it came to, in few words and without secrets: a status, the kind of a failure.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said {
            Said::Responded(response) | Said::PartResponded(response, _) => {
                write!(f, "{}", response.status())
            }
            Said::Failed(error) | Said::PartFailed(error, _) => write!(f, "{}", error.kind),
            Said::Unreadable(error) => write!(f, "{error}"),
            Said::NotStored(error) => write!(f, "{error}"),
            Said::NotRefreshed(_) => f.write_str("refused"),
            Said::Stored | Said::Found(_) | Said::Hashed(_) | Said::Elapsed | Said::Refreshed => {
                f.write_str("done")
            }
        }
    }
}

#[derive(Debug)]
#[cfg_attr(feature = "explore", derive(Clone))]
pub(super) enum Said {
    Responded(Response),
    PartResponded(Response, Option<ContentDigest>),
    Failed(TransportError),
    PartFailed(TransportError, Option<ContentDigest>),
    Unreadable(SourceError),
    Stored,
    NotStored(StoreError),
    Found(SourceIdentity),
    Hashed(ContentDigest),
    Elapsed,
    Refreshed,
    NotRefreshed(String),
}

/// Why there is no answer to a request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind}: {message}")]
#[non_exhaustive]
pub struct TransportError {
    /// What went wrong, as far as it decides what to do next.
    pub kind: TransportKind,
    /// What the HTTP stack said, for the person who reads it. No secrets: it may be logged.
    pub message: String,
}

impl TransportError {
    /// An error of this kind.
    pub fn new(kind: TransportKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The request could not be signed, or lacked what had to be signed with it.
    pub fn unsigned(why: impl fmt::Display) -> Self {
        Self::new(TransportKind::Signing, why.to_string())
    }

    /// Whether the server cannot have seen the request.
    #[must_use]
    pub fn is_before_sending(&self) -> bool {
        matches!(self.kind, TransportKind::Connect | TransportKind::Signing | TransportKind::Withdrawn)
    }

    /// Whether it was ended on request.
    #[must_use]
    pub fn is_on_request(&self) -> bool {
        matches!(self.kind, TransportKind::Stopped | TransportKind::Withdrawn)
    }

    /// The exchange was ended because [`Effect::Stop`] asked for it.
    #[must_use]
    pub fn stopped() -> Self {
        Self::new(TransportKind::Stopped, "ended on request")
    }

    /// The exchange was ended because [`Effect::Stop`] asked for it, before anything was sent.
    #[must_use]
    pub fn withdrawn() -> Self {
        Self::new(TransportKind::Withdrawn, "ended on request before anything was sent")
    }
}

/// What kind of failure left a request without an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum TransportKind {
    /// No connection came about: name not resolved, refused, TLS not agreed. Nothing was sent.
    Connect,
    /// The connection broke when part of the request may have been sent, or the answer could not be read. The server
    /// may have done the work.
    Broken,
    /// Nothing moved for too long. The server may have done the work.
    Stalled,
    /// The request could not be signed. Nothing was sent.
    Signing,
    /// It was ended because [`Effect::Stop`] asked for it. The server may have done the work.
    Stopped,
    /// It was ended because [`Effect::Stop`] asked for it, before anything was sent.
    Withdrawn,
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Broken => "the connection broke",
            Self::Stalled => "the connection stalled",
            Self::Signing => "the request could not be signed",
            Self::Stopped => "stopped",
            Self::Withdrawn => "stopped before anything was sent",
        })
    }
}

/// Why a checkpoint could not be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the checkpoint could not be written: {message}")]
#[non_exhaustive]
pub struct StoreError {
    /// What the system said.
    pub message: String,
}

impl StoreError {
    /// An error with this explanation.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Why the source could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It ended before the range did: it is shorter than it was.
    #[error("the source has become shorter: it ends at byte {at}")]
    Shortened {
        /// Where it ended.
        at: u64,
    },
    /// The system could not read it.
    #[error("the source cannot be read: {0}")]
    Io(String),
    /// Reading was ended because [`Effect::Stop`] asked for it.
    #[error("reading was ended on request")]
    Stopped,
}
