//! Refusals: OSS's error codes with their statuses, messages and further elements, one function each.
//!
//! Statuses, codes and EC numbers are those of OSS's documentation and of recorded replies.

use std::borrow::Cow;
use std::ops::Deref;

use http::{HeaderName, HeaderValue, StatusCode};
use ossup_core::time::Timestamp;

use super::page;

/// Why a request is not served.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(Box<Facts>);

#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) ec: Option<Cow<'static, str>>,
    /// Elements beyond those that every error has.
    pub(crate) details: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Facts {
            status,
            code: code.into(),
            message: message.into(),
            ec: None,
            details: Vec::new(),
            headers: Vec::new(),
        }))
    }

    pub(crate) fn ec(mut self, ec: &'static str) -> Self {
        self.0.ec = Some(ec.into());
        self
    }

    pub(crate) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.details.push((name, value.into()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<HeaderValue>) -> Self {
        self.0.headers.push((HeaderName::from_static(name), value.into()));
        self
    }
}

impl Deref for Refusal {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;

pub(crate) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(BAD, "InvalidArgument", message)
}

pub(crate) fn argument(name: &str, value: &str, message: impl Into<Cow<'static, str>>) -> Refusal {
    invalid_argument(message).detail("ArgumentName", name).detail("ArgumentValue", value)
}

pub(crate) fn missing_argument(name: &str) -> Refusal {
    Refusal::new(BAD, "MissingArgument", "Missing some required arguments.").detail("ArgumentName", name)
}

pub(crate) fn part_number(value: &str) -> Refusal {
    argument("partNumber", value, "Part number must be an integer between 1 and 10000, inclusive.")
        .ec("0017-00000220")
}

pub(crate) fn not_implemented(what: &str) -> Refusal {
    Refusal::new(
        BAD,
        "NotImplemented",
        "A header or a parameter you provided implies functionality that is not implemented.",
    )
    .detail("Header", what)
}

pub(crate) fn method_not_allowed(method: &str) -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    )
    .detail("Method", method)
}

pub(crate) fn malformed_xml() -> Refusal {
    Refusal::new(
        BAD,
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema.",
    )
}

pub(crate) fn missing_content_length() -> Refusal {
    Refusal::new(
        StatusCode::LENGTH_REQUIRED,
        "MissingContentLength",
        "You must provide the Content-Length HTTP header.",
    )
}

pub(crate) fn request_timeout() -> Refusal {
    Refusal::new(
        BAD,
        "RequestTimeout",
        "Your socket connection to the server was not read from or written to within the timeout period. \
         Idle connections will be closed.",
    )
}

