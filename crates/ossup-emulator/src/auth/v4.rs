//! Signatures of version 4 (OSS documentation, "Include V4 signatures in the Authorization header" and "Add V4
//! signatures to URLs").

use ossup_core::sign::v4;
use ossup_core::time::Timestamp;

use super::carrier::token;
use super::{Keys, check_skew, compare, oss_headers, signed_text};
use crate::model::{Received, Refusal, refusal};

/// The longest a presigned URL may be valid: 7 days, in seconds.
const MAX_VALIDITY: i64 = 7 * 24 * 60 * 60;

/// `id/date/region/oss/aliyun_v4_request`
struct Credential<'a> {
    id: &'a str,
    date: &'a str,
    region: &'a str,
}

impl<'a> Credential<'a> {
    fn parse(text: &'a str) -> Result<Self, Refusal> {
        let invalid = || refusal::invalid_argument("The credential is invalid.").detail("Credential", text);
        let mut items = text.rsplitn(5, '/');
        if items.next() != Some("aliyun_v4_request") || items.next() != Some("oss") {
            return Err(invalid());
        }
        match (items.next(), items.next(), items.next()) {
            (Some(region), Some(date), Some(id)) if !id.is_empty() => Ok(Self { id, date, region }),
            _ => Err(invalid()),
        }
    }

    fn check_region(&self, region: &str, place: &'static str, whole: &str) -> Result<(), Refusal> {
        if self.region == region {
            return Ok(());
        }
        Err(refusal::invalid_argument(format!("Invalid signing region in {place}."))
            .ec("0002-00000226")
            .detail("Authorization", whole))
    }
}

/// What the items of a signature say, wherever they were.
struct Claim<'a> {
    credential: Credential<'a>,
    /// As it was sent.
    date: &'a str,
    additional: Vec<String>,
    signature: &'a str,
}

impl Claim<'_> {
    /// The signature is that of the request.
    fn check(
        &self,
        received: &Received,
        secret: &str,
        query: &[(String, Option<String>)],
    ) -> Result<(), Refusal> {
        if !self.date.starts_with(self.credential.date) || self.credential.date.len() != 8 {
            return Err(refusal::invalid_argument("The date of the credential is not that of the request."));
        }
        let headers = signed_headers(received, &self.additional)?;
        let canonical = v4::canonical_request(
            received.method.as_str(),
            &received.target.resource(),
            query,
            &headers,
            &self.additional,
        );
        let scope = v4::scope(self.credential.date, self.credential.region);
        let text = v4::string_to_sign(self.date, &scope, &canonical);
        let computed = v4::signature(secret, self.credential.date, self.credential.region, &text);
        compare(self.credential.id, &computed, self.signature, &text)
    }
}

pub(super) fn header(
    received: &Received,
    authorization: &str,
    keys: &Keys,
    region: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let invalid = || {
        refusal::invalid_argument("Authorization header is invalid.").detail("Authorization", authorization)
    };
    let (mut credential, mut additional, mut signature) = (None, None, None);
    for item in authorization.split(',') {
        let (name, value) = item.trim().split_once('=').ok_or_else(invalid)?;
        let place = match name {
            "Credential" => &mut credential,
            "AdditionalHeaders" => &mut additional,
            "Signature" => &mut signature,
            _ => return Err(invalid()),
        };
        if place.replace(value).is_some() {
            return Err(invalid());
        }
    }
    let credential = Credential::parse(credential.ok_or_else(invalid)?)?;
    let signature = signature.ok_or_else(invalid)?;
    let additional = additional.map(additional_headers).transpose()?.unwrap_or_default();
    if received.header("x-oss-content-sha256").as_deref() != Some("UNSIGNED-PAYLOAD") {
        return Err(refusal::invalid_argument("x-oss-content-sha256 must be UNSIGNED-PAYLOAD."));
    }
    let token = token(received, Some("x-oss-security-token"))?;
    let secret = keys.secret(credential.id, token.as_deref(), now)?;
    credential.check_region(region, "Authorization header", authorization)?;
    let date = received.header("x-oss-date").unwrap_or_default();
    check_skew(iso_basic(&date)?, now)?;
    Claim { credential, date: &date, additional, signature }.check(received, secret, &received.query.0)
}

pub(super) fn url(received: &Received, keys: &Keys, region: &str, now: Timestamp) -> Result<(), Refusal> {
    let parameter =
        |name: &'static str| received.query.get(name).ok_or_else(|| refusal::missing_argument(name));
    let version = parameter("x-oss-signature-version")?;
    if version != "OSS4-HMAC-SHA256" {
        return Err(refusal::argument("x-oss-signature-version", version, "The version is not known."));
    }
    let whole = parameter("x-oss-credential")?;
    let credential = Credential::parse(whole)?;
    let date = parameter("x-oss-date")?;
    let signature = parameter("x-oss-signature")?;
    let additional = received.query.get("x-oss-additional-headers");
    let additional = additional.map(additional_headers).transpose()?.unwrap_or_default();
    let expires = parameter("x-oss-expires")?;
    let validity = expires.parse::<i64>().ok().filter(|seconds| (1..=MAX_VALIDITY).contains(seconds));
    let validity = validity.ok_or_else(|| {
        refusal::argument("x-oss-expires", expires, "x-oss-expires must be between 1 and 604800 seconds.")
    })?;
    let begin = iso_basic(date)?;
    let end = begin.plus(validity);
    if now > end {
        return Err(refusal::request_expired(end, now));
    }
    if begin > now {
        check_skew(begin, now)?;
    }
    let token = token(received, Some("x-oss-security-token"))?;
    let secret = keys.secret(credential.id, token.as_deref(), now)?;
    credential.check_region(region, "x-oss-credential", whole)?;
    let signed = received.query.0.iter().filter(|(name, _)| name != "x-oss-signature").cloned();
    let query: Vec<_> = signed.collect();
    Claim { credential, date, additional, signature }.check(received, secret, &query)
}

/// Splits `a;b`.
fn additional_headers(text: &str) -> Result<Vec<String>, Refusal> {
    if text.is_empty() {
        return Err(refusal::invalid_argument("AdditionalHeaders is empty.").ec("0002-00000209"));
    }
    let names: Vec<String> = text.split(';').map(str::to_ascii_lowercase).collect();
    if names.iter().any(String::is_empty) {
        return Err(refusal::invalid_argument("AdditionalHeaders is invalid.").ec("0002-00000210"));
    }
    Ok(names)
}

/// Those that are always signed when they are there, and the additional ones, which must be there.
fn signed_headers(received: &Received, additional: &[String]) -> Result<Vec<(String, String)>, Refusal> {
    let mut headers = oss_headers(received);
    for name in ["content-md5", "content-type"] {
        if received.headers.contains_key(name) {
            headers.push((name.to_owned(), signed_text(received, name)));
        }
    }
    for name in additional {
        if !received.headers.contains_key(name) {
            return Err(refusal::argument("AdditionalHeaders", name, "The header is not in the request."));
        }
        if headers.iter().all(|(found, _)| found != name) {
            headers.push((name.clone(), signed_text(received, name)));
        }
    }
    Ok(headers)
}

/// `20231216T162057Z`, nothing else.
fn iso_basic(text: &str) -> Result<Timestamp, Refusal> {
    let time = Timestamp::parse(text).filter(|time| time.to_iso_basic() == text);
    time.ok_or_else(|| refusal::access_denied("The request lacks a valid x-oss-date."))
}
