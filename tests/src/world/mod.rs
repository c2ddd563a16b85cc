//! The machine, the service, a disk and a source, and everything that can happen next to them.
//!
//! A [`World`] is one state; [`World::actions`] says what can happen in it and [`World::take`] makes it happen. What a
//! world must never do is checked as it happens, so an explorer and a simulator see the same violations.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::ContentDigest;
use ossup_core::options::ObjectOptions;
use ossup_core::part::ByteRange;
use ossup_core::request::{Operation, PartRequest, Request};
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Answer, Cancel, Durability, Effect, EffectId, End, Job, StoreError, TransportError, TransportKind, Turn,
    Upload, Write,
};

mod rules;
mod setting;
mod trace;

use crate::service::{PART, Piece, Service};

pub use self::setting::{Foreign, Setting};
pub use self::trace::describe;

/// One state of everything.
#[derive(Clone, Debug)]
pub struct World {
    upload: Upload,
    /// What the outcome of the last run was, once it is over.
    pub finished: Option<Finished>,
    /// What the service keeps.
    pub service: Service,
    disk: Disk,
    source: Source,
    /// Effects that are not answered.
    under_way: BTreeMap<EffectId, Effect>,
    stopped: Vec<EffectId>,
    /// Requests nobody waits for any more, and that may still arrive.
    travelling: Vec<(Request, Vec<Piece>)>,
    budget: Budget,
    /// The state of the source when it was last inspected.
    inspected: u8,
    /// The states of parts as the run has read them and had no answer for.
    read: BTreeMap<u16, u8>,
    betrayal: Betrayal,
    /// States of the source that runs have begun with.
    began: u8,
    lost: u32,
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
    /// The source is edited, in this part.
    Edit(u16),
    /// The same, and no attribute of it tells.
    EditUnseen(u16),
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
            upload: begin(setting, &source, None),
            finished: None,
            service: Service::new(setting.quirks),
            disk: Disk::default(),
            source,
            under_way: BTreeMap::new(),
            stopped: Vec::new(),
            travelling: Vec::new(),
            budget: Budget {
                faults: setting.faults,
                crashes: setting.crashes,
                cancel: setting.cancel,
                edits: setting.edits,
                unseen_edits: setting.unseen_edits,
                foreign: setting.foreign.clone(),
                reruns: setting.reruns,
            },
            inspected: 0,
            read: BTreeMap::new(),
            betrayal: Betrayal::None,
            began: 0,
            lost: 0,
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
        let stopped: Vec<_> = self.under_way.keys().map(|id| self.stopped.contains(id)).collect();
        stopped.hash(&mut hasher);
        format!("{:?}", self.travelling).hash(&mut hasher);
        self.budget.hash(&mut hasher);
        (self.inspected, self.began, self.lost, self.stale_put).hash(&mut hasher);
        (&self.read, self.betrayal).hash(&mut hasher);
        hasher.finish()
    }

    /// What the upload is working on.
    #[must_use]
    pub fn goal(&self) -> ossup_core::upload::Goal {
        self.upload.goal()
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
            let sends = matches!(effect, Effect::Send(..) | Effect::SendPart(..));
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
        if self.budget.cancel.is_some() {
            actions.push(Action::Cancel);
        }
        if self.budget.crashes > 0 {
            actions.push(Action::Crash);
            if self.disk.record.as_ref().is_some_and(|record| record.len() > self.disk.durable) {
                actions.push(Action::PowerCut);
            }
        }
        if self.budget.edits > 0 {
            actions.extend((1..=self.source.parts.len()).map(|part| Action::Edit(part as u16)));
        }
        if self.budget.unseen_edits > 0 {
            actions.extend((1..=self.source.parts.len()).map(|part| Action::EditUnseen(part as u16)));
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
            Action::Do(id) => {
                let effect = self.remove(id)?;
                let answer = self.execute(effect)?;
                return self.answer(answer);
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
                    Effect::Forget(ticket) => ticket.failed(StoreError::new("read-only")),
                    other => return Err(format!("not a write: {other:?}")),
                };
                return self.answer(answer);
            }
            Action::Arrive(index) => {
                let (request, pieces) = self.travelling.remove(index);
                self.stale_put |= request.operation() == Operation::PutObject;
                self.service.handle(&request, &pieces)?;
            }
            Action::Vanish(index) => drop(self.travelling.remove(index)),
            Action::Cancel => {
                if let Some(how) = self.budget.cancel.take() {
                    self.upload.cancel(how);
                }
            }
            Action::Crash | Action::PowerCut => {
                self.budget.crashes -= 1;
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
            Action::EditUnseen(part) => {
                self.budget.unseen_edits -= 1;
                self.source.edit(part);
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
                        self.service.object = Some(vec![piece]);
                    }
                    Foreign::PutEqual => {
                        self.service.object =
                            Some((1..=setting.parts).filter_map(|part| self.piece(part)).collect());
                    }
                    Foreign::DeleteObject => self.service.object = None,
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
        for effect in std::mem::take(&mut self.under_way).into_values() {
            if let Ok(sent) = self.sent(&effect) {
                self.travelling.push(sent);
                self.lost += 1;
            }
        }
        self.stopped.clear();
        self.read.clear();
        self.finished = None;
        self.began = self.source.state;
        self.inspected = self.source.state;
        self.upload = begin(setting, &self.source, self.disk.record.as_deref());
    }

    fn turn(&mut self, setting: &Setting) -> Result<(), Violation> {
        match self.upload.turn() {
            Turn::Blocked => {
                if self.under_way.is_empty() {
                    return Err(format!(
                        "stuck at {:?}: nothing under way, nothing to do",
                        self.upload.goal()
                    ));
                }
            }
            Turn::Do(Effect::Stop(id)) => self.stopped.push(id),
            Turn::Do(effect) => {
                self.check_effect(setting, &effect)?;
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
                self.under_way.insert(id, effect);
            }
            Turn::Finished(outcome) => {
                if !self.under_way.is_empty() {
                    return Err("finished while effects are under way".into());
                }
                self.check_end(setting, &outcome.end)?;
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

    fn remove(&mut self, id: EffectId) -> Result<Effect, Violation> {
        self.stopped.retain(|other| *other != id);
        self.under_way.remove(&id).ok_or_else(|| format!("{id} is not under way"))
    }

    fn answer(&mut self, answer: Answer) -> Result<(), Violation> {
        self.upload.answer(answer).map_err(|misuse| misuse.to_string())
    }

    fn execute(&mut self, effect: Effect) -> Result<Answer, Violation> {
        Ok(match effect {
            Effect::Send(ticket, request) => ticket.responded(self.service.handle(&request, &[])?),
            Effect::SendPart(ticket, part) => {
                let digest = self.digest(part.range());
                let (request, pieces) = self.part(&part)?;
                let response = self.service.handle(&request, &pieces)?;
                self.tell(&pieces, !response.status().is_success());
                ticket.responded(response, digest)
            }
            Effect::Save(ticket, write) => {
                match write {
                    Write::Replace(bytes) => {
                        self.disk.durable = bytes.len();
                        self.disk.record = Some(bytes.to_vec());
                        if self.betrayal == Betrayal::Read {
                            self.betrayal = Betrayal::Noted;
                        }
                    }
                    Write::Append(bytes, durability) => {
                        let record = self.disk.record.get_or_insert_default();
                        record.extend_from_slice(&bytes);
                        if durability == Durability::Durable {
                            self.disk.durable = record.len();
                        }
                    }
                    Write::SetAside => {
                        self.disk.record = None;
                        self.disk.set_aside = true;
                    }
                    other => return Err(format!("a write of an unknown kind: {other:?}")),
                }
                ticket.durable()
            }
            Effect::Forget(ticket) => {
                self.disk.record = None;
                self.disk.durable = 0;
                ticket.durable()
            }
            Effect::Inspect(ticket) => {
                self.inspected = self.source.state;
                ticket.found(identity(&self.source))
            }
            Effect::Hash(ticket, range, _) => {
                let digest = self.digest(range);
                ticket.hashed(digest)
            }
            Effect::Wait(ticket, _) => ticket.elapsed(),
            Effect::Refresh(ticket, _) => ticket.refreshed(),
            Effect::Stop(id) => return Err(format!("{id} is not an effect to execute")),
        })
    }

    fn lose(&mut self, effect: Effect, kind: TransportKind) -> Result<(), Violation> {
        let error = TransportError::new(kind, "lost");
        let answer = match effect {
            Effect::Send(ticket, _) => ticket.failed(error),
            Effect::SendPart(ticket, part) => {
                if matches!(kind, TransportKind::Broken | TransportKind::Stalled) {
                    self.tell(&self.pieces(part.range()), true);
                }
                ticket.failed(error, Some(self.digest(part.range())))
            }
            other => return Err(format!("not a request: {other:?}")),
        };
        self.answer(answer)
    }

    /// The run is told what it has read of a part, and may have to read it again.
    fn tell(&mut self, pieces: &[Piece], again: bool) {
        for piece in pieces {
            let earlier = self.read.remove(&piece.part);
            if earlier.is_some_and(|state| state != piece.state) && self.betrayal == Betrayal::None {
                self.betrayal = Betrayal::Read;
            }
            if again {
                self.read.insert(piece.part, piece.state);
            }
        }
    }

    /// What a request carries when it is read now.
    fn sent(&self, effect: &Effect) -> Result<(Request, Vec<Piece>), Violation> {
        match effect {
            Effect::Send(_, request) => Ok((request.clone(), Vec::new())),
            Effect::SendPart(_, part) => self.part(part),
            other => Err(format!("not a request: {other:?}")),
        }
    }

    fn part(&self, part: &PartRequest) -> Result<(Request, Vec<Piece>), Violation> {
        let digest = self.digest(part.range());
        let request = part.with_digest(&digest).map_err(|error| error.to_string())?;
        Ok((request, self.pieces(part.range())))
    }

    fn pieces(&self, range: ByteRange) -> Vec<Piece> {
        let first = range.offset() / PART;
        let count = range.len().div_ceil(PART);
        (first..first + count).filter_map(|index| self.piece(index as u16 + 1)).collect()
    }

    fn piece(&self, part: u16) -> Option<Piece> {
        let state = *self.source.parts.get(usize::from(part) - 1)?;
        // The last part is short.
        let len = if usize::from(part) == self.source.parts.len() { PART / 2 } else { PART };
        Some(Piece { part, state, len })
    }

    fn digest(&self, range: ByteRange) -> ContentDigest {
        let pieces = self.pieces(range);
        match pieces.as_slice() {
            [one] => one.digest(),
            several => ContentDigest {
                len: several.iter().map(|piece| piece.len).sum(),
                md5: None,
                crc64: Some(crate::service::joined(several)),
            },
        }
    }
}

impl Source {
    fn edit(&mut self, part: u16) {
        self.state += 1;
        if let Some(entry) = self.parts.get_mut(usize::from(part) - 1) {
            *entry = self.state;
        }
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

fn begin(setting: &Setting, source: &Source, record: Option<&[u8]>) -> Upload {
    let object = "oss://bucket/key".parse().unwrap_or_else(|_| unreachable!("a legal name"));
    let mut job = Job::new(object, "host", identity(source), Timestamp::from_unix(1_705_096_035));
    job.recording = setting.recording;
    job.options = ObjectOptions::new().forbid_overwrite(setting.forbid_overwrite);
    job.policy = setting.policy.clone();
    match record {
        Some(record) => Upload::resume(job, record, 1),
        None => Upload::start(job, 1),
    }
}
