//! One request on its way through the model: the head is judged, the body taken in, the work done and answered.

mod injected;
mod kept;

use std::fmt;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, header};
use ossup_core::digest::{ContentDigest, Hasher, Integrity, Md5};
use ossup_core::part::PartNumber;

use crate::faults::{Action, Conduct, Probe};
use crate::journal::{Entry, Exchange, Fate};
use crate::model::callback::{Calling, Finished};
use crate::model::refusal::{self, Refusal};
use crate::model::reply::{Body, Context, Reply};
use crate::model::{Model, Operation, Received};
use crate::storage::{Content, Sink};
use injected::{injected, strike};
use kept::{MAX_KEY, cut, framing};

/// A request whose head was read and whose body is being taken in.
#[must_use]
pub struct Intake {
    exchange: Exchange,
    context: Context,
    conduct: Conduct,
    work: Work,
}

enum Work {
    /// Refused by the head alone.
    Refused(Refusal),
    /// Refused by a rule, once the body was read.
    RefusedLate(Refusal),
    /// Somebody else's answer, once the body was read.
    Foreign(Box<Response<Body>>),
    Receiving(Box<Receiving>),
}

struct Receiving {
    received: Received,
    operation: Operation,
    sink: Sinking,
    hasher: Hasher,
    taken: u64,
    limit: u64,
    /// What `Content-Length` said.
    expected: Option<u64>,
    failed: Option<Refusal>,
    /// The answer in spite of the work.
    instead: Option<Refusal>,
}

enum Sinking {
    Content(Box<dyn Sink>),
    Document(Vec<u8>, usize),
    Nothing,
}

/// The body of a request, taken in.
pub(crate) enum Taken {
    Content(Content, ContentDigest),
    Document(Vec<u8>),
    Nothing,
}

impl Intake {
    /// Whether the answer is settled already, so that the body need not be read.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        matches!(self.work, Work::Refused(_))
    }

    /// Whether the work is as long as the content is that it reads.
    pub(crate) fn copies(&self) -> bool {
        match &self.work {
            Work::Receiving(receiving) => {
                matches!(receiving.operation, Operation::CopyObject | Operation::UploadPartCopy)
            }
            Work::Refused(_) | Work::RefusedLate(_) | Work::Foreign(_) => false,
        }
    }

    /// How the connection behaves around this request.
    #[must_use]
    pub fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    /// How many bytes of the body were taken in.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.exchange.received()
    }

    /// How many bytes the head announced.
    #[must_use]
    pub fn expected(&self) -> Option<u64> {
        match &self.work {
            Work::Receiving(receiving) => receiving.expected,
            Work::Refused(_) | Work::RefusedLate(_) | Work::Foreign(_) => None,
        }
    }

    /// Takes in the next piece of the body. What is beyond the announced length is dropped, as OSS does.
    pub fn write(&mut self, piece: Bytes) {
        let before = self.exchange.received();
        self.exchange.receive(piece.len() as u64);
        let Work::Receiving(receiving) = &mut self.work else { return };
        let room = receiving.expected.map_or(u64::MAX, |expected| expected.saturating_sub(before));
        let mut piece = if piece.len() as u64 > room { piece.slice(..room as usize) } else { piece };
        if let Some(at) = self.conduct.corrupt.and_then(|offset| offset.checked_sub(before))
            && at < piece.len() as u64
        {
            piece = flip(&piece, at as usize);
        }
        receiving.take(piece);
    }

    /// The connection was closed by a rule before the body was complete.
    pub fn cut(self) {
        self.exchange.settle(None, None, Fate::CutIn);
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("received", &self.received()).finish_non_exhaustive()
    }
}

/// The piece with one bit flipped.
pub(crate) fn flip(piece: &Bytes, at: usize) -> Bytes {
    let mut bytes = piece.to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
    bytes.into()
}

impl Receiving {
    fn take(&mut self, piece: Bytes) {
        if self.failed.is_some() {
            return;
        }
        match &mut self.sink {
            Sinking::Content(sink) => {
                self.taken += piece.len() as u64;
                self.hasher.update(&piece);
                if self.taken > self.limit {
                    self.failed = Some(refusal::entity_too_large(self.taken));
                } else if sink.write(piece).is_err() {
                    self.failed = Some(refusal::internal_error());
                }
                if self.failed.is_some() {
                    // What was kept so far is given back at once.
                    self.sink = Sinking::Nothing;
                }
            }
            Sinking::Document(document, limit) => {
                if document.len() + piece.len() > *limit {
                    self.failed = Some(refusal::malformed_xml());
                    *document = Vec::new();
                } else {
                    self.hasher.update(&piece);
                    document.extend_from_slice(&piece);
                }
            }
            Sinking::Nothing => {}
        }
    }
}