pub(crate) fn entity_too_large(size: u64) -> Refusal {
    Refusal::new(BAD, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        .detail("ProposedSize", size.to_string())
}

pub(crate) fn entity_too_small(part: u16, size: u64, min: u64) -> Refusal {
    Refusal::new(BAD, "EntityTooSmall", "Your proposed upload smaller than the minimum allowed size.")
        .ec("0042-00000213")
        .detail("MinSizeAllowed", min.to_string())
        .detail("ProposedSize", size.to_string())
        .detail("PartNumber", part.to_string())
}

pub(crate) fn invalid_digest(given: &str) -> Refusal {
    Refusal::new(BAD, "InvalidDigest", "The Content-MD5 you specified was invalid.")
        .detail("Content-MD5", given)
}

pub(crate) fn invalid_bucket_name(name: &str) -> Refusal {
    Refusal::new(BAD, "InvalidBucketName", "The specified bucket is not valid.").detail("BucketName", name)
}

pub(crate) fn invalid_object_name(key: &str) -> Refusal {
    Refusal::new(BAD, "InvalidObjectName", "The specified object is not valid.").detail("ObjectName", key)
}

pub(crate) fn no_such_bucket(name: &str) -> Refusal {
    Refusal::new(NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist.")
        .ec("0015-00000101")
        .detail("BucketName", name)
}

pub(crate) fn no_such_key(key: &str) -> Refusal {
    Refusal::new(NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
        .ec("0026-00000001")
        .detail("Key", key)
}

pub(crate) fn no_such_upload(id: &str) -> Refusal {
    Refusal::new(
        NOT_FOUND,
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted \
         or completed.",
    )
    .ec("0042-00000002")
    .detail("UploadId", id)
}

pub(crate) fn invalid_part(id: &str, number: u16, etag: &str) -> Refusal {
    Refusal::new(
        BAD,
        "InvalidPart",
        "One or more of the specified parts could not be found or the specified entity tag might not have matched \
         the part's entity tag.",
    )
    .detail("ETag", etag)
    .detail("PartNumber", number.to_string())
    .detail("UploadId", id)
}

pub(crate) fn invalid_part_order() -> Refusal {
    Refusal::new(
        BAD,
        "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts list must specified in order by part number.",
    )
    .ec("0042-00000209")
}

pub(crate) fn part_not_sequential(number: u16) -> Refusal {
    Refusal::new(
        BAD,
        "PartNotSequential",
        "For sequential multipart upload, you must upload or complete parts with sequential part number.",
    )
    .detail("PartNumber", number.to_string())
}

pub(crate) fn part_already_exists(number: u16, etag: &str) -> Refusal {
    Refusal::new(
        CONFLICT,
        "PartAlreadyExist",
        "For sequential multipart upload, you can't overwrite uploaded parts.",
    )
    .ec("0042-00000108")
    .detail("PartEtag", format!("\"{etag}\""))
    .detail("PartNumber", number.to_string())
}

pub(crate) fn file_already_exists() -> Refusal {
    Refusal::new(
        CONFLICT,
        "FileAlreadyExists",
        "The object you specified already exists and can not be overwritten.",
    )
}

pub(crate) fn precondition_failed(condition: &str) -> Refusal {
    Refusal::new(
        StatusCode::PRECONDITION_FAILED,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold.",
    )
    .detail("Condition", condition)
}

pub(crate) fn bucket_not_empty(name: &str) -> Refusal {
    Refusal::new(CONFLICT, "BucketNotEmpty", "The bucket has objects. Please delete them first.")
        .detail("BucketName", name)
}

pub(crate) fn access_denied(message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(FORBIDDEN, "AccessDenied", message)
}

pub(crate) fn wrong_endpoint(region: &str) -> Refusal {
    access_denied(
        "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all \
         future requests to this endpoint.",
    )
    .ec("0003-00001403")
    .detail("Endpoint", format!("oss-{region}.aliyuncs.com"))
}

pub(crate) fn signature_does_not_match(id: &str, provided: &str, string_to_sign: &str) -> Refusal {
    Refusal::new(
        FORBIDDEN,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing \
         method.",
    )
    .ec("0002-00000040")
    .detail("OSSAccessKeyId", id)
    .detail("SignatureProvided", provided)
    .detail("StringToSign", string_to_sign)
}

pub(crate) fn invalid_access_key_id(id: &str) -> Refusal {
    Refusal::new(
        FORBIDDEN,
        "InvalidAccessKeyId",
        "The OSS Access Key Id you provided does not exist in our records.",
    )
    .ec("0002-00000902")
    .detail("OSSAccessKeyId", id)
}

pub(crate) fn invalid_security_token() -> Refusal {
    Refusal::new(FORBIDDEN, "InvalidSecurityToken", "The security token you provided is invalid.")
        .ec("0002-00000008")
}

pub(crate) fn security_token_expired() -> Refusal {
    Refusal::new(FORBIDDEN, "SecurityTokenExpired", "The security token you provided has expired.")
        .ec("0002-00000007")
}

pub(crate) fn internal_error() -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalError",
        "Please contact the server administrator, oss@service.aliyun.com.",
    )
}

pub(crate) fn request_time_too_skewed(sent: Timestamp, now: Timestamp, allowed_millis: i64) -> Refusal {
    Refusal::new(
        FORBIDDEN,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    )
    .ec("0002-00000504")
    .detail("MaxAllowedSkewMilliseconds", allowed_millis.to_string())
    .detail("RequestTime", page::iso(sent.unix()))
    .detail("ServerTime", page::iso(now.unix()))
}

pub(crate) fn request_expired(end: Timestamp, now: Timestamp) -> Refusal {
    access_denied("Request has expired.")
        .detail("Expires", page::iso(end.unix()))
        .detail("ServerTime", page::iso(now.unix()))
}
