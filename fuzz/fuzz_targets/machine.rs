//! Invariant: whatever comes of its effects, in whatever order, the machine does not panic, counts what is under way, never
//! says more than all, and comes to an end once its server refuses everything.
//!
//! The first bytes of an input choose the job and whether there is a record. Each byte after them chooses an effect that
//! is under way and what comes of it: 0 is what an honest world would say. When the bytes are used up, everything is
//! refused.

#![cfg_attr(fuzzing, no_main)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::StatusCode;
use ossup_core::checkpoint::{Checkpoint, Header, RecordedPart, SourceIdentity};
use ossup_core::digest::{ContentDigest, Crc64, Integrity, Md5};
use ossup_core::options::ObjectOptions;
use ossup_core::part::{ByteRange, PartNumber};
use ossup_core::request::{Operation, PartRequest, Request, Response};
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Answer, Cancel, Changed, Effect, End, Job, Policy, Recheck, Recording, Resume, SourceError, StoreError,
    TransportError, TransportKind, Turn, Unresumable, Upload,
};

ossup_fuzz::target!(target);

const PART: u64 = 102_400;

/// Codes that mean something to the machine, and one that does not.
const ERRORS: [(u16, &str); 24] = [
    (203, "CallbackFailed"),
    (404, "NoSuchUpload"),
    (400, "InvalidPart"),
    (400, "InvalidDigest"),
    (409, "PartAlreadyExist"),
    (409, "PartNotSequential"),
    (409, "FileAlreadyExists"),
    (403, "RequestTimeTooSkewed"),
    (403, "SecurityTokenExpired"),
    (503, "SlowDown"),
    (400, "RequestTimeout"),
    (404, "NoSuchKey"),
    (404, ""),
    (403, "AccessDenied"),
    (403, ""),
    (412, ""),
    (408, ""),
    (429, ""),
    (500, "InternalError"),
    (200, "InternalError"),
    (404, "NoSuchBucket"),
    (301, ""),
    (204, ""),
    (200, ""),
];

fn target(data: &[u8]) {
    let [shape, policy, record, rest @ ..] = data else { return };
    let mut world = World { bytes: rest.iter(), uploads: BTreeMap::new(), state: 0, len: length(*shape) };
    let job = world.job(*shape, *policy);
    let mut upload = match record {
        0..128 => Upload::start(job, 1),
        128..250 => Upload::resume(job, &world.record(*record), 1),
        // Anything at all.
        _ => Upload::resume(job, rest, 1),
    };
    let (mut under_way, mut finished) = (Vec::new(), false);
    while let Some(byte) = world.next() {
        ask(&mut upload, &mut under_way, &mut finished);
        if finished {
            return;
        }
        match byte {
            251 => upload.cancel(Cancel::Keep),
            252 => upload.cancel(Cancel::Discard),
            253 => upload.pause(),
            254 => upload.unpause(),
            255 => world.state = world.state.wrapping_add(1),
            _ if under_way.is_empty() => upload.unpause(),
            _ => {
                let effect: Effect = under_way.remove(usize::from(byte) % under_way.len());
                let what = world.next().unwrap_or_default();
                if what == 255 {
                    upload.abandon(effect.id()).expect("it is under way");
                } else {
                    let answer = world.answer(effect, what);
                    upload.answer(answer).expect("it is under way");
                }
            }
        }
    }
    upload.unpause();
    for _ in 0..2_000 {
        ask(&mut upload, &mut under_way, &mut finished);
        if finished {
            return;
        }
        let answer = refuse(under_way.pop().expect("it waits for something"));
        upload.answer(answer).expect("it is under way");
    }
    panic!("it goes on for ever, at {:?}", upload.goal());
}

/// Everything the machine wants now.
fn ask(upload: &mut Upload, under_way: &mut Vec<Effect>, finished: &mut bool) {
    loop {
        let progress = upload.progress();
        assert!(progress.sent <= progress.total && progress.parts_done <= 10_000);
        assert_eq!(upload.outstanding().count(), under_way.len());
        match upload.turn() {
            Turn::Do(Effect::Stop(id)) => assert!(under_way.iter().any(|effect| effect.id() == id)),
            Turn::Do(effect) => under_way.push(effect),
            Turn::Blocked => return,
            Turn::Finished(outcome) => {
                assert!(under_way.is_empty(), "it ended with effects under way");
                if let End::Completed(_) = outcome.end {
                    assert_eq!(upload.progress().sent, upload.progress().total);
                }
                let _ = format!("{outcome:?} {:?}", upload.notices());
                *finished = true;
                return;
            }
        }
    }
}

/// What the machine deals with, as far as it is honest.
struct World<'a> {
    bytes: std::slice::Iter<'a, u8>,
    uploads: BTreeMap<String, BTreeMap<u16, ContentDigest>>,
    /// Which state the source is in.
    state: u8,
    len: u64,
}

fn length(shape: u8) -> u64 {
    match shape % 8 {
        0 => 0,
        1 => 1,
        2 => PART,
        parts => u64::from(parts) * PART - 7,
    }
}

