//! Signatures of version 1 (OSS documentation, "Include signatures in the Authorization header" and "Add signatures
//! to URLs", version 1).

use ossup_core::sign::v1;
use ossup_core::time::Timestamp;

use super::carrier::token;
use super::{Keys, check_skew, compare, oss_headers, signed_text};
use crate::model::{Received, Refusal, refusal};

pub(super) fn header(
    received: &Received,
    authorization: &str,
    keys: &Keys,
    now: Timestamp,
) -> Result<(), Refusal> {
    let (id, signature) = authorization.split_once(':').ok_or_else(|| {
        refusal::invalid_argument("Authorization header is invalid.").detail("Authorization", authorization)
    })?;
    let token = token(received, Some("security-token"))?;
    let secret = keys.secret(id, token.as_deref(), now)?;
    let date = received.header("x-oss-date").or_else(|| received.header("date"));
    let date = date.ok_or_else(|| refusal::access_denied("OSS authentication requires a valid Date."))?;
    let time = Timestamp::parse(&date)
        .ok_or_else(|| refusal::access_denied("OSS authentication requires a valid Date."))?;
    check_skew(time, now)?;
    let text = string_to_sign(received, date.trim());
    compare(id, &v1::signature(secret, &text), signature, &text)
}

pub(super) fn url(received: &Received, keys: &Keys, now: Timestamp) -> Result<(), Refusal> {
    let parameter = |name: &'static str| {
        received.query.get(name).ok_or_else(|| {
            refusal::access_denied(
                "Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters",
            )
        })
    };
    let id = parameter("OSSAccessKeyId")?;
    let signature = parameter("Signature")?;
    let expires = parameter("Expires")?;
    let end = expires.parse::<i64>().ok().filter(|end| *end >= 0).ok_or_else(|| {
        refusal::argument("Expires", expires, "Invalid date (should be seconds since epoch).")
    })?;
    if now.unix() > end {
        return Err(refusal::request_expired(Timestamp::from_unix(end), now));
    }
    let token = token(received, Some("security-token"))?;
    let secret = keys.secret(id, token.as_deref(), now)?;
    let text = string_to_sign(received, expires);
    compare(id, &v1::signature(secret, &text), signature, &text)
}

fn string_to_sign(received: &Received, date: &str) -> String {
    v1::string_to_sign(
        received.method.as_str(),
        &signed_text(received, "content-md5"),
        &signed_text(received, "content-type"),
        date,
        &oss_headers(received),
        &received.target.resource(),
        &received.query.0,
    )
}
