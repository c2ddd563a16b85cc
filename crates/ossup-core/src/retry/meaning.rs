//! What an error answer means: operation × status × code, as one table with a source for each row.
//!
//! Sources: **D** the documentation of OSS, **R** an answer of the live service recorded in an SDK's test or a public
//! issue, **S** the official SDKs agree, **H** HTTP itself (RFC 9110).

use std::fmt;

use crate::error::OssError;
use crate::request::Operation;

/// What an error answer means for an upload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Meaning {
    /// The server failed for now; the same request may succeed later.
    Retry,
    /// The server wants less; the same request may succeed later.
    Throttled,
    /// The clock that signed the request is too far from the server's.
    ClockSkew,
    /// The credentials are expired or unknown; others may do.
    Credentials,
    /// The server does not know the upload id (any more).
    UploadGone,
    /// The parts on the server are not those that Complete named.
    RepairParts,
    /// The bytes that arrived are not those that were sent.
    BadBytes,
    /// Sequential mode: the part is there already.
    PartStored,
    /// An object is in the way; it may be ours.
    ObjectExists,
    /// There is no object.
    NoObject,
    /// The object is stored, the callback failed.
    CallbackFailed,
    /// The account may not do this.
    Denied,
    /// A repetition would get the same answer.
    Final,
}

impl Meaning {
    /// What follows from it, in words: a column of the decision table.
    #[must_use]
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::Retry => "repeat after a wait, within attempts and budget",
            Self::Throttled => "repeat after a wait, with fewer parts in flight",
            Self::ClockSkew => "set the clock once by the server's, repeat at once",
            Self::Credentials => "renew credentials once for all requests, repeat at once",
            Self::UploadGone => {
                "HEAD if Complete was ever tried, else restart or fail by policy; done if aborting"
            }
            Self::RepairParts => "list parts, send again what differs",
            Self::BadBytes => "send the part again, read anew; corrupted if it goes on",
            Self::PartStored => "probe the part by ListParts",
            Self::ObjectExists => "HEAD if our own answer may have been lost, else fail",
            Self::NoObject => "nothing is there: the upload was not completed",
            Self::CallbackFailed => "completed, callback failed",
            Self::Denied => "do without if the operation is an extra, else fail",
            Self::Final => "fail, keep everything",
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The operations it is about; all if empty.
    pub operations: &'static [Operation],
    /// The HTTP statuses it is about.
    pub status: Status,
    /// The error codes it is about; any if empty.
    pub codes: &'static [&'static str],
    /// The finer error codes (EC) that tell the same where there is no code: an answer to HEAD may carry no document.
    pub ecs: &'static [&'static str],
    /// What the server says where the code alone tells too little.
    pub message: Option<&'static str>,
    /// What it means.
    pub meaning: Meaning,
    /// Where this is known from.
    pub source: &'static str,
}

/// Which HTTP statuses a row is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// All of them.
    Any,
    /// This one.
    Is(u16),
    /// From the first to the last.
    Between(u16, u16),
}

impl Status {
    fn covers(self, status: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Is(only) => status == only,
            Self::Between(first, last) => (first..=last).contains(&status),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Is(status) => write!(f, "{status}"),
            Self::Between(first, last) => write!(f, "{first}–{last}"),
        }
    }
}

const fn row(
    operations: &'static [Operation],
    status: Status,
    codes: &'static [&'static str],
    meaning: Meaning,
    source: &'static str,
) -> Row {
    Row { operations, status, codes, ecs: &[], message: None, meaning, source }
}

impl Row {
    const fn or_ec(self, ecs: &'static [&'static str]) -> Self {
        Self { ecs, ..self }
    }

    const fn or_message(self, message: &'static str) -> Self {
        Self { message: Some(message), ..self }
    }

    fn covers(&self, said: &Said<'_>) -> bool {
        let codes = self.codes.is_empty() || said.code.is_some_and(|code| self.codes.contains(&code));
        let ec = said.code.is_none() && said.ec.is_some_and(|ec| self.ecs.contains(&ec));
        codes || ec || (self.message.is_some() && self.message == said.message)
    }
}

/// What tells one error from another with the same status.
#[derive(Default)]
struct Said<'a> {
    code: Option<&'a str>,
    ec: Option<&'a str>,
    message: Option<&'a str>,
}

use Operation::{CompleteMultipartUpload, HeadObject, PutObject, UploadPart};

