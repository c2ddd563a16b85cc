//! The machine, the service, a disk and a source, and everything that can happen next to them.
//!
//! A [`World`] is one state; [`World::actions`] says what can happen in it and [`World::take`] makes it happen. What a
//! world must never do is checked as it happens, so an explorer and a simulator see the same violations.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ossup_core::checkpoint::journal;
use ossup_core::options::ObjectOptions;
use ossup_core::part::UploadId;
use ossup_core::request::{Operation, Request};
use ossup_core::time::Timestamp;
use ossup_core::upload::{Cancel, Effect, EffectId, End, Job, Turn, Upload, Write};

mod action;
mod effects;
mod ends;
mod rules;
mod setting;
mod source;
mod trace;

use crate::service::{Piece, Service};

use self::source::{Source, identity};

pub use self::action::Action;
pub use self::setting::{Foreign, Setting};
pub use self::trace::describe;

/// One state of everything.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that has happened, or not, by itself")]
pub struct World {
    upload: Upload,
    misused: bool,
    /// What the outcome of the last run was, once it is over.
    pub finished: Option<Finished>,
    /// What the service keeps.
    pub service: Service,
    disk: Disk,
    source: Source,
    /// Effects that are not answered.
    under_way: BTreeMap<EffectId, Effect>,
    stopped: Vec<EffectId>,
    /// Requests that were signed with what has expired since.
    stale: Vec<EffectId>,
    /// The credentials in use have expired.
    expired: bool,
    /// How often others were asked for.
    refreshes: u8,
    /// How often in a row the server has failed at each request.
    failures: BTreeMap<String, u32>,
    /// Requests nobody waits for any more, and that may still arrive.
    travelling: Vec<(Request, Vec<Piece>)>,
    budget: Budget,
    /// The source as it was when it was last inspected.
    inspected: Source,
    /// No part has been sent, and none compared, since then.
    inspected_since: bool,
    /// Parts that were sent, and not noted since.
    unnoted: BTreeSet<u16>,
    /// The states of parts as the run has read them and had no answer for, and what the attributes of the source told then.
    read: BTreeMap<u16, (u8, u8)>,
    betrayal: Betrayal,
    /// States of the source that runs have begun with.
    began: u8,
    /// Parts whose answers were lost, or that nobody waits for any more.
    lost: u32,
    /// Uploads that outcomes said may be left.
    told: u32,
    /// Uploads that outcomes named, and those that nobody can know of.
    excused: BTreeSet<u32>,
    /// A run has begun without a checkpoint of the one before: what that had made nobody knows.
    forgotten: bool,
    /// The checkpoint could not be removed.
    forget_failed: bool,
    /// A checkpoint may be damaged when its process dies.
    rots: bool,
    /// A PutObject that its sender had given up has arrived after all. What it overwrites nobody can tell.
    stale_put: bool,
}

/// How a run ended, as far as worlds differ in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Finished {
    /// With its object.
    Completed,
    /// Kept for later.
    Suspended,
    /// Deleted; verified or not.
    Discarded(bool),
    /// Failed, with this cause.
    Failed(String),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Disk {
    record: Option<Vec<u8>>,
    /// How much of it survives the end of the machine.
    durable: usize,
    set_aside: bool,
}

impl Disk {
    /// An append that fails, or that its process dies of, may leave the beginning of what it was to add.
    fn tear(&mut self, write: &Write) {
        if let (Write::Append(bytes, _), Some(record)) = (write, &mut self.record) {
            record.extend_from_slice(bytes.get(..bytes.len() / 2).unwrap_or_default());
        }
    }
}

/// What is known of an edit that nothing betrays but a second reading.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Betrayal {
    /// Nothing.
    #[default]
    None,
    /// The run has read it.
    Read,
    /// And has written its checkpoint anew since.
    Noted,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Budget {
    faults: u8,
    expiries: u8,
    crashes: u8,
    cancel: Option<Cancel>,
    edits: u8,
    unseen_edits: u8,
    foreign: Vec<Foreign>,
    reruns: u8,
}

/// What must not happen has happened.
pub type Violation = String;

