//! How a goal becomes an effect: at most one at a time, and none that is already under way.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::auth::AuthProblem;
use crate::digest::Integrity;
use crate::operation::{abort, complete, head, initiate, list_parts, list_uploads, put, upload_part};
use crate::part::{ByteRange, PartNumber};
use crate::request::Request;

use super::Upload;
use super::effect::{
    AuthTicket, Effect, EffectId, HashTicket, InspectTicket, PartTicket, SendTicket, StoreTicket, WaitTicket,
    Write,
};
use super::facts::{Health, Listing, SlotState, Stages};
use super::goal::{Activity, Goal};
use super::tempo::Failures;

/// From this many bytes on it is worth a round trip to learn that the first request is refused before they are sent.
const WORTH_ASKING: u64 = 1 << 20;

/// What an effect that is under way is for.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// A request of which there is one at a time.
    Call(Goal),
    /// The PutObject.
    Put,
    /// A part.
    Part(PartNumber),
    /// A write to the checkpoint, which makes this durable.
    Save { goal: Goal, stages: Stages, parts: Vec<PartNumber> },
    /// The checkpoint is put out of the way.
    SetAside,
    /// The checkpoint is removed.
    Forget,
    /// The source is looked at.
    Inspect,
    /// A part that is on the server is compared.
    HashPart(PartNumber),
    /// The whole source is read for its CRC-64.
    HashWhole,
    /// A wait before a request of which there is one at a time is repeated.
    WaitForCall,
    /// A wait before a part is sent again.
    WaitForPart(PartNumber),
    /// Credentials or clock.
    Refresh,
}

impl Task {
    /// Whether the store of checkpoints is busy with it.
    fn stores(&self) -> bool {
        matches!(self, Self::Save { .. } | Self::SetAside | Self::Forget)
    }

    /// Whether ending it early loses nothing that could not be had again. The answers to Initiate, Complete and Abort
    /// are worth waiting for: without them nobody knows what there is on the server.
    fn may_be_stopped(&self) -> bool {
        match self {
            Self::Call(goal) => !matches!(goal, Goal::Initiate | Goal::Complete | Goal::Abort),
            Self::Put
            | Self::Part(_)
            | Self::HashPart(_)
            | Self::HashWhole
            | Self::WaitForCall
            | Self::WaitForPart(_)
            | Self::Refresh => true,
            Self::Save { .. } | Self::SetAside | Self::Forget | Self::Inspect => false,
        }
    }
}

/// An effect that is under way.
#[derive(Clone, Debug)]
pub(super) struct Outstanding {
    pub(super) task: Task,
    /// Which credentials the request was to be signed with.
    pub(super) epoch: u32,
    /// Whether it was asked to stop.
    pub(super) stopped: bool,
    /// It writes down what has turned out to be untrue since: the record is to be written anew all the same.
    pub(super) outdated: bool,
}

/// The requests of which there is one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// What was asked for last.
    pub(super) goal: Option<Goal>,
    /// Failures in a row.
    pub(super) failures: BTreeMap<Goal, Failures>,
    pub(super) pause: Pause,
}

/// Whether a request is to wait before it is sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Pause {
    #[default]
    No,
    Due(Duration),
    Under(u32),
}

#[cfg(feature = "explore")]
impl Pause {
    pub(super) fn is_some(self) -> bool {
        self != Self::No
    }
}

impl Outstanding {
    pub(super) fn new(task: Task, epoch: u32) -> Self {
        Self { task, epoch, stopped: false, outdated: false }
    }
}

impl Upload {
    /// The effect that the goal calls for now, if any.
    pub(super) fn emit(&mut self, goal: Goal) -> Option<Effect> {
        match goal {
            Goal::Done => None,
            Goal::Drain => self.emit_stop(),
            Goal::SetAside => {
                self.emit_once(Task::SetAside, |id| Effect::Save(StoreTicket(id), Write::SetAside))
            }
            Goal::Forget => self.emit_once(Task::Forget, |id| Effect::Forget(StoreTicket(id))),
            Goal::Inspect => self.emit_once(Task::Inspect, |id| Effect::Inspect(InspectTicket(id))),
            Goal::Begin | Goal::Anchor | Goal::Rewrite | Goal::Seal | Goal::Intend | Goal::Flush => {
                self.emit_save(goal)
            }
            Goal::Verify => self.emit_hash(),
            Goal::Transfer => self.emit_transfer(),
            // Others need not wait for the answer.
            Goal::Probe => self.emit_call(goal).or_else(|| self.emit_transfer()),
            Goal::Confirm if self.facts.attempt.whole.is_none() && !self.facts.attempt.blind => {
                let whole = ByteRange::new(0, self.facts.source.len);
                let range = whole.unwrap_or_else(|| self.facts.attempt.parts.plan().whole());
                self.emit_once(Task::HashWhole, |id| Effect::Hash(HashTicket(id), range, Integrity::Crc))
            }
            Goal::Put
            | Goal::Find
            | Goal::Initiate
            | Goal::Reconcile
            | Goal::Complete
            | Goal::Confirm
            | Goal::Abort
            | Goal::Sweep => self.emit_call(goal),
        }
    }

