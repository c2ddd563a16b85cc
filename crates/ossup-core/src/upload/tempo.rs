//! How fast, how often, and with which credentials: the counters that hold an upload back.

use std::collections::BTreeMap;
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
    /// What was asked for.
    parallel: u16,
    /// What there may be, unless the server throttles.
    limit: u16,
    now: u16,
    calm: u32,
    /// Effects issued before this one were already in flight when the window was last cut: their throttling is old news.
    cut_at: u32,
    pace: Option<Pace>,
}

impl Window {
    /// `parallel` parts, always.
    pub(super) fn new(parallel: u16) -> Self {
        Self { parallel, limit: parallel, now: parallel, calm: 0, cut_at: 0, pace: None }
    }

    /// `parallel` parts, and up to `most` where more of them, of `part_size` bytes, arrive faster. There are `parts` in all.
    pub(super) fn adaptive(parallel: u16, most: u16, parts: u16, part_size: u64) -> Self {
        // Less would leave nothing to be found out.
        let most = most.max(parallel.saturating_mul(2));
        // With so few parts there is no time to find anything out, and a second wave would cost another round trip. Not
        // more: what is in flight is lost with the process.
        let few = parts <= parallel.saturating_mul(2);
        let at_once = if few { parts.max(parallel) } else { parallel };
        Self { limit: at_once, now: at_once, pace: Some(Pace::new(most, part_size)), ..Self::new(parallel) }
    }

    /// So much time has passed since the upload began.
    pub(super) fn passed(&mut self, clock: Duration) {
        if let Some(pace) = &mut self.pace {
            pace.passed(clock);
        }
    }

    /// A request without a body to speak of is made.
    pub(super) fn asks(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.asks();
        }
    }

    /// It is answered. Why more parts may be in flight from the first one on, if so.
    pub(super) fn heard(&mut self) -> Option<Adapted> {
        let parts = self.pace.as_mut()?.heard()?;
        if parts <= self.limit {
            return None;
        }
        (self.limit, self.now) = (parts, parts);
        Some(Adapted::LongTrips)
    }

    /// For a while parts were held up by something else than the link.
    pub(super) fn interrupted(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.interrupted();
        }
    }

    /// A part is sent.
    pub(super) fn sends(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.sends();
        }
    }

    /// The request `seq` stood still; `next` will be issued next. True if fewer parts may be in flight from now on: no
    /// fewer than were asked for, since one that stands still need not be one too many.
    pub(super) fn stalled(&mut self, seq: u32, next: u32) -> bool {
        self.pace.is_some() && self.fall(self.parallel, seq, next)
    }

    pub(super) fn now(&self) -> u16 {
        self.now
    }

    /// The request `seq` was throttled; `next` will be issued next. True if fewer parts may be in flight from now on.
    pub(super) fn throttled(&mut self, seq: u32, next: u32) -> bool {
        self.fall(1, seq, next)
    }

    fn fall(&mut self, least: u16, seq: u32, next: u32) -> bool {
        self.calm = 0;
        if seq < self.cut_at || self.now <= least {
            return false;
        }
        self.now = (self.now / 2).max(least);
        self.cut_at = next;
        if let Some(pace) = &mut self.pace {
            // What was found out about the link is void. More than was asked for is tried again later, not crept up to.
            self.limit = self.now.max(self.parallel);
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

/// What one request has failed of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    /// All of them: the waits grow with their number.
    all: u32,
    /// Those of the server.
    server: u32,
    /// How long it has waited for the network since the server last answered it.
    offline: Duration,
}

impl Failures {
    pub(super) fn are_none(&self) -> bool {
        self.all == 0
    }
}

/// Who is to blame for a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Blame {
    /// There was no answer.
    Network,
    /// Whoever answered, or could not sign.
    Server,
}

/// A wait counts as at least this much, so that a policy without waits comes to its end, too.
const SHORTEST: Duration = Duration::from_millis(10);

/// How many repetitions are left, and how long the upload has waited.
#[derive(Clone, Debug)]
pub(super) struct Retries {
    budget: u32,
    full: u32,
    waits: Waits,
    jitter: Jitter,
}

