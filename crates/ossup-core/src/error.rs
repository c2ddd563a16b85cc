//! What OSS says when it says no, and how to find that out from an answer.
//!
//! What such an error means for an upload lives in [`retry::meaning`](crate::retry::meaning).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::part::{ETag, PartNumber};
use crate::request::{Operation, Response};
use crate::time::Timestamp;
use crate::xml::{self, Element};

/// How much of a text from the server is kept, in bytes.
const MAX_TEXT: usize = 1024;
/// How much of a body is read as an error document, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;

/// An error answer of OSS, or of something between OSS and us.
///
/// The string to sign and the access key id, which some errors repeat, are not kept.
///
/// ```
/// use ossup_core::error::OssError;
///
/// let body = "<Error><Code>NoSuchBucket</Code><Message>no</Message><RequestId>65A1</RequestId></Error>";
/// let mut response = http::Response::new(body.into());
/// *response.status_mut() = http::StatusCode::NOT_FOUND;
/// let error = OssError::from_response(&response);
/// assert_eq!(error.to_string(), "404 NoSuchBucket: no (request 65A1)");
/// assert!(error.hint().is_some_and(|hint| hint.contains("check its name")));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct OssError {
    /// The HTTP status.
    pub status: u16,
    /// The error code, such as `NoSuchUpload`. None if the answer carried no document that could be read.
    pub code: Option<String>,
    /// What the server said, in its words.
    pub message: Option<String>,
    /// The id under which the server remembers the request. None if the answer is not from OSS.
    pub request_id: Option<String>,
    /// The finer error code, such as `0042-00000002`.
    pub ec: Option<String>,
    /// The host that answered, as it calls itself.
    pub host_id: Option<String>,
    /// The host that the error says would be the right one.
    pub endpoint: Option<String>,
    /// The server's clock, from the document or else the header `Date`.
    pub server_time: Option<Timestamp>,
    /// The part that the error is about.
    pub part_number: Option<PartNumber>,
    /// The ETag of a part that is on the server already (sequential mode).
    pub part_etag: Option<ETag>,
    /// A page of the documentation about this error.
    pub recommend_doc: Option<String>,
}

impl OssError {
    /// Reads an error from an answer: from its body, else from the header `x-oss-err`, else from its status alone.
    #[must_use]
    pub fn from_response(response: &Response) -> Self {
        let document = document(response);
        let text = |name: &str| {
            let text = document.as_ref()?.text_of(name)?;
            Some(bounded(text))
        };
        let server_time = text("ServerTime").and_then(|time| Timestamp::parse(&time));
        Self {
            status: response.status().as_u16(),
            code: text("Code"),
            message: text("Message"),
            request_id: text("RequestId").or_else(|| request_id(response)),
            ec: text("EC").or_else(|| header(response, "x-oss-ec")),
            host_id: text("HostId"),
            endpoint: text("Endpoint"),
            server_time: server_time.or_else(|| Timestamp::parse(&header(response, "date")?)),
            part_number: text("PartNumber").and_then(|n| n.parse().ok()),
            part_etag: text("PartEtag").or_else(|| text("PartETag")).and_then(|etag| etag.parse().ok()),
            recommend_doc: text("RecommendDoc"),
        }
    }

