//! How answers become facts. Total: there is no answer to an effect that nothing is learnt from, and none that panics.
//!
//! * `call` — answers to requests of which there is one at a time
//! * `list` — the server's list of parts, and of uploads
//! * `part` — answers to parts and to the PutObject
//!
//! Here: the checkpoint, the source, waits and credentials.

mod call;
mod list;
mod part;

use crate::auth::AuthProblem;
use crate::checkpoint::SourceIdentity;
use crate::digest::ContentDigest;
use crate::error::OssError;
use crate::part::PartNumber;
use crate::plan::Plan;
use crate::request::Operation;
use crate::retry::meaning::{Meaning, judge_error};
use crate::time::Timestamp;

use super::Upload;
use super::effect::{EffectId, Said, SourceError, StoreError, TransportError, TransportKind};
use super::emit::{Outstanding, Pause, Task};
use super::facts::{AuthNeed, Doom, Health, SlotState, Stages, Trouble};
use super::goal::{Goal, failed};
use super::job::{Cancel, Changed, Unresumable};
use super::outcome::{Adapted, Asked, Cause, End, NotResumable, Notice, Visibility};
use super::parts::{DonePart, PartFact};

/// How often the source may change under an upload before it is given up.
const MAX_CHANGES: u32 = 4;

impl Upload {
    pub(super) fn learn(&mut self, id: EffectId, under_way: Outstanding, said: Said) {
        let (asked, ended) = (under_way.task.asks_for(), self.facts.end.is_some());
        self.take_in(id, under_way, said);
        if let (Some(End::Failed(failed)), false) = (&mut self.facts.end, ended)
            && !matches!(failed.cause, Cause::Source(_) | Cause::CannotResume(_))
        {
            failed.request = asked;
        }
        self.note_progress();
    }

    fn take_in(&mut self, id: EffectId, under_way: Outstanding, said: Said) {
        let epoch = under_way.epoch;
        if matches!(under_way.task, Task::WaitForCall | Task::WaitForPart(_)) {
            self.retries.ended(id.seq, under_way.stopped);
        }
        match (under_way.task, said) {
            (Task::Call(goal), Said::Responded(response)) => {
                if let Some(why) = self.window.heard() {
                    self.notice(Notice::Adapted { parallel: self.window.now(), why });
                }
                self.learn_response(goal, epoch, id.seq, &response);
            }
            (Task::Call(goal), Said::Failed(error)) => self.learn_no_response(goal, epoch, error),
            (Task::Part(n), Said::PartResponded(response, sent)) => {
                self.learn_part(n, epoch, id.seq, &response, sent);
            }
            (Task::Part(n), Said::PartFailed(error, sent)) => {
                if error.kind == TransportKind::Stalled && self.window.stalled(id.seq, self.next_seq) {
                    self.notice(Notice::Adapted { parallel: self.window.now(), why: Adapted::Stalled });
                }
                self.learn_part_lost(n, epoch, error, sent);
            }
            (Task::Part(n), Said::Unreadable(error)) => {
                self.release(n);
                self.learn_unreadable(error);
            }
            (Task::Put, Said::PartResponded(response, sent)) => {
                self.learn_put(epoch, id.seq, &response, sent);
            }
            (Task::Put, Said::PartFailed(error, _)) => self.learn_put_lost(epoch, error),
            (Task::Put, Said::Unreadable(error)) => self.learn_unreadable(error),
            (Task::Save { .. }, Said::Stored) if under_way.outdated => self.facts.disk.exists = true,
            (Task::Save { stages, parts, .. }, Said::Stored) => self.learn_saved(stages, &parts),
            (Task::Save { goal, .. }, Said::NotStored(error)) => self.learn_not_saved(goal, error),
            (Task::SetAside, Said::Stored) => {
                self.facts.disk.exists = false;
                // Whatever upload it knew is known to nobody now.
                if matches!(self.facts.disk.unreadable, Some(NotResumable::Unreadable(_))) {
                    self.facts.report.orphan_risk += 1;
                }
            }
            (Task::Forget, Said::Stored) => self.facts.disk.exists = false,
            (Task::SetAside, Said::NotStored(error)) => {
                self.facts.end.get_or_insert(failed(&self.facts, Cause::Store(error), false));
            }
            (Task::Forget, Said::NotStored(error)) => {
                self.facts.disk.exists = false;
                self.notice(Notice::NotForgotten(error));
            }
            (Task::Inspect, Said::Found(identity)) => self.learn_identity(identity),
            (Task::Inspect | Task::HashPart(_) | Task::HashWhole, Said::Unreadable(error)) => {
                self.learn_unreadable(error);
            }
            (Task::HashPart(n), Said::Hashed(digest)) => self.learn_part_digest(n, &digest),
            (Task::HashWhole, Said::Hashed(digest)) => {
                if digest.len == self.facts.source.len {
                    self.facts.attempt.whole = digest.crc64;
                } else {
                    self.learn_unreadable(SourceError::Shortened { at: digest.len });
                }
            }
            (Task::WaitForCall, _) => {
                if self.lane.pause == Pause::Under(id.seq) {
                    self.lane.pause = Pause::No;
                }
            }
            (Task::WaitForPart(n), _) => {
                if let Some(slot) = self.facts.attempt.slots.get_mut(&n)
                    && matches!(slot.state, SlotState::Waiting)
                {
                    slot.state = SlotState::Ready;
                }
            }
            (Task::Refresh, Said::Refreshed) => self.learn_refreshed(),
            // Whether it could have been refreshed is not known; whatever still needs it asks again.
            (Task::Refresh, Said::NotRefreshed(_)) if under_way.stopped => {}
            (Task::Refresh, Said::NotRefreshed(reason)) => self.learn_not_refreshed(Some(reason)),
            // Tickets allow no other answer.
            (task, _) => self.learn_lost(id, task, epoch),
        }
    }

