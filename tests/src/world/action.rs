//! What can happen in a world, and what it does there.

use ossup_core::request::Operation;
use ossup_core::upload::{Effect, EffectId, Misuse, StoreError, TransportKind, Turn, Write};

use crate::service::{PART, Piece};

use super::{Betrayal, Finished, Foreign, Setting, Violation, World, begin, failing};

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
    /// The process dies while it adds to its checkpoint: the beginning of what was to be added is there.
    CrashWriting(EffectId),
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

impl World {
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
            let adds = |effect: &Effect| matches!(effect, Effect::Save(_, Write::Append(..)));
            let writing = self.under_way.iter().filter(|(_, effect)| adds(effect));
            actions.extend(writing.map(|(id, _)| Action::CrashWriting(*id)));
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
                        self.disk.tear(&write);
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
            Action::Crash | Action::CrashWriting(_) | Action::PowerCut | Action::Rot => {
                self.budget.crashes -= 1;
                if let (Action::Rot, Some(first)) = (action, self.disk.record.iter_mut().flatten().next()) {
                    *first ^= 1;
                }
                // Nobody knows any more what it had read, if it did not come to write it down.
                if self.betrayal == Betrayal::Read {
                    self.betrayal = Betrayal::None;
                }
                if let Action::CrashWriting(id) = action
                    && let Effect::Save(_, write) = self.remove(id)?
                {
                    self.disk.tear(&write);
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
}
