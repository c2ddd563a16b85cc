//! The machine, the service, a disk and a source, and everything that can happen next to them.
//!
//! A [`World`] is one state; [`World::actions`] says what can happen in it and [`World::take`] makes it happen. What a
//! world must never do is checked as it happens, so an explorer and a simulator see the same violations.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ossup_core::checkpoint::{SourceIdentity, journal};
use ossup_core::options::ObjectOptions;
use ossup_core::part::UploadId;
use ossup_core::request::{Operation, Request};
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Cancel, Effect, EffectId, End, Job, Misuse, StoreError, TransportKind, Turn, Upload, Write,
};

mod effects;
mod ends;
mod rules;
mod setting;
mod trace;

use crate::service::{PART, Piece, Service};

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

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Source {
    state: u8,
    /// The state that its attributes tell of.
    told: u8,
    /// Which state each part is as it was in.
    parts: Vec<u8>,
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

/// Something that can happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The machine takes its turn.
    Turn,
    /// The effect is executed and answered.
    Do(EffectId),
    /// The request is lost on its way.
    LoseRequest(EffectId),
    /// The request is executed and its answer lost.
    LoseAnswer(EffectId),
    /// Its sender gives the request up, and it goes on travelling.
    Delay(EffectId),
    /// The server answers 500.
    ServerError(EffectId),
    /// The write fails.
    FailWrite(EffectId),
    /// The effect is ended, as the machine asked.
    HonourStop(EffectId),
    /// A request that nobody waits for arrives.
    Arrive(usize),
    /// A request that nobody waits for is lost.
    Vanish(usize),
    /// The user ends the upload.
    Cancel,
    /// The process dies, and another begins.
    Crash,
    /// The machine dies with it: what was not durable is gone.
    PowerCut,
    /// The process dies, and its checkpoint is damaged where it lies.
    Rot,
    /// The credentials that requests are signed with expire.
    Expire,
    /// The effect is executed and answered, and answered once more.
    AnswerTwice(EffectId),
    /// An answer to another upload comes, and then the effect is executed and answered.
    AnswerAnother(EffectId),
    /// The source is edited, in this part.
    Edit(u16),
    /// The source is edited, in every part, and no attribute of it tells.
    EditUnseen,
    /// Somebody else does something.
    Foreign(Foreign),
    /// The upload is run again.
    Rerun,
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

    /// Everything that can happen next.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for index in 0..self.travelling.len() {
            actions.push(Action::Arrive(index));
            actions.push(Action::Vanish(index));
        }
        if self.finished.is_some() {
            if self.budget.reruns > 0 && self.finished != Some(Finished::Completed) {
                actions.push(Action::Rerun);
            }
            return actions;
        }
        // The machine asks for all it can before anything is answered: what it asks for later only depends on answers.
        let mut probe = self.upload.clone();
        if !matches!(probe.turn(), Turn::Blocked) {
            actions.push(Action::Turn);
        }
        for (id, effect) in &self.under_way {
            actions.push(Action::Do(*id));
            if self.misused {
                actions.extend([Action::AnswerTwice(*id), Action::AnswerAnother(*id)]);
            }
            let sends = matches!(effect, Effect::Send(..) | Effect::SendPart(..));
            if self.stale.contains(id) {
                continue;
            }
            if sends && self.stopped.contains(id) {
                actions.push(Action::HonourStop(*id));
            }
            if self.budget.faults > 0 {
                if sends {
                    actions.extend([
                        Action::LoseRequest(*id),
                        Action::LoseAnswer(*id),
                        Action::Delay(*id),
                        Action::ServerError(*id),
                    ]);
                }
                if matches!(effect, Effect::Save(..) | Effect::Forget(_)) {
                    actions.push(Action::FailWrite(*id));
                }
            }
        }
        if self.budget.expiries > 0 && !self.expired {
            actions.push(Action::Expire);
        }
        if self.budget.cancel.is_some() {
            actions.push(Action::Cancel);
        }
        if self.budget.crashes > 0 {
            actions.push(Action::Crash);
            if self.disk.record.as_ref().is_some_and(|record| record.len() > self.disk.durable) {
                actions.push(Action::PowerCut);
            }
            if self.rots && self.disk.record.as_ref().is_some_and(|record| !record.is_empty()) {
                actions.push(Action::Rot);
            }
        }
        if self.budget.edits > 0 {
            actions.extend((1..=self.source.parts.len()).map(|part| Action::Edit(part as u16)));
        }
        if self.budget.unseen_edits > 0 {
            actions.push(Action::EditUnseen);
        }
        let mut foreign = self.budget.foreign.clone();
        foreign.dedup();
        actions.extend(foreign.into_iter().map(Action::Foreign));
        actions
    }

    /// Makes an action happen.
    ///
    /// # Errors
    /// Something happened that must not.
    #[expect(clippy::too_many_lines, reason = "one arm for each thing that can happen")]
    pub fn take(&mut self, setting: &Setting, action: Action) -> Result<(), Violation> {
        match action {
            Action::Turn => return self.turn(setting),
            Action::Do(id) => return self.carry_out(setting, id).map(drop),
            Action::AnswerTwice(id) => {
                let again = self.carry_out(setting, id)?;
                return self.refuse(again, Misuse::NotUnderWay);
            }
            Action::AnswerAnother(id) => {
                let mut other = begin(setting, &self.source, None, 2);
                let Turn::Do(effect) = other.turn() else { return Err("the other has nothing to do".into()) };
                let answer = self.clone().execute(effect)?;
                self.refuse(answer, Misuse::OtherUpload)?;
                return self.carry_out(setting, id).map(drop);
            }
            Action::Expire => {
                self.budget.expiries -= 1;
                self.expired = true;
                self.stale.extend(self.under_way.keys());
            }
            Action::LoseRequest(id) => {
                self.budget.faults -= 1;
                let effect = self.remove(id)?;
                return self.lose(effect, TransportKind::Connect);
            }
            Action::LoseAnswer(id) => {
                self.budget.faults -= 1;
                self.lost += 1;
                let effect = self.remove(id)?;
                let (request, pieces) = self.sent(&effect)?;
                self.service.handle(&request, &pieces)?;
                return self.lose(effect, TransportKind::Broken);
            }
            Action::Delay(id) | Action::HonourStop(id) => {
                let stopped = matches!(action, Action::HonourStop(_));
                if !stopped {
                    self.budget.faults -= 1;
                }
                self.lost += 1;
                let effect = self.remove(id)?;
                self.travelling.push(self.sent(&effect)?);
                return self
                    .lose(effect, if stopped { TransportKind::Stopped } else { TransportKind::Stalled });
            }
            Action::ServerError(id) => {
                self.budget.faults -= 1;
                let effect = self.remove(id)?;
                if let Some(request) = failing(&effect) {
                    *self.failures.entry(request).or_default() += 1;
                }
                let answer = match effect {
                    Effect::Send(ticket, _) => ticket.responded(crate::service::error(500, "InternalError")),
                    Effect::SendPart(ticket, request) => {
                        let digest = self.digest(request.range());
                        ticket.responded(crate::service::error(500, "InternalError"), digest)
                    }
                    other => return Err(format!("not a request: {other:?}")),
                };
                return self.answer(answer);
            }
            Action::FailWrite(id) => {
                self.budget.faults -= 1;
                let effect = self.remove(id)?;
                let answer = match effect {
                    Effect::Save(ticket, write) => {
                        // A failed append may leave the beginning of what it was to add.
                        if let (Write::Append(bytes, _), Some(record)) = (&write, &mut self.disk.record) {
                            record.extend_from_slice(bytes.get(..bytes.len() / 2).unwrap_or_default());
                        }
                        ticket.failed(StoreError::new("disk full"))
                    }
                    Effect::Forget(ticket) => {
                        self.forget_failed = true;
                        ticket.failed(StoreError::new("read-only"))
                    }
                    other => return Err(format!("not a write: {other:?}")),
                };
                return self.answer(answer);
            }
            Action::Arrive(index) => {
                let (request, pieces) = self.travelling.remove(index);
                self.stale_put |= request.operation() == Operation::PutObject;
                let known: Vec<u32> = self.service.uploads.keys().copied().collect();
                self.service.handle(&request, &pieces)?;
                // One that was asked for in vain, or that a late part has brought back.
                self.excused.extend(self.service.uploads.keys().filter(|id| !known.contains(id)));
            }
            Action::Vanish(index) => drop(self.travelling.remove(index)),
            Action::Cancel => {
                if let Some(how) = self.budget.cancel.take() {
                    self.upload.cancel(how);
                }
            }
            Action::Crash | Action::PowerCut | Action::Rot => {
                self.budget.crashes -= 1;
                if let (Action::Rot, Some(first)) = (action, self.disk.record.iter_mut().flatten().next()) {
                    *first ^= 1;
                }
                // Nobody knows any more what it had read, if it did not come to write it down.
                if self.betrayal == Betrayal::Read {
                    self.betrayal = Betrayal::None;
                }
                if action == Action::PowerCut {
                    let durable = self.disk.durable;
                    if let Some(record) = &mut self.disk.record {
                        record.truncate(durable);
                    }
                }
                self.restart(setting);
            }
            Action::Edit(part) => {
                self.budget.edits -= 1;
                self.source.edit(part);
                self.source.told = self.source.state;
            }
            Action::EditUnseen => {
                self.budget.unseen_edits -= 1;
                self.source.state += 1;
                self.source.parts.fill(self.source.state);
                self.betrayal = Betrayal::None;
            }
            Action::Foreign(what) => {
                if let Some(at) = self.budget.foreign.iter().position(|other| *other == what) {
                    self.budget.foreign.remove(at);
                }
                match what {
                    Foreign::DeleteUploads => self.service.uploads.clear(),
                    Foreign::PutObject => {
                        let piece = Piece { part: 1, state: 200, len: PART * u64::from(setting.parts) };
                        self.service.show(vec![piece]);
                    }
                    Foreign::BeginUpload => self.excused.extend(self.service.begin_strangers()),
                    Foreign::PutEqual => self.service.show(self.source.pieces().collect()),
                    Foreign::DeleteObject => self.service.object = None,
                    Foreign::Part => {
                        if let Some(ours) = self.source.piece(1) {
                            self.service.intrude(Piece { state: 200, ..ours });
                        }
                        // With parts it is somebody else's to whoever has lost its id.
                        let recorded = self.recorded_id();
                        self.excused.extend(self.service.uploads.keys().filter(|id| recorded != Some(**id)));
                    }
                    Foreign::Complete => self.service.finish(),
                }
            }
            Action::Rerun => {
                self.budget.reruns -= 1;
                self.restart(setting);
            }
        }
        Ok(())
    }

    fn restart(&mut self, setting: &Setting) {
        // What a process that dies would have said of uploads that are left nobody will hear, but the newest must be found
        // by who reads its record.
        let recorded = self.disk.record.as_deref().and_then(|record| journal::read(record).ok());
        self.forgotten |= recorded.is_none();
        // An object that is there while the record leads to an upload that is not done is one of an earlier attempt.
        let unfinished = self.recorded_id().is_none_or(|id| self.service.uploads.contains_key(&id));
        self.forgotten |= unfinished && self.service.object.is_some();
        let searched = recorded.is_some_and(|record| record.upload_id.is_none());
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

impl Source {
    fn edit(&mut self, part: u16) {
        self.state += 1;
        if let Some(entry) = self.parts.get_mut(usize::from(part) - 1) {
            *entry = self.state;
        }
    }

    /// What it is made of.
    fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        (1..=self.parts.len()).filter_map(|part| self.piece(part as u16))
    }

    fn piece(&self, part: u16) -> Option<Piece> {
        let state = *self.parts.get(usize::from(part) - 1)?;
        // The last part is short.
        let len = if usize::from(part) == self.parts.len() { PART / 2 } else { PART };
        Some(Piece { part, state, len })
    }
}

fn identity(source: &Source) -> SourceIdentity {
    let parts = source.parts.len() as u64;
    SourceIdentity {
        modified_ns: Some(i64::from(source.told)),
        changed_ns: Some(i64::from(source.told)),
        ..SourceIdentity::of_len(parts * PART - PART / 2)
    }
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
