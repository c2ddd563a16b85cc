//! Stories: the machine against a bucket that does as a script says.
//!
//! A [`Story`] has a job, a [`World`] (bucket, source, disk) and a script: what comes of the next requests of each
//! operation. Whatever the script does not mention, the bucket answers as OSS would. Everything the machine asks for
//! is under way at once; what was asked for first is answered first.
//!
//! * [`bucket`] — what is on the server
//! * [`source`] — the file
//! * `reply` — what may come of a request

pub mod bucket;
mod reply;
pub mod source;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;
use std::time::Duration;

use ossup_core::auth::AuthProblem;
use ossup_core::checkpoint::{Checkpoint, journal};
use ossup_core::digest::{ContentDigest, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::request::{Operation, PartRequest, Request, Response};
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Answer, Effect, EffectId, Job, Notice, Outcome, PartTicket, Policy, Progress, Recording, SourceError,
    StoreError, TransportError, TransportKind, Turn, Upload, Write,
};

use self::bucket::{Bucket, NOW, number};
use self::source::{Source, as_asked};

pub use self::reply::{Deed, Reply, completed, failed, stop};

/// The size of every part in a story but the last, in bytes.
pub const PART: u64 = 102_400;

/// What the machine deals with.
#[derive(Clone, Debug)]
pub struct World {
    /// The server.
    pub bucket: Bucket,
    /// The file.
    pub source: Source,
    /// The checkpoint.
    pub record: Option<Vec<u8>>,
    /// A checkpoint that was put out of the way.
    pub aside: Option<Vec<u8>>,
    /// The disk is full: nothing can be written.
    pub full: bool,
}

impl World {
    /// What the checkpoint says.
    ///
    /// # Panics
    /// There is none, or it cannot be read.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        journal::read(self.record.as_ref().expect("there is a checkpoint")).expect("it can be read")
    }

    /// The numbers of the parts that the checkpoint knows.
    #[must_use]
    pub fn recorded(&self) -> Vec<u16> {
        self.record
            .as_ref()
            .map(|_| self.checkpoint().parts.keys().map(|n| n.get()).collect())
            .unwrap_or_default()
    }

    /// The digest of a part of the source, as the plan of the stories cuts it.
    #[must_use]
    pub fn part(&self, n: u16) -> ContentDigest {
        let from = u64::from(n - 1) * PART;
        self.source.piece(from, (from + PART).min(self.source.bytes.len() as u64))
    }
}

/// A request that has arrived at the server.
#[derive(Debug)]
pub struct Seen {
    /// The request.
    pub request: Request,
    /// Its part; 0 if it has none.
    pub part: u16,
}

/// Called before every turn.
pub type Watcher = Box<dyn FnMut(&mut Upload, &mut World)>;

/// A job, a world, and a script.
#[expect(missing_debug_implementations, reason = "it holds closures")]
pub struct Story {
    /// What there is.
    pub world: World,
    /// What is to be done. Its source is what the world has when the run begins.
    pub job: Job,
    /// The seed of the upload.
    pub seed: u64,
    /// What comes of refreshes; they succeed when it does not say.
    pub refreshes: VecDeque<Result<(), &'static str>>,
    /// Called before every turn.
    pub watcher: Option<Watcher>,
    script: BTreeMap<(Operation, u16), VecDeque<Reply>>,
    /// What came of the last request: a status with its code, or that there was no answer.
    pub said: String,
    /// The requests of the last run, in the order of their arrival.
    pub seen: Vec<Seen>,
    /// The waits of the last run.
    pub waits: Vec<Duration>,
    /// The ranges that were compared in the last run.
    pub hashed: Vec<ByteRange>,
    /// The most parts that were in flight at once in the last run.
    pub peak: usize,
    /// Why credentials were refreshed in the last run.
    pub refreshed: Vec<AuthProblem>,
    /// What the last run had to say.
    pub notices: Vec<Notice>,
    /// The progress of the last run after every step.
    pub progress: Vec<Progress>,
}

impl Default for Story {
    fn default() -> Self {
        Self::new()
    }
}