    /// What is under way, by the goals it serves.
    pub(super) fn activity(&self) -> Activity {
        self.outstanding.iter().fold(Activity::Quiet, |activity, (seq, under_way)| {
            activity.and(match &under_way.task {
                Task::Call(goal) | Task::Save { goal, .. } => Some(*goal),
                Task::Put => Some(Goal::Put),
                Task::Part(_) | Task::WaitForPart(_) => Some(Goal::Transfer),
                Task::SetAside => Some(Goal::SetAside),
                Task::Forget => Some(Goal::Forget),
                Task::Inspect => Some(Goal::Inspect),
                Task::HashPart(_) => Some(Goal::Verify),
                Task::HashWhole => Some(Goal::Confirm),
                Task::WaitForCall if self.lane.pause == Pause::Under(*seq) => self.lane.goal,
                // For a request that is not called for any more.
                Task::WaitForCall => Some(Goal::Drain),
                Task::Refresh => None,
            })
        })
    }

    pub(super) fn issue(&mut self, task: Task) -> EffectId {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.outstanding.insert(seq, Outstanding::new(task, self.auth.epoch));
        EffectId { machine: self.machine, seq }
    }

    fn emit_once(&mut self, task: Task, effect: impl FnOnce(EffectId) -> Effect) -> Option<Effect> {
        let kind = std::mem::discriminant(&task);
        let twice = self.outstanding.values().any(|other| std::mem::discriminant(&other.task) == kind);
        let blocked = twice || (task.stores() && self.is_storing());
        if blocked { None } else { Some(effect(self.issue(task))) }
    }

    /// Whether a store effect is under way. One at a time: a late write would resurrect the record.
    pub(super) fn is_storing(&self) -> bool {
        self.outstanding.values().any(|other| other.task.stores())
    }

    fn emit_stop(&mut self) -> Option<Effect> {
        let (seq, under_way) =
            self.outstanding.iter_mut().find(|(_, other)| !other.stopped && other.task.may_be_stopped())?;
        under_way.stopped = true;
        Some(Effect::Stop(EffectId { machine: self.machine, seq: *seq }))
    }

    /// New credentials or another clock, if that is what everything waits for.
    fn emit_refresh(&mut self) -> Option<Effect> {
        let problem: AuthProblem = self.auth.need.as_ref()?.problem.clone();
        self.emit_once(Task::Refresh, |id| Effect::Refresh(AuthTicket(id), problem))
    }

    fn emit_call(&mut self, goal: Goal) -> Option<Effect> {
        if self.outstanding.values().any(|other| matches!(other.task, Task::Call(_) | Task::Put)) {
            return None;
        }
        if self.auth.need.is_some() {
            return self.emit_refresh();
        }
        if self.lane.goal != Some(goal) {
            self.lane.goal = Some(goal);
            self.lane.pause = Pause::No;
        }
        match self.lane.pause {
            Pause::Under(_) => None,
            Pause::Due(wait) => {
                let id = self.issue(Task::WaitForCall);
                self.retries.begins(id.seq, wait);
                self.lane.pause = Pause::Under(id.seq);
                Some(Effect::Wait(WaitTicket(id), wait))
            }
            Pause::No if goal == Goal::Put => {
                let (f, range) = (&self.facts, self.facts.attempt.parts.plan().whole());
                let careful = self.lane.failures.contains_key(&Goal::Put)
                    || (!self.auth.ever_accepted && range.len() >= WORTH_ASKING);
                let request = put::request(
                    &f.job.object,
                    range,
                    f.job.policy.integrity,
                    &f.job.options,
                    f.job.callback.as_ref(),
                )
                .expecting_continue(careful);
                self.note_attempt(PartNumber::FIRST);
                Some(Effect::SendPart(PartTicket(self.issue(Task::Put)), request))
            }
            Pause::No => {
                if goal == Goal::Probe {
                    self.facts.attempt.probed = self.facts.attempt.doubtful_slots().collect();
                }
                let request = self.request(goal)?;
                self.facts.attempt.complete_tried |= goal == Goal::Complete;
                self.window.asks();
                Some(Effect::Send(SendTicket(self.issue(Task::Call(goal))), request))
            }
        }
    }

