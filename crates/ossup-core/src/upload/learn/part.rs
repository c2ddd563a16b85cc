//! Answers to parts and to the PutObject.

use std::time::Duration;

use crate::digest::{ContentDigest, Crc64, Integrity};
use crate::error::{self, OssError};
use crate::operation::complete::Completion;
use crate::operation::{put, upload_part};
use crate::part::{ETag, PartNumber};
use crate::request::{Operation, Response};
use crate::retry::meaning::{Meaning, judge_error};

use super::super::Upload;
use super::super::effect::{TransportError, TransportKind};
use super::super::facts::{PutDone, SlotState, Trouble};
use super::super::goal::Goal;
use super::super::outcome::{
    CallbackEnd, Cause, Completed, Corruption, Denied, Evidence, Notice, PartTrouble,
};
use super::super::parts::{Claim, DonePart};

/// How often a part may arrive with other bytes than were sent before the way there counts as broken.
const MAX_CORRUPTIONS: u32 = 4;

impl Upload {
    pub(super) fn learn_part(
        &mut self,
        n: PartNumber,
        epoch: u32,
        seq: u32,
        response: &Response,
        sent: Option<ContentDigest>,
    ) {
        if let Err(error) = error::check(Operation::UploadPart, response) {
            return self.learn_part_refused(n, epoch, seq, *error, sent, error::retry_after(response));
        }
        self.accepted(epoch);
        let Some(sent) = sent else {
            let what = "a success before the part was sent".to_owned();
            return self.retry_part(n, Trouble::Malformed(Operation::UploadPart, what), None);
        };
        if !self.first_read_agrees(n, &sent) {
            // It may be what the source has there now.
            if let Ok(upload_part::Stored { etag: Some(etag), crc64 }) = upload_part::parse(response) {
                self.count_sent(n);
                self.facts.attempt.parts.set_claimed(n, Claim { etag, crc64 });
            }
            return;
        }
        let stored = match upload_part::parse(response) {
            Ok(stored) => stored,
            Err(malformed) => {
                let trouble = Trouble::Malformed(Operation::UploadPart, malformed.to_string());
                return self.retry_part(n, trouble, None);
            }
        };
        if self.is_other_than(stored.etag.as_ref(), stored.crc64, &sent) {
            return self.corrupted_part(n, "the server stored other bytes than were sent".into(), None);
        }
        match stored.etag {
            Some(etag) => self.part_arrived(n, DonePart { etag, crc64: sent.crc64 }, false),
            // Without its ETag the part cannot be listed in Complete; the server's list may tell it.
            None => {
                let trouble = Trouble::Malformed(Operation::UploadPart, "no ETag".into());
                self.doubt_slot(n, Some(sent), trouble);
            }
        }
    }

    /// Whether what the server says of the bytes that it has stored is said of others than were sent.
    fn is_other_than(&self, etag: Option<&ETag>, crc64: Option<Crc64>, sent: &ContentDigest) -> bool {
        let crc_agrees = crc64.zip(sent.crc64).map(|(theirs, ours)| theirs == ours);
        let md5_agrees = etag.and_then(ETag::as_md5).zip(sent.md5).map(|(theirs, ours)| theirs == ours);
        match (crc_agrees, md5_agrees) {
            (Some(true), Some(false)) => !self.facts.job.options.has_etags_of_unknown_kind(),
            (crc_agrees, md5_agrees) => crc_agrees == Some(false) || md5_agrees == Some(false),
        }
    }

    fn learn_part_refused(
        &mut self,
        n: PartNumber,
        epoch: u32,
        seq: u32,
        error: OssError,
        sent: Option<ContentDigest>,
        asked: Option<Duration>,
    ) {
        if self.learn_auth(Operation::UploadPart, epoch, &error) {
            self.set_slot(n, SlotState::Ready);
            return;
        }
        match judge_error(Operation::UploadPart, &error).meaning {
            Meaning::Retry => self.retry_part(n, Trouble::Server(error), asked),
            Meaning::Throttled => {
                if self.window.throttled(seq, self.next_seq) {
                    self.notice(Notice::Throttled { parallel: self.window.now() });
                }
                self.retry_part(n, Trouble::Server(error), asked);
            }
            Meaning::UploadGone => {
                self.accepted(epoch);
                self.release(n);
                self.upload_gone();
            }
            Meaning::BadBytes => {
                self.accepted(epoch);
                if sent.is_none_or(|sent| self.first_read_agrees(n, &sent)) {
                    self.corrupted_part(n, error.to_string(), Some(error));
                }
            }
            Meaning::PartStored => {
                self.accepted(epoch);
                self.part_is_there(n, error, sent);
            }
            _ => {
                self.note_trouble(n, &Trouble::Server(error.clone()));
                self.release(n);
                self.cannot_make(Cause::Refused(Box::new(error)), true);
            }
        }
    }

