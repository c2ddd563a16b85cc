//! Who sent a request: signatures of version 1 and 4, in headers and in URLs, with and without STS tokens.
//!
//! The formulas of the signatures are the core's; everything that reads a received request lives here.

mod carrier;
mod v1;
mod v4;

use std::collections::BTreeMap;

use ossup_core::time::Timestamp;
use subtle::ConstantTimeEq as _;

use crate::config::Credentials;
use crate::model::{Received, Refusal, refusal};
use carrier::Carrier;

/// How far a request's date may be from the server's, either way: 15 minutes, in seconds.
const TOLERANCE: i64 = 15 * 60;

/// The credentials that the server knows, by access key id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(BTreeMap<String, Credentials>);

impl Keys {
    pub(crate) fn add(&mut self, credentials: Credentials) {
        self.0.insert(credentials.access_key_id.clone(), credentials);
    }

    pub(crate) fn remove(&mut self, access_key_id: &str) -> bool {
        self.0.remove(access_key_id).is_some()
    }

    /// The secret of an access key that is used with this token, or without one.
    fn secret(&self, id: &str, token: Option<&str>, now: Timestamp) -> Result<&str, Refusal> {
        let known = self.0.get(id).ok_or_else(|| refusal::invalid_access_key_id(id))?;
        match (&known.security_token, token) {
            (None, None) => {}
            // A temporary key without its token is no key.
            (Some(_), None) => return Err(refusal::invalid_access_key_id(id)),
            (Some(own), Some(given)) if bool::from(own.as_bytes().ct_eq(given.as_bytes())) => {}
            (_, Some(_)) => return Err(refusal::invalid_security_token()),
        }
        if known.expires.is_some_and(|end| now > end) {
            return Err(refusal::security_token_expired());
        }
        Ok(&known.access_key_secret)
    }
}

/// Whether the request is signed; one that is signed wrongly is refused.
pub(crate) fn verify(
    received: &Received,
    keys: &Keys,
    region: &str,
    now: Timestamp,
) -> Result<bool, Refusal> {
    match Carrier::of(received)? {
        Carrier::None => return Ok(false),
        Carrier::V1Header(authorization) => v1::header(received, &authorization, keys, now)?,
        Carrier::V1Url => v1::url(received, keys, now)?,
        Carrier::V4Header(authorization) => v4::header(received, &authorization, keys, region, now)?,
        Carrier::V4Url => v4::url(received, keys, region, now)?,
    }
    Ok(true)
}

/// The signature that was computed is the one that was sent.
fn compare(id: &str, computed: &str, sent: &str, string_to_sign: &str) -> Result<(), Refusal> {
    if bool::from(computed.as_bytes().ct_eq(sent.as_bytes())) {
        Ok(())
    } else {
        Err(refusal::signature_does_not_match(id, sent, string_to_sign))
    }
}

/// The date of the request is close enough to the server's.
fn check_skew(sent: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if (sent.unix() - now.unix()).abs() <= TOLERANCE {
        return Ok(());
    }
    Err(refusal::request_time_too_skewed(sent, now, TOLERANCE * 1000))
}

/// A header that both versions sign when it is there.
fn signed_text(received: &Received, name: &str) -> String {
    received.header(name).unwrap_or_default().trim().to_owned()
}

/// The headers whose names begin with `x-oss-`, values trimmed.
fn oss_headers(received: &Received) -> Vec<(String, String)> {
    let names = received.headers.keys().map(http::HeaderName::as_str);
    let ours = names.filter(|name| name.starts_with("x-oss-"));
    ours.map(|name| (name.to_owned(), signed_text(received, name))).collect()
}
