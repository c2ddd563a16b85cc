//! The machine: what happens next in a resumable upload.
//!
//! An [`Upload`] is asked for its next [`Turn`] and told the [`Answer`] to each [`Effect`] it asked for. It decides
//! everything and does nothing: it has no clock, no randomness but its seed, no bytes of the source, and no secrets.
//!
//! * [`effect`] — what the machine asks for, and what may be answered
//! * [`job`] — what is to be done, and the policies
//! * [`outcome`] — how it ended
//! * [`survey`] — what is unfinished on the server, whoever began it
//!
//! Within: `facts` are what is known, `goal` derives from them what is called for, `emit` and `save` make an effect of it, and
//! `learn` makes facts of the answers.

pub mod effect;
mod emit;
#[cfg(feature = "explore")]
mod explore;
mod facts;
pub mod goal;
pub mod job;
mod learn;
mod news;
mod open;
pub mod outcome;
mod pace;
mod parts;
mod progress;
mod save;
pub mod survey;
mod tempo;

use std::collections::BTreeMap;

use self::emit::{Lane, Outstanding};
use self::facts::Facts;
use self::goal::Call;
use self::news::News;
use self::tempo::{Auth, Retries, Window};

pub use self::effect::{
    Answer, AuthTicket, Durability, Effect, EffectId, HashTicket, InspectTicket, PartTicket, SendTicket,
    SourceError, StoreError, StoreTicket, TransportError, TransportKind, WaitTicket, Write,
};
pub use self::goal::Goal;
pub use self::job::{Cancel, Changed, Job, Patience, Policy, Recheck, Recording, Resume, Unresumable};
pub use self::outcome::{
    Adapted, Asked, CallbackEnd, Cause, Completed, Corruption, Denied, Discarded, End, Evidence, Failed,
    NotResumable, Notice, Outcome, PartTrouble, Report, Visibility,
};
pub use self::progress::Progress;

/// What comes next. Exhaustive on purpose: an embedder that misses one must not compile.
#[must_use = "the upload goes on only when the effect is executed and answered"]
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an effect is moved once, from here to whoever executes it")]
pub enum Turn {
    /// Do this, and answer it. There may be more to do at once: ask again before it is answered, if there is room.
    Do(Effect),
    /// Nothing to do before one of the effects under way is answered, or the upload is cancelled or unpaused.
    Blocked,
    /// It is over. Nothing is under way.
    Finished(Box<Outcome>),
}

/// A resumable upload.
///
/// ```
/// use ossup_core::checkpoint::SourceIdentity;
/// use ossup_core::time::Timestamp;
/// use ossup_core::upload::{Effect, Job, TransportError, TransportKind, Turn, Upload};
///
/// let source = SourceIdentity::of_len(20 << 20);
/// let job = Job::new("oss://bucket/key".parse()?, "oss-cn-hangzhou.aliyuncs.com", source, Timestamp::from_unix(0));
/// let mut upload = Upload::start(job, 7);
/// let Turn::Do(Effect::Send(ticket, request)) = upload.turn() else { panic!("an upload id is asked for first") };
/// assert_eq!(request.operation().name(), "InitiateMultipartUpload");
/// // Whoever has sockets sends it, and says what came of it.
/// upload.answer(ticket.failed(TransportError::new(TransportKind::Connect, "no route to host")))?;
/// assert!(matches!(upload.turn(), Turn::Do(Effect::Wait(..))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "explore", derive(Clone))]
pub struct Upload {
    facts: Facts,
    outstanding: BTreeMap<u32, Outstanding>,
    lane: Lane,
    auth: Auth,
    window: Window,
    retries: Retries,
    paused: bool,
    machine: u32,
    next_seq: u32,
    news: News,
    furthest: u64,
}

impl Upload {
    /// What comes next.
    pub fn turn(&mut self) -> Turn {
        loop {
            match goal::goal(&self.facts, self.activity()) {
                Call::For(Goal::Done) => return Turn::Finished(Box::new(self.outcome())),
                Call::For(goal) => {
                    return match self.emit(goal) {
                        Some(effect) => Turn::Do(effect),
                        None => Turn::Blocked,
                    };
                }
                Call::End(end) => self.facts.end = Some(end),
                Call::StartOver(why) => self.start_over(why),
                Call::Reject => self.reject(),
            }
        }
    }

