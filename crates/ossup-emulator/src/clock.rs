//! The emulator's clock: that of the system or a standing one, either moved at will.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ossup_core::time::Timestamp;

/// What time it is for the emulator. Copies are handles to one clock.
///
/// Everything that depends on time follows it: the tolerance for a request's date, the end of presigned URLs and of
/// STS tokens, `Date` and `Last-Modified`, the age of uploads. Waiting (stalls, latency) takes real time.
///
/// ```
/// use std::time::Duration;
/// use ossup_core::time::Timestamp;
/// use ossup_emulator::Clock;
/// let clock = Clock::fixed(Timestamp::from_unix(1_702_743_657));
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now().unix(), 1_702_747_257);
/// ```
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where a standing clock stands; none for the system's clock.
    fixed: Option<i64>,
    offset: AtomicI64,
}

/// The first and the last second that a `Date` can be written for: of the years 0 and 9999. The clock stops there.
const FIRST: i64 = -62_167_219_200;
const LAST: i64 = 253_402_300_799;

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Inner { fixed: None, offset: AtomicI64::new(0) }))
    }

    /// A clock that stands until it is moved.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self(Arc::new(Inner { fixed: Some(at.unix()), offset: AtomicI64::new(0) }))
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let base = self.0.fixed.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        let moved = base.saturating_add(self.0.offset.load(Ordering::SeqCst));
        Timestamp::from_unix(moved.clamp(FIRST, LAST))
    }

    /// Moves the clock forward, in whole seconds.
    pub fn advance(&self, by: Duration) {
        self.shift(i64::try_from(by.as_secs()).unwrap_or(i64::MAX));
    }

    /// Moves the clock by so many seconds, forward or back.
    pub fn shift(&self, seconds: i64) {
        let moved = |offset: i64| Some(offset.saturating_add(seconds));
        // The closure always returns a value, so the update cannot fail.
        let _ = self.0.offset.fetch_update(Ordering::SeqCst, Ordering::SeqCst, moved);
    }

    /// How many seconds the clock has been moved in all.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.offset.load(Ordering::SeqCst)
    }

    /// Another clock that shows the same time and is moved on its own.
    #[must_use]
    pub fn fork(&self) -> Self {
        let offset = AtomicI64::new(self.offset());
        Self(Arc::new(Inner { fixed: self.0.fixed, offset }))
    }
}
