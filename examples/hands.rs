//! What the blocking drivers carry out effects with: the file, the record, whoever signs, and `http1`.
//!
//! An effect is begun here, and what has to be waited for is handed back: when is the driver's business.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ossup_core::digest::{ContentDigest, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::request::{Body, PartRequest, Request};
use ossup_core::sign::Signer;
use ossup_core::upload::{
    Answer, Effect, EffectId, PartTicket, SendTicket, SourceError, StoreError, StoreTicket, TransportError,
    WaitTicket,
};
use ossup_fs::{CheckpointRecord, FileSource};

use super::http1::{self, Sent, Trouble};
use super::settings::now;

pub(crate) struct Hands<'a> {
    pub(crate) source: Option<FileSource>,
    pub(crate) record: Option<Box<dyn CheckpointRecord>>,
    pub(crate) signer: &'a dyn Signer,
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Hands<'_> {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Does what can be done at once, and puts requests on the wire.
    pub(crate) fn begin(&mut self, effect: Effect) -> Begun {
        Begun::Answered(match effect {
            Effect::Send(ticket, request) => match self.send(&request) {
                Ok(sent) => return Begun::Sent(OnTheWire { whose: Whose::Request(ticket), sent }),
                Err(trouble) => ticket.failed(trouble.into()),
            },
            Effect::SendPart(ticket, part) => match self.send_part(&part) {
                Ok((sent, digest)) => {
                    return Begun::Sent(OnTheWire { whose: Whose::Part(ticket, digest), sent });
                }
                Err(Trouble::Transport(error)) => ticket.failed(error, None),
                Err(Trouble::Source(error)) => ticket.unreadable(error),
            },
            Effect::Wait(ticket, time) => return Begun::Waits(ticket, time),
            // The record makes what it is told as durable as it is asked to.
            Effect::Save(ticket, write) => {
                stored(ticket, self.record().and_then(|record| record.apply(&write)))
            }
            Effect::Forget(ticket) => stored(ticket, self.record().and_then(|record| record.forget())),
            // Opens the file anew by its name: another may have taken its place.
            Effect::Inspect(ticket) => match self.source().and_then(FileSource::inspect) {
                Ok(identity) => ticket.found(identity),
                Err(error) => ticket.unreadable(error),
            },
            Effect::Hash(ticket, range, what) => match self.digest(range, what) {
                Ok(digest) => ticket.hashed(digest),
                Err(error) => ticket.unreadable(error),
            },
            Effect::Refresh(ticket, problem) => match self.signer.refresh(&problem, now()) {
                Ok(()) => ticket.refreshed(),
                Err(refused) => ticket.refused(refused.to_string()),
            },
            Effect::Stop(_) => unreachable!("it is about what was begun, and only the driver knows that"),
        })
    }

    /// Signs a request and sends it.
    fn send(&self, request: &Request) -> Result<Sent, Trouble> {
        let signed = self.signer.sign(request, now());
        let signed = signed.map_err(|error| Trouble::Transport(TransportError::unsigned(error)))?;
        let body: Box<dyn Read> = match request.body() {
            Body::Empty => Box::new(io::empty()),
            Body::Inline(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Body::Source(range) => Box::new(self.source().map_err(Trouble::Source)?.reader(*range)),
        };
        http1::send(&signed, body, request.answer_within())
    }

    /// Digests a part and sends it. The digest goes ahead of the bytes, so they are read twice; the second time from
    /// the system's cache, as a rule.
    fn send_part(&self, part: &PartRequest) -> Result<(Sent, ContentDigest), Trouble> {
        let digest = self.digest(part.range(), part.integrity()).map_err(Trouble::Source)?;
        let request = part.with_digest(&digest);
        let request = request.map_err(|error| Trouble::Transport(TransportError::unsigned(error)))?;
        Ok((self.send(&request)?, digest))
    }

    fn digest(&self, range: ByteRange, what: Integrity) -> Result<ContentDigest, SourceError> {
        let cancelled = Arc::clone(&self.cancelled);
        self.source()?.digest(range, what, move || cancelled.load(Ordering::Relaxed))
    }

    fn source(&self) -> Result<&FileSource, SourceError> {
        self.source.as_ref().ok_or_else(|| SourceError::Io("there is none".into()))
    }

    fn record(&mut self) -> Result<&mut Box<dyn CheckpointRecord>, StoreError> {
        self.record.as_mut().ok_or_else(|| StoreError::new("there is nowhere to keep it"))
    }
}

fn stored(ticket: StoreTicket, result: Result<(), StoreError>) -> Answer {
    match result {
        Ok(()) => ticket.durable(),
        Err(error) => ticket.failed(error),
    }
}

/// What became of an effect.
pub(crate) enum Begun {
    Answered(Answer),
    Sent(OnTheWire),
    Waits(WaitTicket, Duration),
}

/// A request whose answer is still to come.
pub(crate) struct OnTheWire {
    whose: Whose,
    sent: Sent,
}

enum Whose {
    Request(SendTicket),
    Part(PartTicket, ContentDigest),
}

impl OnTheWire {
    pub(crate) fn id(&self) -> EffectId {
        match &self.whose {
            Whose::Request(ticket) => ticket.id(),
            Whose::Part(ticket, _) => ticket.id(),
        }
    }

    /// Waits for the answer. To a part it may come before the part has gone out to its end.
    pub(crate) fn receive(self) -> Answer {
        let is_whole = self.sent.is_whole();
        match (self.whose, self.sent.receive()) {
            (Whose::Request(ticket), Ok(response)) => ticket.responded(response),
            (Whose::Request(ticket), Err(error)) => ticket.failed(error),
            (Whose::Part(ticket, digest), Ok(response)) if is_whole => ticket.responded(response, digest),
            (Whose::Part(ticket, _), Ok(response)) => ticket.responded_early(response),
            (Whose::Part(ticket, digest), Err(error)) => ticket.failed(error, Some(digest)),
        }
    }

    /// Closes the socket instead.
    pub(crate) fn stop(self) -> Answer {
        match self.whose {
            Whose::Request(ticket) => ticket.failed(TransportError::stopped()),
            Whose::Part(ticket, digest) => ticket.failed(TransportError::stopped(), Some(digest)),
        }
    }
}

/// As [`TransportError`], for requests that have no part of the source as their body.
impl From<Trouble> for TransportError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Transport(error) => error,
            Trouble::Source(error) => Self::unsigned(error),
        }
    }
}