impl Story {
    /// A file of two and a half parts and an empty bucket; in parts whatever its size, with a checkpoint.
    #[must_use]
    pub fn new() -> Self {
        Self::of_len(2 * PART + PART / 2)
    }

    /// A file of so many bytes.
    ///
    /// # Panics
    /// Never: the name is a legal one.
    #[must_use]
    pub fn of_len(len: u64) -> Self {
        let source = Source::of_len(len);
        let object = "oss://bucket/dir/key.bin".parse().expect("a legal name");
        let mut job = Job::new(object, "host", source.identity.clone(), Timestamp::from_unix(NOW));
        job.recording = Recording::Checkpoint;
        job.policy = Policy { put_threshold: 0, part_size: PART, ..Policy::default() };
        Self {
            world: World { bucket: Bucket::default(), source, record: None, aside: None, full: false },
            job,
            seed: 1,
            refreshes: VecDeque::new(),
            watcher: None,
            script: BTreeMap::new(),
            said: String::new(),
            seen: Vec::new(),
            waits: Vec::new(),
            hashed: Vec::new(),
            peak: 0,
            refreshed: Vec::new(),
            notices: Vec::new(),
            progress: Vec::new(),
        }
    }

    /// What comes of the next requests of an operation.
    pub fn when(&mut self, operation: Operation, replies: impl IntoIterator<Item = Reply>) -> &mut Self {
        self.script.entry((operation, 0)).or_default().extend(replies);
        self
    }

    /// What comes of the next attempts of a part.
    pub fn when_part(&mut self, part: u16, replies: impl IntoIterator<Item = Reply>) -> &mut Self {
        self.script.entry((Operation::UploadPart, part)).or_default().extend(replies);
        self
    }

    /// The upload: from the checkpoint, if there is one.
    #[must_use]
    pub fn begin(&mut self) -> Upload {
        let mut job = self.job.clone();
        job.source = self.world.source.identity.clone();
        match &self.world.record {
            Some(record) => Upload::resume(job, record, self.seed),
            None => Upload::start(job, self.seed),
        }
    }

    /// A whole run.
    pub fn run(&mut self) -> Outcome {
        let upload = self.begin();
        self.drive(upload)
    }

    /// A run that dies before the first turn at which `here` is true: nothing is left of it but what is in the world.
    ///
    /// # Panics
    /// It ends before that.
    pub fn crash_when(&mut self, mut here: impl FnMut(&Upload, &World) -> bool) {
        let mut upload = self.begin();
        let mut queue = Queue::default();
        for _ in 0..self.patience() {
            if here(&upload, &self.world) {
                return;
            }
            if let Some(outcome) = self.step(&mut upload, &mut queue) {
                panic!("it ended before it crashed: {outcome:?}");
            }
        }
        panic!("it goes on for ever, at {:?}", upload.goal());
    }

    /// More steps than any story takes, and soon over for a machine that turns in a circle.
    fn patience(&self) -> u64 {
        4_000 + 100 * self.world.source.bytes.len() as u64 / PART
    }

    /// A run of one part after the other that dies as soon as so many parts are in the checkpoint.
    ///
    /// # Panics
    /// It ends before that.
    pub fn crash_with(&mut self, parts: usize) {
        let parallel = std::mem::replace(&mut self.job.policy.parallel, NonZeroU16::MIN);
        self.crash_when(|_, world| world.recorded().len() == parts);
        self.job.policy.parallel = parallel;
    }

    /// Goes on to the end.
    ///
    /// # Panics
    /// The upload waits for nothing, or goes on for ever, or ends with something under way.
    pub fn drive(&mut self, mut upload: Upload) -> Outcome {
        self.seen.clear();
        self.waits.clear();
        self.hashed.clear();
        self.refreshed.clear();
        self.notices.clear();
        self.peak = 0;
        self.progress = vec![upload.progress()];
        let mut queue = Queue::default();
        for _ in 0..self.patience() {
            let end = self.step(&mut upload, &mut queue);
            self.notices.extend(upload.notices());
            self.progress.push(upload.progress());
            if let Some(outcome) = end {
                assert!(queue.under_way.is_empty(), "finished with effects under way: {:?}", queue.under_way);
                return outcome;
            }
        }
        panic!("it goes on for ever, at {:?}", upload.goal());
    }

