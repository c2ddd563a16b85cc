//! A link in virtual time: how long an upload takes on it, whatever this machine is busy with.
//!
//! All bodies on their way share the bandwidth, no two of them quite equally, or else all would travel in step for ever. A
//! request costs a round trip besides, and a share of the parts breaks half way. Nothing is random but by the seed, so a
//! figure is the same on every run.

#![expect(clippy::cast_precision_loss, reason = "bytes and bits of an emulated link, far from 2^53")]

use std::time::Duration;

use bytes::Bytes;
use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Crc64, Integrity};
use ossup_core::request::{Operation, Response};
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Effect, End, Job, PartTicket, Policy, SendTicket, TransportError, TransportKind, Turn, Upload, WaitTicket,
};

/// What a link is like.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Link {
    /// A round trip.
    pub trip: Duration,
    /// Bits that it carries in a second.
    pub bits: u64,
    /// How many of a thousand parts break.
    pub broken: u64,
}

/// How long something takes.
#[derive(Debug)]
pub struct Run {
    /// From the first turn to the last.
    pub time: Duration,
    /// The most parts that were in flight at once.
    pub peak: usize,
    /// How many parts there were.
    pub parts: u16,
}

enum Flying {
    Part {
        ticket: PartTicket,
        len: u64,
        left: f64,
        /// What it gets of the bandwidth, beside the others.
        weight: f64,
        breaks: bool,
    },
    Wait {
        ticket: WaitTicket,
        until: f64,
    },
    Call {
        ticket: SendTicket,
        response: Response,
        until: f64,
    },
    /// The body has gone out; the answer is on its way, or the news that there will be none.
    Answer {
        ticket: PartTicket,
        len: u64,
        until: f64,
        broken: bool,
    },
}

/// How long an upload of so many bytes takes.
///
/// # Panics
/// It does not complete.
#[must_use]
pub fn upload(link: Link, len: u64, policy: Policy, seed: u64) -> Run {
    let source = SourceIdentity::of_len(len);
    let object = "oss://bucket/key".parse().expect("a legal name");
    let mut job = Job::new(object, "host", source.clone(), Timestamp::from_unix(1_705_096_035));
    job.policy = Policy { put_threshold: 0, integrity: Integrity::Crc, ..policy };
    let mut upload = Upload::start(job, seed);
    let trip = link.trip.as_secs_f64();
    let (mut now, mut peak, mut dice) = (0.0_f64, 0, Dice(seed));
    let mut flying: Vec<Flying> = Vec::new();
    loop {
        upload.passed(Duration::from_secs_f64(now));
        match upload.turn() {
            Turn::Do(Effect::Send(ticket, request)) => {
                flying.push(Flying::Call { ticket, response: said(request.operation()), until: now + trip });
            }
            Turn::Do(Effect::SendPart(ticket, part)) => {
                let len = part.range().len();
                let breaks = dice.next() % 1000 < link.broken;
                let left = if breaks { (len / 2) as f64 } else { len as f64 };
                let weight = 0.7 + (dice.next() % 600) as f64 / 1000.0;
                flying.push(Flying::Part { ticket, len, left, weight, breaks });
                peak = peak.max(
                    flying
                        .iter()
                        .filter(|it| matches!(it, Flying::Part { .. } | Flying::Answer { .. }))
                        .count(),
                );
            }
            Turn::Do(Effect::Wait(ticket, wait)) => {
                flying.push(Flying::Wait { ticket, until: now + wait.as_secs_f64() });
            }
            Turn::Do(Effect::Inspect(ticket)) => {
                upload.answer(ticket.found(source.clone())).expect("asked for");
            }
            Turn::Do(other) => panic!("{other:?} is not called for without a checkpoint"),
            Turn::Blocked => advance(&mut upload, &mut flying, &mut now, link),
            Turn::Finished(outcome) => {
                assert!(matches!(outcome.end, End::Completed(_)), "{outcome:?}");
                let parts = upload.progress().parts_total;
                return Run { time: Duration::from_secs_f64(now), peak, parts };
            }
        }
    }
}

/// Lets time pass until something has arrived.
fn advance(upload: &mut Upload, flying: &mut Vec<Flying>, now: &mut f64, link: Link) {
    let trip = link.trip.as_secs_f64();
    let all: f64 =
        flying.iter().map(|it| if let Flying::Part { weight, .. } = it { *weight } else { 0.0 }).sum();
    let share = |weight: f64| link.bits as f64 / 8.0 * weight / all;
    let due = |it: &Flying| match it {
        Flying::Part { left, weight, .. } => *now + left / share(*weight),
        Flying::Wait { until, .. } | Flying::Call { until, .. } | Flying::Answer { until, .. } => *until,
    };
    let (index, next) = flying
        .iter()
        .map(due)
        .enumerate()
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .expect("something is under way");
    let passed = next - *now;
    for it in flying.iter_mut() {
        if let Flying::Part { left, weight, .. } = it {
            *left -= passed * share(*weight);
        }
    }
    *now = next;
    upload.passed(Duration::from_secs_f64(*now));
    match flying.swap_remove(index) {
        Flying::Part { ticket, len, breaks, .. } => {
            flying.push(Flying::Answer { ticket, len, until: *now + trip, broken: breaks });
        }
        Flying::Answer { ticket, broken: true, .. } => {
            let error = TransportError::new(TransportKind::Broken, "as the link is");
            upload.answer(ticket.failed(error, None)).expect("it is under way");
        }
        Flying::Answer { ticket, len, .. } => {
            let sent = ContentDigest { len, md5: None, crc64: Some(Crc64::of(b"part")) };
            let stored = answer(&[("etag", "\"5EB63BBBE01EEED093CB22BB8F5ACDC3\"")], "");
            upload.answer(ticket.responded(stored, sent)).expect("it is under way");
        }
        Flying::Wait { ticket, .. } => upload.answer(ticket.elapsed()).expect("it is under way"),
        Flying::Call { ticket, response, .. } => {
            upload.answer(ticket.responded(response)).expect("it is under way");
        }
    }
}

fn said(operation: Operation) -> Response {
    match operation {
        Operation::InitiateMultipartUpload => answer(
            &[],
            "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>",
        ),
        // Nothing that was cut off has arrived.
        Operation::ListParts => answer(&[], "<ListPartsResult></ListPartsResult>"),
        _ => answer(&[], "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"),
    }
}

fn answer(headers: &[(&'static str, &'static str)], body: &'static str) -> Response {
    let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
    for (name, value) in headers {
        response.headers_mut().insert(*name, http::HeaderValue::from_static(value));
    }
    response
}

/// Numbers that look random (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
