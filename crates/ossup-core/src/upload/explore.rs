//! For tests that try every continuation of a state: what makes two states the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Upload;
use super::outcome::Report;

impl Upload {
    /// A text that is the same for two states that will behave alike. Left out is what only counts (effect ids,
    /// reports, the jitter of waits), so that states which differ in nothing else are tried once. Left out is also the
    /// budget of repetitions, and how long was waited: who tries all continuations gives more of both than they can
    /// use up.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut facts = self.facts.clone();
        let denied = std::mem::take(&mut facts.report).denied;
        facts.report = Report { denied, ..Report::default() };
        facts.attempt.kept.clear();
        facts.attempt.sent.clear();
        let tasks: Vec<_> = self
            .outstanding
            .values()
            .map(|under_way| {
                format!("{:?} {} {}", under_way.task, under_way.epoch == self.auth.epoch, under_way.outdated)
            })
            .collect();
        let stale: BTreeMap<_, _> = self.lane.failures.iter().collect();
        let mut text = String::new();
        let _ = write!(
            text,
            "{facts:?} {tasks:?} {:?} {:?} {stale:?}",
            self.lane.goal,
            self.lane.pause.is_some()
        );
        let _ = write!(text, " {:?} {:?} {}", self.auth.fingerprint(), self.window.now(), self.paused);
        text
    }
}