    /// What a person can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let ec = self.ec.as_deref();
        Some(match self.code.as_deref()? {
            "SignatureDoesNotMatch" => {
                "The secret is wrong, or something on the way changes the request. With a domain of your own, say so \
                 (addressing style cname)."
            }
            "InvalidAccessKeyId" => {
                "The access key id is unknown or disabled. Temporary keys need their security token, too."
            }
            "SecurityTokenExpired" | "InvalidSecurityToken" | "AccessKeyIdAndSecurityTokenNotMatch" => {
                "The temporary credentials have expired or do not belong together: get new ones, and change all three."
            }
            "AccessDenied" if ec == Some("0003-00001403") => {
                "The bucket is in another region: use the endpoint that the error names."
            }
            "AccessDenied" => {
                "Uploads need the permissions oss:PutObject, oss:ListParts and oss:AbortMultipartUpload on this key."
            }
            "InvalidArgument" if ec == Some("0002-00000226") => {
                "The region is not that of the bucket, or is written with the prefix oss-."
            }
            "NoSuchBucket" => "There is no such bucket at this endpoint: check its name and its region.",
            "PublicEndpointForbidden" => {
                "This account may not use the default public endpoint: bind a domain of your own to the bucket, and \
                 use it with addressing style cname."
            }
            "SecondLevelDomainForbidden" => {
                "The public service wants the bucket in the host: do not use path style."
            }
            "TransferAccelerationDisabled" => "Transfer acceleration is not enabled for this bucket.",
            "RequestTimeTooSkewed" => {
                "The clock of this machine is more than 15 minutes off, and so was the correction."
            }
            "NoSuchUpload" => {
                "The upload was completed, aborted, or deleted by a lifecycle rule of the bucket."
            }
            "UserDisable" | "BucketDisable" => "The account or the bucket is disabled, such as for arrears.",
            "EntityTooSmall" => "A part other than the last is smaller than 100 KiB.",
            "FileAlreadyExists" => "There is an object under this key, and overwriting was forbidden.",
            "KmsServiceNotEnabled" => "KMS is not enabled for this account.",
            "FileImmutable" => "A retention policy of the bucket protects this key.",
            _ => return None,
        })
    }
}

/// `404 NoSuchUpload: The specified upload does not exist. (EC 0042-00000002, request 65A1…)`
impl fmt::Display for OssError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " {code}: {message}")?,
            (Some(code), None) => write!(f, " {code}")?,
            (None, _) => {
                let reason = http::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
                write!(f, " {}", reason.unwrap_or("without an explanation"))?;
            }
        }
        if let Some(endpoint) = &self.endpoint {
            write!(f, " (the right endpoint is {endpoint})")?;
        }
        match (&self.ec, &self.request_id) {
            (Some(ec), Some(id)) => write!(f, " (EC {ec}, request {id})"),
            (None, Some(id)) => write!(f, " (request {id})"),
            (_, None) => f.write_str(" (not from OSS: no request id)"),
        }
    }
}

impl std::error::Error for OssError {}

/// Whether an answer is a success; if not, the error.
///
/// A status of success may carry an error document: 203 when the object is stored and the callback failed, and 200 when
/// the server had to answer before it was done. A 203 without such a document is a 200 that a proxy has touched.
///
/// # Errors
/// The answer is an error.
pub fn check(operation: Operation, response: &Response) -> Result<(), Box<OssError>> {
    let hides_error = || {
        // After these the body may be what an application answered to a callback: by contract JSON, in fact anything.
        let foreign = matches!(operation, Operation::CompleteMultipartUpload | Operation::PutObject);
        document(response).is_some_and(|root| !foreign || root.text_of("Code").is_some())
    };
    if response.status().is_success() && !hides_error() {
        return Ok(());
    }
    Err(Box::new(OssError::from_response(response)))
}

/// The id under which the server remembers the request. None if the answer is not from OSS.
#[must_use]
pub fn request_id(response: &Response) -> Option<String> {
    header(response, "x-oss-request-id")
}

/// How long the server asks to be left alone (`Retry-After`, in seconds or as a date). A date counts from the `Date` of the
/// answer, which every server with a clock sends (RFC 9110): against ours it would be as wrong as our clock. Without
/// one it says nothing.
#[must_use]
pub fn retry_after(response: &Response) -> Option<Duration> {
    let value = header(response, "retry-after")?;
    if value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than there are seconds ask for longer than anybody waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let (until, now) = (Timestamp::parse(&value)?, Timestamp::parse(&header(response, "date")?)?);
    Some(until.since(now))
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty()).map(bounded)
}

