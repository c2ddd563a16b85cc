//! How many parts in flight the link carries: found out by trying more, and keeping what helps.
//!
//! One connection alone is slowed down by every round trip, and how many together fill the link only the link knows. So
//! the rate at which parts arrive is measured, twice as many are put in flight, and that is kept if parts then arrive
//! faster. Where a round trip is long, there is no time for that: until the first parts have arrived, a fast link has
//! long been idle. So an upload begins with what fills a fast link for the time that its first requests took. The time
//! comes from [`Upload::passed`](super::Upload::passed); without it nothing is tried.

use std::time::Duration;

use super::outcome::Adapted;

/// How much faster parts must arrive for more of them in flight to be kept, in percent.
const WORTH_WHILE: u64 = 8;

/// What a fast link carries, in bytes a second: 1 Gbit/s. On a slower one, fewer parts in flight would do; not by many,
/// or its round trips would not be worth noticing.
const FAST: u64 = 125_000_000;

/// For how many measurements an answer is believed. The link may change.
const BELIEVED: u16 = 16;

/// What is being found out about the link.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    most: u16,
    part_size: u64,
    clock: Option<Duration>,
    /// When the request was made that is not answered yet.
    asked: Option<Duration>,
    /// Whether a part was sent.
    begun: bool,
    measurement: Option<Measurement>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// How fast parts arrive with those in flight now.
    Measuring,
    /// Whether they arrive faster than at `rate`, which `was` in flight gave.
    Trying { was: u16, rate: u64 },
    /// Nothing is tried for so many measurements.
    Resting(u16),
}

/// The rate at which parts arrive.
#[derive(Clone, Copy, Debug)]
struct Measurement {
    begun: Duration,
    parts: u16,
    bytes: u64,
}

impl Pace {
    /// Up to `most` parts of this size in flight.
    pub(super) fn new(most: u16, part_size: u64) -> Self {
        Self {
            most,
            part_size,
            clock: None,
            asked: None,
            begun: false,
            measurement: None,
            stage: Stage::Measuring,
        }
    }

    /// So much time has passed since the upload began.
    pub(super) fn passed(&mut self, clock: Duration) {
        self.clock = self.clock.max(Some(clock));
    }

    /// A request without a body to speak of is made.
    pub(super) fn asks(&mut self) {
        self.asked = self.clock;
    }

    /// It is answered. How many parts are to be in flight to begin with: as many as a fast link takes in twice the time
    /// that this took, since all that are sent at once arrive at once, and new connections take round trips too.
    pub(super) fn heard(&mut self) -> Option<u16> {
        let trip = self.clock?.saturating_sub(self.asked.take()?);
        if self.begun {
            return None;
        }
        let bytes = 4 * u128::from(FAST) * trip.as_micros() / 1_000_000;
        let parts = bytes.div_ceil(u128::from(self.part_size.max(1)));
        Some(u16::try_from(parts).unwrap_or(u16::MAX).min(self.most))
    }

    /// A part is sent.
    pub(super) fn sends(&mut self) {
        self.begun = true;
        if let (None, Some(begun)) = (&self.measurement, self.clock) {
            self.measurement = Some(Measurement { begun, parts: 0, bytes: 0 });
        }
    }

    /// A part has arrived while up to `now` were in flight. How many there should be, if it is another number.
    pub(super) fn arrived(&mut self, now: u16, bytes: u64) -> Option<(u16, Adapted)> {
        let measurement = self.measurement.as_mut()?;
        measurement.parts += 1;
        measurement.bytes += bytes;
        // As many as travel together: fewer or more would measure parts of a wave.
        if measurement.parts < now {
            return None;
        }
        let time = self.clock?.saturating_sub(measurement.begun).as_micros().max(1);
        let rate = u64::try_from(u128::from(measurement.bytes) * 1_000_000 / time).unwrap_or(u64::MAX);
        self.measurement = None;
        self.conclude(now, rate)
    }

    fn conclude(&mut self, now: u16, rate: u64) -> Option<(u16, Adapted)> {
        let enough = |was: u64| was.saturating_add(was / 100 * WORTH_WHILE);
        match self.stage {
            Stage::Resting(1) => self.stage = Stage::Measuring,
            Stage::Resting(more) => self.stage = Stage::Resting(more - 1),
            Stage::Trying { was, rate: before } if rate < enough(before) => {
                self.stage = Stage::Resting(BELIEVED);
                return Some((was, Adapted::NoGain));
            }
            Stage::Measuring | Stage::Trying { .. } if now < self.most => {
                self.stage = Stage::Trying { was: now, rate };
                return Some((now.saturating_mul(2).min(self.most), Adapted::CarriesMore));
            }
            Stage::Measuring | Stage::Trying { .. } => self.stage = Stage::Resting(BELIEVED),
        }
        None
    }

