//! A bucket with one key: what it keeps of real bytes (their check values), and what it answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::StatusCode;
use ossup_core::digest::{ContentDigest, Crc64};
use ossup_core::request::{Body, Operation, Request, Response};
use ossup_core::time::Timestamp;

/// The time by the clock of the server, when a story begins.
pub const NOW: i64 = 1_705_096_035;

/// What the application answers to a callback.
pub const APPLICATION: &str = "{\"Status\":\"OK\", \"n\": 1}";

/// An upload that is not completed.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// When it began.
    pub initiated: i64,
    /// Its parts.
    pub parts: BTreeMap<u16, ContentDigest>,
}

/// An object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    /// Its length, in bytes.
    pub len: u64,
    /// Its CRC-64.
    pub crc64: Crc64,
}

/// What is on the server.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Unfinished uploads of the key.
    pub uploads: BTreeMap<String, Unfinished>,
    /// The object under the key.
    pub object: Option<Object>,
    /// When it was made; none is when the story began.
    pub made: Option<i64>,
    /// ListParts says no CRC-64.
    pub list_without_crc: bool,
    begun: u32,
}

impl Bucket {
    /// Begins an upload, as somebody else would.
    pub fn initiate(&mut self, initiated: i64) -> String {
        self.begun += 1;
        let id = format!("U{}", self.begun);
        self.uploads.insert(id.clone(), Unfinished { initiated, parts: BTreeMap::new() });
        id
    }

    /// The parts of the only unfinished upload.
    ///
    /// # Panics
    /// There is none, or there are several.
    pub fn parts(&mut self) -> &mut BTreeMap<u16, ContentDigest> {
        assert_eq!(self.uploads.len(), 1, "uploads: {:?}", self.uploads.keys());
        &mut self.uploads.values_mut().next().expect("counted").parts
    }

    /// Does what the request asks for, with `sent` as the digest of its body, and answers.
    ///
    /// # Panics
    /// The request is for something that this bucket does not do.
    pub fn handle(&mut self, request: &Request, sent: Option<&ContentDigest>) -> Response {
        let id = param(request, "uploadId").unwrap_or_default().to_owned();
        if !id.is_empty() && !self.uploads.contains_key(&id) {
            return refusal(404, "NoSuchUpload");
        }
        let forbidden = request.headers().contains_key("x-oss-forbid-overwrite") && self.object.is_some();
        match request.operation() {
            Operation::InitiateMultipartUpload
            | Operation::CompleteMultipartUpload
            | Operation::PutObject
                if forbidden =>
            {
                refusal(409, "FileAlreadyExists")
            }
            Operation::InitiateMultipartUpload => {
                let id = self.initiate(NOW);
                let xml = format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                );
                answer(200, &[], &xml)
            }
            Operation::UploadPart => self.upload_part(request, &id, sent),
            Operation::ListParts => self.list_parts(request, &id),
            Operation::CompleteMultipartUpload => self.complete(request, &id),
            Operation::AbortMultipartUpload => {
                self.uploads.remove(&id);
                answer(204, &[], "")
            }
            Operation::ListMultipartUploads => self.list_uploads(),
            Operation::HeadObject => match self.object {
                Some(object) => {
                    let (len, crc) = (object.len.to_string(), object.crc64.to_string());
                    let made = Timestamp::from_unix(self.made.unwrap_or(NOW)).to_http_date();
                    let headers = [
                        ("content-length", &*len),
                        ("x-oss-hash-crc64ecma", &crc),
                        ("etag", "\"H-1\""),
                        ("last-modified", &made),
                    ];
                    answer(200, &headers, "")
                }
                None => refusal(404, "NoSuchKey"),
            },
            Operation::PutObject => self.put(request, sent),
            other => panic!("{other} is not in this bucket"),
        }
    }

    fn upload_part(&mut self, request: &Request, id: &str, sent: Option<&ContentDigest>) -> Response {
        let (Some(sent), Some(upload)) = (sent, self.uploads.get_mut(id)) else {
            return refusal(400, "IncompleteBody");
        };
        if let Some(refusal) = wrong_md5(request, sent) {
            return refusal;
        }
        upload.parts.insert(number(request), *sent);
        stored(sent)
    }

    fn list_parts(&self, request: &Request, id: &str) -> Response {
        let after: u16 = param(request, "part-number-marker").and_then(|n| n.parse().ok()).unwrap_or(0);
        let max: usize = param(request, "max-parts").and_then(|n| n.parse().ok()).unwrap_or(1000);
        let parts = &self.uploads[id].parts;
        let mut xml = String::new();
        let mut last = after;
        for (n, part) in parts.range(after + 1..).take(max) {
            let (md5, crc) = (part.md5.expect("kept"), part.crc64.expect("kept"));
            let _ = write!(
                xml,
                "<Part><PartNumber>{n}</PartNumber><ETag>\"{md5}\"</ETag><Size>{}</Size>",
                part.len
            );
            if !self.list_without_crc {
                let _ = write!(xml, "<HashCrc64ecma>{crc}</HashCrc64ecma>");
            }
            xml.push_str("</Part>");
            last = *n;
        }
        let more = parts.range(last + 1..).next().is_some();
        let xml = format!(
            "<ListPartsResult><IsTruncated>{more}</IsTruncated>\
             <NextPartNumberMarker>{last}</NextPartNumberMarker>{xml}</ListPartsResult>"
        );
        answer(200, &[], &xml)
    }

    fn list_uploads(&self) -> Response {
        let mut xml = "<ListMultipartUploadsResult>".to_owned();
        for (id, upload) in &self.uploads {
            let begun = Timestamp::from_unix(upload.initiated);
            let _ = write!(
                xml,
                "<Upload><Key>dir/key.bin</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>"
            );
        }
        answer(200, &[], &(xml + "</ListMultipartUploadsResult>"))
    }

    fn complete(&mut self, request: &Request, id: &str) -> Response {
        let parts = &self.uploads[id].parts;
        let listed: Vec<(u16, String)> = match request.body() {
            Body::Inline(body) => listed(body),
            _ => parts.iter().map(|(n, part)| (*n, part.md5.expect("kept").to_string())).collect(),
        };
        let mut object = Object { len: 0, crc64: Crc64::EMPTY };
        for (n, etag) in listed {
            let fits = |part: &&ContentDigest| etag.contains(&part.md5.expect("kept").to_string());
            let Some(part) = parts.get(&n).filter(fits) else { return refusal(400, "InvalidPart") };
            object.crc64 = object.crc64.followed_by(part.crc64.expect("kept"), part.len);
            object.len += part.len;
        }
        self.uploads.remove(id);
        (self.object, self.made) = (Some(object), None);
        let xml = "<CompleteMultipartUploadResult><ETag>\"E-1\"</ETag></CompleteMultipartUploadResult>";
        made(request, object, "\"E-1\"", xml)
    }

    fn put(&mut self, request: &Request, sent: Option<&ContentDigest>) -> Response {
        let Some(sent) = sent else { return refusal(400, "IncompleteBody") };
        if let Some(refusal) = wrong_md5(request, sent) {
            return refusal;
        }
        let object = Object { len: sent.len, crc64: sent.crc64.expect("kept") };
        (self.object, self.made) = (Some(object), None);
        made(request, object, &format!("\"{}\"", sent.md5.expect("kept")), "")
    }
}