/// The error document of an answer, if it has one.
fn document(response: &Response) -> Option<Element> {
    let root = |bytes: &[u8]| {
        let looks_like_xml =
            bytes.trim_ascii_start().starts_with(b"<") || bytes.starts_with(b"\xef\xbb\xbf<");
        if bytes.len() > MAX_DOCUMENT || !looks_like_xml {
            return None;
        }
        xml::parse(bytes).ok().filter(|root| root.name == "Error")
    };
    root(response.body()).or_else(|| {
        let encoded = response.headers().get("x-oss-err")?;
        if encoded.len() > MAX_DOCUMENT {
            return None;
        }
        root(&STANDARD.decode(encoded.as_bytes()).ok()?)
    })
}

fn bounded(text: &str) -> String {
    let kept = text.char_indices().take_while(|(at, _)| *at < MAX_TEXT);
    kept.map(|(_, c)| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>no</Message><EC>0003-00000001</EC>\
        <StringToSign>SECRET-ISH</StringToSign><OSSAccessKeyId>LTAI</OSSAccessKeyId></Error>";

    #[test]
    fn an_error_is_read_from_the_body_or_the_header_or_the_status() {
        let body = OssError::from_response(&answer(403, &[("x-oss-request-id", "R1")], DENIED));
        assert_eq!((body.code.as_deref(), body.request_id.as_deref()), (Some("AccessDenied"), Some("R1")));
        let encoded = STANDARD.encode(DENIED);
        let head = OssError::from_response(&answer(403, &[("x-oss-err", &encoded), ("x-oss-ec", "9")], ""));
        assert_eq!((head.code.as_deref(), head.ec.as_deref()), (Some("AccessDenied"), Some("0003-00000001")));
        let no_document = OssError::from_response(&answer(404, &[("x-oss-ec", "0026-00000001")], ""));
        assert_eq!((no_document.code, no_document.ec.as_deref()), (None, Some("0026-00000001")));
        let bare = OssError::from_response(&answer(502, &[], "<html><body>Bad Gateway</body></html>"));
        assert_eq!((bare.status, bare.code, bare.request_id), (502, None, None));
    }

    fn coded(code: &str, ec: Option<&str>) -> OssError {
        OssError { status: 403, code: Some(code.into()), ec: ec.map(Into::into), ..OssError::default() }
    }

    #[test]
    fn every_error_that_a_person_can_do_something_about_says_what() {
        let hints = [
            ("SignatureDoesNotMatch", None, "secret is wrong"),
            ("InvalidAccessKeyId", None, "unknown or disabled"),
            ("SecurityTokenExpired", None, "get new ones"),
            ("InvalidSecurityToken", None, "get new ones"),
            ("AccessKeyIdAndSecurityTokenNotMatch", None, "get new ones"),
            ("AccessDenied", Some("0003-00001403"), "another region"),
            ("AccessDenied", Some("0003-00000001"), "oss:PutObject"),
            ("InvalidArgument", Some("0002-00000226"), "region"),
            ("NoSuchBucket", None, "no such bucket"),
            ("PublicEndpointForbidden", None, "domain of your own"),
            ("SecondLevelDomainForbidden", None, "path style"),
            ("TransferAccelerationDisabled", None, "not enabled"),
            ("RequestTimeTooSkewed", None, "clock"),
            ("NoSuchUpload", None, "lifecycle rule"),
            ("UserDisable", None, "arrears"),
            ("BucketDisable", None, "arrears"),
            ("EntityTooSmall", None, "100 KiB"),
            ("FileAlreadyExists", None, "overwriting was forbidden"),
            ("KmsServiceNotEnabled", None, "KMS"),
            ("FileImmutable", None, "retention"),
        ];
        for (code, ec, says) in hints {
            let hint = coded(code, ec).hint().unwrap_or_else(|| panic!("{code} {ec:?}"));
            assert!(hint.contains(says), "{code}: {hint}");
        }
        assert_eq!(coded("InvalidArgument", Some("0002-00000001")).hint(), None);
        assert_eq!(coded("InternalError", None).hint(), None);
    }

    #[test]
    fn an_error_is_shown_with_all_that_support_asks_for() {
        let full = OssError {
            message: Some("no".into()),
            request_id: Some("R1".into()),
            endpoint: Some("oss-cn-beijing.aliyuncs.com".into()),
            ..coded("AccessDenied", Some("0003-00000001"))
        };
        let shown = "403 AccessDenied: no (the right endpoint is oss-cn-beijing.aliyuncs.com) (EC 0003-00000001, request R1)";
        assert_eq!(full.to_string(), shown);
        assert_eq!(coded("X", None).to_string(), "403 X (not from OSS: no request id)");
        let bare = OssError { status: 502, request_id: Some("R1".into()), ..OssError::default() };
        assert_eq!(bare.to_string(), "502 Bad Gateway (request R1)");
    }

    #[test]
    fn documents_and_texts_are_read_up_to_their_limits_and_no_further() {
        let document = |len: usize| {
            let document = "<Error><Code>X</Code></Error>";
            format!("{document}{}", " ".repeat(len - document.len()))
        };
        let code = |body: &str| OssError::from_response(&answer(403, &[], body)).code;
        assert_eq!(code(&document(64 << 10)).as_deref(), Some("X"));
        assert_eq!(code(&document((64 << 10) + 1)), None);
        let coded = |len| STANDARD.encode(document(len));
        let in_header = |text: &str| OssError::from_response(&answer(403, &[("x-oss-err", text)], "")).code;
        // Base64 of 48 KiB has just the length that is still read.
        assert_eq!(in_header(&coded(48 << 10)).as_deref(), Some("X"));
        assert_eq!(in_header(&coded((48 << 10) + 1)), None);
        let long = format!("<Error><Code>X</Code><Message>{}</Message></Error>", "m".repeat(5000));
        let message = OssError::from_response(&answer(403, &[], &long)).message;
        assert_eq!(message.map(|message| message.len()), Some(MAX_TEXT));
        assert_eq!(bounded("a\u{7}b\nc"), "a b c");
    }

    #[test]
    fn neither_display_nor_debug_repeats_what_was_signed() {
        let error = OssError::from_response(&answer(403, &[], DENIED));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("SECRET-ISH") && !shown.contains("LTAI"), "{shown}");
    }

    #[test]
    fn an_error_inside_a_success_is_an_error_but_an_application_may_say_anything() {
        let complete = Operation::CompleteMultipartUpload;
        let error = "<Error><Code>InternalError</Code></Error>";
        assert_eq!(
            check(complete, &answer(200, &[], error)).unwrap_err().code.as_deref(),
            Some("InternalError")
        );
        assert!(check(complete, &answer(200, &[], "{\"Error\":{\"Code\":1}}")).is_ok());
        assert!(check(complete, &answer(200, &[], "<Error>the app's own</Error>")).is_ok());
        assert!(check(complete, &answer(203, &[], "<Error><Code>CallbackFailed</Code></Error>")).is_err());
        assert!(check(complete, &answer(203, &[], "")).is_ok(), "a 200 that a proxy has touched");
        assert!(check(Operation::UploadPart, &answer(200, &[], error)).is_err());
        assert!(check(Operation::UploadPart, &answer(200, &[], "<html>hello</html>")).is_ok());
        assert!(check(Operation::UploadPart, &answer(302, &[], "")).is_err());
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        assert_eq!(retry_after(&answer(503, &[("retry-after", "7")], "")), Some(Duration::from_secs(7)));
        let date =
            [("retry-after", "Sat, 16 Dec 2023 16:21:00 GMT"), ("date", "Sat, 16 Dec 2023 16:20:57 GMT")];
        assert_eq!(retry_after(&answer(503, &date, "")), Some(Duration::from_secs(3)));
        assert_eq!(retry_after(&answer(503, &[("retry-after", "soon")], "")), None);
        assert_eq!(retry_after(&answer(503, &date[..1], "")), None, "nobody knows from when");
        for digits in ["99999999999", "99999999999999999999999999"] {
            let asked = retry_after(&answer(503, &[("retry-after", digits)], "")).unwrap();
            assert!(asked >= Duration::from_secs(99_999_999_999), "{asked:?}");
        }
    }
}