    /// The ticket of an effect was lost: it may have been executed in part. One that was to be stopped was.
    pub(super) fn learn_nothing(&mut self, id: EffectId, under_way: Outstanding) {
        let said = match &under_way.task {
            _ if !under_way.stopped => None,
            Task::Call(_) => Some(Said::Failed(TransportError::stopped())),
            Task::Part(_) | Task::Put => Some(Said::PartFailed(TransportError::stopped(), None)),
            Task::HashPart(_) | Task::HashWhole => Some(Said::Unreadable(SourceError::Stopped)),
            Task::Refresh => Some(Said::NotRefreshed("ended on request".into())),
            _ => None,
        };
        match said {
            Some(said) => self.learn(id, under_way, said),
            None => self.learn_lost(id, under_way.task, under_way.epoch),
        }
        self.note_progress();
    }

    fn learn_lost(&mut self, id: EffectId, task: Task, epoch: u32) {
        let lost = || TransportError::new(TransportKind::Broken, "whoever was to answer is gone");
        let said = match &task {
            Task::Call(_) => Said::Failed(lost()),
            Task::Part(_) | Task::Put => Said::PartFailed(lost(), None),
            Task::Save { .. } | Task::SetAside | Task::Forget => {
                Said::NotStored(StoreError::new("whoever was to write it is gone"))
            }
            Task::Inspect | Task::HashPart(_) | Task::HashWhole => {
                Said::Unreadable(SourceError::Io("whoever was to read it is gone".into()))
            }
            Task::WaitForCall | Task::WaitForPart(_) => Said::Elapsed,
            Task::Refresh => Said::NotRefreshed("whoever was to get new credentials is gone".into()),
        };
        self.learn(id, Outstanding::new(task, epoch), said);
    }

    fn learn_saved(&mut self, stages: Stages, parts: &[PartNumber]) {
        let disk = &mut self.facts.disk;
        disk.exists = true;
        // What is noted as doubtful is noted anew once it is proven.
        disk.rewrite = stages.doubted;
        disk.health = Health::Well;
        disk.durable = stages;
        self.facts.attempt.parts.set_recorded(parts);
        self.facts.attempt.complete_tried |= stages.sealed;
    }

    fn learn_not_saved(&mut self, goal: Goal, error: StoreError) {
        let disk = &mut self.facts.disk;
        // An append may have left the beginning of a line.
        disk.exists = true;
        disk.rewrite = true;
        let health = if goal == Goal::Flush { Health::GivenUp } else { Health::Ailing };
        let first = std::mem::replace(&mut disk.health, health) == Health::Well;
        if goal == Goal::Transfer {
            if first {
                self.notice(Notice::NotRecorded(error));
            }
        } else if self.facts.end.is_none()
            && (goal == Goal::Intend || self.facts.cancel != Some(Cancel::Discard))
        {
            // Without this write a rule would be broken, so the upload ends here; what was recorded before still holds.
            self.facts.end = Some(failed(&self.facts, Cause::Store(error), true));
        } else {
            self.notice(Notice::NotRecorded(error));
        }
    }

