//! What a driver has to carry out effects with: the file, the record, and whoever signs. One method for each effect
//! that needs no waiting, and one for each way of sending.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ossup_core::auth::AuthProblem;
use ossup_core::digest::{ContentDigest, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::request::{Body, PartRequest, Request, Response};
use ossup_core::sign::Signer;
use ossup_core::upload::{
    Answer, AuthTicket, HashTicket, InspectTicket, PartTicket, SourceError, StoreError, StoreTicket,
    TransportError, Write,
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

    /// The record makes what it is told as durable as it is asked to.
    pub(crate) fn save(&mut self, ticket: StoreTicket, write: &Write) -> Answer {
        stored(ticket, self.record().and_then(|record| record.apply(write)))
    }

    pub(crate) fn forget(&mut self, ticket: StoreTicket) -> Answer {
        stored(ticket, self.record().and_then(|record| record.forget()))
    }

    /// Opens the file anew by its name: another may have taken its place.
    pub(crate) fn inspect(&self, ticket: InspectTicket) -> Answer {
        match self.source().and_then(FileSource::inspect) {
            Ok(identity) => ticket.found(identity),
            Err(error) => ticket.unreadable(error),
        }
    }

    pub(crate) fn hash(&self, ticket: HashTicket, range: ByteRange, what: Integrity) -> Answer {
        match self.digest(range, what) {
            Ok(digest) => ticket.hashed(digest),
            Err(error) => ticket.unreadable(error),
        }
    }

    pub(crate) fn refresh(&self, ticket: AuthTicket, problem: &AuthProblem) -> Answer {
        match self.signer.refresh(problem, now()) {
            Ok(()) => ticket.refreshed(),
            Err(refused) => ticket.refused(refused.to_string()),
        }
    }

    /// Signs a request and sends it.
    pub(crate) fn send(&self, request: &Request) -> Result<Sent, Trouble> {
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
    pub(crate) fn send_part(&self, part: &PartRequest) -> Result<(Sent, ContentDigest), Trouble> {
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

/// The answer to a part that went out, in whole or until the server would take no more of it.
pub(crate) fn part_answer(
    ticket: PartTicket,
    is_whole: bool,
    answer: Result<Response, TransportError>,
    digest: ContentDigest,
) -> Answer {
    match answer {
        Ok(response) if is_whole => ticket.responded(response, digest),
        Ok(response) => ticket.responded_early(response),
        Err(error) => ticket.failed(error, Some(digest)),
    }
}

/// The answer to a part that did not go out.
pub(crate) fn part_trouble(ticket: PartTicket, trouble: Trouble) -> Answer {
    match trouble {
        Trouble::Transport(error) => ticket.failed(error, None),
        Trouble::Source(error) => ticket.unreadable(error),
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
