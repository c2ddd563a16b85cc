//! What can go wrong, as data.

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// The body is read, nothing is done, the answer is an error.
    Refuse {
        /// The status.
        status: u16,
        /// OSS's code.
        code: String,
        /// The value of `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// As [`Refuse`](Self::Refuse), but before any of the body is read, and the connection is closed behind it.
    RefuseEarly {
        /// The status.
        status: u16,
        /// OSS's code.
        code: String,
    },
    /// 403 `AccessDenied`, as when the policy of the caller lacks the operation.
    Deny,
    /// The body is read, nothing is done, somebody else answers: a proxy's page, nothing at all, XML that is cut off.
    AnswerInstead {
        /// The status.
        status: u16,
        /// The headers; none of OSS's are added.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// The work is done, and the answer is an error nevertheless.
    FailAfter {
        /// The status.
        status: u16,
        /// OSS's code.
        code: String,
    },
    /// Nothing is done, the status is 200, and the body is an `<Error>`.
    ErrorInOk {
        /// OSS's code.
        code: String,
    },
    /// The work is done and the connection closed without an answer.
    LoseAnswer,
    /// The connection is closed when so many bytes of the body have been received; nothing is done.
    CutIn {
        /// Bytes of the body.
        after: u64,
    },
    /// The work is done; the connection is closed when so many bytes of the answer's body have been sent.
    CutOut {
        /// Bytes of the body.
        after: u64,
    },
    /// As [`CutIn`](Self::CutIn), but the client meets a reset (RST) where an orderly end would be: what the network
    /// has not delivered yet is lost.
    ResetIn {
        /// Bytes of the body.
        after: u64,
    },
    /// The work is done and the connection reset (RST) instead of an answer.
    ResetAnswer,
    /// Silence before the body is read.
    Stall {
        /// How long, in milliseconds.
        millis: u64,
    },
    /// Silence between the work and the answer.
    StallAnswer {
        /// How long, in milliseconds.
        millis: u64,
    },
    /// As [`StallAnswer`](Self::StallAnswer), and the answer says in `x-oss-qos-delay-time` that it was held back, as
    /// where a bucket has more traffic than it may.
    HoldBack {
        /// How long, in milliseconds.
        millis: u64,
    },
    /// Bodies come and go no faster than this.
    Pace {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// A bit of the received body is flipped before the server sees it.
    Corrupt {
        /// The position of the byte.
        offset: u64,
    },
    /// A bit of the answer's body is flipped.
    CorruptAnswer {
        /// The position of the byte.
        offset: u64,
    },
}

impl Action {
    /// An error answer, the request not being done.
    #[must_use]
    pub fn refuse(status: u16, code: impl Into<String>) -> Self {
        Self::Refuse { status, code: code.into(), retry_after: None }
    }

    /// An error answer in spite of the work being done.
    #[must_use]
    pub fn fail_after(status: u16, code: impl Into<String>) -> Self {
        Self::FailAfter { status, code: code.into() }
    }
}

impl Action {
    /// Whether it can be carried out; else why not.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Refuse { status, .. }
            | Self::RefuseEarly { status, .. }
            | Self::FailAfter { status, .. } => {
                check_status(*status)?;
                if has_no_body(*status) {
                    return Err(format!("an answer with status {status} has no body to say the code in"));
                }
            }
            Self::AnswerInstead { status, headers, body } => {
                check_status(*status)?;
                if has_no_body(*status) && !body.is_empty() {
                    return Err(format!("an answer with status {status} has no body"));
                }
                for (name, value) in headers {
                    HeaderName::try_from(name)
                        .map_err(|_| format!("`{name}` is not the name of a header"))?;
                    HeaderValue::try_from(value).map_err(|_| format!("`{value}` is not a header's value"))?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Answers below are only on the way to one.
fn check_status(status: u16) -> Result<(), String> {
    if (200..=599).contains(&status) {
        Ok(())
    } else {
        Err(format!("{status} is not the status of an answer"))
    }
}

fn has_no_body(status: u16) -> bool {
    matches!(status, 204 | 304)
}
