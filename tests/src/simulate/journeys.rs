//! How a request departs, arrives, and is answered.

use std::sync::Arc;

use bytes::Bytes;
use ossup_core::digest::{Crc64, Integrity};
use ossup_core::error;
use ossup_core::part::ByteRange;
use ossup_core::request::{Body, Operation, Request, Response};
use ossup_core::sign::Signer as _;
use ossup_core::upload::{EffectId, Recording, SourceError, TransportError, TransportKind};

use super::network::{self, AnswerFate, Arrival, Fate, PATIENCE};
use super::process::Doing;
use super::service::{Handled, Letter, error_answer};
use super::totals::Fault;
use super::words;
use super::world::{Event, Violation, World};

/// A request on its way, and who waits for the answer.
#[derive(Debug)]
pub(super) struct Journey {
    run: u32,
    id: EffectId,
    letter: Letter,
    /// What the body is read from when the request goes out.
    range: Option<ByteRange>,
    answer: AnswerFate,
    copy: bool,
}

/// What the network stack says.
#[derive(Debug)]
pub(super) enum Reply {
    Responded(Response),
    /// Before the body was read.
    Early(Response),
    /// Whether the body was read to its end.
    Failed(TransportKind, bool),
    Unreadable(SourceError),
}

impl World {
    /// A request is read, signed and sent.
    pub(super) fn depart(&mut self, run: u32, id: EffectId) -> Result<(), Violation> {
        let local_time = self.local_time();
        let failing = self.trouble > 0 && self.rng.f64() < self.setting.fault_rate / 20.0;
        let Some(process) = self.processes.get_mut(&run) else { return Ok(()) };
        let (request, range) = match process.under_way.get_mut(&id) {
            Some(Doing::Request(_, request)) => (request.clone(), None),
            Some(Doing::Part(..)) if failing => {
                self.befell(Fault::Unreadable);
                return self.answer(run, id, Reply::Unreadable(SourceError::Io("a bad sector".into())));
            }
            Some(Doing::Part(_, part, read)) => match self.source.digest(part.range(), part.integrity()) {
                Ok(digest) => {
                    *read = Some(digest);
                    let request = part.with_digest(&digest).map_err(|error| error.to_string())?;
                    (request, Some(part.range()))
                }
                Err(at) => {
                    return self.answer(run, id, Reply::Unreadable(SourceError::Shortened { at }));
                }
            },
            _ => return Ok(()),
        };
        let damaged = self.ledger.doubled || self.totals.faults.contains_key(&Fault::Rot);
        process.departed.insert(id);
        let name = names(&request).0.zip(names(&request).1);
        if let Some(name) = name.filter(|_| request.operation() == Operation::UploadPart) {
            process.used.insert(name.0.clone());
            let sent = range.and_then(|range| self.source.digest(range, Integrity::Crc).ok()?.crc64);
            let known = self.ledger.acknowledged.get(&name).copied();
            process.first_sent.entry(name.clone()).or_insert(self.source.changes());
            let excused = self.ledger.unlisted || self.ledger.doubled;
            if known.is_some() && known == sent.map(Crc64::value) && !excused {
                return Err(format!("part {} was acknowledged, and is sent again", name.1));
            }
        }
        let anchored = process.anchored.as_ref().map(|(_, anchored)| anchored);
        let recorded = self.setting.recording == Recording::Checkpoint && !damaged;
        if request.operation() == Operation::UploadPart && recorded && anchored != names(&request).0.as_ref()
        {
            return Err("P1: a part of another upload than the one that is durable".into());
        }
        let Ok(signed) = process.signer.sign(&request, local_time) else {
            return self.answer(run, id, Reply::Failed(TransportKind::Signing, false));
        };
        let (operation, len) = (request.operation(), request.body().len());
        let (fate, fault) = if self.trouble > 0 && self.rng.f64() < self.setting.fault_rate {
            network::draw(&self.setting, operation, len, &mut self.rng)
        } else {
            (Fate::Arrives(Arrival::default()), None)
        };
        if let Some(fault) = fault {
            self.befell(fault);
            self.note(|| format!("run {run} {id}: {fault:?}: {fate:?}"));
        }
        match fate {
            Fate::Never(TransportKind::Connect) => {
                let delay = self.rng.u64(1..5000);
                self.after(delay, Event::Answer(run, id, Reply::Failed(TransportKind::Connect, false)));
            }
            Fate::Never(kind) => self.after(PATIENCE, Event::Answer(run, id, Reply::Failed(kind, true))),
            Fate::Arrives(arrival) => {
                let letter = letter(&request, signed, &arrival);
                // An MD5 goes ahead of the bytes, which are read once more while they are sent.
                let twice = request.headers().contains_key("content-md5");
                self.send(
                    Journey { run, id, letter, range, answer: arrival.answer, copy: false },
                    twice,
                    arrival.delay,
                    arrival.twice,
                );
            }
        }
        Ok(())
    }

