//! Requests before they are signed, and the answers to them.
//!
//! A [`Request`] cannot be sent: only [`sign`](crate::sign) turns it into an `http::Request`. So an unsigned request
//! cannot leave by mistake, and no secret can be in one.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

use crate::digest::{ContentDigest, Integrity};
use crate::object::{BucketName, ObjectKey};
use crate::part::{ByteRange, PartNumber};

/// An answer: any status, all headers, and the body, of which a sender reads no more than [`MAX_ANSWER`] bytes.
pub type Response = http::Response<Bytes>;

/// How much of the body of an answer is to be read, in bytes. The largest legitimate one is the answer of an upload
/// callback, for which OSS documents 3 MB.
pub const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// The operations of OSS that an upload uses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// `POST /key?uploads`
    InitiateMultipartUpload,
    /// `PUT /key?partNumber=n&uploadId=id`
    UploadPart,
    /// `GET /key?uploadId=id`
    ListParts,
    /// `POST /key?uploadId=id`
    CompleteMultipartUpload,
    /// `DELETE /key?uploadId=id`
    AbortMultipartUpload,
    /// `GET /?uploads`
    ListMultipartUploads,
    /// `HEAD /key`
    HeadObject,
    /// `PUT /key`
    PutObject,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 8] = [
        Self::InitiateMultipartUpload,
        Self::UploadPart,
        Self::ListParts,
        Self::CompleteMultipartUpload,
        Self::AbortMultipartUpload,
        Self::ListMultipartUploads,
        Self::HeadObject,
        Self::PutObject,
    ];

    /// The name that OSS's documentation uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InitiateMultipartUpload => "InitiateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::ListParts => "ListParts",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::HeadObject => "HeadObject",
            Self::PutObject => "PutObject",
        }
    }

    /// The permission (RAM action) that the operation needs.
    #[must_use]
    pub const fn permission(self) -> &'static str {
        match self {
            Self::InitiateMultipartUpload
            | Self::UploadPart
            | Self::CompleteMultipartUpload
            | Self::PutObject => "oss:PutObject",
            Self::ListParts => "oss:ListParts",
            Self::AbortMultipartUpload => "oss:AbortMultipartUpload",
            Self::ListMultipartUploads => "oss:ListMultipartUploads",
            Self::HeadObject => "oss:GetObject",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What goes behind the headers of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// These bytes.
    Inline(Bytes),
    /// These bytes of the source.
    Source(ByteRange),
}

impl Body {
    /// How many bytes the body has.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Source(range) => range.len(),
        }
    }

    /// Whether the body has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A request that is not signed yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    operation: Operation,
    method: Method,
    bucket: BucketName,
    key: Option<ObjectKey>,
    query: Vec<(&'static str, Option<String>)>,
    headers: HeaderMap,
    body: Body,
    expects_continue: bool,
    answer_within: Duration,
}

/// How long a server may stay silent once it has the whole request.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How much of a body may be on its way when its sender has handed on the last byte: it is then in the buffers of an HTTP
/// library, of the system and of the line, and nobody sees it leave them. In bytes.
const IN_BUFFERS: u64 = 1 << 20;

/// As slow as a connection may be and be waited for, in bytes per second: a quarter of 64 kbit/s, which four parts share.
const SLOWEST: u64 = 2 << 10;

