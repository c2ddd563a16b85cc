//! A worker: a thread that does one task after the other and reports each.

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{SystemTime, UNIX_EPOCH};

use ossup_core::auth::AuthProblem;
use ossup_core::digest::{ContentDigest, Hasher, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::request::{Body, PartRequest, Request, Response};
use ossup_core::sign::Signer;
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Answer, AuthTicket, EffectId, HashTicket, InspectTicket, PartTicket, SendTicket, SourceError,
    StoreTicket, TransportError, TransportKind, Write,
};
use ossup_fs::{CheckpointRecord, FileSource};

use crate::body::{Digest, Given, PartBody};
use crate::crew::WorkerId;
use crate::driver::Event;
use crate::exchange::{Exchange, Ticket};
use crate::line::{Caller as _, Line, Lines, Outgoing};

/// A task with the name of its effect.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) id: EffectId,
    pub(crate) task: Task,
}

/// Something a worker does.
#[derive(Debug)]
pub(crate) enum Task {
    Send(Arc<Exchange<SendTicket>>, Request),
    SendPart(Arc<Exchange<PartTicket>>, PartRequest),
    Hash(Arc<Exchange<HashTicket>>, ByteRange, Integrity),
    Refresh(Arc<Exchange<AuthTicket>>, AuthProblem),
    Inspect(InspectTicket),
    /// The record goes along and comes back with the answer, so only one of these can be under way.
    Store(StoreTicket, StoreTask, Box<dyn CheckpointRecord>),
}

#[derive(Debug)]
pub(crate) enum StoreTask {
    Save(Write),
    Forget,
}

/// What a worker says to the driver.
#[derive(Debug)]
pub(crate) enum Report {
    /// A task is done. No answer if it was given when the task was stopped.
    Done(Option<Answer>),
    /// A write to the checkpoint is done, and here is the record again.
    Stored(Answer, Box<dyn CheckpointRecord>),
    /// The worker has panicked over this task, and is no more.
    Died(EffectId),
}

/// What all workers of an upload work with.
pub(crate) struct Site {
    /// None when nothing is to be read.
    pub(crate) source: Option<FileSource>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) lines: Arc<Lines>,
}

impl Site {
    fn source(&self) -> Result<&FileSource, SourceError> {
        self.source.as_ref().ok_or_else(|| SourceError::Io("there is none".into()))
    }
}

/// Does tasks until there are no more.
pub(crate) fn work(me: WorkerId, site: &Site, tasks: &Receiver<Box<Assignment>>, events: &Sender<Event>) {
    let mut worker = Worker { site, line: None };
    while let Ok(assignment) = tasks.recv() {
        let Assignment { id, task } = *assignment;
        let mut owed = Owed { me, events, report: Some(Report::Died(id)) };
        owed.report = Some(worker.execute(task));
    }
    if let Some(line) = worker.line {
        site.lines.give_back(line);
    }
}

/// The report of a task, which is made even if the task panics.
struct Owed<'a> {
    me: WorkerId,
    events: &'a Sender<Event>,
    report: Option<Report>,
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            // Nobody listens any more if the driver itself has panicked.
            let _ = self.events.send(Event::Report(self.me, Box::new(report)));
        }
    }
}

struct Worker<'a> {
    site: &'a Site,
    line: Option<Line>,
}

/// What became of an attempt to send a part.
enum PartEnd {
    Answered(Response, Given),
    Failed(TransportError, Option<ContentDigest>),
    Unreadable(SourceError),
}

