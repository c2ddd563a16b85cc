//! What can be wrong with how requests are signed, as far as something better can be had.
//!
//! Signing itself lives in [`sign`](crate::sign), the decision when to ask in [`upload`](crate::upload).

use crate::time::Timestamp;

/// Why there is no signature that the server takes, where a better one might be had.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AuthProblem {
    /// The credentials are expired or not known (any more).
    Refused {
        /// The error code of OSS, such as `SecurityTokenExpired`; where there was none, the finer code (EC).
        code: String,
        /// The id under which the server remembers the request.
        request_id: Option<String>,
    },
    /// The request could not be signed at all, such as with credentials that are known to have expired.
    Unsigned {
        /// Why, in words.
        reason: String,
    },
    /// The clock that requests are signed with is too far from the server's.
    ClockSkew {
        /// What the server's clock said when it answered.
        server_time: Timestamp,
    },
}