    /// For a while it was not the link that held parts up. How fast they arrived meanwhile says nothing of it.
    pub(super) fn interrupted(&mut self) {
        self.measurement = None;
    }

    /// The server or the link wants less: nothing is tried for a while.
    pub(super) fn slowed(&mut self) {
        self.measurement = None;
        self.stage = Stage::Resting(BELIEVED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many are in flight after so many parts, on a link that carries `rate(in flight)` bytes a second.
    fn settles_at(most: u16, parts: u32, rate: impl Fn(u16) -> u64) -> u16 {
        let (mut pace, mut now, mut clock) = (Pace::new(most, 1_000_000), 4, Duration::ZERO);
        for _ in 0..parts {
            pace.passed(clock);
            pace.sends();
            clock += Duration::from_micros(1_000_000 * 1_000_000 / rate(now));
            pace.passed(clock);
            if let Some((more, _)) = pace.arrived(now, 1_000_000) {
                now = more;
            }
        }
        now
    }

    #[test]
    fn more_are_put_in_flight_for_as_long_as_it_helps() {
        let limited_by_trips = |now: u16| u64::from(now) * 1_000_000;
        assert_eq!(settles_at(16, 100, limited_by_trips), 16);
        assert_eq!(settles_at(32, 1000, |now| limited_by_trips(now.min(8))), 8);
        assert_eq!(settles_at(32, 300, |_| 5_000_000), 4, "a full link carries no more");
    }

    #[test]
    fn without_a_clock_or_room_nothing_is_tried() {
        let mut pace = Pace::new(16, 1_000_000);
        pace.sends();
        assert!((0..100).all(|_| pace.arrived(4, 1000).is_none()));
        assert_eq!(settles_at(4, 100, |now| u64::from(now) * 1_000_000), 4);
    }

    #[test]
    fn after_it_was_slowed_it_does_not_try_at_once() {
        let mut pace = Pace::new(16, 1_000_000);
        pace.passed(Duration::from_secs(1));
        pace.slowed();
        for _ in 0..16 {
            pace.sends();
            assert!(pace.arrived(4, 1000).is_none());
        }
    }

    /// How many parts of 8 MiB an upload begins with after its first requests took so long.
    fn begins_with(millis: &[u64]) -> Option<u16> {
        let (mut pace, mut clock, mut parts) = (Pace::new(16, 8 << 20), Duration::ZERO, None);
        for trip in millis {
            pace.passed(clock);
            pace.asks();
            clock += Duration::from_millis(*trip);
            pace.passed(clock);
            parts = pace.heard();
        }
        parts
    }

    #[test]
    fn the_longer_a_round_trip_the_more_parts_it_begins_with() {
        assert_eq!(begins_with(&[]), None);
        // 500 MB a second, and parts of 8.4 MB.
        assert_eq!([0, 10, 50, 100, 300].map(|millis| begins_with(&[millis])), [0, 1, 3, 6, 16].map(Some));
        assert_eq!(begins_with(&[300, 50]), Some(3), "the first had to connect");
    }

    #[test]
    fn a_round_trip_counts_once_and_before_the_first_part() {
        let mut pace = Pace::new(16, 8 << 20);
        pace.asks();
        pace.passed(Duration::from_secs(1));
        assert_eq!(pace.heard(), None, "there was no clock when it was asked");
        pace.asks();
        assert!(pace.heard().is_some());
        assert_eq!(pace.heard(), None);
        pace.asks();
        pace.sends();
        assert_eq!(pace.heard(), None, "parts were in its way");
    }

    #[test]
    fn a_measurement_that_was_interrupted_counts_for_nothing() {
        let mut pace = Pace::new(16, 1_000_000);
        pace.passed(Duration::ZERO);
        pace.sends();
        assert!(pace.arrived(2, 1_000_000).is_none());
        pace.interrupted();
        assert!(pace.arrived(2, 1_000_000).is_none(), "it was on its way before");
        pace.passed(Duration::from_secs(3600));
        pace.sends();
        pace.passed(Duration::from_secs(3601));
        assert!(pace.arrived(2, 1_000_000).is_none());
        assert!(pace.arrived(2, 1_000_000).is_some());
        assert!(matches!(pace.stage, Stage::Trying { rate: 2_000_000, .. }), "{:?}", pace.stage);
    }
}
