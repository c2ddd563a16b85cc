//! OSS as the explorer needs it: small enough to be copied at every step, and strict enough to notice a wrong request.
//!
//! Content is not bytes here but names of pieces, each with made-up check values that combine as real ones do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::Bytes;
use http::StatusCode;
use ossup_core::digest::{ContentDigest, Crc64, Md5};
use ossup_core::request::{Body, Operation, Request, Response};

/// The size of every part in these worlds, in bytes; only names are kept, so it costs nothing.
pub const PART: u64 = 102_400;

/// A part of a source: which one, and in which state of the source it came to be as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Piece {
    /// The part, from 1.
    pub part: u16,
    /// The state of the source.
    pub state: u8,
    /// Its length, in bytes.
    pub len: u64,
}

impl Piece {
    /// The check values of the piece.
    #[must_use]
    pub fn digest(self) -> ContentDigest {
        let name = [self.part.to_be_bytes()[1], self.state];
        ContentDigest { len: self.len, md5: Some(Md5::of(&name)), crc64: Some(Crc64::of(&name)) }
    }

    /// The ETag of the piece as a part, without quotes.
    #[must_use]
    pub fn etag(self) -> String {
        self.digest().md5.map(|md5| md5.to_string()).unwrap_or_default()
    }
}

/// The CRC-64 of pieces one behind the other.
#[must_use]
pub fn joined(pieces: &[Piece]) -> Crc64 {
    pieces.iter().fold(Crc64::EMPTY, |crc, piece| {
        let digest = piece.digest();
        crc.followed_by(digest.crc64.unwrap_or_default(), digest.len)
    })
}

/// What the service does otherwise than most do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Quirks {
    /// ListParts is denied.
    pub list_denied: bool,
    /// ListMultipartUploads is denied.
    pub uploads_denied: bool,
    /// HeadObject is denied.
    pub head_denied: bool,
    /// HeadObject says no CRC-64.
    pub head_without_crc: bool,
    /// UploadPart is denied.
    pub parts_denied: bool,
    /// CompleteMultipartUpload is denied.
    pub complete_denied: bool,
    /// AbortMultipartUpload is denied.
    pub abort_denied: bool,
    /// Parts are stored as other bytes than those that came, and their answers say so.
    pub parts_damaged: bool,
    /// ListParts says no CRC-64.
    pub list_without_crc: bool,
    /// The callback fails.
    pub callback_fails: bool,
    /// A part that arrives after its upload was aborted brings the upload back.
    pub late_parts_stay: bool,
    /// ETags of parts are made up, each time another one.
    pub opaque_etags: bool,
}

/// A part that is on the service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stored {
    /// What it is.
    pub piece: Piece,
    /// How many parts were stored before it, where that makes a difference.
    nth: usize,
}

/// What the service keeps.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Service {
    /// Unfinished uploads of the key: their parts.
    pub uploads: BTreeMap<u32, BTreeMap<u16, Stored>>,
    /// The object under the key.
    pub object: Option<Vec<Piece>>,
    /// How it differs from others.
    pub quirks: Quirks,
    /// Every object that was ever under the key.
    pub visible: BTreeSet<Vec<Piece>>,
    /// Parts that were stored though the same bytes were there already.
    pub resent: u32,
    /// What was stored, where ETags are made up: by the ETag.
    issued: Vec<Piece>,
    next_id: u32,
    aborted: Vec<u32>,
    /// Uploads that somebody else has begun.
    pub strangers: Vec<u32>,
}

/// A request that broke a rule that no answer can repair.
pub type Violation = String;

impl Service {
    /// A service with these quirks.
    #[must_use]
    pub fn new(quirks: Quirks) -> Self {
        Self { quirks, next_id: 1, ..Self::default() }
    }