    /// The part is there already.
    fn part_is_there(&mut self, n: PartNumber, error: OssError, sent: Option<ContentDigest>) {
        if self.facts.is_denied(Denied::ListParts) && self.facts.job.options.is_sequential() {
            // The list cannot be asked for; the error itself says what the part is.
            let etag = error.part_etag;
            self.settle_for_good(n, etag.map(|etag| Claim { etag, crc64: None }), sent);
        } else {
            self.doubt_slot(n, sent, Trouble::Server(error));
        }
    }

    pub(super) fn learn_part_lost(
        &mut self,
        n: PartNumber,
        epoch: u32,
        error: TransportError,
        sent: Option<ContentDigest>,
    ) {
        if self.learn_unsigned(epoch, &error) {
            self.set_slot(n, SlotState::Ready);
            return;
        }
        match error.kind {
            TransportKind::Stopped | TransportKind::Withdrawn => self.set_slot(n, SlotState::Ready),
            TransportKind::Connect | TransportKind::Signing => {
                self.retry_part(n, Trouble::Transport(error), None);
            }
            // It may have arrived, and the server may have refused it in words that were lost: ask before sending again.
            TransportKind::Broken | TransportKind::Stalled => {
                if sent.is_some_and(|sent| !self.first_read_agrees(n, &sent)) {
                    return;
                }
                self.doubt_slot(n, sent, Trouble::Transport(error));
            }
        }
    }

    /// Whether the range is what it was when it was first read for this part. If not, the source has changed.
    fn first_read_agrees(&mut self, n: PartNumber, sent: &ContentDigest) -> bool {
        let Some(slot) = self.facts.attempt.slots.get_mut(&n) else { return true };
        let first = *slot.first_read.get_or_insert(*sent);
        let agrees = first == *sent && sent.len == self.facts.attempt.parts.range(n).len();
        if !agrees {
            self.facts.attempt.suspicious = true;
            self.release(n);
        }
        agrees
    }

    /// The part is on the server. `found` says that it was there already and not sent for nothing.
    pub(super) fn part_arrived(&mut self, n: PartNumber, part: DonePart, found: bool) {
        self.count_sent(n);
        let f = &mut self.facts;
        f.attempt.slots.remove(&n);
        f.attempt.parts.set_done(n, part, false);
        f.attempt.inspected = false;
        self.retries.refill();
        self.auth.fruitful();
        let len = self.facts.attempt.parts.range(n).len();
        if let Some(why) = if found { None } else { self.window.arrived(len) } {
            self.notice(Notice::Adapted { parallel: self.window.now(), why });
        }
    }

    /// This run has sent the part, in place of what an earlier one may have sent.
    fn count_sent(&mut self, n: PartNumber) {
        self.keep_no_longer(n);
        let f = &mut self.facts;
        f.attempt.sent.insert(n);
        f.report.sent_parts += 1;
        f.report.sent_bytes += f.attempt.parts.range(n).len();
    }

    fn corrupted_part(&mut self, n: PartNumber, what: String, error: Option<OssError>) {
        let corruptions = match self.facts.attempt.slots.get_mut(&n) {
            Some(slot) => {
                slot.corruptions += 1;
                slot.corruptions
            }
            None => return,
        };
        let trouble = Trouble::BadBytes { part: Some(n), what, error };
        if corruptions >= MAX_CORRUPTIONS {
            self.note_trouble(n, &trouble);
            self.release(n);
            self.cannot_make(Cause::Corrupted(Corruption::Part(n)), true);
        } else {
            self.retry_part(n, trouble, None);
        }
    }

    /// Whether the part arrived is to be asked, where that is allowed.
    fn doubt_slot(&mut self, n: PartNumber, sent: Option<ContentDigest>, trouble: Trouble) {
        if self.facts.is_denied(Denied::ListParts) {
            self.retry_part(n, trouble, None);
        } else {
            self.set_slot(n, SlotState::Doubtful(sent, Box::new(trouble)));
        }
    }

    /// The part is to be sent again after a wait, if there are attempts left.
    pub(super) fn retry_part(&mut self, n: PartNumber, trouble: Trouble, asked: Option<Duration>) {
        self.note_trouble(n, &trouble);
        let Some(slot) = self.facts.attempt.slots.get_mut(&n) else { return };
        slot.sent = 0;
        let policy = &self.facts.job.policy.retry;
        let wait = self.retries.next(policy, &mut slot.failures, trouble.blame(), asked);
        if let Some(wait) = wait {
            self.auth.waits(wait);
            self.window.interrupted();
            slot.state = SlotState::Due(wait);
            slot.asked = asked.is_some();
            self.facts.report.retries += 1;
            self.notice(Notice::Retrying { what: format!("part {n}: {trouble}"), after_ms: millis(wait) });
        } else {
            self.release(n);
            self.cannot_make(trouble.into_cause(), true);
        }
    }

    fn set_slot(&mut self, n: PartNumber, state: SlotState) {
        if let Some(slot) = self.facts.attempt.slots.get_mut(&n) {
            slot.state = state;
            slot.sent = 0;
        }
    }