impl Retries {
    /// For an upload with up to so many requests in flight.
    pub(super) fn new(policy: &RetryPolicy, in_flight: u16, seed: u64) -> Self {
        let full = policy.budget.saturating_mul(in_flight.into());
        Self { budget: full, full, waits: Waits::default(), jitter: Jitter::new(seed) }
    }

    /// A part arrived.
    pub(super) fn refill(&mut self) {
        self.budget = self.budget.saturating_add(1).min(self.full);
    }

    /// So much time has passed since the upload began.
    pub(super) fn passed(&mut self, clock: Duration) {
        self.waits.now = self.waits.now.max(clock);
    }

    /// The effect `seq` is a wait of this length, which begins now.
    pub(super) fn begins(&mut self, seq: u32, wait: Duration) {
        self.waits.ends.insert(seq, self.waits.now.saturating_add(wait));
    }

    /// The wait `seq` is over, because its time has passed or because it was stopped.
    pub(super) fn ended(&mut self, seq: u32, stopped: bool) {
        if let Some(end) = self.waits.ends.remove(&seq)
            && !stopped
        {
            self.passed(end);
        }
    }

    /// A request has failed once more. How long to wait before its next attempt; none if there is to be none.
    pub(super) fn next(
        &mut self,
        policy: &RetryPolicy,
        failures: &mut Failures,
        blame: Blame,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        failures.all = failures.all.saturating_add(1);
        let wait = policy.delay(failures.all, asked, &mut self.jitter);
        match (blame, policy.patience) {
            (Blame::Network, Patience::UntilNetworkIsBack) => {
                self.waits.take(wait, Duration::MAX);
                Some(wait)
            }
            (Blame::Network, Patience::Limited(limit)) => {
                let left = limit.saturating_sub(failures.offline);
                if left.is_zero() {
                    return None;
                }
                // The last attempt is when the time is up, and not before.
                let wait = wait.min(left);
                failures.offline = failures.offline.saturating_add(wait.max(SHORTEST));
                self.waits.take(wait, policy.overall).then_some(wait)
            }
            (Blame::Server, _) => {
                failures.server += 1;
                failures.offline = Duration::ZERO;
                if failures.server >= policy.attempts || self.budget == 0 {
                    return None;
                }
                self.budget -= 1;
                self.waits.take(wait, policy.overall).then_some(wait)
            }
        }
    }
}

/// How long the upload has waited. Waits that overlap count once.
#[derive(Clone, Debug, Default)]
struct Waits {
    /// How much time has passed since the upload began, as far as is known: it was told, or waits have ended.
    now: Duration,
    /// When the last of the waits ends.
    until: Duration,
    /// All of them together.
    total: Duration,
    /// When those that are under way end, by their effects.
    ends: BTreeMap<u32, Duration>,
}

