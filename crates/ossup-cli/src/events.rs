//! `--output json`: what happens, one JSON object a line on standard output, for programs.
//!
//! The members are told in docs/output.md. They stay; others may come.

use std::time::{Duration, Instant};

use ossup_core::error::OssError;
use ossup_core::part::PartNumber;
use ossup_core::upload::{
    CallbackEnd, Cause, Completed, Discarded, End, Evidence, Failed, Outcome, Progress, Report, Visibility,
};
use serde_json::{Value, json};

use crate::args::Output;
use crate::ending::{Ended, Success};
use crate::exit::{Code, Failure};
use crate::output::print;

/// How often it is told how far it has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The events of an upload, if they are asked for.
#[derive(Debug)]
pub(crate) struct Events {
    asked: bool,
    told: Option<(Instant, Progress)>,
}

impl Events {
    pub(crate) fn new(output: Output) -> Self {
        Self { asked: output == Output::Json, told: None }
    }

    /// The upload has come this far.
    pub(crate) fn progress(&mut self, progress: &Progress, now: Instant) {
        let is_news = self.told.as_ref().is_none_or(|(at, told)| {
            now.saturating_duration_since(*at) >= PROGRESS_EVERY && told != progress
        });
        if self.asked && is_news {
            self.told = Some((now, *progress));
            tell(&json!({
                "event": "progress",
                "sent": progress.sent,
                "total": progress.total,
                "resumed": progress.resumed,
                "parts_done": progress.parts_done,
                "parts_kept": progress.parts_kept,
                "parts_total": progress.parts_total,
                "in_flight": progress.in_flight,
            }));
        }
    }

    /// Something happened on the way.
    pub(crate) fn notice(&self, message: &str) {
        if self.asked {
            tell(&json!({ "event": "notice", "message": message }));
        }
    }

    /// The upload has ended.
    pub(crate) fn end(
        &self,
        ended: &Ended<'_>,
        outcome: &Outcome,
        judged: &Result<Success, Failure>,
    ) -> Result<(), Failure> {
        if !self.asked {
            return Ok(());
        }
        let mut event = closing(judged.as_ref().err());
        event["file"] = json!(ended.file.to_string_lossy());
        event["bucket"] = json!(ended.object.bucket.as_str());
        event["key"] = json!(ended.object.key.as_str());
        event["seconds"] = json!(ended.time.as_secs_f64());
        event["report"] = report(&outcome.report);
        match &outcome.end {
            End::Completed(completed) => complete(&mut event, completed),
            End::Suspended { upload_id, recorded } => {
                event["end"] = json!("suspended");
                event["recorded"] = json!(recorded);
                event["upload_id"] = json!(upload_id.as_ref().map(ToString::to_string));
                event["parts_kept"] = json!(ended.progress.parts_kept);
            }
            End::Discarded(discarded) => discard(&mut event, *discarded),
            End::Failed(failed) => {
                fail(&mut event, failed);
                event["parts_kept"] = json!(ended.progress.parts_kept);
            }
        }
        line(&event)
    }

    /// The upload did not begin.
    pub(crate) fn not_started(&self, failure: &Failure) -> Result<(), Failure> {
        if !self.asked {
            return Ok(());
        }
        let mut event = closing(Some(failure));
        event["end"] = json!("not_started");
        line(&event)
    }
}

/// What all ends have.
fn closing(failure: Option<&Failure>) -> Value {
    json!({
        "event": "end",
        "exit_code": failure.map_or(Code::Ok, |failure| failure.code) as u8,
        "message": failure.map(Failure::message),
        "notes": failure.map_or(&[][..], Failure::notes),
    })
}

