//! How fast, how often, and with which credentials: the counters that hold an upload back.

use std::time::Duration;

use crate::auth::AuthProblem;
use crate::retry::{Jitter, RetryPolicy};

use super::facts::AuthNeed;
use super::job::Patience;
use super::outcome::Adapted;
use super::pace::Pace;

/// How many parts may be in flight. Halved when the server throttles, and one more after a while without; more than was
/// asked for where the link carries them.
#[derive(Clone, Debug)]
pub(super) struct Window {
    limit: u16,
    now: u16,
    calm: u32,
    /// Effects issued before this one were already in flight when the window was last cut: their throttling is old news.
    cut_at: u32,
    pace: Option<Pace>,
}

impl Window {
    /// `limit` parts, and up to `most` if more of them arrive faster.
    pub(super) fn new(limit: u16, most: Option<u16>) -> Self {
        Self { limit, now: limit, calm: 0, cut_at: 0, pace: most.filter(|most| *most > limit).map(Pace::new) }
    }

    /// So much time has passed since the upload began.
    pub(super) fn passed(&mut self, clock: Duration) {
        if let Some(pace) = &mut self.pace {
            pace.passed(clock);
        }
    }

    /// A part is sent.
    pub(super) fn sends(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.sends();
        }
    }

    /// The request `seq` stood still; `next` will be issued next. True if fewer parts may be in flight from now on.
    pub(super) fn stalled(&mut self, seq: u32, next: u32) -> bool {
        self.pace.is_some() && self.throttled(seq, next)
    }

    pub(super) fn now(&self) -> u16 {
        self.now
    }

    /// The request `seq` was throttled; `next` will be issued next. True if fewer parts may be in flight from now on.
    pub(super) fn throttled(&mut self, seq: u32, next: u32) -> bool {
        self.calm = 0;
        if seq < self.cut_at || self.now == 1 {
            return false;
        }
        self.now = (self.now / 2).max(1);
        self.cut_at = next;
        if let Some(pace) = &mut self.pace {
            pace.slowed();
        }
        true
    }

    /// A part of so many bytes arrived. Why another number of them may be in flight from now on, if it is for the link.
    pub(super) fn arrived(&mut self, bytes: u64) -> Option<Adapted> {
        self.calm += 1;
        if self.now < self.limit {
            if self.calm >= 4 * u32::from(self.now) {
                self.now += 1;
                self.calm = 0;
            }
            return None;
        }
        let (now, why) = self.pace.as_mut()?.arrived(self.now, bytes)?;
        (self.limit, self.now) = (now, now);
        Some(why)
    }
}

/// How many repetitions are left.
#[derive(Clone, Debug)]
pub(super) struct Retries {
    budget: u32,
    waited: Duration,
    jitter: Jitter,
}

impl Retries {
    pub(super) fn new(policy: &RetryPolicy, seed: u64) -> Self {
        Self { budget: policy.budget, waited: Duration::ZERO, jitter: Jitter::new(seed) }
    }

    /// A part arrived.
    pub(super) fn refill(&mut self, policy: &RetryPolicy) {
        self.budget = self.budget.saturating_add(1).min(policy.budget);
        self.waited = Duration::ZERO;
    }

    /// How long to wait before the attempt that follows `failures` failures; none if there is to be no further attempt.
    pub(super) fn next(
        &mut self,
        policy: &RetryPolicy,
        failures: u32,
        no_network: bool,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        let limit = match policy.patience {
            Patience::UntilNetworkIsBack if no_network => {
                return Some(policy.delay(failures, asked, &mut self.jitter));
            }
            Patience::UntilNetworkIsBack => Duration::MAX,
            Patience::Limited(limit) => limit,
        };
        if failures >= policy.attempts || self.budget == 0 {
            return None;
        }
        let wait = policy.delay(failures, asked, &mut self.jitter);
        let waited = self.waited.saturating_add(wait);
        if waited > limit {
            return None;
        }
        self.budget -= 1;
        self.waited = waited;
        Some(wait)
    }
}

/// Which credentials requests are signed with, as far as the machine knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Auth {
    /// Counts the refreshes. A refusal of older credentials is old news.
    pub(super) epoch: u32,
    /// What has to be refreshed before anything is sent.
    pub(super) need: Option<AuthNeed>,
    /// The server has taken a signature of this run.
    pub(super) ever_accepted: bool,
    /// These were refreshed since the server last took a signature: a second refusal is final.
    tried_credentials: bool,
    tried_clock: bool,
    /// How long requests have waited since the last refresh, together.
    waited: Duration,
    /// Refreshes since the last part arrived. A server that accepts and refuses by turns must not be asked for ever.
    fruitless: u32,
}

/// Waits after which a refusal is not taken for one of new credentials: temporary ones last 15 minutes and more.
const LONG: Duration = Duration::from_secs(10 * 60);

/// How many refreshes there may be between two parts that arrive.
const MAX_FRUITLESS: u32 = 8;

impl Auth {
    /// Whether a refresh may help against this problem.
    pub(super) fn may_help(&self, problem: &AuthProblem) -> bool {
        let tried = match problem {
            AuthProblem::Refused { .. } => self.tried_credentials,
            AuthProblem::ClockSkew { .. } => self.tried_clock,
        };
        !tried && self.fruitless < MAX_FRUITLESS
    }

    pub(super) fn refreshed(&mut self) {
        if let Some(AuthNeed { problem, .. }) = self.need.take() {
            match problem {
                AuthProblem::Refused { .. } => self.tried_credentials = true,
                AuthProblem::ClockSkew { .. } => self.tried_clock = true,
            }
        }
        self.waited = Duration::ZERO;
        self.epoch += 1;
        self.fruitless += 1;
    }

    /// The server took a signature made with the credentials of `epoch`.
    pub(super) fn accepted(&mut self, epoch: u32) {
        if epoch == self.epoch {
            self.ever_accepted = true;
            self.tried_credentials = false;
            self.tried_clock = false;
        }
    }

    /// Nothing was sent for a while that may have been long: credentials that were new may have expired meanwhile, and a
    /// clock that was right may have been set.
    pub(super) fn rested(&mut self) {
        self.waited = Duration::ZERO;
        self.tried_credentials = false;
        self.tried_clock = false;
    }

    /// A request is to wait for so long.
    pub(super) fn waits(&mut self, wait: Duration) {
        self.waited = self.waited.saturating_add(wait);
        if self.waited >= LONG {
            self.rested();
        }
    }

    #[cfg(feature = "explore")]
    pub(super) fn fingerprint(&self) -> String {
        format!("{:?} {} {}", self.need, self.tried_credentials, self.tried_clock)
    }

    /// A part arrived.
    pub(super) fn fruitful(&mut self) {
        self.fruitless = 0;
    }
}
