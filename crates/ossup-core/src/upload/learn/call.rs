//! Answers to requests of which there is one at a time.

use std::time::Duration;

use crate::digest::Integrity;
use crate::error::{self, OssError};
use crate::operation::complete::Completion;
use crate::operation::head::ObjectHead;
use crate::operation::{abort, complete, head, initiate};
use crate::part::PartNumber;
use crate::request::{Operation, Response};
use crate::retry::meaning::{Meaning, judge_error};

use super::super::Upload;
use super::super::effect::TransportError;
use super::super::emit::Pause;
use super::super::facts::{Abort, Confirmation, Listing, Origin, PutDone, SearchFor, Trouble};
use super::super::goal::{Goal, failed};
use super::super::job::{Cancel, Recheck};
use super::super::outcome::{
    CallbackEnd, Cause, Completed, Corruption, Denied, End, Evidence, Failed, Notice, Visibility,
};
use super::super::tempo::Blame;
use super::list::CLOCK_TOLERANCE_SECS;
use super::part::millis;

/// How often Complete may be refused because of the parts before that counts as final.
const MAX_REPAIRS: u32 = 4;

impl Upload {
    pub(super) fn learn_response(&mut self, goal: Goal, epoch: u32, seq: u32, response: &Response) {
        let operation = operation(goal);
        if let Err(error) = error::check(operation, response) {
            self.learn_refusal(goal, epoch, seq, response, *error);
        } else {
            self.accepted(epoch);
            let understood = match goal {
                Goal::Initiate => initiate::parse(response).map(|id| {
                    self.facts.attempt.id = Some(id);
                    self.facts.attempt.origin = Origin::Ours;
                }),
                Goal::Find => self.learn_uploads(response),
                Goal::Reconcile => self.learn_parts(response),
                Goal::Probe => self.learn_probe(response),
                Goal::Sweep => {
                    self.learn_leftovers();
                    Ok(())
                }
                Goal::Abort => abort::parse(response).map(|()| self.learn_aborted()),
                Goal::Confirm => head::parse(response).map(|object| self.learn_head(object, response)),
                _ => complete::parse(response, self.facts.job.callback.is_some())
                    .map(|completion| self.completed(completion, error::request_id(response), None)),
            };
            match understood {
                Ok(()) => self.settled(goal),
                Err(malformed) => {
                    if goal == Goal::Initiate {
                        self.lost_initiate();
                    }
                    self.retry_call(goal, Trouble::Malformed(operation, malformed.to_string()), None);
                }
            }
        }
    }

    pub(super) fn learn_no_response(&mut self, goal: Goal, epoch: u32, error: TransportError) {
        if self.learn_unsigned(epoch, &error) {
            return;
        }
        if goal == Goal::Initiate && !error.is_before_sending() {
            self.lost_initiate();
        }
        if !error.is_on_request() {
            self.retry_call(goal, Trouble::Transport(error), None);
        }
    }

