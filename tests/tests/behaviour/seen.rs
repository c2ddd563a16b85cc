//! What is compared, without what must differ: ports, times, files, words of an HTTP library.

use std::path::Path;

use ossup_core::upload::{Cause, End, Outcome};
use ossup_emulator::{Emulator, Entry, Fate};
use serde_json::Value;

/// All there is to be seen of a scenario.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) outcome: String,
    /// In the order in which they arrived.
    pub(crate) requests: Vec<String>,
    pub(crate) record: Option<Vec<String>>,
}

impl Seen {
    /// The same, whatever order requests that go at the same time came in.
    pub(crate) fn in_any_order(mut self) -> Self {
        self.requests.sort();
        self
    }

    /// The same, whichever parts it was that something happened to.
    pub(crate) fn whichever_parts(mut self) -> Self {
        for request in &mut self.requests {
            let (asked, answer) = request.split_once(" -> ").unwrap();
            *request = format!("{} -> {answer}", asked.split(' ').next().unwrap());
        }
        // Behind the last of these are the troubles, part by part.
        self.outcome.truncate(self.outcome.rfind("; ").unwrap());
        self.in_any_order()
    }

    /// The end and the record, whatever it took.
    pub(crate) fn end(self) -> (String, Option<Vec<String>>) {
        (self.outcome.split(';').next().unwrap().to_owned(), self.record)
    }
}

/// How it ended.
pub(crate) fn outcome(outcome: &Outcome) -> String {
    let end = match &outcome.end {
        End::Completed(completed) => {
            let callback = match &completed.callback {
                ossup_core::upload::CallbackEnd::Failed(error) => format!("Failed({:?})", error.code),
                other => format!("{other:?}"),
            };
            format!("completed: {:?}, {:?}, {callback}", completed.crc64, completed.evidence)
        }
        End::Failed(failed) => {
            let cause = match &failed.cause {
                Cause::Refused(error) => format!("refused: {:?}", error.code),
                Cause::CredentialsRefused { error, reason } => {
                    format!("credentials refused: {:?}, {reason:?}", error.code)
                }
                Cause::ServerFailing(error) => format!("server failing: {:?}", error.code),
                Cause::Network(error) => format!("network: {:?}", error.kind),
                other => format!("{other:?}"),
            };
            format!("failed: {cause}, resumable: {}, {:?}", failed.resumable, failed.object)
        }
        End::Suspended { upload_id, .. } => format!("suspended: {}", upload_id.is_some()),
        End::Discarded(discarded) => format!("{discarded:?}"),
    };
    let report = &outcome.report;
    let troubles: Vec<String> = report
        .troubles
        .iter()
        .map(|(n, trouble)| format!("{n}: {} {:?} {:?}", trouble.failures, trouble.status, trouble.code))
        .collect();
    format!(
        "{end}; {} bytes, resumed {} in {}, sent {} in {}; {} retries, {} refreshes, {} restarts, {} orphans; \
         {:?}; {:?}; {troubles:?}",
        report.total,
        report.resumed_bytes,
        report.resumed_parts,
        report.sent_bytes,
        report.sent_parts,
        report.retries,
        report.refreshes,
        report.restarts,
        report.orphan_risk,
        report.denied,
        report.left,
    )
}

/// What went over the wire and was settled. When a server finds out that nobody waits any more depends on buffers.
pub(crate) fn requests(emulator: &Emulator) -> Vec<String> {
    let mut entries = emulator.journal().entries();
    entries.retain(|entry| entry.fate != Fate::Abandoned);
    entries.sort_by_key(|entry| entry.number);
    entries
        .iter()
        .map(|entry| {
            let operation = entry.operation.map_or("?".into(), |operation| format!("{operation:?}"));
            let part = entry.part_number.map(|part| format!(" {part}")).unwrap_or_default();
            // How much of a body that is cut off had arrived depends on buffers.
            let received = if entry.fate == Fate::Answered { entry.received } else { 0 };
            let headers = headers(entry);
            format!(
                "{operation}{part} {headers} -> {:?} {:?} {received} {:?}",
                entry.status, entry.code, entry.fate
            )
        })
        .collect()
}

/// What there is in a head besides what is signed: that has been checked by whoever answered. In which encodings an
/// answer may come is said in different words, all of them for "as it is".
fn headers(entry: &Entry) -> String {
    let headers = entry.headers.iter().filter(|(name, _)| *name != "accept-encoding");
    let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    format!("[{}]", headers.join(", "))
}

/// The one record in this folder.
pub(crate) fn record(folder: &Path) -> Option<Vec<String>> {
    let files: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "lock"))
        .collect();
    assert!(files.len() <= 1, "{files:?}");
    let text = std::fs::read_to_string(files.first()?).unwrap();
    Some(text.lines().map(line).collect())
}

fn line(line: &str) -> String {
    let (_check, text) = line.split_once(' ').unwrap();
    let mut line: Value = serde_json::from_str(text).unwrap();
    if let Some(begin) = line.get_mut("begin").and_then(Value::as_object_mut) {
        for differs in ["destination", "begun", "source", "source_name"] {
            assert!(begin.remove(differs).is_some(), "{differs}");
        }
    }
    if let Some(id) = line.get_mut("upload") {
        *id = Value::Null;
    }
    line.to_string()
}
