//! The operations of OSS that an upload uses: one file each, with the builder of its unsigned request and the parser of
//! its answer.
//!
//! A parser is given only answers that [`error::check`] has let through.

pub mod abort;
pub mod complete;
pub mod head;
pub mod initiate;
pub mod list_parts;
pub mod list_uploads;
pub mod put;
mod recognize;
pub mod upload_part;

use std::str::FromStr;

use crate::digest::Crc64;
use crate::error;
use crate::part::ETag;
use crate::request::Response;
use crate::xml::{self, Element};

pub use self::recognize::{NotAnUpload, recognize};

/// A success that cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl Malformed {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Whether an answer is from OSS, which gives every request an id. A document or an ETag would show it as well.
fn by_oss(response: &Response) -> Result<(), Malformed> {
    match error::request_id(response) {
        Some(_) => Ok(()),
        None => {
            Err(Malformed::new(format!("{} without a request id is no answer of OSS", response.status())))
        }
    }
}

/// The root element of the document in an answer.
fn document(response: &Response, root: &str) -> Result<Element, Malformed> {
    let document = xml::parse(response.body()).map_err(|error| Malformed::new(error.to_string()))?;
    if document.name == root {
        Ok(document)
    } else {
        Err(Malformed::new(format!("<{root}> was expected, <{}> came", document.name)))
    }
}

/// The text of a child that must be there, read as a `T`.
fn required<T: FromStr>(element: &Element, name: &str) -> Result<T, Malformed> {
    optional(element, name)?.ok_or_else(|| Malformed::new(format!("<{name}> is missing")))
}

/// The text of a child, read as a `T`. One that is there and cannot be read is an error.
fn optional<T: FromStr>(element: &Element, name: &str) -> Result<Option<T>, Malformed> {
    let parse =
        |text: &str| text.parse().map_err(|_| Malformed::new(format!("<{name}> is not what it should be")));
    element.text_of(name).map(parse).transpose()
}

fn header<T: FromStr>(response: &Response, name: &str) -> Option<T> {
    response.headers().get(name)?.to_str().ok()?.trim().parse().ok()
}

fn etag(response: &Response) -> Option<ETag> {
    header(response, "etag")
}

fn crc64(response: &Response) -> Option<Crc64> {
    header(response, "x-oss-hash-crc64ecma")
}

/// A name from a listing: percent-decoded if the document says so. A plus is a plus: OSS writes a blank as `%20`
/// (inferred from SDKs that decode either way; names that come out wrong match nothing and are passed over).
fn name(document: &Element, text: &str) -> String {
    if document.text_of("EncodingType") == Some("url") {
        percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod testing {
    use bytes::Bytes;

    use crate::object::ObjectName;
    use crate::request::{Request, Response};

    pub(super) fn object() -> ObjectName {
        "oss://bucket/key".parse().unwrap()
    }

    pub(super) fn answer(headers: &[(&str, &str)], body: &str) -> Response {
        let mut response = http::Response::builder().status(200);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    /// `METHOD key?query`, for tests to read.
    pub(super) fn line(request: &Request) -> String {
        let query: Vec<_> = request
            .query()
            .iter()
            .map(|(name, value)| value.as_ref().map_or((*name).to_owned(), |value| format!("{name}={value}")))
            .collect();
        format!("{} {}?{}", request.method(), request.key().map_or("", |key| key.as_str()), query.join("&"))
    }
}