impl Waits {
    /// Adds one that begins now, if all of them together stay within the limit.
    fn take(&mut self, wait: Duration, limit: Duration) -> bool {
        let end = self.now.saturating_add(wait);
        let total = self.total.saturating_add(end.saturating_sub(self.until.max(self.now)));
        let fits = total <= limit;
        if fits {
            (self.total, self.until) = (total, self.until.max(end));
        }
        fits
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
            AuthProblem::Refused { .. } | AuthProblem::Unsigned { .. } => self.tried_credentials,
            AuthProblem::ClockSkew { .. } => self.tried_clock,
        };
        !tried && self.fruitless < MAX_FRUITLESS
    }

    pub(super) fn refreshed(&mut self) {
        if let Some(AuthNeed { problem, .. }) = self.need.take() {
            match problem {
                AuthProblem::Refused { .. } | AuthProblem::Unsigned { .. } => self.tried_credentials = true,
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// What comes of a wait of a minute on the word of a server.
    fn wait(retries: &mut Retries, seq: u32, overall: Duration) -> bool {
        let policy = RetryPolicy { overall, base: Duration::ZERO, ..RetryPolicy::default() };
        let wait = retries.next(&policy, &mut Failures::default(), Blame::Server, Some(MINUTE));
        if let Some(wait) = wait {
            retries.begins(seq, wait);
        }
        wait.is_some()
    }

    #[test]
    fn of_waits_that_overlap_only_what_is_beyond_the_others_counts() {
        let mut retries = Retries::new(&RetryPolicy::default(), 4, 1);
        // One from 0:00, one from 0:30 by the clock, one from the end of the first, one from long after.
        assert!(wait(&mut retries, 1, MINUTE) && wait(&mut retries, 2, MINUTE));
        retries.passed(MINUTE / 2);
        assert!(!wait(&mut retries, 3, MINUTE), "half a minute is beyond");
        assert!(wait(&mut retries, 3, MINUTE * 3 / 2));
        retries.ended(1, false);
        assert!(wait(&mut retries, 4, MINUTE * 2));
        retries.passed(MINUTE * 60);
        assert!(!wait(&mut retries, 5, MINUTE * 2) && wait(&mut retries, 5, MINUTE * 3));
    }

    #[test]
    fn a_wait_that_was_stopped_has_not_passed() {
        let mut retries = Retries::new(&RetryPolicy::default(), 4, 1);
        assert!(wait(&mut retries, 1, MINUTE));
        retries.ended(1, true);
        assert!(wait(&mut retries, 2, MINUTE), "it is the same minute");
    }

    #[test]
    fn a_policy_without_waits_comes_to_its_end_without_a_network() {
        let policy = RetryPolicy { base: Duration::ZERO, ..RetryPolicy::default() };
        let (mut retries, mut failures) = (Retries::new(&policy, 4, 1), Failures::default());
        let attempts = (0..1_000_000)
            .take_while(|_| retries.next(&policy, &mut failures, Blame::Network, None).is_some());
        assert_eq!(attempts.count(), 180_000);
    }

    const PART: u64 = 8 << 20;

    /// The most parts in flight on a link on which more of them always arrive faster.
    fn widest(mut window: Window) -> u16 {
        let mut clock = Duration::ZERO;
        for _ in 0..2000 {
            window.passed(clock);
            window.sends();
            clock += Duration::from_micros(1_000_000 / u64::from(window.now()));
            window.passed(clock);
            window.arrived(PART);
        }
        window.now()
    }

    #[test]
    fn more_is_tried_whatever_was_asked_for_but_only_where_it_may_be() {
        assert_eq!(widest(Window::adaptive(4, 16, 10_000, PART)), 16);
        assert_eq!(widest(Window::adaptive(16, 16, 10_000, PART)), 32);
        assert_eq!(widest(Window::adaptive(40_000, 16, 10_000, PART)), 40_000, "there are not so many parts");
        assert_eq!(widest(Window::new(4)), 4);
    }

    #[test]
    fn few_parts_are_sent_at_once() {
        let at_once = |parts| Window::adaptive(4, 16, parts, PART).now();
        assert_eq!([1, 5, 8, 9].map(at_once), [4, 5, 8, 4]);
    }

    #[test]
    fn a_part_that_stands_still_takes_back_what_was_tried_and_no_more() {
        let mut window = Window::adaptive(4, 16, 8, PART);
        assert!(window.stalled(1, 10));
        assert_eq!(window.now(), 4);
        assert!(!window.stalled(10, 20));
        assert_eq!(window.now(), 4);
        assert!(!Window::new(8).stalled(1, 10), "nothing was tried");
    }

    #[test]
    fn what_the_server_refused_is_not_crept_up_to_again_beyond_what_was_asked_for() {
        let mut window = Window::adaptive(4, 16, 8, PART);
        assert!(window.throttled(1, 10) && window.throttled(10, 20));
        assert_eq!(window.now(), 2);
        assert!(!window.throttled(19, 30), "old news");
        for _ in 0..100 {
            window.arrived(PART);
        }
        assert_eq!(window.now(), 4);
    }

    #[test]
    fn long_round_trips_widen_it_before_the_first_part_and_short_ones_do_not() {
        for (millis, wide) in [(50, None), (300, Some(Adapted::LongTrips))] {
            let mut window = Window::adaptive(4, 16, 10_000, PART);
            window.passed(Duration::ZERO);
            window.asks();
            window.passed(Duration::from_millis(millis));
            assert_eq!(window.heard(), wide);
            assert_eq!(window.now(), if wide.is_some() { 16 } else { 4 });
        }
    }
}
