//! How an upload ended, for people and for scripts: a summary or a failure with its exit code.

use std::path::Path;
use std::time::Duration;

use indicatif::HumanBytes;
use ossup_core::endpoint::{Addressing, Endpoint};
use ossup_core::error::OssError;
use ossup_core::object::ObjectName;
use ossup_core::part::{PartNumber, UploadId};
use ossup_core::request::Operation;
use ossup_core::upload::{
    CallbackEnd, Cause, Completed, Corruption, Denied, Discarded, End, Evidence, Failed, NotResumable,
    Outcome, Progress, Report, Resume, TransportError, Visibility,
};
use ossup_fs::{LockError, OpenError};
use ossup_ureq::StartError;

use crate::exit::{Code, Failure};
use crate::notice::short;
use crate::typed::Typed;

const OTHER_FOLDER: &str =
    "Keep checkpoints elsewhere with --checkpoint-dir DIR, or do without resuming by --no-checkpoint.";

/// The upload that has ended, as far as it matters to what is said about it.
#[derive(Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) file: &'a Path,
    pub(crate) object: &'a ObjectName,
    pub(crate) progress: Progress,
    pub(crate) time: Duration,
    /// Whether there is a checkpoint now.
    pub(crate) recorded: bool,
    pub(crate) resume: Resume,
    pub(crate) endpoint: &'a Endpoint,
    /// The command that was run.
    pub(crate) command: Typed,
}

/// An upload that worked.
#[derive(Debug)]
pub(crate) struct Success {
    /// The summary, and what else there is to know: one line each.
    pub(crate) told: Vec<String>,
    /// What the application answered to the callback.
    pub(crate) callback_body: Option<bytes::Bytes>,
}

