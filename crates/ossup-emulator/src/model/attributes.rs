//! The attributes of an object in request headers: which there are, and which values OSS accepts.

use percent_encoding::percent_decode_str;

use super::received::Received;
use super::refusal::{self, Refusal};
use super::world::{Acl, Attributes};

/// Headers that are kept as they are and come back when the object is read.
const KEPT: [&str; 9] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "expires",
    "x-oss-storage-class",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-server-side-data-encryption",
];

/// The kept headers in all, in bytes. OSS's own bound is not known.
const MAX_KEPT: usize = 8 * 1024;
/// User metadata in all, in bytes.
const MAX_METADATA: usize = 8 * 1024;
const MAX_TAGS: usize = 10;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

/// The attributes that the request gives its object.
pub(crate) fn read(received: &Received) -> Result<Attributes, Refusal> {
    let mut attributes = Attributes::default();
    for name in KEPT {
        if let Some(value) = received.header(name) {
            attributes.headers.push((name.into(), value));
        }
    }
    if attributes.headers.iter().map(|(_, value)| value.len()).sum::<usize>() > MAX_KEPT {
        return Err(refusal::invalid_argument("The headers exceed 8 KB."));
    }
    if attributes.get("content-type").is_none() {
        attributes.headers.push(("content-type".into(), "application/octet-stream".into()));
    }
    if let Some(class) = attributes.get("x-oss-storage-class") {
        check_storage_class(class)?;
    }
    check_encryption(&attributes)?;
    let mut size = 0;
    for name in received.headers.keys() {
        if let Some(user) = name.as_str().strip_prefix("x-oss-meta-") {
            let value = received.header(name.as_str()).unwrap_or_default();
            size += user.len() + value.len();
            attributes.headers.push((name.as_str().into(), value));
        }
    }
    if size > MAX_METADATA {
        return Err(refusal::invalid_argument("The metadata exceeds 8 KB."));
    }
    if let Some(tagging) = received.header("x-oss-tagging") {
        attributes.tagging = parse_tagging(&tagging)?;
    }
    Ok(attributes)
}

pub(crate) fn check_storage_class(class: &str) -> Result<(), Refusal> {
    let known = ["Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"];
    if known.contains(&class) {
        return Ok(());
    }
    Err(refusal::argument("x-oss-storage-class", class, "The storage class is not valid."))
}

fn check_encryption(attributes: &Attributes) -> Result<(), Refusal> {
    let invalid = || {
        Refusal::new(
            http::StatusCode::BAD_REQUEST,
            "InvalidEncryptionAlgorithmError",
            "The Encryption request you specified is not valid. Supported value: AES256/SM4/KMS.",
        )
    };
    let method = attributes.get("x-oss-server-side-encryption");
    if method.is_some_and(|method| !["AES256", "SM4", "KMS"].contains(&method)) {
        return Err(invalid());
    }
    if attributes.get("x-oss-server-side-data-encryption").is_some_and(|data| data != "SM4") {
        return Err(invalid());
    }
    let for_kms = ["x-oss-server-side-encryption-key-id", "x-oss-server-side-data-encryption"];
    if method != Some("KMS") && for_kms.iter().any(|name| attributes.get(name).is_some()) {
        return Err(refusal::invalid_argument("A KMS option is given without KMS encryption."));
    }
    Ok(())
}

/// The access control list that a header names, if it is there. `default` is that of the bucket.
pub(crate) fn object_acl(received: &Received) -> Result<Option<Acl>, Refusal> {
    let Some(text) = received.header("x-oss-object-acl") else { return Ok(None) };
    if text == "default" {
        return Ok(None);
    }
    match Acl::parse(&text) {
        Some(acl) => Ok(Some(acl)),
        None => Err(refusal::argument("x-oss-object-acl", &text, "The ACL is not valid.")),
    }
}

/// Reads `k1=v1&k2=v2`.
fn parse_tagging(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    });
    check_tags(pairs.collect())
}

/// The tags, if OSS takes them.
pub(crate) fn check_tags(tags: Vec<(String, String)>) -> Result<Vec<(String, String)>, Refusal> {
    let invalid = || Refusal::new(http::StatusCode::BAD_REQUEST, "InvalidTag", "The tagging is not valid.");
    let mut keys: Vec<&str> = tags.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    let repeated = keys.windows(2).any(|pair| pair[0] == pair[1]);
    let too_long = |(key, value): &(String, String)| {
        key.is_empty() || key.len() > MAX_TAG_KEY || value.len() > MAX_TAG_VALUE
    };
    if tags.len() > MAX_TAGS || repeated || tags.iter().any(too_long) {
        return Err(invalid());
    }
    Ok(tags)
}