impl Request {
    pub(crate) fn new(
        operation: Operation,
        method: Method,
        bucket: &BucketName,
        key: Option<&ObjectKey>,
    ) -> Self {
        Self {
            operation,
            method,
            bucket: bucket.clone(),
            key: key.cloned(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Body::Empty,
            expects_continue: false,
            answer_within: ANSWER_WITHIN,
        }
    }

    /// Adds a query parameter; `None` is a bare name.
    pub(crate) fn query_param(mut self, name: &'static str, value: Option<String>) -> Self {
        self.query.push((name, value));
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn extend_headers(
        mut self,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(crate) fn with_body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn answered_within(mut self, patience: Duration) -> Self {
        self.answer_within = patience;
        self
    }

    pub(crate) fn expecting_continue(mut self, expects: bool) -> Self {
        self.expects_continue = expects;
        self
    }

    /// Which operation this is.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    /// The key; none when the request is about the bucket.
    #[must_use]
    pub fn key(&self) -> Option<&ObjectKey> {
        self.key.as_ref()
    }

    /// The query parameters, not encoded; `None` is a bare name.
    #[must_use]
    pub fn query(&self) -> &[(&'static str, Option<String>)] {
        &self.query
    }

    /// The headers of the operation. Those that carry the signature, `Host` and `Content-Length` come with signing.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Whether the server should be asked (`Expect: 100-continue`) before the body is sent. Advice: a stack that
    /// cannot do it sends the body at once.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// How long the server may stay silent once the last byte of the request was handed to the connection, before the
    /// exchange counts as failed. What was handed over has not arrived: of a body the time is in this that its end takes
    /// over a slow line.
    #[must_use]
    pub fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// The value of `Content-Length`, for methods that have a body.
    pub(crate) fn content_length(&self) -> Option<(HeaderName, HeaderValue)> {
        let has_body = matches!(self.method, Method::PUT | Method::POST);
        has_body.then(|| (CONTENT_LENGTH, HeaderValue::from(self.body.len())))
    }
}

/// A request whose body is a range of the source. It becomes a [`Request`] only for whoever has read that range and
/// can say what its digest is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartRequest {
    request: Request,
    range: ByteRange,
    integrity: Integrity,
}

impl PartRequest {
    pub(crate) fn new(request: Request, range: ByteRange, integrity: Integrity) -> Self {
        let on_its_way = Duration::from_secs(range.len().min(IN_BUFFERS) / SLOWEST);
        let patience = request.answer_within + on_its_way;
        let request = request.answered_within(patience).with_body(Body::Source(range));
        Self { request, range, integrity }
    }

    pub(crate) fn expecting_continue(self, expects: bool) -> Self {
        Self { request: self.request.expecting_continue(expects), ..self }
    }

    /// The bytes of the source that are the body.
    #[must_use]
    pub fn range(&self) -> ByteRange {
        self.range
    }

    /// Which check values the reader of the range must compute. MD5 is needed before the headers go; CRC-64 may be
    /// computed while the bytes are sent.
    #[must_use]
    pub fn integrity(&self) -> Integrity {
        self.integrity
    }

    /// Which operation this is: UploadPart or PutObject.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.request.operation
    }

    /// Which part it is; none of a PutObject.
    #[must_use]
    pub fn part_number(&self) -> Option<PartNumber> {
        let (_, value) = self.request.query.iter().find(|(name, _)| *name == "partNumber")?;
        value.as_ref()?.parse().ok().and_then(PartNumber::new)
    }

    /// The request, with the `Content-MD5` of `digest` where the integrity mode asks for one.
    ///
    /// # Errors
    /// The digest is of another number of bytes, or lacks an MD5 that must be sent.
    pub fn with_digest(&self, digest: &ContentDigest) -> Result<Request, DigestMismatch> {
        if digest.len != self.range.len() {
            return Err(DigestMismatch::Length { expected: self.range.len(), found: digest.len });
        }
        let request = self.request.clone();
        if self.integrity != Integrity::Md5AndCrc {
            return Ok(request);
        }
        let md5 = digest.md5.ok_or(DigestMismatch::NoMd5)?;
        let value = HeaderValue::try_from(md5.to_base64()).map_err(|_| DigestMismatch::NoMd5)?;
        Ok(request.header(HeaderName::from_static("content-md5"), value))
    }

    /// The request for a reader that computes no digest before sending. Only for integrity modes without MD5.
    ///
    /// # Errors
    /// The integrity mode asks for an MD5.
    pub fn without_digest(&self) -> Result<Request, DigestMismatch> {
        if self.integrity == Integrity::Md5AndCrc {
            Err(DigestMismatch::NoMd5)
        } else {
            Ok(self.request.clone())
        }
    }
}

/// A digest that does not belong to the request it was given to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DigestMismatch {
    /// It was computed over another number of bytes.
    #[error("the digest is of {found} bytes, the request has {expected}")]
    Length {
        /// Bytes of the request.
        expected: u64,
        /// Bytes that were digested.
        found: u64,
    },
    /// The request must carry an MD5 and the digest has none.
    #[error("the request must carry the MD5 of its body")]
    NoMd5,
}