impl World<'_> {
    fn next(&mut self) -> Option<u8> {
        self.bytes.next().copied()
    }

    fn identity(&self) -> SourceIdentity {
        let len = if self.state & 1 == 0 { self.len } else { self.len + u64::from(self.state) };
        SourceIdentity { modified_ns: Some(self.state.into()), ..SourceIdentity::of_len(len) }
    }

    fn job(&self, shape: u8, bits: u8) -> Job {
        let object = "oss://example-bucket/key".parse().expect("a legal name");
        let mut job = Job::new(object, "host", self.identity(), Timestamp::from_unix(1_705_096_035));
        let pick = |bit: u8| bits & (1 << bit) != 0;
        job.recording = if pick(0) { Recording::Checkpoint } else { Recording::Nowhere };
        job.options = ObjectOptions::new().sequential(shape & 8 != 0).complete_all(shape & 16 != 0);
        job.policy = Policy {
            part_size: PART,
            put_threshold: if shape & 32 != 0 { u64::MAX } else { 0 },
            integrity: match shape >> 6 {
                0 => Integrity::Md5AndCrc,
                1 => Integrity::None,
                _ => Integrity::Crc,
            },
            unresumable: if pick(1) { Unresumable::Fail } else { Unresumable::Restart },
            recheck: if pick(2) { Recheck::Always } else { Recheck::InDoubt },
            resume: if pick(3) { Resume::Adopt } else { Resume::FromCheckpoint },
            changed: match (pick(4), pick(5)) {
                (false, _) => Changed::KeepMatching,
                (true, false) => Changed::Restart,
                (true, true) => Changed::Fail,
            },
            ..Policy::default()
        };
        job.policy.retry.attempts = 1 + u32::from(bits >> 6);
        job
    }

    fn record(&self, bits: u8) -> Vec<u8> {
        let object = "oss://example-bucket/key".parse().expect("a legal name");
        let part_size = if bits & 1 == 0 { PART } else { 5 };
        let begun = if bits & 2 == 0 { 1_705_096_000 } else { i64::MIN };
        let mut checkpoint = Checkpoint::new(Header::new("host", &object, self.identity(), part_size, begun));
        let etag = Md5::of(b"0 0").to_string().parse().expect("an ETag");
        let part = RecordedPart::new(etag, (bits & 4 == 0).then(|| Crc64::of(b"0 0")));
        checkpoint.upload_id = (bits & 8 == 0).then(|| "U0".parse().expect("an upload id"));
        checkpoint.parts.insert(PartNumber::FIRST, part);
        checkpoint.sealed = bits & 16 != 0;
        checkpoint.discarding = bits & 32 != 0;
        checkpoint.write()
    }

    fn digest(&self, range: ByteRange) -> ContentDigest {
        let name = format!("{} {}", self.state, range.offset() / PART);
        let (md5, crc64) = (Some(Md5::of(name.as_bytes())), Some(Crc64::of(name.as_bytes())));
        ContentDigest { len: range.len(), md5, crc64 }
    }

    fn answer(&mut self, effect: Effect, what: u8) -> Answer {
        let lost = |kind| TransportError::new(kind, "lost");
        let kind = match what % 5 {
            0 => TransportKind::Connect,
            1 => TransportKind::Broken,
            2 => TransportKind::Stalled,
            3 => TransportKind::Signing,
            _ => TransportKind::Stopped,
        };
        match effect {
            Effect::Send(ticket, request) => match what {
                0..250 => ticket.responded(self.respond(&request, what, None)),
                _ => ticket.failed(lost(kind)),
            },
            Effect::SendPart(ticket, part) => {
                let sent = self.digest(part.range());
                match what {
                    0..180 => ticket.responded(self.part(&part, what, sent), sent),
                    180..200 => ticket.responded_early(self.part(&part, what - 170, sent)),
                    200..220 => ticket.failed(lost(kind), None),
                    220..240 => ticket.failed(lost(kind), Some(sent)),
                    240..245 => ticket.unreadable(SourceError::Shortened { at: 3 }),
                    _ => ticket.unreadable(SourceError::Io("bad".into())),
                }
            }
            Effect::Save(ticket, _) | Effect::Forget(ticket) if what < 200 => ticket.durable(),
            Effect::Save(ticket, _) | Effect::Forget(ticket) => ticket.failed(StoreError::new("full")),
            Effect::Inspect(ticket) if what < 200 => ticket.found(self.identity()),
            Effect::Inspect(ticket) => ticket.unreadable(SourceError::Io("gone".into())),
            Effect::Hash(ticket, range, _) => match what {
                0..200 => ticket.hashed(self.digest(range)),
                200..220 => ticket.hashed(ContentDigest { len: 1, ..self.digest(range) }),
                220..240 => ticket.unreadable(SourceError::Stopped),
                _ => ticket.unreadable(SourceError::Shortened { at: 1 }),
            },
            Effect::Wait(ticket, _) => ticket.elapsed(),
            Effect::Refresh(ticket, _) if what < 128 => ticket.refreshed(),
            Effect::Refresh(ticket, _) => ticket.refused("no"),
            Effect::Stop(_) => unreachable!("not kept"),
        }
    }

    fn part(&mut self, part: &PartRequest, what: u8, sent: ContentDigest) -> Response {
        let request = part.with_digest(&sent).expect("its own digest");
        self.respond(&request, what, Some(sent))
    }

    /// What a server says that is honest, or mistaken, or not a server at all.
    fn respond(&mut self, request: &Request, what: u8, sent: Option<ContentDigest>) -> Response {
        match what {
            0..10 => self.serve(request, sent),
            // An error, and the work is done; or it is not.
            10..200 => {
                let (status, code) = ERRORS[usize::from(what) % ERRORS.len()];
                if what >= 105 {
                    self.serve(request, sent);
                }
                error(status, code)
            }
            // Whatever comes next, for a document and for headers.
            _ => {
                let len = usize::from(self.next().unwrap_or_default());
                let text: Vec<u8> = self.bytes.by_ref().take(len).copied().collect();
                let mut response = Response::new(text.clone().into());
                for name in
                    ["etag", "x-oss-hash-crc64ecma", "content-length", "retry-after", "date", "x-oss-err"]
                {
                    if let Ok(value) = http::HeaderValue::from_bytes(&text) {
                        response.headers_mut().insert(name, value);
                    }
                }
                response
            }
        }
    }

    fn serve(&mut self, request: &Request, sent: Option<ContentDigest>) -> Response {
        let param = |name: &str| {
            request.query().iter().find(|(other, _)| *other == name).and_then(|(_, value)| value.clone())
        };
        let id = param("uploadId").unwrap_or_default();
        if !id.is_empty() && !self.uploads.contains_key(&id) {
            return error(404, "NoSuchUpload");
        }
        let mut xml = String::new();
        match request.operation() {
            Operation::InitiateMultipartUpload => {
                let id = format!("U{}", self.uploads.len());
                self.uploads.insert(id.clone(), BTreeMap::new());
                let _ = write!(
                    xml,
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                );
            }
            Operation::UploadPart | Operation::PutObject => {
                let sent = sent.expect("a body");
                let number = param("partNumber").and_then(|n| n.parse().ok()).unwrap_or(0);
                self.uploads.entry(id).or_default().insert(number, sent);
                let mut response = Response::new(Bytes::new());
                let etag = sent.md5.expect("computed").to_string();
                response.headers_mut().insert("etag", etag.parse().expect("hexadecimal"));
                return response;
            }
            Operation::ListParts => {
                for (number, part) in &self.uploads[&id] {
                    let (md5, crc) = (part.md5.expect("computed"), part.crc64.expect("computed"));
                    let _ = write!(
                        xml,
                        "<Part><PartNumber>{number}</PartNumber><ETag>\"{md5}\"</ETag><Size>{}</Size>\
                         <HashCrc64ecma>{crc}</HashCrc64ecma></Part>",
                        part.len
                    );
                }
                xml = format!("<ListPartsResult>{xml}</ListPartsResult>");
            }
            Operation::ListMultipartUploads => {
                for id in self.uploads.keys() {
                    let _ = write!(
                        xml,
                        "<Upload><Key>key</Key><UploadId>{id}</UploadId>\
                         <Initiated>2024-01-12T21:47:15.000Z</Initiated></Upload>"
                    );
                }
                xml = format!("<ListMultipartUploadsResult>{xml}</ListMultipartUploadsResult>");
            }
            Operation::CompleteMultipartUpload => {
                self.uploads.remove(&id);
                xml.push_str(
                    "<CompleteMultipartUploadResult><ETag>\"E-1\"</ETag></CompleteMultipartUploadResult>",
                );
            }
            Operation::AbortMultipartUpload => {
                self.uploads.remove(&id);
            }
            _ => return error(404, "NoSuchKey"),
        }
        let mut response = Response::new(xml.into());
        response.headers_mut().insert("x-oss-request-id", http::HeaderValue::from_static("R"));
        response
    }
}

fn error(status: u16, code: &str) -> Response {
    let document = match code {
        "" => String::new(),
        code => {
            format!("<Error><Code>{code}</Code><ServerTime>2024-01-12T21:47:15.000Z</ServerTime></Error>")
        }
    };
    let mut response = Response::new(document.into());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// Nobody wants to have anything to do with it any more.
fn refuse(effect: Effect) -> Answer {
    match effect {
        Effect::Send(ticket, _) => ticket.responded(error(403, "UserDisable")),
        Effect::SendPart(ticket, _) => ticket.responded_early(error(403, "UserDisable")),
        Effect::Save(ticket, _) | Effect::Forget(ticket) => ticket.failed(StoreError::new("read-only")),
        Effect::Inspect(ticket) => ticket.unreadable(SourceError::Io("gone".into())),
        Effect::Hash(ticket, ..) => ticket.unreadable(SourceError::Io("gone".into())),
        Effect::Wait(ticket, _) => ticket.elapsed(),
        Effect::Refresh(ticket, _) => ticket.refused("no"),
        Effect::Stop(_) => unreachable!("not kept"),
    }
}