    fn learn_refusal(&mut self, goal: Goal, epoch: u32, seq: u32, response: &Response, error: OssError) {
        let operation = operation(goal);
        if self.learn_auth(operation, epoch, &error) {
            return;
        }
        let meaning = judge_error(operation, &error).meaning;
        if !matches!(meaning, Meaning::Retry | Meaning::Throttled) {
            self.accepted(epoch);
        }
        match (meaning, goal) {
            (Meaning::Retry | Meaning::Throttled, _) => {
                if meaning == Meaning::Throttled && self.window.throttled(seq, self.next_seq) {
                    self.notice(Notice::Throttled { parallel: self.window.now() });
                }
                // A server that fails after it has made the upload id leaves an upload that nobody knows.
                if goal == Goal::Initiate && meaning == Meaning::Retry && error.status >= 500 {
                    self.lost_initiate();
                }
                self.retry_call(goal, Trouble::Server(error), error::retry_after(response));
            }
            (Meaning::UploadGone, Goal::Sweep) => {
                self.facts.attempt.abort = Abort::Ended { verified: true };
                self.settled(goal);
            }
            (Meaning::UploadGone, _) => {
                let again = self.lane.failures.contains_key(&goal);
                self.facts.attempt.abort_unsure |= goal == Goal::Abort && again;
                if self.facts.attempt.ours().is_some() {
                    self.upload_gone();
                } else {
                    // It was found, and is gone before it was looked at.
                    self.reject();
                }
                self.settled(goal);
            }
            (Meaning::NoObject, Goal::Confirm) => {
                self.facts.attempt.confirmation = Some(Confirmation::Absent);
            }
            (Meaning::CallbackFailed, Goal::Complete) => {
                let completion = Completion::from_headers(response);
                let request_id = error.request_id.clone();
                self.completed(completion, request_id, Some(error));
            }
            (Meaning::RepairParts, Goal::Complete) => self.repair(error),
            (Meaning::ObjectExists, Goal::Complete) => self.object_exists(error),
            (Meaning::Denied, Goal::Reconcile) => {
                self.deny(Denied::ListParts);
                self.listing_denied();
            }
            (Meaning::Denied, Goal::Probe) => {
                self.deny(Denied::ListParts);
                self.probe_failed();
            }
            (_, Goal::Sweep) => {
                if meaning == Meaning::Denied {
                    self.deny(Denied::ListParts);
                }
                self.unverified();
            }
            (_, Goal::Find) => {
                self.deny(Denied::ListMultipartUploads);
                self.search_failed();
            }
            (_, Goal::Confirm) => {
                if meaning == Meaning::Denied {
                    self.deny(Denied::HeadObject);
                }
                self.unconfirmed(format!("the object cannot be looked at: {error}"));
            }
            (_, Goal::Abort) => self.not_aborted(Cause::Refused(Box::new(error))),
            (Meaning::ObjectExists, _) => {
                self.cannot_make(Cause::ObjectExists(Box::new(error)), false);
            }
            (_, Goal::Reconcile) => {
                self.facts.end.get_or_insert(failed(&self.facts, Cause::Refused(Box::new(error)), true));
            }
            _ => self.cannot_make(Cause::Refused(Box::new(error)), true),
        }
    }

    /// The request is to be sent again after a wait, if there are attempts left.
    pub(super) fn retry_call(&mut self, goal: Goal, trouble: Trouble, asked: Option<Duration>) {
        if self.lane.goal != Some(goal) {
            return;
        }
        if goal == Goal::Put {
            self.note_trouble(PartNumber::FIRST, &trouble);
        }
        let failures = self.lane.failures.entry(goal).or_default();
        let policy = &self.facts.job.policy.retry;
        match self.retries.next(policy, failures, trouble.blame(), asked) {
            Some(wait) => {
                self.auth.waits(wait);
                self.lane.pause = Pause::Due(wait);
                self.facts.report.retries += 1;
                let what = format!("{}: {trouble}", operation(goal));
                self.notice(Notice::Retrying { what, after_ms: millis(wait) });
            }
            None => self.give_up(goal, trouble),
        }
    }

    /// There will be no further attempt.
    fn give_up(&mut self, goal: Goal, trouble: Trouble) {
        match goal {
            // Initiate would go the same way, and be lost once more.
            Goal::Find if trouble.blame() == Blame::Network && self.facts.cancel != Some(Cancel::Discard) => {
                self.cannot_make(trouble.into_cause(), true);
            }
            Goal::Find => self.search_failed(),
            Goal::Sweep => self.unverified(),
            Goal::Confirm => self.unconfirmed(format!("the object cannot be looked at: {trouble}")),
            Goal::Abort => self.not_aborted(trouble.into_cause()),
            Goal::Reconcile => {
                self.facts.end.get_or_insert(failed(&self.facts, trouble.into_cause(), true));
            }
            _ => self.cannot_make(trouble.into_cause(), true),
        }
    }

    /// The object cannot be made. That is the end, but for an upload that is to be discarded: for that, nothing of it is
    /// needed any more.
    pub(super) fn cannot_make(&mut self, cause: Cause, resumable: bool) {
        if self.facts.cancel != Some(Cancel::Discard) {
            self.facts.end.get_or_insert(failed(&self.facts, cause, resumable));
        }
    }