impl World {
    /// The world before anything has happened.
    #[must_use]
    pub fn new(setting: &Setting) -> Self {
        let source = Source { state: 0, told: 0, parts: vec![0; usize::from(setting.parts)] };
        Self {
            upload: begin(setting, &source, None, 1),
            misused: setting.misused,
            finished: None,
            service: Service::new(setting.quirks),
            disk: Disk::default(),
            inspected: source.clone(),
            inspected_since: false,
            unnoted: BTreeSet::new(),
            source,
            under_way: BTreeMap::new(),
            stopped: Vec::new(),
            stale: Vec::new(),
            expired: false,
            refreshes: 0,
            failures: BTreeMap::new(),
            travelling: Vec::new(),
            budget: Budget {
                faults: setting.faults,
                expiries: setting.expiries,
                crashes: setting.crashes,
                cancel: setting.cancel,
                edits: setting.edits,
                unseen_edits: setting.unseen_edits,
                foreign: setting.foreign.clone(),
                reruns: setting.reruns,
            },
            read: BTreeMap::new(),
            betrayal: Betrayal::None,
            began: 0,
            lost: 0,
            told: 0,
            excused: BTreeSet::new(),
            forgotten: false,
            forget_failed: false,
            rots: setting.rots,
            stale_put: false,
        }
    }

    /// The same for two worlds that will behave alike.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.upload.fingerprint().hash(&mut hasher);
        self.finished.hash(&mut hasher);
        self.service.hash(&mut hasher);
        self.disk.hash(&mut hasher);
        self.source.hash(&mut hasher);
        for (id, effect) in &self.under_way {
            (self.stopped.contains(id), self.stale.contains(id)).hash(&mut hasher);
            carries(effect, &mut hasher);
        }
        (self.expired, self.refreshes, &self.failures).hash(&mut hasher);
        format!("{:?}", self.travelling).hash(&mut hasher);
        self.budget.hash(&mut hasher);
        (&self.inspected, self.inspected_since, &self.unnoted).hash(&mut hasher);
        (self.began, self.lost, self.stale_put).hash(&mut hasher);
        (&self.read, self.betrayal).hash(&mut hasher);
        (self.told, &self.excused, self.forgotten, self.forget_failed).hash(&mut hasher);
        hasher.finish()
    }

    /// What the upload is working on.
    #[must_use]
    pub fn goal(&self) -> ossup_core::upload::Goal {
        self.upload.goal()
    }

    /// The machine waits, and nothing is under way that it could wait for.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.finished.is_none()
            && self.under_way.is_empty()
            && matches!(self.upload.clone().turn(), Turn::Blocked)
    }

    fn restart(&mut self, setting: &Setting) {
        // What a process that dies would have said of uploads that are left nobody will hear, but the newest must be found
        // by who reads its record.
        let recorded = self.disk.record.as_deref().and_then(|record| journal::read(record).ok());
        self.forgotten |= recorded.is_none();
        // An object that is there while the record leads to an upload that is not done is one of an earlier attempt.
        let unfinished = self.recorded_id().is_none_or(|id| self.service.uploads.contains_key(&id));
        self.forgotten |= unfinished && self.service.object.is_some();
        // With parts it is none whose id was lost, but an earlier one that could not be deleted.
        let newest = self.service.uploads.values().next_back();
        let searched = recorded.is_some_and(|record| record.upload_id.is_none())
            && newest.is_some_and(BTreeMap::is_empty);
        if self.finished.is_none() {
            let recorded = self.recorded_id();
            let left = self.service.uploads.keys().rev().skip(usize::from(searched));
            self.excused.extend(left.filter(|id| recorded != Some(**id)));
        }
        self.forget_failed = false;
        for effect in std::mem::take(&mut self.under_way).into_values() {
            if let Ok(sent) = self.sent(&effect) {
                self.travelling.push(sent);
                self.lost += 1;
            }
        }
        self.stopped.clear();
        self.read.clear();
        self.stale.clear();
        self.expired = false;
        self.failures.clear();
        self.finished = None;
        self.began = self.source.state;
        self.inspected = self.source.clone();
        self.inspected_since = false;
        self.unnoted.clear();
        self.upload = begin(setting, &self.source, self.disk.record.as_deref(), 1);
    }

    /// The upload that the checkpoint leads to.
    fn recorded_id(&self) -> Option<u32> {
        let record = journal::read(self.disk.record.as_deref()?).ok()?;
        number(record.upload_id.as_ref()?)
    }

    fn turn(&mut self, setting: &Setting) -> Result<(), Violation> {
        match self.upload.turn() {
            Turn::Blocked => {}
            Turn::Do(Effect::Stop(id)) => self.stopped.push(id),
            Turn::Do(effect) => {
                self.check_effect(setting, &effect)?;
                self.refreshes += u8::from(matches!(effect, Effect::Refresh(..)));
                if self.refreshes > setting.expiries - self.budget.expiries {
                    return Err("credentials are asked for that nothing is wrong with".into());
                }
                if let Effect::Save(_, Write::Replace(bytes) | Write::Append(bytes, _)) = &effect {
                    self.unnoted.retain(|part| !rules::notes(bytes, *part));
                }
                let id = match &effect {
                    Effect::Send(ticket, _) => ticket.id(),
                    Effect::SendPart(ticket, _) => ticket.id(),
                    Effect::Save(ticket, _) | Effect::Forget(ticket) => ticket.id(),
                    Effect::Inspect(ticket) => ticket.id(),
                    Effect::Hash(ticket, ..) => ticket.id(),
                    Effect::Wait(ticket, _) => ticket.id(),
                    Effect::Refresh(ticket, _) => ticket.id(),
                    Effect::Stop(id) => *id,
                };
                if self.expired {
                    self.stale.push(id);
                }
                self.under_way.insert(id, effect);
            }
            Turn::Finished(outcome) => {
                if !self.under_way.is_empty() {
                    return Err("finished while effects are under way".into());
                }
                self.check_end(setting, &outcome)?;
                self.told += outcome.report.orphan_risk;
                let recorded = self.recorded_id();
                let named = outcome.report.left.iter().map(number).chain([named(&outcome.end)]).flatten();
                self.excused.extend(named.filter(|id| recorded != Some(*id)));
                self.finished = Some(match &outcome.end {
                    End::Completed(_) => Finished::Completed,
                    End::Suspended { .. } => Finished::Suspended,
                    End::Discarded(discarded) => Finished::Discarded(discarded.verified),
                    End::Failed(failed) => {
                        let cause = format!("{:?}", failed.cause);
                        let end = cause.find(|c: char| !c.is_alphanumeric()).unwrap_or(cause.len());
                        Finished::Failed(cause.get(..end).unwrap_or_default().to_owned())
                    }
                });
            }
        }
        Ok(())
    }
}

