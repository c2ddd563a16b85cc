//! The execution of one effect, each in a task of its own that ends with its answer.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ossup_core::auth::AuthProblem;
use ossup_core::digest::{ContentDigest, Hasher, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::request::{Body, PartRequest, Request, Response};
use ossup_core::sign::Signer;
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Answer, AuthTicket, HashTicket, InspectTicket, PartTicket, SendTicket, SourceError, StoreTicket,
    TransportError, TransportKind, Write,
};
use ossup_fs::{CheckpointRecord, FileSource};
use tokio::sync::watch;

use crate::blocking::off_reactor;
use crate::body::Content;
use crate::feed::{Feed, Given};
use crate::http_client::{Http, Outgoing};
use crate::pieces::{Digest, Memory, Pieces};

/// What all tasks of an upload work with.
pub(crate) struct Site {
    /// None when nothing is to be read.
    pub(crate) source: Option<Arc<FileSource>>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) http: Arc<Http>,
    /// For what is read of the source.
    pub(crate) memory: Memory,
}

/// Tells a task that it shall end. So does the end of whoever could tell it.
#[derive(Clone, Debug)]
pub(crate) struct Stop(pub(crate) watch::Receiver<bool>);

impl Stop {
    pub(crate) async fn asked(&mut self) {
        // An error is the end of the driver.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    fn is_asked(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// What a task says to the driver.
#[derive(Debug)]
pub(crate) enum Report {
    Done(Answer),
    /// A write to the checkpoint is done, and here is the record again.
    Stored(Answer, Box<dyn CheckpointRecord>),
}

#[derive(Debug)]
pub(crate) enum StoreTask {
    Save(Write),
    Forget,
}

/// Executes effects.
impl Site {
    pub(crate) async fn send(
        self: Arc<Self>,
        ticket: SendTicket,
        request: Request,
        feed: Arc<Feed>,
        mut stop: Stop,
    ) -> Report {
        let content = match request.body() {
            Body::Empty => Ok(Content::Inline(bytes::Bytes::new())),
            Body::Inline(bytes) => Ok(Content::Inline(bytes.clone())),
            // Such requests come as parts; but what is asked for is plain enough.
            Body::Source(range) => self.source().map(|source| {
                let digest = Digest::Computed(Box::new(Hasher::new(Integrity::None)));
                Content::Range(Box::new(Pieces::new(source.reader(*range), digest, self.memory.clone())))
            }),
        };
        let result = match content {
            Ok(content) => self.go(request, content, &feed, &mut stop).await,
            Err(error) => Err(TransportError::new(TransportKind::Connect, error.to_string())),
        };
        Report::Done(match result {
            Ok(response) => ticket.responded(response),
            Err(error) => ticket.failed(error),
        })
    }

    pub(crate) async fn send_part(
        self: Arc<Self>,
        ticket: PartTicket,
        part: PartRequest,
        feed: Arc<Feed>,
        mut stop: Stop,
    ) -> Report {
        let source = match self.source() {
            Ok(source) => source,
            Err(error) => return Report::Done(ticket.unreadable(error)),
        };
        // Of no bytes no digest can be computed as they go by.
        let is_empty = part.range().is_empty();
        let (known, request) = if part.integrity() == Integrity::Md5AndCrc || is_empty {
            // The MD5 goes ahead of the bytes, so they are read twice; the second time from the system's cache, and
            // without digesting them again: it is the server that would notice if they were others.
            let reading = self.digest(part.range(), part.integrity(), stop.clone());
            let digest = tokio::select! {
                biased;
                digest = reading => digest,
                () = stop.asked() => Err(SourceError::Stopped),
            };
            match digest {
                Ok(digest) => (Some(digest), part.with_digest(&digest)),
                Err(SourceError::Stopped) => {
                    return Report::Done(ticket.failed(TransportError::withdrawn(), None));
                }
                Err(error) => return Report::Done(ticket.unreadable(error)),
            }
        } else {
            (None, part.without_digest())
        };
        let request = match request {
            Ok(request) => request,
            Err(mismatch) => {
                let error = TransportError::new(TransportKind::Signing, mismatch.to_string());
                return Report::Done(ticket.failed(error, None));
            }
        };
        let digest =
            known.map_or_else(|| Digest::Computed(Box::new(Hasher::new(part.integrity()))), Digest::Known);
        let content =
            Content::Range(Box::new(Pieces::new(source.reader(part.range()), digest, self.memory.clone())));
        let result = self.go(request, content, &feed, &mut stop).await;
        let Given { whole, digest, failure } = feed.take_given();
        Report::Done(match (failure, result) {
            (Some(failure), _) => ticket.unreadable(failure),
            (None, Err(error)) => ticket.failed(error, digest.or(known)),
            (None, Ok(response)) => match known.or(digest) {
                Some(sent) if whole || is_empty => ticket.responded(response, sent),
                _ => ticket.responded_early(response),
            },
        })
    }

    pub(crate) async fn hash(
        self: Arc<Self>,
        ticket: HashTicket,
        range: ByteRange,
        integrity: Integrity,
        mut stop: Stop,
    ) -> Report {
        let reading = self.digest(range, integrity, stop.clone());
        let result = tokio::select! {
            biased;
            result = reading => result,
            () = stop.asked() => Err(SourceError::Stopped),
        };
        Report::Done(match result {
            Ok(digest) => ticket.hashed(digest),
            Err(error) => ticket.unreadable(error),
        })
    }

    pub(crate) async fn refresh(
        self: Arc<Self>,
        ticket: AuthTicket,
        problem: AuthProblem,
        mut stop: Stop,
    ) -> Report {
        let signer = Arc::clone(&self.signer);
        let result = tokio::select! {
            biased;
            result = off_reactor(move || signer.refresh(&problem, now())) => result.map_err(|refused| refused.to_string()),
            () = stop.asked() => Err("ended on request".into()),
        };
        Report::Done(match result {
            Ok(()) => ticket.refreshed(),
            Err(reason) => ticket.refused(reason),
        })
    }

    pub(crate) async fn inspect(self: Arc<Self>, ticket: InspectTicket) -> Report {
        let result = match self.source() {
            Ok(source) => off_reactor(move || source.inspect()).await,
            Err(error) => Err(error),
        };
        Report::Done(match result {
            Ok(identity) => ticket.found(identity),
            Err(error) => ticket.unreadable(error),
        })
    }

    fn source(&self) -> Result<Arc<FileSource>, SourceError> {
        self.source.clone().ok_or_else(|| SourceError::Io("there is none".into()))
    }

    async fn digest(
        &self,
        range: ByteRange,
        integrity: Integrity,
        stop: Stop,
    ) -> Result<ContentDigest, SourceError> {
        let source = self.source()?;
        off_reactor(move || source.digest(range, integrity, move || stop.is_asked())).await
    }

    /// Signs a request and sends it.
    async fn go(
        &self,
        request: Request,
        content: Content,
        feed: &Arc<Feed>,
        stop: &mut Stop,
    ) -> Result<Response, TransportError> {
        let signer = Arc::clone(&self.signer);
        let (expects_continue, answer_within) = (request.expects_continue(), request.answer_within());
        let result = tokio::select! {
            biased;
            () = stop.asked() => return Err(TransportError::withdrawn()),
            result = off_reactor(move || signer.sign(&request, now())) => result,
        };
        let request =
            result.map_err(|error| TransportError::new(TransportKind::Signing, error.to_string()))?;
        self.http.send(feed, Outgoing { request, content, expects_continue, answer_within }, stop).await
    }
}

/// Writes to a record, which goes along and comes back with the answer: so only one of these can be under way.
pub(crate) async fn store(
    ticket: StoreTicket,
    task: StoreTask,
    mut record: Box<dyn CheckpointRecord>,
) -> Report {
    off_reactor(move || {
        let result = match task {
            StoreTask::Save(write) => record.apply(&write),
            StoreTask::Forget => record.forget(),
        };
        let answer = match result {
            Ok(()) => ticket.durable(),
            Err(error) => ticket.failed(error),
        };
        Report::Stored(answer, record)
    })
    .await
}

/// The time by the clock of this machine.
pub(crate) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}