const ANY: &[Operation] = &[];

/// The table. The first row that fits decides; the last ones fit everything. OSS decides by code first, so do we: the
/// status counts where there is no code, or none we know.
pub static TABLE: &[Row] = &[
    row(ANY, Status::Is(203), &["CallbackFailed"], Meaning::CallbackFailed, "D: Callback; R"),
    row(ANY, Status::Any, &["NoSuchUpload"], Meaning::UploadGone, "D R").or_ec(&["0042-00000002"]),
    row(
        &[CompleteMultipartUpload],
        Status::Any,
        &["InvalidPart"],
        Meaning::RepairParts,
        "D: CompleteMultipartUpload",
    ),
    row(
        &[UploadPart, PutObject],
        Status::Any,
        &["InvalidDigest"],
        Meaning::BadBytes,
        "D: Content-MD5 of the request and of the body differ",
    ),
    row(
        &[CompleteMultipartUpload],
        Status::Any,
        &["InvalidDigest"],
        Meaning::Retry,
        "D: the list of parts arrived damaged",
    ),
    row(
        &[UploadPart],
        Status::Any,
        &["PartAlreadyExist"],
        Meaning::PartStored,
        "R: EC 0042-00000108, sequential mode",
    ),
    row(
        &[UploadPart],
        Status::Any,
        &["PartNotSequential"],
        Meaning::Retry,
        "R: sequential mode, an earlier part is still under way",
    ),
    row(
        ANY,
        Status::Any,
        &["FileAlreadyExists", "ObjectAlreadyExists"],
        Meaning::ObjectExists,
        "D: x-oss-forbid-overwrite; EC 0042-00000214",
    ),
    row(ANY, Status::Any, &["RequestTimeTooSkewed"], Meaning::ClockSkew, "D R S")
        .or_ec(&["0002-00000504"])
        .or_message("Invalid signing date in Authorization header."),
    row(
        ANY,
        Status::Any,
        &[
            "SecurityTokenExpired",
            "InvalidSecurityToken",
            "AccessKeyIdAndSecurityTokenNotMatch",
            "InvalidAccessKeyId",
        ],
        Meaning::Credentials,
        "D R",
    )
    .or_ec(&["0002-00000007", "0002-00000008", "0002-00000902"]),
    row(
        ANY,
        Status::Any,
        &[
            "UploadTrafficRateLimitExceeded",
            "DownloadTrafficRateLimitExceeded",
            "TotalQpsLimitExceeded",
            "ActiveRequestLimitExceeded",
            "MetaOperationQpsLimitExceeded",
            "QpsLimitExceeded",
            "ServiceUnavailable",
            "SlowDown",
        ],
        Meaning::Throttled,
        "D: throttling",
    ),
    row(
        ANY,
        Status::Is(400),
        &["RequestTimeout", "BadRequest", "IncompleteBody"],
        Meaning::Retry,
        "D S: trouble on the way despite the 400",
    ),
    row(&[HeadObject], Status::Any, &["NoSuchKey"], Meaning::NoObject, "D").or_ec(&["0026-00000001"]),
    row(
        &[HeadObject],
        Status::Any,
        &["NoSuchBucket"],
        Meaning::Final,
        "D: nothing can be said of the object",
    ),
    row(&[HeadObject], Status::Is(404), &[], Meaning::NoObject, "S: a HEAD may carry no document"),
    row(ANY, Status::Is(403), &["AccessDenied"], Meaning::Denied, "D"),
    row(&[HeadObject], Status::Is(403), &[], Meaning::Denied, "S: a HEAD may carry no document"),
    row(
        &[CompleteMultipartUpload, PutObject],
        Status::Is(412),
        &[],
        Meaning::ObjectExists,
        "D H: a condition failed",
    ),
    row(ANY, Status::Is(408), &[], Meaning::Retry, "H S"),
    row(ANY, Status::Is(429), &[], Meaning::Throttled, "H S"),
    row(ANY, Status::Is(503), &[], Meaning::Throttled, "H S"),
    row(ANY, Status::Between(500, 599), &[], Meaning::Retry, "H S"),
    row(
        ANY,
        Status::Between(200, 299),
        &["InternalError"],
        Meaning::Retry,
        "R: an error document in a success",
    ),
    row(ANY, Status::Any, &[], Meaning::Final, "D: all others are about the request itself"),
];

