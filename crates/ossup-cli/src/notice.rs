//! Words for what happens on the way, no more of them than a person can follow.

use std::time::{Duration, Instant};

use indicatif::HumanDuration;
use ossup_core::request::Operation;
use ossup_core::upload::{Adapted, Denied, Notice};

/// How often a repeated request is worth a line.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Makes lines of notices.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    retry_told: Option<Instant>,
    retries_untold: u32,
}

impl Notices {
    /// The line for a notice; none if there have been too many of its kind just now.
    pub(crate) fn line(&mut self, notice: &Notice, now: Instant) -> Option<String> {
        if !matches!(notice, Notice::Retrying { .. }) {
            return Some(words(notice));
        }
        if self.retry_told.is_some_and(|told| now.saturating_duration_since(told) < RETRY_EVERY) {
            self.retries_untold += 1;
            return None;
        }
        self.retry_told = Some(now);
        Some(match std::mem::take(&mut self.retries_untold) {
            0 => words(notice),
            more => format!("{} (and {more} more)", words(notice)),
        })
    }
}

fn words(notice: &Notice) -> String {
    match notice {
        Notice::SetAside(why) => format!("the checkpoint of an earlier run was set aside: {why}"),
        Notice::Restarted(why) => format!("the upload begins again: {why}"),
        Notice::SourceChanged => {
            "the file has changed since its parts were sent; those that still match are kept".to_owned()
        }
        Notice::SourceReplaced => {
            "the file has changed since it was read; it is sent again from the beginning".to_owned()
        }
        Notice::AttributesUnknown => {
            "the object will have the attributes that that upload was begun with, whatever was asked for now"
                .to_owned()
        }
        Notice::Adopted(id) => format!("going on from an upload found on the server, {id}"),
        Notice::Retrying { what, after_ms: ..100 } => format!("retrying at once: {what}"),
        Notice::Retrying { what, after_ms } => {
            format!("retrying in {}: {what}", short(Duration::from_millis(*after_ms)))
        }
        Notice::Throttled { parallel } => {
            format!("the server asks for less: {parallel} in flight at once from now on")
        }
        Notice::Adapted { parallel, why } => {
            let why = match why {
                Adapted::LongTrips => "round trips are long",
                Adapted::CarriesMore => "the link may carry more",
                Adapted::NoGain => "more were not faster",
                Adapted::Stalled => "a part stood still",
                _ => "the link has changed",
            };
            format!("{parallel} in flight at once from now on: {why}")
        }
        Notice::NotRecorded(error) => {
            format!("{error}; if this process dies, finished parts have to be compared with the file")
        }
        Notice::NotForgotten(error) => format!("the checkpoint is still there: {}", error.message),
        Notice::Refreshed => "new credentials are in use".to_owned(),
        Notice::ClockSet => {
            "the clock of this machine is off; requests are signed by the server's".to_owned()
        }
        Notice::Denied(denied) => without(*denied),
        Notice::Missed { notices } => {
            format!("{notices} notices before this one are lost: too much happened at once")
        }
        other => format!("{other:?}"),
    }
}

/// What is not possible without a permission.
fn without(denied: Denied) -> String {
    let (operation, what) = match denied {
        Denied::ListParts => {
            (Operation::ListParts, "what earlier runs have sent is taken from the checkpoint alone")
        }
        Denied::ListMultipartUploads => {
            (Operation::ListMultipartUploads, "uploads whose ids were lost cannot be found")
        }
        Denied::HeadObject => {
            (Operation::HeadObject, "a completion whose answer is lost cannot be confirmed")
        }
        other => return format!("not permitted: {other:?}"),
    };
    format!("without the permission {}, {what}", operation.permission())
}

/// `0.4s`, `12s`, `3m`
pub(crate) fn short(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{:.1}s", time.as_secs_f64())
    } else {
        format!("{:#}", HumanDuration(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_retries_is_one_line_a_second() {
        let retrying = Notice::Retrying { what: "503 ServiceUnavailable".into(), after_ms: 250 };
        let (mut notices, start) = (Notices::default(), Instant::now());
        let mut at = |millis| notices.line(&retrying, start + Duration::from_millis(millis));
        assert_eq!(at(0).as_deref(), Some("retrying in 0.2s: 503 ServiceUnavailable"));
        assert_eq!((at(10), at(500), at(999)), (None, None, None));
        assert!(at(1000).is_some_and(|line| line.ends_with("(and 3 more)")));
        assert_eq!(notices.line(&Notice::Refreshed, start).as_deref(), Some("new credentials are in use"));
    }
}