impl Model {
    /// Reads the head of a request.
    pub fn begin(&self, head: &Parts) -> Intake {
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let now = self.clock.now();
        if let Some(lifetime) = self.config.upload_lifetime {
            self.expire_uploads(lifetime);
        }
        let request_id = {
            let mut state = self.state();
            let (a, b) = (state.random(self.config.seed), state.random(self.config.seed));
            format!("{a:016X}{:08X}", b >> 32)
        };
        let is_head = head.method == Method::HEAD;
        let context = Context { request_id: request_id.clone(), host: host.into(), now, is_head };
        let received = Received::read(head, &self.config, |name| self.state().buckets.contains_key(name));
        let operation = received.as_ref().map_err(Clone::clone).and_then(Operation::of);
        let known = received.as_ref().ok();
        let query = |name: &str| known.and_then(|received| received.query.get(name));
        let expected = head.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let entry = Entry {
            number: 0,
            time: now,
            operation: operation.as_ref().ok().copied(),
            method: cut(head.method.as_str(), 16),
            bucket: known.and_then(|received| received.target.bucket()).map(|name| cut(name, 63)),
            key: known.and_then(|received| received.target.key()).map(|key| cut(key, MAX_KEY)),
            part_number: query("partNumber").and_then(|n| n.parse().ok()),
            upload_id: query("uploadId").map(|id| cut(id, 64)),
            headers: framing(&head.headers),
            received: 0,
            status: None,
            code: None,
            request_id,
            fate: Fate::Abandoned,
        };
        let probe = Probe {
            operation: entry.operation,
            bucket: entry.bucket.as_deref(),
            key: entry.key.as_deref(),
            part: entry.part_number,
        };
        let mut conduct = Conduct::default();
        let mut about_answer = self.faults.strike(&probe).into_iter().filter_map(|a| conduct.adopt(a));
        let first = about_answer.next();
        about_answer.for_each(drop);
        let exchange = self.journal.open(entry, expected.unwrap_or(0));
        let work = match self.judge(head, received, operation, expected, first, &mut conduct) {
            Ok(work) => work,
            Err(refusal) => Work::Refused(refusal),
        };
        Intake { exchange, context, conduct, work }
    }

    fn judge(
        &self,
        head: &Parts,
        received: Result<Received, Refusal>,
        operation: Result<Operation, Refusal>,
        expected: Option<u64>,
        fault: Option<Action>,
        conduct: &mut Conduct,
    ) -> Result<Work, Refusal> {
        let instead = match fault {
            Some(Action::FailAfter { status, code }) => Some(injected(status, &code)),
            Some(fault) => return Ok(strike(fault, conduct)),
            None => None,
        };
        let received = received?;
        self.authorize(&received, operation.as_ref().ok().copied())?;
        let operation = operation?;
        self.check_names(&received, operation)?;
        if operation.takes_content() && expected.is_none() && !head.headers.contains_key("transfer-encoding")
        {
            return Err(refusal::missing_content_length());
        }
        if let Some(size) = expected.filter(|size| *size > self.config.max_part_size) {
            return Err(refusal::entity_too_large(size));
        }
        self.check_before_body(operation, &received)?;
        if let Some(limit) = traffic_limit(&received, operation)? {
            conduct.limit(limit);
        }
        let sink = if operation.takes_content() {
            Sinking::Content(self.storage.create().map_err(|_| refusal::internal_error())?)
        } else if operation.takes_body() {
            Sinking::Document(Vec::new(), self.config.max_document)
        } else {
            Sinking::Nothing
        };
        let integrity = match sink {
            Sinking::Content(_) => self.config.integrity,
            Sinking::Document(..) => Integrity::Md5AndCrc,
            Sinking::Nothing => Integrity::None,
        };
        let hasher = Hasher::new(integrity);
        let receiving = Receiving {
            received,
            operation,
            sink,
            hasher,
            taken: 0,
            limit: self.config.max_part_size,
            expected,
            failed: None,
            instead,
        };
        Ok(Work::Receiving(Box::new(receiving)))
    }

