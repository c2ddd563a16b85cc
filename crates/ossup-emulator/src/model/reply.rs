//! Answers: bodies that stream, and the headers that every answer of OSS has.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use ossup_core::digest::Crc64;
use ossup_core::time::Timestamp;

use super::callback::Delivery;
use super::refusal::Refusal;
use super::xml::Xml;
use crate::storage::Reader;

/// The body of an answer, read piece by piece so that an object of any size costs no memory.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Bytes(Bytes),
    Content(Reader),
}

impl Body {
    /// How many bytes are still to come.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kind::Empty => 0,
            Kind::Bytes(bytes) => bytes.len() as u64,
            Kind::Content(reader) => reader.left(),
        }
    }

    /// Whether no bytes are to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next piece; none at the end.
    pub fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.0 {
            Kind::Empty => Ok(None),
            Kind::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
            }
            Kind::Content(reader) => reader.next(),
        }
    }

    /// All of it at once.
    pub fn into_bytes(mut self) -> io::Result<Bytes> {
        if let Kind::Bytes(bytes) = self.0 {
            return Ok(bytes);
        }
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece()? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("len", &self.len()).finish()
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Kind::Bytes(bytes.into()))
    }
}

impl From<Reader> for Body {
    fn from(reader: Reader) -> Self {
        Self(Kind::Content(reader))
    }
}

/// What an operation answers, before the headers that every answer has.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// Differs from that of the body only in answers to HEAD.
    pub(crate) length: Option<u64>,
    /// What is to be sent to an application before the answer.
    pub(crate) delivery: Option<Delivery>,
}

impl Reply {
    pub(crate) fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Body::default(), length: None, delivery: None }
    }

    pub(crate) fn ok() -> Self {
        Self::new(StatusCode::OK)
    }

    /// 200 with a document.
    pub(crate) fn document(root: &str, content: impl FnOnce(&mut Xml)) -> Self {
        let mut reply = Self::ok();
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        reply.body = Xml::document(root, content).into();
        reply
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        // Values come from the emulator or passed as header values before.
        if let Ok(value) = HeaderValue::try_from(value.as_ref().as_bytes()) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// The ETag, in quotes.
    pub(crate) fn etag(self, etag: &str) -> Self {
        self.header("etag", format!("\"{etag}\""))
    }

    pub(crate) fn crc64(self, crc64: Option<Crc64>) -> Self {
        match crc64 {
            Some(crc64) => self.header("x-oss-hash-crc64ecma", crc64.to_string()),
            None => self,
        }
    }
}

/// What every answer repeats.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) request_id: String,
    /// What `HostId` says: the host of the request.
    pub(crate) host: String,
    pub(crate) now: Timestamp,
    pub(crate) is_head: bool,
}

impl Context {
    /// The error document.
    pub(crate) fn error_document(&self, refusal: &Refusal) -> String {
        Xml::document("Error", |xml| {
            xml.text("Code", &refusal.code);
            xml.text("Message", &refusal.message);
            xml.text("RequestId", &self.request_id);
            xml.text("HostId", &self.host);
            for (name, value) in &refusal.details {
                xml.text(name, value);
            }
            if let Some(ec) = &refusal.ec {
                xml.text("EC", ec);
                xml.text("RecommendDoc", format!("https://api.aliyun.com/troubleshoot?q={ec}"));
            }
        })
    }

    /// The reply that a refusal is. An answer to HEAD has no body: the document travels in a header.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Reply {
        let document = self.error_document(refusal);
        let mut reply = Reply::new(refusal.status);
        if let Some(ec) = &refusal.ec {
            reply = reply.header("x-oss-ec", ec);
        }
        for (name, value) in &refusal.headers {
            reply.headers.insert(name, value.clone());
        }
        // Not an error: the classic Python SDK tells it by there being no code.
        if refusal.status == StatusCode::NOT_MODIFIED {
            return reply;
        }
        if self.is_head {
            return reply.header("x-oss-err", STANDARD.encode(document));
        }
        reply.body = document.into();
        reply.header("content-type", "application/xml")
    }

    /// The whole answer.
    pub(crate) fn respond(&self, reply: Reply) -> Response<Body> {
        let mut response = Response::new(reply.body);
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("AliyunOSS"));
        if let Ok(date) = HeaderValue::try_from(self.now.to_http_date()) {
            headers.insert(DATE, date);
        }
        if let Ok(id) = HeaderValue::try_from(&self.request_id) {
            headers.insert("x-oss-request-id", id);
        }
        headers.insert("x-oss-server-time", HeaderValue::from_static("1"));
        headers.extend(reply.headers);
        if self.is_head {
            *response.body_mut() = Body::default();
        }
        let length = reply.length.unwrap_or(response.body().len());
        if reply.status != StatusCode::NO_CONTENT && reply.status != StatusCode::NOT_MODIFIED {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}
