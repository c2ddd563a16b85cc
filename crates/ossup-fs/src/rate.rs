//! How fast an upload goes of late, and how long the rest will take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back is looked: long enough to be steady with large parts, short enough to show a change.
const WINDOW: Duration = Duration::from_secs(8);

/// Below this, a rate says more about buffers than about the network.
const SHORTEST: Duration = Duration::from_millis(500);

/// The rate of a number of bytes that grows, and the time that the rest of them takes at this rate.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use ossup_fs::Rate;
///
/// let (mut rate, start) = (Rate::default(), Instant::now());
/// rate.note(start, 0);
/// rate.note(start + Duration::from_secs(1), 1 << 20);
/// assert_eq!(rate.per_second(), Some(1 << 20));
/// assert_eq!(rate.remaining(9 << 20), Some(Duration::from_secs(9)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// Some moments within the window, and one before it; what had been sent by then.
    moments: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// So many bytes have been sent by now. Of an upload that goes on where an earlier run ended, these are
    /// [`Progress::sent`](ossup_core::upload::Progress::sent) without
    /// [`Progress::resumed`](ossup_core::upload::Progress::resumed): what was kept says nothing of the network.
    pub fn note(&mut self, now: Instant, sent: u64) {
        self.moments.push_back((now, sent));
        while self.moments.get(1).is_some_and(|(second, _)| now.saturating_duration_since(*second) >= WINDOW)
        {
            self.moments.pop_front();
        }
    }

    /// Bytes per second within the last 8 seconds; nothing while it is too early to tell.
    #[must_use]
    pub fn per_second(&self) -> Option<u64> {
        let ((from, before), (to, after)) = (self.moments.front()?, self.moments.back()?);
        let time = to.saturating_duration_since(*from);
        (time >= SHORTEST).then(|| {
            let millis = time.as_millis().max(1);
            let bytes = u128::from(after.saturating_sub(*before));
            u64::try_from(bytes * 1000 / millis).unwrap_or(u64::MAX)
        })
    }

    /// How long so many bytes take at this rate, in whole seconds; nothing while it is too early to tell, or at a
    /// standstill.
    #[must_use]
    pub fn remaining(&self, bytes: u64) -> Option<Duration> {
        let rate = self.per_second().filter(|rate| *rate > 0)?;
        Some(Duration::from_secs(bytes.div_ceil(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_what_happened_of_late() {
        let start = Instant::now();
        let mut rate = Rate::default();
        let mut sent = 0;
        for tenth in 0..300_u64 {
            rate.note(start + Duration::from_millis(100 * tenth), sent);
            match tenth {
                0..5 => assert_eq!(rate.per_second(), None, "too early to tell"),
                5..=150 => assert_eq!(rate.per_second(), Some(10_000)),
                250.. => assert_eq!(rate.per_second(), Some(0), "a standstill shows"),
                _ => {}
            }
            sent += if tenth < 150 { 1000 } else { 0 };
        }
        assert!(rate.moments.len() < 100, "what is long ago is forgotten");
    }

    #[test]
    fn what_is_left_takes_as_long_as_at_this_rate() {
        let (start, mut rate) = (Instant::now(), Rate::default());
        assert_eq!(rate.remaining(1), None, "too early to tell");
        rate.note(start, 0);
        rate.note(start + Duration::from_secs(1), 10);
        assert_eq!(rate.remaining(101), Some(Duration::from_secs(11)));
        assert_eq!(rate.remaining(0), Some(Duration::ZERO));
        rate.note(start + Duration::from_secs(60), 10);
        assert_eq!((rate.per_second(), rate.remaining(1)), (Some(0), None), "a standstill");
    }

    #[test]
    fn a_rate_is_safe_for_any_number() {
        let (start, mut rate) = (Instant::now(), Rate::default());
        rate.note(start, 0);
        rate.note(start + Duration::from_millis(500), u64::MAX);
        assert_eq!(rate.per_second(), Some(u64::MAX));
    }
}