    fn send(&mut self, mut journey: Journey, read_again: bool, delay: u64, twice: bool) {
        if let (Some(range), false) = (journey.range, read_again) {
            journey.letter.body = self.source.content().pieces(range);
            journey.range = None;
        }
        if delay > 0 {
            let (run, id) = (journey.run, journey.id);
            self.after(PATIENCE, Event::Answer(run, id, Reply::Failed(TransportKind::Stalled, true)));
        }
        if twice {
            let letter = journey.letter.clone();
            let copy = Journey { letter, copy: true, answer: AnswerFate::Delivered, ..journey };
            let later = self.rng.u64(1..3 * PATIENCE);
            self.after(later, Event::Arrive(Box::new(copy)));
        }
        let travel = self.rng.u64(1..50) + delay;
        self.after(travel, Event::Arrive(Box::new(journey)));
    }

    /// A request arrives at the service.
    pub(super) fn arrive(&mut self, journey: Journey) {
        let Journey { run, id, mut letter, range, answer, copy } = journey;
        let process = self.processes.get(&run);
        let awaited = process.is_some_and(|process| process.under_way.contains_key(&id)) && !copy;
        let mut shortened = None;
        if let Some(range) = range {
            letter.body = self.source.content().pieces(range);
            let len: u64 = letter.body.iter().map(|piece| piece.len() as u64).sum();
            if len < range.len() {
                shortened = Some(range.offset() + len);
                letter.cut = Some(len);
            }
        }
        self.service.tell_time(self.now);
        let handled = self.service.receive(&letter);
        self.note(|| {
            let answered = handled.as_ref().map(|handled| (handled.response.status().as_u16(), handled.done));
            format!("service: {} {:?} of run {run} {id}: {answered:?}", letter.operation, letter.part)
        });
        if let Some(handled) = &handled {
            self.account(&letter, handled, awaited);
        }
        if !copy {
            let (delay, reply) = self.returns(&letter, handled, answer, shortened);
            self.after(delay, Event::Answer(run, id, reply));
        }
    }

    /// Notes what the service has done, as nobody else can.
    fn account(&mut self, letter: &Letter, handled: &Handled, awaited: bool) {
        if !handled.done {
            return;
        }
        match letter.operation {
            Operation::UploadPart => {
                self.totals.parts += 1;
                self.totals.bytes += letter.body.iter().map(|piece| piece.len() as u64).sum::<u64>();
                if let (Some(name), Some(crc)) = (letter.upload_id.clone().zip(letter.part), handled.crc64)
                    && self.ledger.acknowledged.get(&name).is_some_and(|acknowledged| *acknowledged != crc)
                {
                    // It was replaced, by one that came late.
                    self.ledger.acknowledged.remove(&name);
                }
            }
            // Nobody can know of it.
            Operation::InitiateMultipartUpload if !awaited => {
                let id = ossup_core::operation::initiate::parse(&handled.response);
                self.ledger.excused.extend(id.map(|id| id.to_string()));
            }
            Operation::PutObject if !awaited => self.ledger.disturbed = true,
            _ => {}
        }
    }

    /// What comes back to the sender, and after how many milliseconds.
    fn returns(
        &mut self,
        letter: &Letter,
        handled: Option<Handled>,
        answer: AnswerFate,
        shortened: Option<u64>,
    ) -> (u64, Reply) {
        let delay = self.rng.u64(1..50);
        let Some(handled) = handled else {
            return match shortened {
                Some(at) => (delay, Reply::Unreadable(SourceError::Shortened { at })),
                None => (delay, Reply::Failed(TransportKind::Broken, self.rng.bool())),
            };
        };
        let mut response = handled.response;
        match answer {
            AnswerFate::Lost(TransportKind::Stalled) => {
                return (PATIENCE, Reply::Failed(TransportKind::Stalled, true));
            }
            AnswerFate::Lost(kind) => return (delay, Reply::Failed(kind, true)),
            AnswerFate::Replaced(status, code) => {
                return (delay, Reply::Responded(error_answer(status, code)));
            }
            AnswerFate::Truncated => {
                let half = response.body().len() / 2;
                let cut: Bytes = response.body().slice(..half);
                *response.body_mut() = cut;
            }
            AnswerFate::Stripped if !response.status().is_success() => {
                response.headers_mut().remove("x-oss-err");
                *response.body_mut() = Bytes::new();
            }
            AnswerFate::Stripped | AnswerFate::Delivered => {}
        }
        let makes = matches!(letter.operation, Operation::CompleteMultipartUpload | Operation::PutObject);
        // A condition that failed may be told by the status alone.
        if response.status() == 409 && makes && self.trouble > 0 && self.rng.u8(..4) == 0 {
            *response.status_mut() = http::StatusCode::PRECONDITION_FAILED;
            *response.body_mut() = Bytes::new();
        }
        (delay, if handled.early { Reply::Early(response) } else { Reply::Responded(response) })
    }

