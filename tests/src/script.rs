//! One upload against a script: a closure that answers each request, so that a test reads like a story.

use std::collections::VecDeque;

use bytes::Bytes;
use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Crc64, Md5};
use ossup_core::request::{Request, Response};
use ossup_core::time::Timestamp;
use ossup_core::upload::{Effect, Job, Outcome, Policy, Recording, TransportError, Turn, Upload};

/// The size of the parts in these stories, in bytes.
pub const PART: u64 = 102_400;

/// What a request comes to.
pub type Reply = Result<Response, TransportError>;

/// What was seen of one upload.
#[derive(Debug)]
pub struct Story {
    /// How it ended.
    pub outcome: Outcome,
    /// The requests that were sent, in order.
    pub sent: Vec<Request>,
    /// The waits that were asked for, in milliseconds.
    pub waits: Vec<u128>,
    /// How often something better to sign with was asked for.
    pub refreshes: usize,
    /// Most parts that were in flight at once.
    pub peak: usize,
    /// Bytes sent, each time they were asked for.
    pub progress: Vec<u64>,
    /// The record, if one was left.
    pub record: Option<Vec<u8>>,
}

impl Story {
    /// The names of the operations that were sent, in order.
    #[must_use]
    pub fn operations(&self) -> Vec<&'static str> {
        self.sent.iter().map(|request| request.operation().name()).collect()
    }

    /// How often an operation was sent.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        self.operations().iter().filter(|other| **other == operation).count()
    }
}

/// A job of so many parts, with a checkpoint.
#[must_use]
pub fn job(parts: u64) -> Job {
    let object = "oss://bucket/key".parse().unwrap_or_else(|_| unreachable!("a legal name"));
    let mut job =
        Job::new(object, "host", SourceIdentity::of_len(parts * PART), Timestamp::from_unix(1_705_096_035));
    job.recording = Recording::Checkpoint;
    job.policy = Policy { put_threshold: 0, part_size: PART, ..Policy::default() };
    job
}

/// Runs an upload to its end. Effects are answered in the order in which they were asked for, as many at once as the
/// machine asks for.
///
/// # Panics
/// The machine is blocked with nothing under way, or does not take the answer to an effect it asked for.
pub fn run(mut upload: Upload, record: Option<Vec<u8>>, mut reply: impl FnMut(&Request) -> Reply) -> Story {
    let mut under_way = VecDeque::new();
    let (mut sent, mut waits, mut progress) = (Vec::new(), Vec::new(), Vec::new());
    let (mut refreshes, mut peak, mut record) = (0, 0, record);
    loop {
        match upload.turn() {
            Turn::Do(Effect::Stop(_)) => {}
            Turn::Do(effect) => {
                under_way.push_back(effect);
                let parts = under_way.iter().filter(|effect| matches!(effect, Effect::SendPart(..))).count();
                peak = peak.max(parts);
            }
            Turn::Blocked => {
                let Some(effect) = under_way.pop_front() else { panic!("blocked with nothing under way") };
                let answer = match effect {
                    Effect::Send(ticket, request) => {
                        let reply = reply(&request);
                        sent.push(request);
                        match reply {
                            Ok(response) => ticket.responded(response),
                            Err(error) => ticket.failed(error),
                        }
                    }
                    Effect::SendPart(ticket, part) => {
                        let digest = digest(part.range().len());
                        let Ok(request) = part.with_digest(&digest) else {
                            panic!("the digest is of the range")
                        };
                        upload.sent(ticket.id(), part.range().len() / 2);
                        progress.push(upload.progress().sent);
                        let reply = reply(&request);
                        sent.push(request);
                        match reply {
                            Ok(response) => ticket.responded(response, digest),
                            Err(error) => ticket.failed(error, Some(digest)),
                        }
                    }
                    Effect::Save(ticket, write) => {
                        match write {
                            ossup_core::upload::Write::Replace(bytes) => record = Some(bytes.to_vec()),
                            ossup_core::upload::Write::Append(bytes, _) => {
                                record.get_or_insert_default().extend_from_slice(&bytes);
                            }
                            _ => record = None,
                        }
                        ticket.durable()
                    }
                    Effect::Forget(ticket) => {
                        record = None;
                        ticket.durable()
                    }
                    Effect::Inspect(ticket) => {
                        let total = upload.progress().total;
                        ticket.found(SourceIdentity::of_len(total))
                    }
                    Effect::Hash(ticket, range, _) => ticket.hashed(digest(range.len())),
                    Effect::Wait(ticket, time) => {
                        waits.push(time.as_millis());
                        ticket.elapsed()
                    }
                    Effect::Refresh(ticket, _) => {
                        refreshes += 1;
                        ticket.refreshed()
                    }
                    Effect::Stop(_) => continue,
                };
                upload.answer(answer).unwrap_or_else(|misuse| panic!("{misuse}"));
                progress.push(upload.progress().sent);
            }
            Turn::Finished(outcome) => {
                progress.push(upload.progress().sent);
                return Story { outcome: *outcome, sent, waits, refreshes, peak, progress, record };
            }
        }
    }
}

/// The digest of any range: all parts have the same content.
fn digest(len: u64) -> ContentDigest {
    ContentDigest { len, md5: Some(Md5::of(b"part")), crc64: Some(Crc64::of(b"part")) }
}

/// An answer of a server that does everything right.
#[must_use]
pub fn well(request: &Request) -> Response {
    let etag = format!("\"{}\"", Md5::of(b"part"));
    match request.operation().name() {
        "InitiateMultipartUpload" => answer(
            200,
            &[],
            "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>",
        ),
        "UploadPart" => {
            answer(200, &[("etag", &etag), ("x-oss-hash-crc64ecma", &Crc64::of(b"part").to_string())], "")
        }
        "CompleteMultipartUpload" => answer(
            200,
            &[],
            "<CompleteMultipartUploadResult><ETag>\"E-1\"</ETag></CompleteMultipartUploadResult>",
        ),
        "AbortMultipartUpload" => answer(204, &[], ""),
        "ListParts" => crate::service::error(404, "NoSuchUpload"),
        _ => answer(200, &[("etag", &etag)], ""),
    }
}

/// An answer.
#[must_use]
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut response = http::Response::builder().status(status).header("x-oss-request-id", "R1");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap_or_default()
}