    pub(super) fn settled(&mut self, goal: Goal) {
        if self.lane.goal == Some(goal) {
            self.lane.failures.remove(&goal);
            self.lane.pause = Pause::No;
        }
    }

    fn lost_initiate(&mut self) {
        if self.facts.is_denied(Denied::ListMultipartUploads) {
            // It cannot be searched for, so it stays where it is, if it is there.
            self.facts.report.orphan_risk += 1;
            return;
        }
        self.facts.attempt.lost_initiates += 1;
        self.facts.search = super::super::facts::Search {
            wanted: Some(SearchFor::Lost),
            rejected: std::mem::take(&mut self.facts.search.rejected),
            ..Default::default()
        };
    }

    /// The server does not know the upload id.
    pub(super) fn upload_gone(&mut self) {
        if !std::mem::replace(&mut self.facts.attempt.gone, true) {
            self.learn_whole();
        }
    }

    /// What an object made of the parts has to be, by what is known of them: the source may be another by now.
    fn learn_whole(&mut self) {
        let believes = self.facts.job.policy.recheck != Recheck::Always;
        let attempt = &mut self.facts.attempt;
        if attempt.whole.is_none() && !attempt.doubted {
            let recorded = || attempt.recorded_crc64().filter(|_| believes);
            attempt.whole = attempt.parts.whole_crc64().or_else(recorded);
        }
    }

    /// The server says that it has made the object.
    fn completed(
        &mut self,
        completion: Completion,
        request_id: Option<String>,
        callback_error: Option<OssError>,
    ) {
        let ours = match self.facts.job.policy.integrity {
            Integrity::None => None,
            Integrity::Md5AndCrc | Integrity::Crc => self.facts.attempt.parts.whole_crc64(),
        };
        let evidence = match (completion.crc64, ours) {
            (Some(object), Some(source_crc64)) if object != source_crc64 => {
                self.facts.end = Some(End::Failed(Failed {
                    cause: Cause::Corrupted(Corruption::Object { object, source_crc64 }),
                    request: None,
                    object: Visibility::Wrong,
                    resumable: false,
                    upload_id: None,
                }));
                return;
            }
            (Some(_), Some(_)) => Evidence::AcknowledgedAndEqual,
            _ => Evidence::Acknowledged,
        };
        let callback = match (callback_error, completion.callback_answer) {
            (Some(error), _) => CallbackEnd::Failed(Box::new(error)),
            (None, Some(answer)) => CallbackEnd::Answered(answer),
            (None, None) => CallbackEnd::NotAsked,
        };
        self.facts.end = Some(End::Completed(Completed {
            etag: completion.etag,
            crc64: completion.crc64,
            version_id: completion.version_id,
            request_id,
            evidence,
            callback,
        }));
    }

    /// Complete named parts that the server has not, or has otherwise.
    fn repair(&mut self, error: OssError) {
        self.facts.attempt.repairs += 1;
        if self.facts.attempt.repairs > MAX_REPAIRS {
            return self.cannot_make(Cause::Refused(Box::new(error)), true);
        }
        if self.facts.is_denied(Denied::ListParts) {
            // The error may say which part; if it does not, all are sent again.
            let named = error.part_number.filter(|n| self.facts.attempt.parts.get(*n).is_some());
            let attempt = &mut self.facts.attempt;
            let again: Vec<_> = match named {
                Some(n) => vec![n],
                None => attempt.parts.plan().numbers().collect(),
            };
            for n in again {
                attempt.parts.set_missing(n);
            }
            attempt.inspected = false;
        } else {
            self.facts.attempt.listing = Listing::FROM_THE_START;
        }
    }

    /// There is an object that must not be overwritten. It may be ours, if an earlier answer was lost.
    pub(super) fn object_exists(&mut self, error: OssError) {
        let lost = [Goal::Complete, Goal::Put].iter().any(|goal| self.lane.failures.contains_key(goal));
        if lost || self.facts.attempt.sealed_before || self.facts.before != Visibility::Absent {
            self.facts.attempt.in_the_way = Some(Box::new(error));
            self.facts.attempt.complete_tried = true;
            self.learn_whole();
        } else {
            self.cannot_make(Cause::ObjectExists(Box::new(error)), true);
        }
    }