impl Ended<'_> {
    /// What to say, and which exit code to end with.
    pub(crate) fn judge(&self, outcome: &Outcome) -> Result<Success, Failure> {
        let Outcome { end, report } = outcome;
        match end {
            End::Completed(completed) => self.completed(completed, report),
            End::Suspended { upload_id, recorded } => {
                Err(self.orphans(report).fold(self.suspended(upload_id.as_ref(), *recorded), Failure::note))
            }
            End::Discarded(discarded) => {
                let failure = Failure::new(Code::Interrupted, "interrupted; what was sent is deleted");
                let failure = remains(*discarded, report).fold(failure, Failure::note);
                Err(self.orphans(report).fold(failure, Failure::note))
            }
            End::Failed(failed) => Err(self.failed(failed, report)),
        }
    }

    fn completed(&self, completed: &Completed, report: &Report) -> Result<Success, Failure> {
        let summary = self.summary(completed, report);
        let notes = left(report).chain(self.orphans(report));
        let success = |callback_body| {
            let told = std::iter::once(summary.clone()).chain(notes).collect();
            Ok(Success { told, callback_body })
        };
        match &completed.callback {
            CallbackEnd::NotAsked => success(None),
            CallbackEnd::Answered(answer) => success(Some(answer.body.clone())),
            CallbackEnd::Failed(error) => {
                Err(Failure::new(Code::CallbackFailed, format!("stored, but the callback failed: {error}"))
                    .note(summary))
            }
            CallbackEnd::Lost => Err(Failure::new(
                Code::CallbackFailed,
                "stored, but the answer of the callback was lost on its way here",
            )
            .note("OSS does not call twice: ask the application whether it was called.")
            .note(summary)),
        }
    }

    /// Object, bytes, time, rate, what was resumed, check values; in one line.
    fn summary(&self, completed: &Completed, report: &Report) -> String {
        let sent = report.total.saturating_sub(report.resumed_bytes);
        let mut facts =
            vec![format!("{}: {} in {}", self.object, HumanBytes(report.total), short(self.time))];
        // What was there already says nothing about how fast it is.
        facts.extend((sent > 0).then(|| format!("{}/s", HumanBytes(average(sent, self.time)))));
        if report.resumed_parts > 0 {
            let (parts, bytes) = (report.resumed_parts, HumanBytes(report.resumed_bytes));
            facts.push(format!("{bytes} in {} resumed", counted(parts.into(), "part")));
        }
        facts.extend(completed.etag.as_ref().map(|etag| format!("ETag {etag}")));
        facts.extend(completed.crc64.map(|crc64| format!("CRC-64 {crc64}")));
        facts.extend(completed.version_id.as_ref().map(|version| format!("version {version}")));
        facts.extend(match completed.evidence {
            Evidence::Acknowledged => Some("not compared".to_owned()),
            Evidence::ContentMatch => Some("equal, though the acknowledgement was lost".to_owned()),
            _ => None,
        });
        facts.join(", ")
    }

    fn suspended(&self, id: Option<&UploadId>, noted: bool) -> Failure {
        let Progress { parts_kept, parts_total, .. } = self.progress;
        if parts_total == 0 || (id.is_none() && parts_kept == 0) {
            return Failure::new(Code::Interrupted, "interrupted; nothing is stored")
                .note("Begin again with:")
                .note(line(&self.command));
        }
        let mut failure = Failure::new(
            Code::Interrupted,
            format!("interrupted; {parts_kept} of {} are kept", counted(parts_total.into(), "part")),
        );
        if self.recorded && !noted {
            failure = failure.note(
                "The checkpoint could not be written to the end: the next run compares parts with the file.",
            );
        }
        self.how_to_go_on(failure, self.command.clone(), id)
    }

    /// How what is kept on the server can be used.
    fn how_to_go_on(&self, failure: Failure, command: Typed, id: Option<&UploadId>) -> Failure {
        let (how, command) = match (self.resume, self.recorded) {
            (Resume::Adopt, _) | (Resume::FromCheckpoint, true) => ("Resume with:", command),
            (_, false) => ("There is no checkpoint. Resume with:", command.with("--resume", "adopt")),
            (_, true) => ("Resume with:", command.with("--resume", "checkpoint")),
        };
        let failure = failure.note(how).note(line(&command));
        match id {
            // Nothing but this leads to it.
            Some(id) if !self.recorded => failure.note("Delete what was sent with:").note(self.deletion(id)),
            _ => failure,
        }
    }

    /// The command that deletes what was sent.
    fn deletion(&self, id: &UploadId) -> String {
        let abort = ["abort", &self.object.to_string(), "--upload-id", id.as_str()];
        line(&self.command.sibling(&abort))
    }

    /// How to find what is, or may be, left on the server without anybody knowing its id.
    fn orphans(&self, report: &Report) -> impl Iterator<Item = String> {
        let commands = (report.orphan_risk > 0).then(|| {
            let object = self.object.to_string();
            let status = self.command.sibling(&["status", &object]);
            let abort = self.command.sibling(&["abort", &object, "--strays-older-than", "1d"]);
            [
                "List such uploads, and delete those older than a day, with:".to_owned(),
                line(&status),
                line(&abort),
            ]
        });
        commands.into_iter().flatten()
    }

    /// Where the server was looked for, and what may be wrong with that.
    fn way(&self, error: &TransportError) -> impl Iterator<Item = String> {
        let (endpoint, bucket) = (self.endpoint, &self.object.bucket);
        let host = endpoint.to_string();
        let name = host.split_once("://").map_or(&*host, |(_, name)| name);
        let twice = endpoint.addressing() == Addressing::VirtualHost
            && name.strip_prefix(bucket.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let twice = twice.then(|| {
            "It begins with the bucket, which is put before it once more. Leave it out, or use --addressing-style \
             cname for a domain of your own."
                .to_owned()
        });
        let plain = error
            .message
            .contains("InvalidContentType")
            .then(|| format!("It does not speak https there. If it speaks http, write http://{name}"));
        [Some(format!("The endpoint is {host}")), twice, plain].into_iter().flatten()
    }

    /// How to get past what cannot be resumed: until something else is said, it ends each run.
    fn how_to_begin_again(&self, failure: Failure, why: &NotResumable) -> Failure {
        let failure = match why {
            NotResumable::OtherOptions(_) => {
                failure.note("With the attributes that it was begun with, the upload can be resumed.")
            }
            _ => failure,
        };
        let command = self.command.with("--if-unresumable", "restart");
        failure.note("The checkpoint stays as it is. Begin again with:").note(line(&command))
    }

    fn failed(&self, failed: &Failed, report: &Report) -> Failure {
        let (code, hints) = cause(&failed.cause, failed.request.map(|request| request.operation));
        let message = format!("{} was not uploaded to {}: {failed}", self.file.display(), self.object);
        let mut failure = hints.into_iter().fold(Failure::new(code, message), Failure::note);
        let corrupted = match failed.cause {
            Cause::Corrupted(Corruption::Part(n)) => Some(n),
            Cause::Corrupted(Corruption::Put) => Some(PartNumber::FIRST),
            _ => None,
        };
        if let Some(trouble) = corrupted.and_then(|n| report.troubles.get(&n)) {
            failure = failure.note(format!("What was seen last: {}", trouble.last));
        }
        if let Cause::Network(error) = &failed.cause {
            failure = self.way(error).fold(failure, Failure::note);
        }
        failure = visible(failed.object).into_iter().fold(failure, Failure::note);
        let Progress { parts_kept, parts_total, .. } = self.progress;
        if let Cause::CannotResume(why) = &failed.cause {
            return self.how_to_begin_again(failure, why);
        }
        let id = failed.upload_id.as_ref();
        if let (Cause::NotDiscarded(_), Some(id)) = (&failed.cause, id) {
            failure = failure.note("Delete it with:").note(self.deletion(id));
            return self.orphans(report).chain(left(report)).fold(failure, Failure::note);
        }
        if failed.resumable && (parts_kept > 0 || id.is_some()) {
            // What was said ends it the same way each time.
            let ends = self.command.says("--if-changed", "fail")
                && matches!(failed.cause, Cause::OtherSource | Cause::SourceChanged);
            let command = if ends { self.command.with("--if-changed", "keep") } else { self.command.clone() };
            let kept = format!("{parts_kept} of {} are kept.", counted(parts_total.into(), "part"));
            failure = self.how_to_go_on(failure.note(kept), command, id);
        }
        if let Some(id) = id {
            failure = failure.note(format!("The upload that is left on the server has the id {id}"));
        }
        left(report).chain(self.orphans(report)).fold(failure, Failure::note)
    }
}