    /// One turn, and if nothing more can begin, the first answer.
    fn step(&mut self, upload: &mut Upload, queue: &mut Queue) -> Option<Outcome> {
        if let Some(watcher) = &mut self.watcher {
            watcher(upload, &mut self.world);
        }
        match upload.turn() {
            Turn::Do(Effect::Stop(id)) => {
                queue.stopped.insert(id);
            }
            Turn::Do(effect) => {
                queue.under_way.push_back(effect);
                let parts = queue.under_way.iter().filter(|it| matches!(it, Effect::SendPart(..))).count();
                self.peak = self.peak.max(parts);
            }
            Turn::Blocked => {
                let effect = queue
                    .under_way
                    .pop_front()
                    .unwrap_or_else(|| panic!("it waits for nothing at {:?}", upload.goal()));
                let answer = if queue.stopped.contains(&effect.id()) {
                    stop(effect)
                } else {
                    self.execute(effect, upload)
                };
                upload.answer(answer).expect("it is under way");
            }
            Turn::Finished(outcome) => return Some(*outcome),
        }
        None
    }

    /// Does what is asked for, as the script says.
    ///
    /// # Panics
    /// It cannot be done.
    pub fn execute(&mut self, effect: Effect, upload: &mut Upload) -> Answer {
        match effect {
            Effect::Send(ticket, request) => match self.exchange(&request, None) {
                Exchange::Answer(response) | Exchange::Early(response) => ticket.responded(response),
                Exchange::Failed(error, _) => ticket.failed(error),
            },
            Effect::SendPart(ticket, part) => self.send_part(ticket, &part, upload),
            Effect::Save(ticket, _) if self.world.full => ticket.failed(StoreError::new("no space left")),
            Effect::Save(ticket, write) => {
                match write {
                    Write::Replace(bytes) => self.world.record = Some(bytes.into()),
                    Write::Append(bytes, _) => self.world.record.get_or_insert_default().extend(bytes),
                    Write::SetAside => self.world.aside = self.world.record.take(),
                    other => panic!("{other:?} is not in these stories"),
                }
                ticket.durable()
            }
            Effect::Forget(ticket) => {
                self.world.record = None;
                ticket.durable()
            }
            Effect::Inspect(ticket) => match self.world.source.broken {
                Some(reason) => ticket.unreadable(SourceError::Io(reason.to_owned())),
                None => ticket.found(self.world.source.identity.clone()),
            },
            Effect::Hash(ticket, range, integrity) => {
                self.hashed.push(range);
                match self.world.source.digest(range) {
                    Ok(digest) => ticket.hashed(as_asked(digest, integrity)),
                    Err(error) => ticket.unreadable(error),
                }
            }
            Effect::Wait(ticket, wait) => {
                self.waits.push(wait);
                ticket.elapsed()
            }
            Effect::Refresh(ticket, problem) => {
                self.refreshed.push(problem);
                match self.refreshes.pop_front().unwrap_or(Ok(())) {
                    Ok(()) => ticket.refreshed(),
                    Err(reason) => ticket.refused(reason),
                }
            }
            Effect::Stop(id) => panic!("{id} is to be stopped, which is nothing to be answered"),
        }
    }

    fn send_part(&mut self, ticket: PartTicket, part: &PartRequest, upload: &mut Upload) -> Answer {
        let read = match self.world.source.digest(part.range()) {
            Ok(read) => read,
            Err(error) => return ticket.unreadable(error),
        };
        let told = as_asked(read, part.integrity());
        let request = match part.integrity() {
            Integrity::Md5AndCrc => part.with_digest(&told),
            Integrity::Crc | Integrity::None => part.without_digest(),
        };
        upload.sent(ticket.id(), read.len / 2);
        self.progress.push(upload.progress());
        match self.exchange(&request.expect("all that is asked for is there"), Some(read)) {
            Exchange::Answer(response) => ticket.responded(response, told),
            Exchange::Early(response) => ticket.responded_early(response),
            Exchange::Failed(error, whole) => ticket.failed(error, whole.then_some(told)),
        }
    }

