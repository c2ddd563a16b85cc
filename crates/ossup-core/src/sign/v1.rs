//! Signature V1 (HMAC-SHA1), as pure functions of text. For whoever signs, and whoever checks.
//!
//! Source: OSS documentation, "Signature Version 1"; checked against the official SDKs by the vectors in `tests/vectors`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Query parameters that are part of the resource, besides those that begin with `x-oss-`: the union of what the
/// Python SDK, the Go SDK V2 and the Java SDK sign.
pub const SUB_RESOURCES: &[&str] = &[
    "acl",
    "append",
    "asyncFetch",
    "bucketInfo",
    "callback",
    "callback-var",
    "cname",
    "comp",
    "continuation-token",
    "cors",
    "delete",
    "encryption",
    "endTime",
    "img",
    "inventory",
    "inventoryId",
    "lifecycle",
    "live",
    "location",
    "logging",
    "metaQuery",
    "objectInfo",
    "objectMeta",
    "partNumber",
    "policy",
    "position",
    "processConfiguration",
    "qos",
    "qosInfo",
    "referer",
    "regionList",
    "replication",
    "replicationLocation",
    "replicationProgress",
    "requestPayment",
    "resourceGroup",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "security-token",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "transferAcceleration",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "vod",
    "website",
    "worm",
    "wormExtend",
    "wormId",
];

/// The text that is signed. `resource` is `/bucket/key`, `/bucket/` or `/`, not encoded; `query` is decoded; of
/// `headers` those are taken that are signed. `date_or_expires` is the header `Date`, or the parameter `Expires`.
#[must_use]
pub fn string_to_sign(
    method: &str,
    content_md5: &str,
    content_type: &str,
    date_or_expires: &str,
    headers: &[(String, String)],
    resource: &str,
    query: &[(String, Option<String>)],
) -> String {
    let mut signed: Vec<(String, &str)> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .filter(|(name, _)| name.starts_with("x-oss-"))
        .collect();
    signed.sort_unstable();
    let date = signed.iter().find(|(name, _)| name == "x-oss-date").map_or(date_or_expires, |(_, date)| date);
    let mut text = format!("{method}\n{content_md5}\n{content_type}\n{date}\n");
    for (name, value) in &signed {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}:{value}");
    }
    text.push_str(resource);
    let mut sub_resources: Vec<(&str, &str)> = query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()))
        .filter(|(name, _)| name.starts_with("x-oss-") || SUB_RESOURCES.contains(name))
        .collect();
    sub_resources.sort_unstable();
    let mut separator = '?';
    for (name, value) in sub_resources {
        let equals = if value.is_empty() { "" } else { "=" };
        let _ = write!(text, "{separator}{name}{equals}{value}");
        separator = '&';
    }
    text
}

/// The signature of a text, in Base64.
#[must_use]
pub fn signature(secret: &str, string_to_sign: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(string_to_sign.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