/// The numbers and ETags in the body of a Complete.
#[must_use]
pub fn listed(body: &Bytes) -> Vec<(u16, String)> {
    let text = String::from_utf8_lossy(body);
    let inner = |entry: &str, tag: &str| {
        let (_, rest) = entry.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once("</")?.0.to_owned())
    };
    text.split("<Part>")
        .skip(1)
        .filter_map(|entry| Some((inner(entry, "PartNumber")?.parse().ok()?, inner(entry, "ETag")?)))
        .collect()
}

/// The answer to a part that is stored.
///
/// # Panics
/// The digest lacks a check value.
#[must_use]
pub fn stored(part: &ContentDigest) -> Response {
    let etag = format!("\"{}\"", part.md5.expect("kept"));
    let crc = part.crc64.expect("kept").to_string();
    answer(200, &[("etag", &etag), ("x-oss-hash-crc64ecma", &crc)], "")
}

fn made(request: &Request, object: Object, etag: &str, body: &str) -> Response {
    let crc = object.crc64.to_string();
    let headers = [("etag", etag), ("x-oss-hash-crc64ecma", &crc), ("x-oss-version-id", "V1")];
    if request.headers().contains_key("x-oss-callback") {
        let headers = [&headers[..], &[("content-type", "application/json")]].concat();
        return answer(200, &headers, APPLICATION);
    }
    answer(200, &headers, body)
}

fn wrong_md5(request: &Request, sent: &ContentDigest) -> Option<Response> {
    let claimed = request.headers().get("content-md5")?;
    let found = sent.md5.expect("kept").to_base64();
    (claimed.as_bytes() != found.as_bytes()).then(|| refusal(400, "InvalidDigest"))
}

/// The part that a request is about; 0 if it is about none.
#[must_use]
pub fn number(request: &Request) -> u16 {
    param(request, "partNumber").and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// A parameter of the query.
#[must_use]
pub fn param<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query().iter().find(|(other, _)| *other == name).and_then(|(_, value)| value.as_deref())
}

/// An error answer of OSS.
#[must_use]
pub fn refusal(status: u16, code: &str) -> Response {
    let xml = format!("<Error><Code>{code}</Code><RequestId>R-{code}</RequestId></Error>");
    answer(status, &[], &xml)
}

/// Any answer.
///
/// # Panics
/// A status or header that cannot be one.
#[must_use]
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut response = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in [("x-oss-request-id", "R-1")].iter().chain(headers) {
        let name = http::HeaderName::try_from(*name).expect("a name");
        response.headers_mut().insert(name, http::HeaderValue::try_from(*value).expect("a value"));
    }
    response
}