/// The row that says what an error answer with this status and code means.
#[must_use]
pub fn judge(operation: Operation, status: u16, code: Option<&str>) -> &'static Row {
    find(operation, status, &Said { code, ..Said::default() })
}

/// The row that says what an error answer means, by all that it says.
#[must_use]
pub fn judge_error(operation: Operation, error: &OssError) -> &'static Row {
    let (code, ec, message) = (error.code.as_deref(), error.ec.as_deref(), error.message.as_deref());
    find(operation, error.status, &Said { code, ec, message })
}

fn find(operation: Operation, status: u16, said: &Said<'_>) -> &'static Row {
    let fits = |row: &&Row| {
        (row.operations.is_empty() || row.operations.contains(&operation))
            && row.status.covers(status)
            && row.covers(said)
    };
    // The last row fits everything; the first is never reached by this, and only keeps the function total.
    TABLE.iter().find(fits).unwrap_or(&TABLE[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_fits_everything() {
        let last = TABLE.last().unwrap();
        assert!(last.operations.is_empty() && last.codes.is_empty() && last.status == Status::Any);
        assert_eq!(last.meaning, Meaning::Final);
    }

    #[test]
    fn every_row_says_which_statuses_it_is_about_and_what_follows() {
        let statuses = [Status::Any, Status::Is(403), Status::Between(500, 599)].map(|s| s.to_string());
        assert_eq!(statuses, ["any", "403", "500–599"]);
        let follows: std::collections::BTreeMap<_, _> =
            TABLE.iter().map(|row| (row.meaning.consequence(), row.meaning)).collect();
        let meanings: std::collections::BTreeSet<_> = TABLE.iter().map(|row| row.meaning).collect();
        assert_eq!((follows.len(), meanings.len()), (13, 13), "each in words of its own");
    }

    #[test]
    fn every_row_can_be_reached() {
        for (index, row) in TABLE.iter().enumerate() {
            let operations = if row.operations.is_empty() { &Operation::ALL } else { row.operations };
            let statuses: Vec<u16> = match row.status {
                Status::Any => (200..600).collect(),
                Status::Is(status) => vec![status],
                Status::Between(first, last) => (first..=last).collect(),
            };
            let codes: Vec<Option<&str>> =
                if row.codes.is_empty() { vec![None] } else { row.codes.iter().copied().map(Some).collect() };
            let reached = operations.iter().any(|operation| {
                statuses.iter().any(|status| {
                    codes.iter().any(|code| std::ptr::eq(judge(*operation, *status, *code), row))
                })
            });
            assert!(reached, "row {index} is hidden by those above it: {row:?}");
        }
    }

    #[test]
    fn the_finer_code_counts_where_there_is_no_code_and_the_message_where_the_code_says_little() {
        let said = |status, code: Option<&str>, ec: &str, message: &str| {
            let mut error = OssError { status, ec: Some(ec.into()), ..OssError::default() };
            error.code = code.map(Into::into);
            error.message = Some(message.into());
            judge_error(HeadObject, &error).meaning
        };
        for ec in ["0002-00000007", "0002-00000008", "0002-00000902"] {
            assert_eq!(said(403, None, ec, ""), Meaning::Credentials);
            assert_eq!(said(403, Some("AccessDenied"), ec, ""), Meaning::Denied, "the code counts first");
        }
        assert_eq!(said(403, None, "0002-00000504", ""), Meaning::ClockSkew);
        assert_eq!(said(403, None, "0003-00000001", ""), Meaning::Denied);
        let date = "Invalid signing date in Authorization header.";
        assert_eq!(said(400, Some("InvalidArgument"), "", date), Meaning::ClockSkew);
        assert_eq!(said(400, Some("InvalidArgument"), "", "The region is wrong."), Meaning::Final);
    }

    #[test]
    fn the_code_counts_before_the_status() {
        assert_eq!(judge(UploadPart, 403, Some("RequestTimeTooSkewed")).meaning, Meaning::ClockSkew);
        assert_eq!(judge(UploadPart, 404, Some("NoSuchUpload")).meaning, Meaning::UploadGone);
        assert_eq!(judge(UploadPart, 404, Some("NoSuchBucket")).meaning, Meaning::Final);
        assert_eq!(judge(UploadPart, 502, None).meaning, Meaning::Retry);
        assert_eq!(
            judge(CompleteMultipartUpload, 203, Some("CallbackFailed")).meaning,
            Meaning::CallbackFailed
        );
    }
}
