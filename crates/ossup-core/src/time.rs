//! Points in time as they are told to the core, and the spellings that OSS uses. Nothing here reads a clock.

use std::fmt;
use std::time::Duration;

use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// A point in time: whole seconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use ossup_core::time::Timestamp;
/// let t = Timestamp::from_unix(1_702_743_657);
/// assert_eq!(t.to_http_date(), "Sat, 16 Dec 2023 16:20:57 GMT");
/// assert_eq!(t.to_iso_basic(), "20231216T162057Z");
/// assert_eq!(Timestamp::parse("2023-12-16T16:20:57.000Z"), Some(t));
/// assert_eq!(Timestamp::parse("Sat, 16 Dec 2023 16:20:57 GMT"), Some(t));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// A point in time from Unix seconds; those outside the years -9999 to 9999 become the nearest that is inside.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Self {
        let (min, max) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        Self(jiff::Timestamp::from_second(seconds.clamp(min, max)).unwrap_or_default())
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix(self) -> i64 {
        self.0.as_second()
    }

    /// This time moved by `seconds`, forward or back.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self::from_unix(self.unix().saturating_add(seconds))
    }

    /// How much later than `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.unix().saturating_sub(earlier.unix())).unwrap_or(0))
    }

    /// Whether a server that says this is the time can be believed: from 2020 to 2100. A clock that lost its battery
    /// says 1970, and so does a proxy that was asked for the time and had none.
    #[must_use]
    pub fn is_plausible_now(self) -> bool {
        (1_577_836_800..4_102_444_800).contains(&self.unix())
    }

    /// As the header `Date` has it: `Sat, 16 Dec 2023 16:20:57 GMT`.
    #[must_use]
    pub fn to_http_date(self) -> String {
        // Fails only for years before 0, which no request is signed in.
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.0).unwrap_or_default()
    }

    /// As the header `x-oss-date` has it: `20231216T162057Z`.
    #[must_use]
    pub fn to_iso_basic(self) -> String {
        self.0.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// A time in any of the spellings in which OSS sends one: ISO 8601 (basic or extended, with or without
    /// milliseconds) or the form of HTTP dates.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 64 {
            return None;
        }
        let time =
            text.parse::<jiff::Timestamp>().or_else(|_| DateTimeParser::new().parse_timestamp(text)).ok()?;
        Some(Self::from_unix(time.as_second()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