    /// The network stack answers.
    pub(super) fn answer(&mut self, run: u32, id: EffectId, reply: Reply) -> Result<(), Violation> {
        let Some(process) = self.processes.get_mut(&run) else { return Ok(()) };
        let Some(doing) = process.under_way.remove(&id) else { return Ok(()) };
        process.departed.remove(&id);
        let operation = match &doing {
            Doing::Request(_, request) => Some(request.operation()),
            Doing::Part(_, request, _) => Some(request.operation()),
            _ => None,
        };
        self.note(|| format!("run {run} {id}: {}", words::heard(operation, &reply)));
        if let (Some(operation), Reply::Responded(response) | Reply::Early(response)) = (operation, &reply) {
            self.learn_from(operation, response);
        }
        let lost = |kind| TransportError::new(kind, "simulated");
        let answer = match (doing, reply) {
            (Doing::Request(ticket, request), Reply::Responded(response) | Reply::Early(response)) => {
                if request.operation() == Operation::ListParts && !response.status().is_success() {
                    self.ledger.unlisted = true;
                }
                ticket.responded(response)
            }
            (Doing::Request(ticket, request), Reply::Failed(kind, _)) => {
                // It may have been the last attempt.
                self.ledger.unlisted |= request.operation() == Operation::ListParts;
                ticket.failed(lost(kind))
            }
            (Doing::Part(ticket, part, Some(sent)), Reply::Responded(response)) => {
                if response.status().is_success() && response.headers().contains_key("etag") {
                    self.acknowledged(run, part.with_digest(&sent).ok().as_ref());
                }
                ticket.responded(response, sent)
            }
            (Doing::Part(ticket, ..), Reply::Responded(response) | Reply::Early(response)) => {
                ticket.responded_early(response)
            }
            (Doing::Part(ticket, _, sent), Reply::Failed(kind, read)) => {
                ticket.failed(lost(kind), sent.filter(|_| read))
            }
            (Doing::Part(ticket, ..), Reply::Unreadable(error)) => ticket.unreadable(error),
            (Doing::Hash(ticket, ..), Reply::Unreadable(error)) => ticket.unreadable(error),
            (doing, reply) => return Err(format!("{reply:?} is no answer to {doing:?}")),
        };
        self.tell(run, answer)
    }

    /// A part was acknowledged to the run that has sent it.
    fn acknowledged(&mut self, run: u32, request: Option<&Request>) {
        let Some((Some(id), Some(part))) = request.map(names) else { return };
        let name = (id, part);
        let Some(process) = self.processes.get_mut(&run) else { return };
        process.inspected_since = false;
        // One that was read twice, and differently, shows that the source has changed and does not count.
        let unchanged = process.first_sent.remove(&name) == Some(self.source.changes());
        if let Some(crc) = self.service.part_crc64(&name).filter(|_| unchanged) {
            self.ledger.acknowledged.insert(name, crc);
        }
        self.ledger.acknowledgements += 1;
    }

    fn learn_from(&mut self, operation: Operation, response: &Response) {
        let plain = response.status() == 200
            && !response.body().starts_with(b"<?xml")
            && !response.body().starts_with(b"<Error");
        if plain {
            return;
        }
        if let Err(error) = error::check(operation, response) {
            self.totals.judged(operation, error.status, error.code.as_deref());
        }
    }
}

/// The upload and the part that a request names.
pub(super) fn names(request: &Request) -> (Option<String>, Option<u16>) {
    let value = |name: &str| request.query().iter().find(|(other, _)| *other == name)?.1.clone();
    (value("uploadId"), value("partNumber").and_then(|part| part.parse().ok()))
}

/// A request as it goes out.
fn letter(request: &Request, signed: http::Request<()>, arrival: &Arrival) -> Letter {
    let (upload_id, part) = names(request);
    let body = match request.body() {
        Body::Inline(bytes) => vec![bytes.clone()],
        Body::Empty | Body::Source(_) => Vec::new(),
    };
    let len = request.body().len();
    Letter {
        operation: request.operation(),
        upload_id,
        part,
        head: Arc::new(signed.into_parts().0),
        body,
        twist: arrival.twist.clone(),
        cut: arrival.cut.map(|share| len * u64::from(share) / 255),
    }
}
