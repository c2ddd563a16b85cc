//! HeadObject: `HEAD /key`.

use http::Method;
use http::header::{CONTENT_LENGTH, LAST_MODIFIED};

use crate::digest::Crc64;
use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::ETag;
use crate::request::{Operation, Request, Response};
use crate::time::Timestamp;

use super::{Malformed, by_oss, crc64, etag, header};

/// What the server says of an object. Objects that were written long ago may lack a CRC-64.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ObjectHead {
    /// How many bytes it has.
    pub len: Option<u64>,
    /// Its ETag.
    pub etag: Option<ETag>,
    /// Its CRC-64.
    pub crc64: Option<Crc64>,
    /// Its version, in a bucket with versioning.
    pub version_id: Option<String>,
    /// When it was made, by the clock of the server.
    pub modified: Option<Timestamp>,
}

/// The request.
#[must_use]
pub fn request(object: &ObjectName, options: &ObjectOptions) -> Request {
    Request::new(Operation::HeadObject, Method::HEAD, &object.bucket, Some(&object.key))
        .extend_headers(options.common_headers())
}

/// What the server says of the object.
///
/// # Errors
/// It is not OSS that says it: there is no request id. What stands in between and answers `200` to everything knows of no object.
pub fn parse(response: &Response) -> Result<ObjectHead, Malformed> {
    by_oss(response)?;
    Ok(ObjectHead {
        len: header(response, CONTENT_LENGTH.as_str()),
        etag: etag(response),
        crc64: crc64(response),
        version_id: header(response, "x-oss-version-id"),
        modified: header::<String>(response, LAST_MODIFIED.as_str()).and_then(|text| Timestamp::parse(&text)),
    })
}