/// A command on a line of its own.
fn line(command: &Typed) -> String {
    format!("  {command}")
}

/// The exit code of a cause, and what can be done about it.
///
/// `operation` is what was asked for.
pub(crate) fn cause(of: &Cause, operation: Option<Operation>) -> (Code, Vec<String>) {
    let one = |hint: &str| vec![hint.to_owned()];
    match of {
        Cause::Refused(error)
        | Cause::CredentialsRefused { error, .. }
        | Cause::ClockSkewed { error, .. }
        | Cause::ServerFailing(error) => (Code::Server, hints(error, operation)),
        Cause::ObjectExists(_) => (Code::Server, Vec::new()),
        Cause::Network(_) => (
            Code::Client,
            one(
                "Check the network, the endpoint, and the proxies that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name. \
                 With --wait-for-network, ossup goes on trying.",
            ),
        ),
        Cause::Unsigned { .. } => (
            Code::Client,
            one("Check the credentials and whoever provides them: nothing was sent without a signature."),
        ),
        Cause::Malformed { .. } => (
            Code::Server,
            one("Something other than OSS may have answered, such as a proxy or a login page."),
        ),
        Cause::Corrupted(_) => (
            Code::Corrupted,
            one(
                "Something between the file and the server changes bytes: memory, a disk, or a device on the way.",
            ),
        ),
        Cause::CannotResume(_) => (Code::CannotResume, Vec::new()),
        Cause::OtherSource => {
            (Code::SourceChanged, one("With --if-changed keep, the parts that still match are used."))
        }
        Cause::SourceChanged => (
            Code::SourceChanged,
            one(
                "Upload it when nobody writes to it any more, or upload a copy. With --if-changed keep, the parts \
                 that still match are used.",
            ),
        ),
        Cause::Store(_) => (Code::Client, one(OTHER_FOLDER)),
        Cause::Plan(_) => (Code::BadParameter, Vec::new()),
        Cause::Unconfirmed(_) => (
            Code::Server,
            one(
                "Look at the object before you upload again: it may be there, whole. With --resume never, the \
                 upload begins again.",
            ),
        ),
        Cause::StillArriving => (Code::Server, one("End whatever is still sending them, and delete again.")),
        Cause::NotDiscarded(inner) => cause(inner, operation),
        _ => (Code::Client, Vec::new()),
    }
}