    /// Does what the request asks for, with `pieces` as its body, and answers.
    ///
    /// # Errors
    /// The request is one that the machine must never send.
    pub fn handle(&mut self, request: &Request, pieces: &[Piece]) -> Result<Response, Violation> {
        let id = param(request, "uploadId").and_then(|id| id.strip_prefix('U')?.parse::<u32>().ok());
        let forbidden = request.headers().contains_key("x-oss-forbid-overwrite") && self.object.is_some();
        Ok(match request.operation() {
            Operation::InitiateMultipartUpload
            | Operation::CompleteMultipartUpload
            | Operation::PutObject
                if forbidden =>
            {
                error(409, "FileAlreadyExists")
            }
            Operation::InitiateMultipartUpload => {
                let id = self.next_id;
                self.next_id += 1;
                self.uploads.insert(id, BTreeMap::new());
                document(
                    200,
                    &[],
                    &format!(
                        "<InitiateMultipartUploadResult><UploadId>U{id}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            Operation::UploadPart if self.quirks.parts_denied => error(403, "AccessDenied"),
            Operation::UploadPart => self.upload_part(request, id, pieces)?,
            Operation::ListParts if self.quirks.list_denied => error(403, "AccessDenied"),
            Operation::ListParts => self.list_parts(request, id),
            Operation::CompleteMultipartUpload if self.quirks.complete_denied => error(403, "AccessDenied"),
            Operation::CompleteMultipartUpload => self.complete(request, id)?,
            Operation::AbortMultipartUpload if self.quirks.abort_denied => error(403, "AccessDenied"),
            Operation::AbortMultipartUpload => match id.and_then(|id| self.uploads.remove(&id).map(|_| id)) {
                Some(id) => {
                    self.aborted.push(id);
                    document(204, &[], "")
                }
                None => error(404, "NoSuchUpload"),
            },
            Operation::ListMultipartUploads if self.quirks.uploads_denied => error(403, "AccessDenied"),
            Operation::ListMultipartUploads => {
                let mut list = String::new();
                for id in self.uploads.keys() {
                    let _ = write!(
                        list,
                        "<Upload><Key>key</Key><UploadId>U{id}</UploadId><Initiated>2024-01-12T21:47:15.000Z</Initiated></Upload>"
                    );
                }
                document(
                    200,
                    &[],
                    &format!("<ListMultipartUploadsResult>{list}</ListMultipartUploadsResult>"),
                )
            }
            Operation::HeadObject if self.quirks.head_denied => error(403, "AccessDenied"),
            Operation::HeadObject => match &self.object {
                Some(pieces) => {
                    let len = pieces.iter().map(|piece| piece.len).sum::<u64>().to_string();
                    let crc = joined(pieces).to_string();
                    let mut headers = vec![("content-length", len.as_str())];
                    if !self.quirks.head_without_crc {
                        headers.push(("x-oss-hash-crc64ecma", &crc));
                    }
                    document(200, &headers, "")
                }
                None => error(404, "NoSuchKey"),
            },
            Operation::PutObject => {
                self.show(pieces.to_vec());
                let crc = joined(pieces).to_string();
                document(200, &[("x-oss-hash-crc64ecma", &crc)], "")
            }
            other => return Err(format!("{other} is not in this service")),
        })
    }

    /// Whether a part with this ETag, without quotes, is what the piece is.
    #[must_use]
    pub fn is_etag_of(&self, etag: &str, piece: Piece) -> bool {
        match etag.strip_prefix("P-") {
            Some(nth) => nth.parse().is_ok_and(|nth: usize| self.issued.get(nth) == Some(&piece)),
            None => etag == piece.etag(),
        }
    }

    /// Another object is under the key.
    pub fn show(&mut self, object: Vec<Piece>) {
        self.visible.insert(object.clone());
        self.object = Some(object);
    }

    /// Somebody else sends a part of every unfinished upload.
    pub fn intrude(&mut self, piece: Piece) {
        for id in self.uploads.keys().copied().collect::<Vec<_>>() {
            self.store(id, piece);
        }
    }

    /// Somebody else begins an upload of the key, and sends a part that cannot be of the source. Its number.
    pub fn begin_strangers(&mut self) -> Option<u32> {
        let (id, odd) = (self.next_id, Piece { part: 1, state: 201, len: 17 });
        self.next_id += 1;
        self.strangers.push(id);
        self.uploads.insert(id, BTreeMap::new());
        self.store(id, odd);
        Some(id)
    }

    /// Somebody else completes the newest upload with what it has.
    pub fn finish(&mut self) {
        let Some((id, parts)) = self.uploads.pop_last() else { return };
        if parts.is_empty() {
            self.uploads.insert(id, parts);
        } else {
            self.show(parts.into_values().map(|part| part.piece).collect());
        }
    }

    fn store(&mut self, id: u32, piece: Piece) -> Option<Stored> {
        let nth = if self.quirks.opaque_etags { self.issued.len() } else { 0 };
        if self.quirks.opaque_etags {
            self.issued.push(piece);
        }
        self.uploads.get_mut(&id)?.insert(piece.part, Stored { piece, nth })
    }

    fn etag(&self, part: Stored) -> String {
        if self.quirks.opaque_etags { format!("P-{}", part.nth) } else { part.piece.etag() }
    }

    fn upload_part(
        &mut self,
        request: &Request,
        id: Option<u32>,
        pieces: &[Piece],
    ) -> Result<Response, Violation> {
        let number: u16 = param(request, "partNumber").and_then(|n| n.parse().ok()).unwrap_or(0);
        let [piece] = pieces else {
            return Err(format!("part {number} is not one part of the source: {pieces:?}"));
        };
        if piece.part != number {
            return Err(format!("part {number} was sent with the bytes of part {}", piece.part));
        }
        let id = id.unwrap_or(0);
        if self.quirks.late_parts_stay && self.aborted.contains(&id) {
            self.aborted.retain(|other| *other != id);
            self.uploads.insert(id, BTreeMap::new());
        }
        if !self.uploads.contains_key(&id) {
            return Ok(error(404, "NoSuchUpload"));
        }
        let digest = piece.digest();
        let md5 = digest.md5.map(|md5| md5.to_base64()).unwrap_or_default();
        if request.headers().get("content-md5").is_none_or(|sent| sent.as_bytes() != md5.as_bytes()) {
            return Ok(error(400, "InvalidDigest"));
        }
        let piece = if self.quirks.parts_damaged { Piece { state: 202, ..*piece } } else { *piece };
        let digest = piece.digest();
        let before = self.store(id, piece);
        let same = before.is_some_and(|before| before.piece == piece) && !self.quirks.parts_damaged;
        self.resent += u32::from(same);
        let etag = self.uploads.get(&id).and_then(|parts| parts.get(&number)).map(|part| self.etag(*part));
        let etag = format!("\"{}\"", etag.unwrap_or_default());
        let crc = digest.crc64.unwrap_or_default().to_string();
        Ok(document(200, &[("etag", &etag), ("x-oss-hash-crc64ecma", &crc)], ""))
    }

    fn list_parts(&self, request: &Request, id: Option<u32>) -> Response {
        let Some(parts) = id.and_then(|id| self.uploads.get(&id)) else { return error(404, "NoSuchUpload") };
        let after: u16 = param(request, "part-number-marker").and_then(|n| n.parse().ok()).unwrap_or(0);
        let max: usize = param(request, "max-parts").and_then(|n| n.parse().ok()).unwrap_or(1000);
        let mut behind = parts.range(after + 1..);
        let mut list = String::new();
        let mut end = after;
        for (number, part) in behind.by_ref().take(max) {
            let (digest, etag) = (part.piece.digest(), self.etag(*part));
            let _ = write!(
                list,
                "<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag><Size>{}</Size>",
                part.piece.len
            );
            if !self.quirks.list_without_crc {
                let _ = write!(list, "<HashCrc64ecma>{}</HashCrc64ecma>", digest.crc64.unwrap_or_default());
            }
            list.push_str("</Part>");
            end = *number;
        }
        let more = behind.next().is_some();
        let page = format!(
            "<ListPartsResult><IsTruncated>{more}</IsTruncated><NextPartNumberMarker>{end}</NextPartNumberMarker>{list}</ListPartsResult>"
        );
        document(200, &[], &page)
    }

    fn complete(&mut self, request: &Request, id: Option<u32>) -> Result<Response, Violation> {
        let Some((id, parts)) = id.and_then(|id| self.uploads.get(&id).map(|parts| (id, parts))) else {
            return Ok(error(404, "NoSuchUpload"));
        };
        let Body::Inline(body) = request.body() else { return Err("Complete has no list of parts".into()) };
        let body = String::from_utf8_lossy(body);
        let mut object = Vec::new();
        for (index, entry) in body.split("<Part>").skip(1).enumerate() {
            let inner = |tag: &str| {
                let (_, rest) = entry.split_once(&format!("<{tag}>"))?;
                Some(rest.split_once("</")?.0.to_owned())
            };
            let number: u16 = inner("PartNumber").and_then(|n| n.parse().ok()).unwrap_or(0);
            if usize::from(number) != index + 1 {
                return Err(format!("P7: Complete lists part {number} at position {}", index + 1));
            }
            let etag = inner("ETag").unwrap_or_default();
            match parts.get(&number).filter(|part| etag.contains(&self.etag(**part))) {
                Some(part) => object.push(part.piece),
                None => return Ok(error(400, "InvalidPart")),
            }
        }
        self.uploads.remove(&id);
        let crc = joined(&object).to_string();
        self.show(object);
        if self.quirks.callback_fails {
            let headers = [("x-oss-hash-crc64ecma", crc.as_str())];
            return Ok(document(203, &headers, "<Error><Code>CallbackFailed</Code></Error>"));
        }
        let headers = [("x-oss-hash-crc64ecma", crc.as_str())];
        Ok(document(
            200,
            &headers,
            "<CompleteMultipartUploadResult><ETag>\"E-1\"</ETag></CompleteMultipartUploadResult>",
        ))
    }
}

fn param<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query().iter().find(|(other, _)| *other == name).and_then(|(_, value)| value.as_deref())
}

/// An error answer.
#[must_use]
pub fn error(status: u16, code: &str) -> Response {
    document(status, &[], &format!("<Error><Code>{code}</Code></Error>"))
}

fn document(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut response = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers.iter().chain(&[("x-oss-request-id", "R")]) {
        if let (Ok(name), Ok(value)) =
            (http::HeaderName::try_from(*name), http::HeaderValue::try_from(*value))
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
