//! How fast it goes, of late.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back is looked: long enough to be steady with large parts, short enough to show a change.
const WINDOW: Duration = Duration::from_secs(8);

/// Below this, a rate says more about buffers than about the network.
const SHORTEST: Duration = Duration::from_millis(500);

/// The rate of a number of bytes that grows.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// Some moments within the window, and one before it; what had been sent by then.
    moments: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// So many bytes have been sent by now.
    pub(crate) fn note(&mut self, now: Instant, sent: u64) {
        self.moments.push_back((now, sent));
        while self.moments.get(1).is_some_and(|(second, _)| now.saturating_duration_since(*second) >= WINDOW)
        {
            self.moments.pop_front();
        }
    }

    /// Bytes per second within the window; nothing while it is too early to tell.
    pub(crate) fn per_second(&self) -> Option<u64> {
        let ((from, before), (to, after)) = (self.moments.front()?, self.moments.back()?);
        let time = to.saturating_duration_since(*from);
        (time >= SHORTEST).then(|| average(after.saturating_sub(*before), time))
    }
}

/// Bytes per second on average.
pub(crate) fn average(bytes: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / millis).unwrap_or(u64::MAX)
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
    fn an_average_is_safe_for_any_number() {
        assert_eq!(average(3000, Duration::from_secs(2)), 1500);
        assert_eq!(average(u64::MAX, Duration::ZERO), u64::MAX);
    }
}
