//! Invariant: whatever is read as a value of a header is bounded, can be sent, and is read back from how it is written.

#![cfg_attr(fuzzing, no_main)]

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{DATE, RETRY_AFTER};
use ossup_core::digest::{Crc64, Md5};
use ossup_core::endpoint::Region;
use ossup_core::error;
use ossup_core::object::{BucketName, ObjectKey, ObjectName};
use ossup_core::part::{ETag, PartNumber, UploadId};
use ossup_core::time::Timestamp;

ossup_fuzz::target!(target);

fn target(data: &[u8]) {
    retry_after(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(etag) = read_back::<ETag>(text) {
        assert!(etag.as_str().len() <= ETag::MAX_LEN);
        assert!(HeaderValue::try_from(etag.as_str()).is_ok());
        let spelled: ETag = etag.as_str().to_ascii_lowercase().parse().expect("still an ETag");
        let both: HashSet<ETag> = [etag.clone(), spelled].into();
        assert_eq!(both.len(), 1, "equal, and with equal hashes");
        if let Some(md5) = etag.as_md5() {
            assert_eq!(md5.to_string().parse(), Ok(etag));
            assert_eq!(Md5::from_base64(&md5.to_base64()), Some(md5));
        }
    }
    if let Some(id) = read_back::<UploadId>(text) {
        assert!(id.as_str().len() <= UploadId::MAX_LEN);
    }
    read_back::<Crc64>(text);
    read_back::<PartNumber>(text);
    read_back::<Region>(text);
    read_back::<BucketName>(text);
    read_back::<ObjectKey>(text);
    read_back::<ObjectName>(text);
    if let Some(time) = Timestamp::parse(text) {
        timestamp(time);
    }
    if let Ok(seconds) = data.try_into().map(i64::from_le_bytes) {
        timestamp(Timestamp::from_unix(seconds));
    }
}

fn read_back<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    assert_eq!(value.to_string().parse::<T>().as_ref().ok(), Some(&value));
    Some(value)
}

fn timestamp(time: Timestamp) {
    assert_eq!(Timestamp::from_unix(time.unix()), time);
    assert_eq!(time.plus(0), time);
    assert_eq!(time.since(time), Duration::ZERO);
    if time.is_plausible_now() {
        for text in [time.to_http_date(), time.to_iso_basic(), time.to_string()] {
            assert_eq!(Timestamp::parse(&text), Some(time), "{text}");
            assert!(HeaderValue::try_from(text).is_ok());
        }
    } else {
        let _ = (time.to_http_date(), time.to_iso_basic(), time.to_string());
    }
}

fn retry_after(data: &[u8]) {
    let (first, second) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let mut response = http::Response::new(Bytes::new());
    for (name, value) in [(RETRY_AFTER, first), (DATE, second.strip_prefix(b"\n").unwrap_or_default())] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            response.headers_mut().insert(name, value);
        }
    }
    let _ = error::retry_after(&response);
}