    /// Does the work and answers; a callback is made by what [`on_callback`](Self::on_callback) was given.
    pub fn finish(&self, intake: Intake) -> Response<Body> {
        match self.settle(intake) {
            Finished::Answered(response) => response,
            Finished::Calling(calling) => {
                let result = self.deliver(calling.delivery());
                self.called(*calling, result)
            }
        }
    }

    /// Does the work, and answers unless a callback is to be made first. The journal has the request before anybody
    /// has the answer.
    pub fn settle(&self, intake: Intake) -> Finished {
        let Intake { mut exchange, context, conduct, work } = intake;
        let (mut response, code) = match work {
            Work::Foreign(response) => (*response, None),
            Work::Refused(refusal) | Work::RefusedLate(refusal) => {
                (context.respond(context.refused(&refusal)), Some(refusal.code.clone()))
            }
            Work::Receiving(receiving) => {
                let length = exchange.received();
                let instead = receiving.instead.clone();
                let done = self.work(*receiving, length, &context, &mut exchange);
                match done.and_then(|reply| instead.map_or(Ok(reply), Err)) {
                    Ok(mut reply) => {
                        if let Some(delivery) = reply.delivery.take() {
                            let calling = Calling { exchange, context, conduct, reply, delivery };
                            return Finished::Calling(Box::new(calling));
                        }
                        (context.respond(reply), None)
                    }
                    Err(refusal) => (context.respond(context.refused(&refusal)), Some(refusal.code.clone())),
                }
            }
        };
        exchange.settle(Some(response.status().as_u16()), code.map(Into::into), Fate::of(&conduct));
        conduct.mark(&mut response);
        Finished::Answered(response)
    }

    fn work(
        &self,
        receiving: Receiving,
        length: u64,
        context: &Context,
        exchange: &mut Exchange,
    ) -> Result<Reply, Refusal> {
        let Receiving { received, operation, sink, hasher, expected, failed, .. } = receiving;
        if let Some(refusal) = failed {
            return Err(refusal);
        }
        if expected.is_some_and(|expected| length < expected) {
            return Err(refusal::request_timeout());
        }
        let digest = hasher.finish();
        let taken = match sink {
            Sinking::Content(sink) => {
                let blob = sink.finish().map_err(|_| refusal::internal_error())?;
                Taken::Content(Content::of(blob), digest)
            }
            Sinking::Document(document, _) => Taken::Document(document),
            Sinking::Nothing => Taken::Nothing,
        };
        check_md5(&received, &taken, &digest)?;
        self.perform(operation, &received, taken, context, exchange)
    }
}

/// `Content-MD5` is that of the body.
fn check_md5(received: &Received, taken: &Taken, digest: &ContentDigest) -> Result<(), Refusal> {
    let Some(given) = received.header("content-md5") else { return Ok(()) };
    let found = match taken {
        Taken::Nothing => Some(Md5::of(b"")),
        Taken::Content(..) | Taken::Document(_) => digest.md5,
    };
    match (Md5::from_base64(given.trim()), found) {
        (Some(given), Some(found)) if given == found => Ok(()),
        // Told not to compute it.
        (Some(_), None) => Ok(()),
        _ => Err(refusal::invalid_digest(&given)),
    }
}

/// The bits per second that a request may be limited to, by itself. OSS's documentation ("Single-connection bandwidth
/// throttling") begins at 819,200, the comments of its SDKs at this.
const TRAFFIC_LIMITS: std::ops::RangeInclusive<u64> = 245_760..=838_860_800;

/// How many bytes a second the request allows itself, where it says so in a header or in its URL.
fn traffic_limit(received: &Received, operation: Operation) -> Result<Option<u64>, Refusal> {
    const NAME: &str = "x-oss-traffic-limit";
    if !operation.takes_content() && operation != Operation::GetObject {
        return Ok(None);
    }
    let given = received.header(NAME).or_else(|| received.query.get(NAME).map(str::to_owned));
    let Some(text) = given else { return Ok(None) };
    match text.parse::<u64>() {
        Ok(bits) if TRAFFIC_LIMITS.contains(&bits) => Ok(Some(bits / 8)),
        _ => Err(refusal::argument(NAME, &text, "The bandwidth limit must be between 245760 and 838860800.")),
    }
}

/// The part number of the request.
pub(crate) fn part_number(received: &Received) -> Result<PartNumber, Refusal> {
    let text = received.query.get("partNumber").ok_or_else(|| refusal::missing_argument("partNumber"))?;
    text.parse().map_err(|_| refusal::part_number(text))
}