    fn exchange(&mut self, request: &Request, sent: Option<ContentDigest>) -> Exchange {
        let exchange = self.converse(request, sent);
        self.said = match &exchange {
            Exchange::Answer(response) | Exchange::Early(response) => {
                let body = String::from_utf8_lossy(response.body());
                let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
                let status = response.status().as_u16();
                code.map_or_else(|| status.to_string(), |(code, _)| format!("{status} {code}"))
            }
            Exchange::Failed(error, _) => format!("no answer: {}", error.kind),
        };
        exchange
    }

    fn converse(&mut self, request: &Request, sent: Option<ContentDigest>) -> Exchange {
        let (operation, part) = (request.operation(), number(request));
        let mut next = |part| self.script.get_mut(&(operation, part)).and_then(VecDeque::pop_front);
        let reply = next(part).or_else(|| next(0)).unwrap_or(Reply::Serve);
        let lost = |kind, whole| Exchange::Failed(TransportError::new(kind, "as the script says"), whole);
        match reply {
            Reply::NoConnection => return lost(TransportKind::Connect, false),
            Reply::NotSigned(why) => return Exchange::Failed(TransportError::unsigned(why), false),
            _ => {}
        }
        self.seen.push(Seen { request: request.clone(), part });
        let world = &mut self.world;
        let serve = |world: &mut World| world.bucket.handle(request, sent.as_ref());
        Exchange::Answer(match reply {
            Reply::Serve => serve(world),
            Reply::Refuse(status, code) => bucket::refusal(status, code),
            Reply::Say(response) => response,
            Reply::SayEarly(response) => return Exchange::Early(response),
            Reply::DoAndSay(response) => {
                serve(world);
                response
            }
            Reply::LoseAnswer => {
                serve(world);
                return lost(TransportKind::Broken, true);
            }
            Reply::LoseRequest => return lost(TransportKind::Broken, true),
            Reply::BreakBody | Reply::NoConnection | Reply::NotSigned(_) => {
                return lost(TransportKind::Broken, false);
            }
            Reply::After(deed) => {
                deed(world);
                serve(world)
            }
            Reply::Then(deed) => {
                let response = serve(world);
                deed(world);
                response
            }
        })
    }

    /// How often an operation has arrived in the last run.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.requests(operation).count()
    }

    /// The requests of an operation in the last run.
    pub fn requests(&self, operation: Operation) -> impl Iterator<Item = &Request> {
        self.seen.iter().map(|seen| &seen.request).filter(move |request| request.operation() == operation)
    }

    /// The parts that arrived in the last run, in order.
    #[must_use]
    pub fn parts_sent(&self) -> Vec<u16> {
        self.seen.iter().map(|seen| seen.part).filter(|part| *part > 0).collect()
    }

    /// The object is the source as it is now, and nothing else is left on the server or the disk.
    ///
    /// # Panics
    /// It is not so.
    pub fn assert_done(&self) {
        self.assert_object();
        assert!(self.world.bucket.uploads.is_empty(), "left: {:?}", self.world.bucket.uploads.keys());
        assert!(self.world.record.is_none(), "the checkpoint is still there");
    }

    /// The object is the source as it is now.
    ///
    /// # Panics
    /// It is not so.
    pub fn assert_object(&self) {
        let whole = self.world.source.whole();
        let object = self.world.bucket.object.expect("there is an object");
        assert_eq!((object.len, Some(object.crc64)), (whole.len, whole.crc64), "the object is the source");
    }
}

/// What is under way in a run, and what of it is to be stopped.
#[derive(Default)]
struct Queue {
    under_way: VecDeque<Effect>,
    stopped: BTreeSet<EffectId>,
}

enum Exchange {
    Answer(Response),
    Early(Response),
    /// And whether the body was read to its end.
    Failed(TransportError, bool),
}