/// A request, as attempts of it are counted.
fn failing(effect: &Effect) -> Option<String> {
    match effect {
        // One list may serve several purposes, one after the other.
        Effect::Send(_, request) if request.operation() == Operation::ListParts => None,
        Effect::Send(_, request) => Some(format!("{} {:?}", request.operation(), request.query())),
        Effect::SendPart(_, part) => Some(format!("{} {}", part.operation(), part.range())),
        _ => None,
    }
}

/// What an effect that is under way will do, without its number.
fn carries(effect: &Effect, hasher: &mut DefaultHasher) {
    std::mem::discriminant(effect).hash(hasher);
    match effect {
        Effect::Send(_, request) => {
            (request.operation(), request.query(), format!("{:?}", request.body())).hash(hasher);
        }
        Effect::SendPart(_, part) => part.range().offset().hash(hasher),
        Effect::Save(_, Write::Replace(bytes) | Write::Append(bytes, _)) => bytes.hash(hasher),
        Effect::Hash(_, range, _) => range.offset().hash(hasher),
        _ => {}
    }
}

/// The upload that an outcome says is left.
fn named(end: &End) -> Option<u32> {
    let id = match end {
        End::Suspended { upload_id, .. } => upload_id.as_ref(),
        End::Failed(failed) => failed.upload_id.as_ref(),
        End::Completed(_) | End::Discarded(_) => None,
    };
    number(id?)
}

/// Which of the uploads of the service has this id.
fn number(id: &UploadId) -> Option<u32> {
    id.as_str().strip_prefix('U')?.parse().ok()
}

fn begin(setting: &Setting, source: &Source, record: Option<&[u8]>, seed: u64) -> Upload {
    let object = "oss://bucket/key".parse().unwrap_or_else(|_| unreachable!("a legal name"));
    let mut job = Job::new(object, "host", identity(source), Timestamp::from_unix(1_705_096_035));
    job.recording = setting.recording;
    job.options = ObjectOptions::new().forbid_overwrite(setting.forbid_overwrite);
    job.policy = setting.policy.clone();
    match record {
        Some(record) => Upload::resume(job, record, seed),
        None => Upload::start(job, seed),
    }
}
