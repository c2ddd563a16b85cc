//! When a request is repeated, and after how long.
//!
//! What an answer means lives in [`meaning`]; who decides what follows from it is the machine, in
//! [`upload`](crate::upload).

pub mod meaning;

use std::time::Duration;

use crate::upload::Patience;

/// How failed requests are repeated. All of it is data; the default suits a bad network. Fields may be added: write
/// what differs, and `..RetryPolicy::default()`.
///
/// A failure is the server's if there was an answer, and the network's if there was none. For those of the server there
/// are attempts and a budget, for those of the network there is time. The upload ends with the first request that is given
/// up and that it cannot do without.
///
/// ```
/// use std::time::Duration;
///
/// use ossup_core::retry::RetryPolicy;
/// use ossup_core::upload::Patience;
///
/// // For a job at night: whatever it takes, but not beyond the morning.
/// let night = RetryPolicy {
///     patience: Patience::Limited(Duration::from_secs(8 * 3600)),
///     overall: Duration::from_secs(8 * 3600),
///     ..RetryPolicy::default()
/// };
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct RetryPolicy {
    /// How often the server may fail one request.
    pub attempts: u32,
    /// How many failures of the server the upload has in stock, for each part that may be in flight. Each takes one; each
    /// part that arrives puts one back. So a server may fail now and then, and not more often than not.
    pub budget: u32,
    /// The longest wait before the first repetition; it doubles with each further one.
    pub base: Duration,
    /// The longest wait between two attempts.
    pub cap: Duration,
    /// The longest wait that a server may ask for with `Retry-After`.
    pub retry_after_cap: Duration,
    /// How long to go on without a network.
    pub patience: Patience,
    /// How long the upload may wait in all, for the server or the network. Waits that overlap count once; nothing gives any
    /// of it back. A network that is waited for until it is back is waited for beyond this.
    pub overall: Duration,
}

impl Default for RetryPolicy {
    /// 8 attempts per request, 16 in stock for each part in flight, waits from 0.2 s to 20 s (the figures of the official
    /// SDKs), at most five minutes on the word of a server, half an hour without a network, and a day in all.
    fn default() -> Self {
        Self {
            attempts: 8,
            budget: 16,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(20),
            retry_after_cap: Duration::from_secs(300),
            patience: Patience::Limited(Duration::from_secs(1800)),
            overall: Duration::from_secs(24 * 3600),
        }
    }
}

impl RetryPolicy {
    /// The wait before the attempt that follows `failures` failures (from 1): a random share of the longest wait
    /// ("full jitter"), or what the server asked for if that is longer.
    pub(crate) fn delay(&self, failures: u32, asked: Option<Duration>, jitter: &mut Jitter) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.base.saturating_mul(doubled).min(self.cap);
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let wait = Duration::from_millis(jitter.below(millis.saturating_add(1)));
        wait.max(asked.unwrap_or_default().min(self.retry_after_cap))
    }
}

/// A sequence of numbers that looks random and is fixed by its seed (`SplitMix64`): enough to keep clients from
/// repeating in step, and the same again in a replay.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, or 0 when there is none.
    fn below(&mut self, limit: u64) -> u64 {
        // The high half of the product is evenly spread over 0..limit.
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_stay_under_the_doubling_limit_and_never_under_what_the_server_asks(
            seed in any::<u64>(), failures in 0..200_u32, asked in prop::option::of(0..10_000_u64),
        ) {
            let policy = RetryPolicy::default();
            let asked = asked.map(Duration::from_secs);
            let wait = policy.delay(failures, asked, &mut Jitter::new(seed));
            let floor = asked.unwrap_or_default().min(policy.retry_after_cap);
            let doubled = policy.base * 2_u32.pow(failures.saturating_sub(1).min(16));
            prop_assert!(wait >= floor);
            prop_assert!(wait <= doubled.min(policy.cap).max(floor));
        }
    }

    #[test]
    fn waits_grow_and_are_spread_over_the_whole_interval() {
        let policy = RetryPolicy::default();
        let mut jitter = Jitter::new(1);
        let mut mean = |failures| {
            (0..1000).map(|_| policy.delay(failures, None, &mut jitter).as_millis()).sum::<u128>() / 1000
        };
        assert!((90..110).contains(&mean(1)), "half of 200 ms");
        assert!((360..440).contains(&mean(3)), "half of 800 ms");
        assert!((9_000..11_000).contains(&mean(30)), "half of the cap");
    }

    #[test]
    fn a_replay_meets_the_same_numbers_in_every_version() {
        // The numbers of the generator's authors for the seed 0.
        let mut jitter = Jitter::new(0);
        let numbers = [jitter.next(), jitter.next(), jitter.next()];
        assert_eq!(numbers, [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]);
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let mut jitter = Jitter::new(seed);
            (1..20).map(|n| RetryPolicy::default().delay(n, None, &mut jitter)).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}