impl Worker<'_> {
    fn execute(&mut self, task: Task) -> Report {
        let site = self.site;
        match task {
            Task::Send(exchange, request) => {
                let result = self.send(&exchange, &request);
                Report::Done(exchange.settle().map(|ticket| match result {
                    Ok(response) => ticket.responded(response),
                    Err(error) => ticket.failed(error),
                }))
            }
            Task::SendPart(exchange, part) => {
                let end = self.send_part(&exchange, &part);
                Report::Done(exchange.settle().map(|ticket| match end {
                    PartEnd::Answered(response, Given { whole: true, digest: Some(sent) }) => {
                        ticket.responded(response, sent)
                    }
                    PartEnd::Answered(response, _) => ticket.responded_early(response),
                    PartEnd::Failed(error, sent) => ticket.failed(error, sent),
                    PartEnd::Unreadable(error) => ticket.unreadable(error),
                }))
            }
            Task::Hash(exchange, range, integrity) => {
                let result =
                    site.source().and_then(|source| source.digest(range, integrity, stopped(&exchange)));
                Report::Done(exchange.settle().map(|ticket| match result {
                    Ok(digest) => ticket.hashed(digest),
                    Err(error) => ticket.unreadable(error),
                }))
            }
            Task::Refresh(exchange, problem) => {
                let result = site.signer.refresh(&problem, now());
                Report::Done(exchange.settle().map(|ticket| match result {
                    Ok(()) => ticket.refreshed(),
                    Err(refused) => ticket.refused(refused.to_string()),
                }))
            }
            Task::Inspect(ticket) => Report::Done(Some(match site.source().and_then(FileSource::inspect) {
                Ok(identity) => ticket.found(identity),
                Err(error) => ticket.unreadable(error),
            })),
            Task::Store(ticket, task, mut record) => {
                let result = match task {
                    StoreTask::Save(write) => record.apply(&write),
                    StoreTask::Forget => record.forget(),
                };
                let answer = match result {
                    Ok(()) => ticket.durable(),
                    Err(error) => ticket.failed(error),
                };
                Report::Stored(answer, record)
            }
        }
    }

    fn send(
        &mut self,
        exchange: &Arc<Exchange<SendTicket>>,
        request: &Request,
    ) -> Result<Response, TransportError> {
        match request.body() {
            Body::Empty => self.go(exchange, request, &mut std::io::empty()),
            Body::Inline(bytes) => self.go(exchange, request, &mut bytes.as_ref()),
            // Such requests come as parts; but what is asked for is plain enough.
            Body::Source(range) => match self.site.source() {
                Ok(source) => self.go(exchange, request, &mut source.reader(*range)),
                Err(error) => Err(TransportError::new(TransportKind::Connect, error.to_string())),
            },
        }
    }

    fn send_part(&mut self, exchange: &Arc<Exchange<PartTicket>>, part: &PartRequest) -> PartEnd {
        let source = match self.site.source() {
            Ok(source) => source,
            Err(error) => return PartEnd::Unreadable(error),
        };
        let (digest, request) = if part.integrity() == Integrity::Md5AndCrc {
            // The MD5 goes ahead of the bytes, so they are read twice; the second time from the system's cache, and
            // without digesting them again: it is the server that would notice if they were others.
            match source.digest(part.range(), part.integrity(), stopped(exchange)) {
                Ok(digest) => (Digest::Known(digest), part.with_digest(&digest)),
                Err(error) => return PartEnd::Unreadable(error),
            }
        } else {
            (Digest::Computed(Box::new(Hasher::new(part.integrity()))), part.without_digest())
        };
        let request = match request {
            Ok(request) => request,
            Err(mismatch) => return PartEnd::Failed(TransportError::unsigned(mismatch), None),
        };
        let wire = self.line().wire();
        let mut body = PartBody::new(source.reader(part.range()), digest, Arc::clone(exchange), wire);
        let result = self.go(exchange, &request, &mut body);
        match (body.finish(), result) {
            (Ok(given), Ok(response)) => PartEnd::Answered(response, given),
            (Ok(given), Err(error)) => PartEnd::Failed(error, given.digest),
            (Err(error), _) => PartEnd::Unreadable(error),
        }
    }

    /// Signs a request and sends it.
    fn go<T: Ticket + 'static>(
        &mut self,
        exchange: &Arc<Exchange<T>>,
        request: &Request,
        body: &mut dyn Read,
    ) -> Result<Response, TransportError> {
        let signed = self.site.signer.sign(request, now()).map_err(TransportError::unsigned)?;
        let outgoing = Outgoing {
            request: signed,
            len: request.body().len(),
            expects_continue: request.expects_continue(),
            answer_within: request.answer_within(),
        };
        self.line().send(exchange, outgoing, body)
    }

    fn line(&mut self) -> &mut Line {
        self.line.get_or_insert_with(|| self.site.lines.take())
    }
}

/// Whether an exchange is to be ended, for others to ask.
fn stopped<T: Ticket + 'static>(exchange: &Arc<Exchange<T>>) -> impl Fn() -> bool + Send + 'static {
    let exchange = Arc::clone(exchange);
    move || exchange.is_stopped()
}

/// The time by the clock of this machine.
pub(crate) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}