    /// Takes in the answer to an effect.
    ///
    /// # Errors
    /// The answer is not to an effect of this upload that is under way. Nothing has changed then.
    pub fn answer(&mut self, answer: Answer) -> Result<(), Misuse> {
        let Answer { id, said } = answer;
        let under_way = self.take(id)?;
        self.learn(id, under_way, said);
        Ok(())
    }

    /// Gives up an effect whose ticket was lost, such as by a task that panicked or was aborted. It counts as failed
    /// half way, or as stopped if [`Effect::Stop`] asked for it.
    ///
    /// # Errors
    /// No such effect of this upload is under way. Nothing has changed then.
    pub fn abandon(&mut self, id: EffectId) -> Result<(), Misuse> {
        let under_way = self.take(id)?;
        self.learn_nothing(id, under_way);
        Ok(())
    }

    /// Ends the upload early. May be called at any time and more than once; a `Keep` can be strengthened to a
    /// `Discard`, and so can a failure that leaves something behind. An upload that is already completed, or completes
    /// while it is being asked to, stays so: the outcome says what happened.
    pub fn cancel(&mut self, how: Cancel) {
        let is_new = self.facts.cancel != Some(Cancel::Discard);
        let leaves_something = match &self.facts.end {
            Some(End::Suspended { .. }) => true,
            Some(End::Failed(failed)) => failed.upload_id.is_some() || self.facts.attempt.unaccounted() > 0,
            _ => false,
        };
        // What is being kept is not gone yet, and can still be discarded.
        if how == Cancel::Discard && is_new && leaves_something {
            self.facts.end = None;
        }
        if self.facts.end.is_none() {
            self.facts.cancel = self.facts.cancel.max(Some(how));
        }
    }

    /// Starts no further part until [`unpause`](Self::unpause). Parts in flight go on.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn unpause(&mut self) {
        if std::mem::take(&mut self.paused) {
            self.auth.rested();
            self.window.interrupted();
        }
    }

    /// Tells how much time has passed since the upload began, by a clock that does not go back. Optional: it is for
    /// finding out how many parts in flight the link carries, where [`Policy::most_parallel`] allows more, and for
    /// seeing which waits overlap. To be told before each answer, and before the first turn.
    pub fn passed(&mut self, since_begin: std::time::Duration) {
        self.window.passed(since_begin);
        self.retries.passed(since_begin);
    }

    /// Whether no further part is started.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The effects that are not answered yet.
    pub fn outstanding(&self) -> impl Iterator<Item = EffectId> + '_ {
        self.outstanding.keys().map(|seq| EffectId { machine: self.machine, seq: *seq })
    }

    /// What the upload is working on, for people to look at.
    #[must_use]
    pub fn goal(&self) -> Goal {
        match goal::goal(&self.facts, self.activity()) {
            Call::For(goal) => goal,
            Call::End(_) | Call::StartOver(_) | Call::Reject => Goal::Drain,
        }
    }

    /// What has happened since this was last called that a person may want to know, in order. To be asked after every
    /// turn or answer: the latest 256 wait, and those before them are [missed](Notice::Missed).
    pub fn notices(&mut self) -> Vec<Notice> {
        self.news.take()
    }

    fn take(&mut self, id: EffectId) -> Result<Outstanding, Misuse> {
        if id.machine != self.machine {
            return Err(Misuse::OtherUpload);
        }
        self.outstanding.remove(&id.seq).ok_or(Misuse::NotUnderWay)
    }

    fn outcome(&self) -> Outcome {
        let f = &self.facts;
        // `Done` is called for only once there is an end.
        let mut end = f.end.clone().unwrap_or(End::Suspended { upload_id: None, recorded: false });
        if let End::Failed(failed) = &mut end {
            if f.attempt.gone || matches!(f.attempt.abort, facts::Abort::Ended { .. }) {
                failed.upload_id = None;
            }
            // What cannot be told now a later run can find out, if the record is there to say what is to be told.
            failed.resumable &= if f.attempt.is_undecided() {
                f.records() && f.disk.exists
            } else {
                failed.upload_id.is_some()
                    && ((f.records() && f.disk.exists) || f.job.policy.resume == Resume::Adopt)
            };
        }
        if let End::Suspended { recorded, .. } = &mut end {
            *recorded = goal::is_recorded(f);
        }
        let mut report = f.report.clone();
        report.orphan_risk += f.attempt.unaccounted();
        Outcome { end, report }
    }
}

/// An answer that is not to an effect of this upload that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// It belongs to another upload.
    #[error("the answer belongs to another upload")]
    OtherUpload,
    /// Its effect is not under way (any more).
    #[error("the effect is not under way")]
    NotUnderWay,
}