fn complete(event: &mut Value, completed: &Completed) {
    event["end"] = json!("completed");
    event["etag"] = json!(completed.etag.as_ref().map(ToString::to_string));
    // As text: not every reader of JSON has all 64 bits.
    event["crc64"] = json!(completed.crc64.map(|crc64| crc64.to_string()));
    event["version_id"] = json!(completed.version_id);
    event["request_id"] = json!(completed.request_id);
    event["evidence"] = json!(match completed.evidence {
        Evidence::AcknowledgedAndEqual => "acknowledged_and_equal",
        Evidence::ContentMatch => "content_match",
        _ => "acknowledged",
    });
    event["callback"] = match &completed.callback {
        CallbackEnd::NotAsked => Value::Null,
        CallbackEnd::Answered(answer) => {
            json!({ "end": "answered", "body": String::from_utf8_lossy(&answer.body) })
        }
        CallbackEnd::Failed(error) => json!({ "end": "failed", "error": oss(error) }),
        CallbackEnd::Lost => json!({ "end": "lost" }),
    };
}

fn discard(event: &mut Value, discarded: Discarded) {
    event["end"] = json!("discarded");
    event["verified"] = json!(discarded.verified);
    event["object"] = json!(visibility(discarded.object));
}

fn fail(event: &mut Value, failed: &Failed) {
    event["end"] = json!("failed");
    event["cause"] = json!(cause(&failed.cause));
    event["operation"] = json!(failed.request.map(|request| request.operation.to_string()));
    event["part"] = json!(failed.request.and_then(|request| request.part).map(PartNumber::get));
    event["error"] = json!(answer(&failed.cause).map(oss));
    event["object"] = json!(visibility(failed.object));
    event["resumable"] = json!(failed.resumable);
    event["upload_id"] = json!(failed.upload_id.as_ref().map(ToString::to_string));
}

fn report(report: &Report) -> Value {
    json!({
        "total": report.total,
        "resumed_bytes": report.resumed_bytes,
        "resumed_parts": report.resumed_parts,
        "sent_bytes": report.sent_bytes,
        "sent_parts": report.sent_parts,
        "retries": report.retries,
        "refreshes": report.refreshes,
        "restarts": report.restarts,
        "orphan_risk": report.orphan_risk,
        "left": report.left.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// What the server said.
fn oss(error: &OssError) -> Value {
    json!({
        "status": error.status,
        "code": error.code,
        "ec": error.ec,
        "message": error.message,
        "request_id": error.request_id,
    })
}

fn answer(cause: &Cause) -> Option<&OssError> {
    match cause {
        Cause::Refused(error)
        | Cause::CredentialsRefused { error, .. }
        | Cause::ServerFailing(error)
        | Cause::ObjectExists(error) => Some(error),
        Cause::NotDiscarded(cause) => answer(cause),
        _ => None,
    }
}

fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::Refused(_) => "refused",
        Cause::CredentialsRefused { .. } => "credentials_refused",
        Cause::Unsigned { .. } => "unsigned",
        Cause::ServerFailing(_) => "server_failing",
        Cause::Network(_) => "network",
        Cause::Malformed { .. } => "malformed",
        Cause::Corrupted(_) => "corrupted",
        Cause::CannotResume(_) => "cannot_resume",
        Cause::OtherSource => "other_source",
        Cause::SourceChanged => "source_changed",
        Cause::Source(_) => "source",
        Cause::Store(_) => "store",
        Cause::Plan(_) => "plan",
        Cause::Unconfirmed(_) => "unconfirmed",
        Cause::ObjectExists(_) => "object_exists",
        Cause::StillArriving => "still_arriving",
        Cause::NotDiscarded(_) => "not_discarded",
        _ => "other",
    }
}

fn visibility(object: Visibility) -> &'static str {
    match object {
        Visibility::Absent => "absent",
        Visibility::Unknown => "unknown",
        Visibility::Wrong => "wrong",
    }
}

/// That nobody can read it ends nothing.
fn tell(event: &Value) {
    let _ = line(event);
}

fn line(event: &Value) -> Result<(), Failure> {
    print(format!("{event}\n"))
}