    pub(super) fn note_trouble(&mut self, n: PartNumber, trouble: &Trouble) {
        let entry = self.facts.report.troubles.entry(n).or_insert_with(|| PartTrouble {
            attempts: 1,
            failures: 0,
            last: String::new(),
            status: None,
            code: None,
            request_id: None,
        });
        entry.failures += 1;
        entry.last = trouble.to_string();
        // What the server said last is what its support asks for, whatever became of the attempts behind it.
        if let Some(error) = trouble.server() {
            entry.status = Some(error.status);
            entry.code.clone_from(&error.code);
            entry.request_id.clone_from(&error.request_id);
        }
    }

    pub(super) fn learn_put(
        &mut self,
        epoch: u32,
        seq: u32,
        response: &Response,
        sent: Option<ContentDigest>,
    ) {
        if let Err(error) = error::check(Operation::PutObject, response) {
            return self.learn_put_refused(epoch, seq, response, *error, sent);
        }
        self.accepted(epoch);
        let completion = match put::parse(response, self.facts.job.callback.is_some()) {
            Ok(completion) => completion,
            Err(malformed) => {
                self.facts.attempt.complete_tried = true;
                let trouble = Trouble::Malformed(Operation::PutObject, malformed.to_string());
                return self.retry_call(Goal::Put, trouble, None);
            }
        };
        let callback = match &completion.callback_answer {
            Some(answer) => CallbackEnd::Answered(answer.clone()),
            None => CallbackEnd::NotAsked,
        };
        self.put_stored(completion, error::request_id(response), callback, sent);
    }

    /// The server stored the object. Whether it is the source is still to be seen.
    fn put_stored(
        &mut self,
        completion: Completion,
        request_id: Option<String>,
        callback: CallbackEnd,
        sent: Option<ContentDigest>,
    ) {
        let Some(sent) = sent else {
            let what = "a success before the object was sent".to_owned();
            return self.retry_call(Goal::Put, Trouble::Malformed(Operation::PutObject, what), None);
        };
        if sent.len != self.facts.source.len {
            self.facts.attempt.suspicious = true;
            return;
        }
        let crc = completion.crc64.zip(sent.crc64);
        if self.is_other_than(completion.etag.as_ref(), completion.crc64, &sent) {
            return self.corrupted_put("the server stored other bytes than were sent".into(), None);
        }
        let evidence = match (crc, self.facts.job.policy.integrity) {
            (Some(_), Integrity::Md5AndCrc | Integrity::Crc) => Evidence::AcknowledgedAndEqual,
            _ => Evidence::Acknowledged,
        };
        let end = Completed {
            etag: completion.etag,
            crc64: completion.crc64,
            version_id: completion.version_id,
            request_id,
            evidence,
            callback,
        };
        self.facts.report.sent_bytes += sent.len;
        self.facts.attempt.put = Some(PutDone { end });
    }

    fn learn_put_refused(
        &mut self,
        epoch: u32,
        seq: u32,
        response: &Response,
        error: OssError,
        sent: Option<ContentDigest>,
    ) {
        if self.learn_auth(Operation::PutObject, epoch, &error) {
            return;
        }
        match judge_error(Operation::PutObject, &error).meaning {
            Meaning::CallbackFailed => {
                self.accepted(epoch);
                let completion = Completion::from_headers(response);
                let request_id = error.request_id.clone();
                self.put_stored(completion, request_id, CallbackEnd::Failed(Box::new(error)), sent);
            }
            Meaning::BadBytes => self.corrupted_put(error.to_string(), Some(error)),
            Meaning::ObjectExists => {
                self.accepted(epoch);
                self.object_exists(error);
            }
            Meaning::Throttled | Meaning::Retry => {
                self.window.throttled(seq, self.next_seq);
                self.facts.attempt.complete_tried |= error.status >= 500;
                self.retry_call(Goal::Put, Trouble::Server(error), error::retry_after(response));
            }
            _ => {
                self.note_trouble(PartNumber::FIRST, &Trouble::Server(error.clone()));
                self.cannot_make(Cause::Refused(Box::new(error)), false);
            }
        }
    }

    /// The source may also have changed between the reading of its digest and of its bytes; the next attempt reads both
    /// anew.
    fn corrupted_put(&mut self, what: String, error: Option<OssError>) {
        self.facts.attempt.put_corruptions += 1;
        let trouble = Trouble::BadBytes { part: None, what, error };
        if self.facts.attempt.put_corruptions >= MAX_CORRUPTIONS {
            self.note_trouble(PartNumber::FIRST, &trouble);
            self.cannot_make(trouble.into_cause(), false);
        } else {
            self.retry_call(Goal::Put, trouble, None);
        }
    }

    pub(super) fn learn_put_lost(&mut self, epoch: u32, error: TransportError) {
        if self.learn_unsigned(epoch, &error) {
            return;
        }
        self.facts.attempt.complete_tried |= !error.is_before_sending();
        if !error.is_on_request() {
            self.retry_call(Goal::Put, Trouble::Transport(error), None);
        }
    }
}

pub(super) fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
