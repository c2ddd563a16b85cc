//! CompleteMultipartUpload: `POST /key?uploadId=id` with the list of parts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::callback::{Callback, CallbackAnswer};
use crate::digest::{Crc64, Md5};
use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::{ETag, PartNumber, UploadId};
use crate::request::{Body, Operation, Request, Response};

use super::{Malformed, crc64, document, etag, header, optional};

/// How long the server may take: it copies nothing, and still may need minutes for many parts.
const ANSWER_WITHIN: Duration = Duration::from_secs(600);

/// Which parts the object is made of.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'a> {
    /// These. They are sent in ascending order and each once, the last ETag of a number if it has several.
    Listed(&'a [(PartNumber, &'a ETag)]),
    /// All that the server has (`x-oss-complete-all`).
    All,
}

/// What the server says of the object.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Completion {
    /// The ETag of the object.
    pub etag: Option<ETag>,
    /// The CRC-64 of the object.
    pub crc64: Option<Crc64>,
    /// The version of the object, in a bucket with versioning.
    pub version_id: Option<String>,
    /// What the application answered to the callback.
    pub callback_answer: Option<CallbackAnswer>,
}

impl Completion {
    /// What the headers of an answer say of the object.
    #[must_use]
    pub fn from_headers(response: &Response) -> Self {
        Self {
            etag: etag(response),
            crc64: crc64(response),
            version_id: header(response, "x-oss-version-id"),
            callback_answer: None,
        }
    }

    /// What the headers of an answer say whose body proves nothing: it is empty, or with a callback whatever the
    /// application answered. A success that carries neither an ETag nor a request id is that of somebody in between,
    /// such as a login page.
    pub(super) fn without_document(response: &Response, with_callback: bool) -> Result<Self, Malformed> {
        let completion = Self::from_headers(response);
        if completion.etag.is_none() && crate::error::request_id(response).is_none() {
            return Err(Malformed::new("it has neither an ETag nor a request id, so it is not from OSS"));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let callback_answer = with_callback.then(|| CallbackAnswer {
            content_type: content_type.map(str::to_owned),
            body: response.body().clone(),
        });
        Ok(Self { callback_answer, ..completion })
    }
}

/// The request.
#[must_use]
pub fn request(
    object: &ObjectName,
    upload_id: &UploadId,
    parts: Parts<'_>,
    options: &ObjectOptions,
    callback: Option<&Callback>,
) -> Request {
    let request =
        Request::new(Operation::CompleteMultipartUpload, Method::POST, &object.bucket, Some(&object.key))
            .query_param("uploadId", Some(upload_id.to_string()))
            .query_param("encoding-type", Some("url".into()))
            .extend_headers(options.complete_headers())
            .extend_headers(callback.into_iter().flat_map(Callback::headers))
            .answered_within(ANSWER_WITHIN);
    match parts {
        // The body must be empty then, else 400 InvalidArgument, EC 0042-00000216.
        Parts::All => {
            request.header(HeaderName::from_static("x-oss-complete-all"), HeaderValue::from_static("yes"))
        }
        Parts::Listed(parts) => {
            let body = list(parts);
            let request = match HeaderValue::try_from(Md5::of(&body).to_base64()) {
                Ok(md5) => request.header(HeaderName::from_static("content-md5"), md5),
                Err(_) => request,
            };
            request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/xml"))
                .with_body(Body::Inline(body))
        }
    }
}

fn list(parts: &[(PartNumber, &ETag)]) -> Bytes {
    let parts: BTreeMap<_, _> = parts.iter().copied().collect();
    let mut xml = String::with_capacity(64 + parts.len() * 96);
    xml.push_str("<CompleteMultipartUpload>");
    for (number, etag) in parts {
        // As received: quotes are literal in text, and nothing else in an ETag needs to be escaped but these.
        let etag = quick_xml::escape::partial_escape(etag.as_str());
        // Writing to a String cannot fail.
        let _ = write!(xml, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml.into()
}

/// What the server says of the object. `with_callback` says that a callback was asked for: then the body is whatever
/// the application answered.
///
/// # Errors
/// It has no document about a completed upload, where no callback was asked for; or nothing in it is of OSS.
pub fn parse(response: &Response, with_callback: bool) -> Result<Completion, Malformed> {
    if with_callback && response.status() == StatusCode::OK {
        return Completion::without_document(response, true);
    }
    let headers = Completion::from_headers(response);
    let document = document(response, "CompleteMultipartUploadResult")?;
    Ok(Completion { etag: headers.etag.or(optional(&document, "ETag").ok().flatten()), ..headers })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, line, object};
    use super::*;

    #[test]
    fn the_list_is_sent_with_its_md5() {
        let id: UploadId = "A1".parse().unwrap();
        let etag: ETag = "\"3349DC700140D7F86A07848427800001\"".parse().unwrap();
        let parts = [(PartNumber::FIRST, &etag)];
        let request = request(&object(), &id, Parts::Listed(&parts), &ObjectOptions::default(), None);
        assert_eq!(line(&request), "POST key?uploadId=A1&encoding-type=url");
        assert_eq!(request.headers()["content-md5"], "mPOaWFPPM3hwjDYx/bO7iA==");
    }

    #[test]
    fn the_list_is_sent_in_order_and_each_number_once() {
        let (old, new): (ETag, ETag) = ("\"OLD\"".parse().unwrap(), "\"NEW\"".parse().unwrap());
        let [one, two] = [1, 2].map(|n| PartNumber::new(n).unwrap());
        assert_eq!(list(&[(two, &old), (one, &old), (two, &new)]), list(&[(one, &old), (two, &new)]));
    }

    #[test]
    fn an_etag_cannot_break_out_of_its_element() {
        let id: UploadId = "A1".parse().unwrap();
        let etag: ETag = "\"</ETag><Part>&\"".parse().unwrap();
        let parts = [(PartNumber::FIRST, &etag)];
        let request = request(&object(), &id, Parts::Listed(&parts), &ObjectOptions::default(), None);
        let Body::Inline(body) = request.body() else { panic!("the list is the body") };
        let root = crate::xml::parse(body).unwrap();
        assert_eq!(root.children[0].text_of("ETag"), Some("\"</ETag><Part>&\""));
    }

    #[test]
    fn all_parts_are_asked_for_with_an_empty_body() {
        let id: UploadId = "A1".parse().unwrap();
        let request = request(&object(), &id, Parts::All, &ObjectOptions::default(), None);
        assert!(request.body().is_empty());
        assert_eq!(request.headers()["x-oss-complete-all"], "yes");
    }

    #[test]
    fn with_a_callback_the_body_is_the_applications() {
        let response = answer(&[("etag", "\"AB-2\""), ("content-type", "application/json")], "{\"a\":1}");
        let completion = parse(&response, true).unwrap();
        let answer = completion.callback_answer.unwrap();
        assert_eq!(
            (answer.content_type.as_deref(), &answer.body[..]),
            (Some("application/json"), &b"{\"a\":1}"[..])
        );
        assert!(parse(&response, false).is_err());
    }
}