/// Why an upload did not begin.
pub(crate) fn not_started(error: &StartError) -> Failure {
    let failure = |code| Failure::new(code, error.to_string());
    match error {
        StartError::Lock(LockError::Held { .. }) => failure(Code::Locked),
        StartError::Checkpoint(_) | StartError::Lock(LockError::File(_)) => {
            failure(Code::Client).note(OTHER_FOLDER)
        }
        StartError::Source(OpenError::Folder { .. } | OpenError::Special { .. })
        | StartError::NoCheckpoint(_)
        | StartError::OtherDestination(_)
        | StartError::Lock(LockError::Name) => failure(Code::BadParameter),
        StartError::Unreadable(_) => failure(Code::CannotResume),
        _ => failure(Code::Client),
    }
}

fn hints(error: &OssError, operation: Option<Operation>) -> Vec<String> {
    let denied = error.code.as_deref() == Some("AccessDenied") && error.endpoint.is_none();
    let permission = operation.filter(|_| denied).map(|operation| {
        format!("{operation} takes the permission {}, which this account lacks.", operation.permission())
    });
    permission.into_iter().chain(error.hint().map(str::to_owned)).collect()
}

/// What is, or may be, there after all that was sent is deleted.
pub(crate) fn remains(discarded: Discarded, report: &Report) -> impl Iterator<Item = String> {
    let unverified = if discarded.verified {
        None
    } else if report.denied.contains(&Denied::ListParts) {
        Some("The server does not let this account check that nothing is left.")
    } else {
        Some("The server did not come to say whether anything is left.")
    };
    unverified.into_iter().chain(visible(discarded.object)).map(str::to_owned).chain(left(report))
}

/// What there is under the key, if that is worth a word.
fn visible(object: Visibility) -> Option<&'static str> {
    match object {
        Visibility::Absent => None,
        Visibility::Unknown => Some("It could not be found out what is under the key now."),
        Visibility::Wrong => Some("The object that is there is not the file: do not use it."),
    }
}

/// What is, or may be, left on the server that no later run will see to.
fn left(report: &Report) -> impl Iterator<Item = String> {
    let known = report.left.iter().map(|id| format!("it is not certain that the upload {id} is deleted"));
    let unknown = (report.orphan_risk > 0).then(|| {
        format!(
            "{} without a known id may be left on the server, until a lifecycle rule of the bucket deletes it",
            counted(report.orphan_risk, "upload")
        )
    });
    known.chain(unknown)
}

/// `1 part`, `2 parts`
pub(crate) fn counted(n: u32, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Bytes per second on average.
fn average(bytes: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_is_safe_for_any_number() {
        assert_eq!(average(3000, Duration::from_secs(2)), 1500);
        assert_eq!(average(u64::MAX, Duration::ZERO), u64::MAX);
    }
}