    fn learn_identity(&mut self, identity: SourceIdentity) {
        let attempt = &mut self.facts.attempt;
        attempt.inspected = true;
        let suspicious = std::mem::take(&mut attempt.suspicious);
        if identity == self.facts.source && !suspicious {
            return;
        }
        attempt.inspected = false;
        self.facts.changes += 1;
        let put = self.facts.attempt.put.take();
        if put.is_some() {
            self.facts.before = Visibility::Wrong;
        }
        let policy = self.facts.job.policy.changed;
        if policy == Changed::Fail || self.facts.changes > MAX_CHANGES {
            let mut end = failed(&self.facts, Cause::SourceChanged, true);
            if let (Some(_), End::Failed(failed)) = (put, &mut end) {
                failed.object = Visibility::Wrong;
            }
            self.facts.end = Some(end);
            return;
        }
        self.facts.disk.durable.doubted |= identity != self.facts.source;
        self.facts.source = identity;
        self.facts.report.total = self.facts.source.len;
        let keeps = self.facts.attempt.id.is_some() && policy == Changed::KeepMatching;
        self.notice(if keeps { Notice::SourceChanged } else { Notice::SourceReplaced });
        if self.facts.attempt.id.is_none() {
            // Nothing is on the server but what the next attempt replaces.
            self.begin_again();
        } else if policy == Changed::Restart {
            // What is known of the old source is not to be compared with the object, should it be there.
            self.facts.attempt.doubted = true;
            self.facts.attempt.whole = None;
            self.facts.attempt.doom = Some(Doom::SourceChanged);
        } else {
            self.doubt_parts();
        }
    }

    /// The source is another; every part has to be compared with it before it counts.
    fn doubt_parts(&mut self) {
        for under_way in self.outstanding.values_mut() {
            under_way.outdated |= matches!(under_way.task, Task::Save { .. });
        }
        let f = &mut self.facts;
        let attempt = &mut f.attempt;
        attempt.whole = None;
        f.disk.rewrite = true;
        f.disk.durable.sealed = false;
        let slots: Vec<_> = std::mem::take(&mut attempt.slots).into_keys().collect();
        for n in slots {
            attempt.parts.set_missing(n);
        }
        let plan = attempt.parts.plan();
        let kept: Vec<_> = attempt.kept.keys().copied().collect();
        if plan.len() == f.source.len {
            attempt.parts.doubt_all();
        } else {
            match Plan::exact(f.source.len, plan.part_size()).filter(|plan| plan.count() > 0) {
                Some(plan) => {
                    // Parts behind the new end must not get into the object.
                    attempt.strangers = true;
                    attempt.parts = attempt.parts.replanned(plan);
                }
                None if f.job.policy.unresumable == Unresumable::Restart => {
                    attempt.doom = Some(Doom::StartOver(NotResumable::OtherPlan));
                }
                None => {
                    let why = Cause::CannotResume(NotResumable::OtherPlan);
                    f.end = Some(failed(f, why, false));
                }
            }
        }
        let now = self.facts.attempt.parts.plan();
        for n in kept.into_iter().filter(|n| now.range(*n) != plan.range(*n)) {
            self.keep_no_longer(n);
        }
    }

    fn learn_part_digest(&mut self, n: PartNumber, digest: &ContentDigest) {
        let range = self.facts.attempt.parts.range(n);
        let Some(PartFact::Unproven(claim)) = self.facts.attempt.parts.get(n) else { return };
        if digest.len != range.len() {
            self.facts.attempt.suspicious = true;
        } else if claim.fits(digest) {
            let part = DonePart { etag: claim.etag.clone(), crc64: digest.crc64 };
            self.keep(n, part, false);
        } else if self.facts.job.options.is_sequential() {
            // Sequential mode takes no part twice.
            self.facts.attempt.doom = Some(Doom::StartOver(NotResumable::PartInTheWay(n)));
        } else {
            self.facts.attempt.parts.set_missing(n);
            self.keep_no_longer(n);
        }
    }

    /// A part that is on the server counts. Whoever sent it has it in the report: an earlier run, or this one.
    fn keep(&mut self, n: PartNumber, part: DonePart, recorded: bool) {
        let f = &mut self.facts;
        if !f.attempt.sent.contains(&n) && !f.attempt.kept.contains_key(&n) {
            let len = f.attempt.parts.range(n).len();
            f.attempt.kept.insert(n, len);
            f.report.resumed_bytes += len;
            f.report.resumed_parts += 1;
        }
        f.attempt.parts.set_done(n, part, recorded);
    }

    /// What an earlier run has sent of the part does not count any more.
    fn keep_no_longer(&mut self, n: PartNumber) {
        let f = &mut self.facts;
        if let Some(len) = f.attempt.kept.remove(&n) {
            f.report.resumed_bytes -= len;
            f.report.resumed_parts -= 1;
        }
    }