    fn learn_head(&mut self, object: ObjectHead, response: &Response) {
        let ours = self.facts.attempt.whole;
        let len = self.facts.source.len;
        let earliest = self.facts.attempt.begun.saturating_sub(CLOCK_TOLERANCE_SECS);
        if object.modified.is_some_and(|modified| modified.unix() < earliest) {
            self.facts.attempt.confirmation = Some(Confirmation::Older);
            return;
        }
        let confirmation = match (object.len, object.crc64.zip(ours)) {
            (Some(found), _) if found != len => Confirmation::Other,
            (Some(_), Some((theirs, ours))) if theirs == ours => {
                let completion = Completion {
                    etag: object.etag,
                    crc64: object.crc64,
                    version_id: object.version_id,
                    callback_answer: None,
                };
                let request_id = error::request_id(response);
                if self.facts.attempt.id.is_none() {
                    // Whether the source has changed since it was read is still to be seen.
                    let asked = self.facts.job.callback.is_some();
                    self.facts.attempt.put =
                        Some(PutDone { end: Completed::confirmed(&completion, request_id, asked) });
                    return;
                }
                Confirmation::Ours { completion, request_id }
            }
            (Some(_), Some(_)) => Confirmation::Other,
            (Some(_), None) if ours.is_none() => {
                Confirmation::Unknown("the source cannot be read for its CRC-64".into())
            }
            (None, _) | (_, None) => {
                Confirmation::Unknown("the server does not say the object's CRC-64".into())
            }
        };
        self.facts.attempt.confirmation = Some(confirmation);
    }

    fn unconfirmed(&mut self, why: String) {
        self.facts.attempt.confirmation = Some(Confirmation::Unknown(why));
    }

    fn not_aborted(&mut self, cause: Cause) {
        if let Some(end) = &self.facts.end {
            self.facts.cleanup_failed = true;
            // A failure names it itself.
            if matches!(end, End::Completed(_)) {
                self.facts.report.left.extend(self.facts.attempt.id.clone());
            }
        } else if self.facts.cancel == Some(Cancel::Discard) {
            let cause = Cause::NotDiscarded(Box::new(cause));
            self.facts.end = Some(failed(&self.facts, cause, true));
            self.facts.cleanup_failed = true;
        } else {
            // It is only in the way of another attempt, and can stay there: it costs money, not correctness.
            self.unverified();
        }
    }

    /// Whether anything is left of the upload is not known, or it is known to be there. Nothing more is done about it.
    fn unverified(&mut self) {
        self.facts.attempt.abort = Abort::Ended { verified: false };
        self.facts.report.left.extend(self.facts.attempt.id.clone());
    }

    /// The upload was to be gone, and parts of it are still listed: one was travelling while it was aborted.
    fn learn_leftovers(&mut self) {
        self.facts.attempt.abort = Abort::Wanted;
        if self.facts.attempt.aborts >= MAX_REPAIRS {
            self.not_aborted(Cause::StillArriving);
        }
    }

    fn learn_aborted(&mut self) {
        self.facts.attempt.aborts += 1;
        if self.facts.is_denied(Denied::ListParts) {
            self.unverified();
        } else {
            self.facts.attempt.abort = Abort::Unverified;
        }
    }

    pub(super) fn deny(&mut self, what: Denied) {
        if !self.facts.is_denied(what) {
            self.facts.report.denied.push(what);
            self.notice(Notice::Denied(what));
        }
    }
}

/// The operation that serves a goal.
pub(super) fn operation(goal: Goal) -> Operation {
    match goal {
        Goal::Initiate => Operation::InitiateMultipartUpload,
        Goal::Find => Operation::ListMultipartUploads,
        Goal::Reconcile | Goal::Probe | Goal::Sweep => Operation::ListParts,
        Goal::Abort => Operation::AbortMultipartUpload,
        Goal::Confirm => Operation::HeadObject,
        Goal::Put => Operation::PutObject,
        _ => Operation::CompleteMultipartUpload,
    }
}
