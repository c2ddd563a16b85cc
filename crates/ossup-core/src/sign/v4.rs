//! Signature V4 (`OSS4-HMAC-SHA256`), as pure functions of text. For whoever signs, and whoever checks.
//!
//! Source: OSS documentation, "Signature Version 4"; checked against the official SDKs by the vectors in `tests/vectors`.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::utf8_percent_encode;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::endpoint::{PATH, QUERY};

/// The name of the algorithm.
pub const ALGORITHM: &str = "OSS4-HMAC-SHA256";
/// What is signed in place of a digest of the body: bodies are never hashed for the signature.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The names of headers that are signed on top of those that always are: lower-case, sorted, each once, without those
/// that always are and those that the request lacks.
#[must_use]
pub fn additional_headers(headers: &[(String, String)], wanted: &[String]) -> Vec<String> {
    let mut names: Vec<String> = wanted
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| !is_always_signed(name))
        .filter(|name| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn is_always_signed(name: &str) -> bool {
    name == "content-type" || name == "content-md5" || name.starts_with("x-oss-")
}

/// The canonical request. `resource` is `/bucket/key`, not encoded; `query` is decoded; of `headers` those are taken
/// that are signed. A header that is there more than once counts with its values joined by commas.
#[must_use]
pub fn canonical_request(
    method: &str,
    resource: &str,
    query: &[(String, Option<String>)],
    headers: &[(String, String)],
    additional: &[String],
) -> String {
    let additional = additional_headers(headers, additional);
    let mut query: Vec<(String, String)> = query
        .iter()
        .map(|(name, value)| {
            let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
            (encode(name), encode(value.as_deref().unwrap_or_default()))
        })
        .collect();
    query.sort_unstable();
    let query: Vec<_> = query
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") })
        .collect();
    let mut signed: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if is_always_signed(&name) || additional.contains(&name) {
            match signed.iter_mut().find(|(other, _)| *other == name) {
                Some((_, values)) => {
                    values.push(',');
                    values.push_str(value.trim());
                }
                None => signed.push((name, value.trim().to_owned())),
            }
        }
    }
    signed.sort_unstable();
    let mut text = format!("{method}\n{}\n{}\n", utf8_percent_encode(resource, PATH), query.join("&"));
    for (name, value) in signed {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "\n{}\n{UNSIGNED_PAYLOAD}", additional.join(";"));
    text
}

/// What a signature is valid for: `date` is `YYYYMMDD`.
#[must_use]
pub fn scope(date: &str, region: &str) -> String {
    format!("{date}/{region}/oss/aliyun_v4_request")
}

/// The text that is signed: `iso_date` is `YYYYMMDDThhmmssZ`.
#[must_use]
pub fn string_to_sign(iso_date: &str, scope: &str, canonical_request: &str) -> String {
    format!("{ALGORITHM}\n{iso_date}\n{scope}\n{}", hex(&Sha256::digest(canonical_request)))
}

/// The key that signs for a day and a region.
#[must_use]
pub fn signing_key(secret: &str, date: &str, region: &str) -> Zeroizing<[u8; 32]> {
    let first = Zeroizing::new(format!("aliyun_v4{secret}"));
    let key = hmac(first.as_bytes(), date);
    let key = hmac(&*key, region);
    let key = hmac(&*key, "oss");
    hmac(&*key, "aliyun_v4_request")
}

/// The signature of a text, as lower-case hexadecimal digits.
#[must_use]
pub fn signature(secret: &str, date: &str, region: &str, string_to_sign: &str) -> String {
    hex(&*hmac(&*signing_key(secret, date, region), string_to_sign))
}

/// The value of the header `Authorization`.
#[must_use]
pub fn authorization(access_key_id: &str, scope: &str, additional: &[String], signature: &str) -> String {
    // An empty list of additional headers would be refused (EC 0002-00000209).
    let additional = match additional {
        [] => String::new(),
        names => format!("AdditionalHeaders={},", names.join(";")),
    };
    format!("{ALGORITHM} Credential={access_key_id}/{scope},{additional}Signature={signature}")
}

fn hmac(key: &[u8], text: &str) -> Zeroizing<[u8; 32]> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Zeroizing::default() };
    mac.update(text.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_header_that_comes_twice_counts_once_with_both_values() {
        let headers = headers(&[("x-oss-meta-a", " 1 "), ("X-Oss-Meta-A", " 2 ")]);
        let canonical = canonical_request("PUT", "/bucket/k", &[], &headers, &[]);
        assert_eq!(canonical, "PUT\n/bucket/k\n\nx-oss-meta-a:1,2\n\n\nUNSIGNED-PAYLOAD");
    }

    #[test]
    fn additional_headers_are_named_once_and_only_where_they_are_sent() {
        let headers = headers(&[("Host", "h"), ("Range", "r"), ("Content-Type", "t")]);
        let wanted = ["range", "HOST", "host", "content-type", "expires"].map(str::to_owned);
        assert_eq!(additional_headers(&headers, &wanted), ["host", "range"]);
    }
}