    fn request(&self, goal: Goal) -> Option<Request> {
        let (f, job) = (&self.facts, &self.facts.job);
        let (object, options) = (&job.object, &job.options);
        Some(match goal {
            Goal::Initiate => initiate::request(object, options),
            Goal::Find => list_uploads::request(
                &object.bucket,
                Some(object.key.as_str()),
                f.search.after.as_ref(),
                options,
            ),
            Goal::Reconcile => {
                let Listing::Wanted { after, .. } = &f.attempt.listing else { return None };
                list_parts::request(object, f.attempt.id.as_ref()?, *after, None, options)
            }
            Goal::Probe => {
                let (first, last) = (f.attempt.probed.first()?, f.attempt.probed.last()?);
                let count = (last.get() - first.get() + 1).min(1000);
                list_parts::request(
                    object,
                    f.attempt.id.as_ref()?,
                    PartNumber::new(first.get() - 1),
                    Some(count),
                    options,
                )
            }
            Goal::Sweep => list_parts::request(object, f.attempt.id.as_ref()?, None, Some(1), options),
            Goal::Abort => abort::request(object, f.attempt.id.as_ref()?, options),
            Goal::Confirm => head::request(object, options),
            Goal::Complete => {
                let list: Vec<_> = f.attempt.parts.done_parts().map(|(n, part)| (n, &part.etag)).collect();
                let parts = if options.is_complete_all() && !f.attempt.strangers {
                    complete::Parts::All
                } else {
                    complete::Parts::Listed(&list)
                };
                complete::request(object, f.attempt.id.as_ref()?, parts, options, job.callback.as_ref())
            }
            _ => return None,
        })
    }

    fn emit_hash(&mut self) -> Option<Effect> {
        let hashing =
            self.outstanding.values().filter(|other| matches!(other.task, Task::HashPart(_))).count();
        if hashing >= usize::from(self.facts.job.policy.parallel.get()) {
            return None;
        }
        let under_way =
            |n| self.outstanding.values().any(|other| matches!(other.task, Task::HashPart(m) if m == n));
        let mut from = PartNumber::FIRST;
        loop {
            let (n, claim) = self.facts.attempt.parts.first_unproven_from(from)?;
            if under_way(n) {
                from = PartNumber::new(n.get() + 1)?;
                continue;
            }
            // A claim that nothing could prove is not kept as one.
            let integrity = claim.proof().unwrap_or(Integrity::Crc);
            let range = self.facts.attempt.parts.range(n);
            return Some(Effect::Hash(HashTicket(self.issue(Task::HashPart(n))), range, integrity));
        }
    }

    fn emit_transfer(&mut self) -> Option<Effect> {
        if self.auth.need.is_some() {
            return self.emit_refresh();
        }
        // P6: finished parts are noted lazily, as many as there are since the last time.
        if self.facts.records()
            && self.facts.disk.health == Health::Well
            && !self.facts.attempt.parts.unrecorded().is_empty()
            && let Some(save) = self.emit_save(Goal::Transfer)
        {
            return Some(save);
        }
        let due = self.facts.attempt.slots.iter().find_map(|(n, slot)| match slot.state {
            SlotState::Due(wait) => Some((*n, wait)),
            _ => None,
        });
        if let Some((n, wait)) = due {
            let id = self.issue(Task::WaitForPart(n));
            self.retries.begins(id.seq, wait);
            self.facts.attempt.slots.entry(n).or_default().state = SlotState::Waiting;
            return Some(Effect::Wait(WaitTicket(id), wait));
        }
        // What one part was asked to wait is meant for all.
        if self.facts.attempt.is_held_back() {
            return None;
        }
        if self.paused || self.facts.attempt.in_flight() >= usize::from(self.window.now()) {
            return None;
        }
        let again = self
            .facts
            .attempt
            .slots
            .iter()
            .find(|(_, slot)| matches!(slot.state, SlotState::Ready))
            .map(|(n, _)| *n);
        let n = match again {
            Some(n) => n,
            None if self.facts.attempt.slots.len() < usize::from(self.window.now()) => {
                self.facts.attempt.parts.first_missing()?
            }
            None => return None,
        };
        self.send_part(n)
    }

    fn send_part(&mut self, n: PartNumber) -> Option<Effect> {
        let upload_id = self.facts.attempt.id.clone()?;
        self.facts.attempt.parts.set_sending(n);
        self.facts.attempt.inspected = false;
        self.facts.attempt.whole = None;
        let id = self.issue(Task::Part(n));
        self.window.sends();
        self.note_attempt(n);
        let slot = self.facts.attempt.slots.entry(n).or_default();
        slot.state = SlotState::InFlight;
        slot.sent = 0;
        let careful = !slot.failures.are_none() || !self.auth.ever_accepted;
        let range = self.facts.attempt.parts.range(n);
        let (job, integrity) = (&self.facts.job, self.facts.job.policy.integrity);
        let request = upload_part::request(&job.object, &upload_id, n, range, integrity, &job.options);
        Some(Effect::SendPart(PartTicket(id), request.expecting_continue(careful)))
    }

    /// Another attempt of a part that had trouble.
    fn note_attempt(&mut self, n: PartNumber) {
        if let Some(trouble) = self.facts.report.troubles.get_mut(&n) {
            trouble.attempts += 1;
        }
    }
}