    fn learn_unreadable(&mut self, error: SourceError) {
        match error {
            SourceError::Stopped => {}
            SourceError::Shortened { .. } if self.facts.changes <= MAX_CHANGES => {
                self.facts.attempt.suspicious = true;
                self.facts.attempt.inspected = false;
            }
            _ if self.facts.cancel == Some(Cancel::Discard) => self.facts.attempt.blind = true,
            error if self.facts.end.is_none() => {
                self.facts.end = Some(failed(&self.facts, Cause::Source(error), true));
            }
            _ => {}
        }
    }

    /// The server took the signature.
    fn accepted(&mut self, epoch: u32) {
        self.auth.accepted(epoch);
    }

    /// Whether this error is about the signature. Then it is settled here, and the request is simply to be sent again.
    fn learn_auth(&mut self, operation: Operation, epoch: u32, error: &OssError) -> bool {
        let Some(problem) = auth_problem(operation, error) else { return false };
        // Signed before the last refresh: what it says has been seen to.
        if epoch < self.auth.epoch || self.auth.need.is_some() {
            return true;
        }
        let may_help = self.auth.may_help(&problem);
        let need = AuthNeed { problem, trouble: Box::new(Trouble::Server(error.clone())) };
        if may_help {
            self.auth.need = Some(need);
        } else if self.facts.end.is_none() {
            self.facts.end = Some(failed(&self.facts, need.into_cause(None), true));
        } else {
            return false;
        }
        true
    }

    /// Whether a request could not be signed, and other credentials may help. Then it is simply to be sent again.
    fn learn_unsigned(&mut self, epoch: u32, error: &TransportError) -> bool {
        if error.kind != TransportKind::Signing {
            return false;
        }
        if epoch < self.auth.epoch || self.auth.need.is_some() {
            return true;
        }
        let problem = AuthProblem::Unsigned { reason: error.message.clone() };
        let may_help = self.auth.may_help(&problem);
        if may_help {
            let trouble = Box::new(Trouble::Transport(error.clone()));
            self.auth.need = Some(AuthNeed { problem, trouble });
        }
        may_help
    }

    fn learn_refreshed(&mut self) {
        let clock = match &self.auth.need {
            Some(AuthNeed { problem: AuthProblem::ClockSkew { server_time }, .. }) => Some(*server_time),
            _ => None,
        };
        if let Some(server_time) = clock {
            self.learn_clock(server_time);
        }
        self.auth.refreshed();
        self.window.interrupted();
        self.facts.report.refreshes += 1;
        self.notice(if clock.is_some() { Notice::ClockSet } else { Notice::Refreshed });
    }

    /// The local clock was ahead, and with it what we take for the beginning of the upload: by it, our own uploads and
    /// objects would seem to be older than we are. So that a later run is not misled either, it is noted down anew.
    fn learn_clock(&mut self, server_time: Timestamp) {
        let job = &mut self.facts.job;
        let ahead = job.now.unix() - server_time.unix();
        if ahead > 0 {
            job.now = server_time;
            self.facts.attempt.begun = self.facts.attempt.begun.saturating_sub(ahead);
            self.facts.disk.rewrite |= self.facts.disk.durable.header;
        }
    }

    fn learn_not_refreshed(&mut self, reason: Option<String>) {
        if let Some(need) = self.auth.need.take()
            // What is kept needs no credentials.
            && self.facts.cancel != Some(Cancel::Keep)
        {
            let end = failed(&self.facts, need.into_cause(reason), true);
            self.facts.end.get_or_insert(end);
        }
    }

    /// A part is to be sent again as if it had never been tried.
    fn release(&mut self, n: PartNumber) {
        if self.facts.attempt.slots.remove(&n).is_some() {
            self.facts.attempt.parts.set_missing(n);
        }
    }
}

impl Task {
    /// What is asked of the server by it, if anything is.
    fn asks_for(&self) -> Option<Asked> {
        let (operation, part) = match self {
            Self::Call(goal) => (call::operation(*goal), None),
            Self::Part(n) => (Operation::UploadPart, Some(*n)),
            Self::Put => (Operation::PutObject, None),
            _ => return None,
        };
        Some(Asked { operation, part })
    }
}

/// What an error says about the signature, if that is what it is about.
pub(super) fn auth_problem(operation: Operation, error: &OssError) -> Option<AuthProblem> {
    match judge_error(operation, error).meaning {
        Meaning::Credentials => Some(AuthProblem::Refused {
            code: error.code.clone().or_else(|| error.ec.clone()).unwrap_or_default(),
            request_id: error.request_id.clone(),
        }),
        Meaning::ClockSkew => {
            let server_time = error.server_time.filter(|time| time.is_plausible_now())?;
            Some(AuthProblem::ClockSkew { server_time })
        }
        _ => None,
    }
}
