//! A link in virtual time: how long an upload takes on it, whatever this machine is busy with.
//!
//! All bodies on their way share the bandwidth, no two of them quite equally, or else all would travel in step for ever. A
//! request costs a round trip besides. Parts may break or stand still half way, a connection may carry less than the
//! link, and the server may refuse what is too much for it. Nothing is random but by the seed, so a figure is the same on
//! every run.

#![expect(clippy::cast_precision_loss, reason = "bytes and bits of an emulated link, far from 2^53")]

use std::time::Duration;

use bytes::Bytes;
use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Crc64, Integrity};
use ossup_core::request::{Operation, Response};
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Answer, Effect, End, Job, PartTicket, Policy, SendTicket, TransportError, TransportKind, Turn, Upload,
    WaitTicket,
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
    /// How many of a thousand parts stand still, until nobody waits any longer.
    pub still: u64,
    /// How many bytes of a connection may be on their way, unacknowledged.
    pub window: u64,
    /// How many parts at once the server admits.
    pub admits: usize,
    /// How many parts are begun before the upload is paused, to go on an hour after nothing is in flight any more.
    pub pause: Option<u32>,
}

impl Link {
    /// A link without troubles: a round trip in milliseconds, and what it carries in Mbit/s.
    #[must_use]
    pub const fn new(millis: u64, mbits: u64) -> Self {
        let bits = mbits * 1_000_000;
        Self {
            trip: Duration::from_millis(millis),
            bits,
            broken: 0,
            still: 0,
            window: u64::MAX,
            admits: usize::MAX,
            pause: None,
        }
    }
}

/// After how many seconds something that stands still is given up.
const PATIENCE: f64 = 30.0;

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

/// What becomes of a part.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Arrives,
    Breaks,
    StandsStill,
    IsRefused,
}

enum Flying {
    Part {
        ticket: PartTicket,
        len: u64,
        left: f64,
        /// What it gets of the bandwidth, beside the others.
        weight: f64,
        fate: Fate,
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
        fate: Fate,
    },
}

impl Flying {
    fn is_part(&self) -> bool {
        matches!(self, Self::Part { .. } | Self::Answer { .. })
    }

    fn is_admitted(&self) -> bool {
        self.is_part() && !matches!(self, Self::Answer { fate: Fate::IsRefused, .. })
    }
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
    let (mut now, mut peak, mut pause, mut dice) = (0.0_f64, 0, link.pause, Dice(seed));
    let mut flying: Vec<Flying> = Vec::new();
    loop {
        upload.passed(Duration::from_secs_f64(now));
        match upload.turn() {
            Turn::Do(Effect::Send(ticket, request)) => {
                flying.push(Flying::Call { ticket, response: said(request.operation()), until: now + trip });
            }
            Turn::Do(Effect::SendPart(ticket, part)) => {
                let len = part.range().len();
                let chance = dice.next() % 1000;
                let weight = 0.7 + (dice.next() % 600) as f64 / 1000.0;
                let admitted = flying.iter().filter(|it| it.is_admitted()).count();
                if admitted >= link.admits {
                    // It asks for nothing of the body.
                    flying.push(Flying::Answer { ticket, len, until: now + trip, fate: Fate::IsRefused });
                } else {
                    let fate = match chance {
                        chance if chance < link.broken => Fate::Breaks,
                        chance if chance < link.broken + link.still => Fate::StandsStill,
                        _ => Fate::Arrives,
                    };
                    let left = if fate == Fate::Arrives { len as f64 } else { (len / 2) as f64 };
                    flying.push(Flying::Part { ticket, len, left, weight, fate });
                }
                pause = pause.map(|parts| parts.saturating_sub(1));
                if pause.take_if(|parts| *parts == 0).is_some() {
                    upload.pause();
                }
                peak = peak.max(flying.iter().filter(|it| it.is_part()).count());
            }
            Turn::Do(Effect::Wait(ticket, wait)) => {
                flying.push(Flying::Wait { ticket, until: now + wait.as_secs_f64() });
            }
            Turn::Do(Effect::Inspect(ticket)) => {
                upload.answer(ticket.found(source.clone())).expect("asked for");
            }
            Turn::Do(other) => panic!("{other:?} is not called for without a checkpoint"),
            Turn::Blocked if flying.is_empty() => {
                now += 3600.0;
                upload.passed(Duration::from_secs_f64(now));
                upload.unpause();
            }
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
    let full = fullness(flying, link);
    let speed = |weight: f64| (weight * full).min(fastest(link));
    let due = |it: &Flying| match it {
        Flying::Part { left, weight, .. } => *now + left / speed(*weight),
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
            *left -= passed * speed(*weight);
        }
    }
    *now = next;
    upload.passed(Duration::from_secs_f64(*now));
    let answer = match flying.swap_remove(index) {
        Flying::Part { ticket, len, fate, .. } => {
            let until = *now + if fate == Fate::StandsStill { PATIENCE } else { trip };
            return flying.push(Flying::Answer { ticket, len, until, fate });
        }
        Flying::Answer { ticket, len, fate, .. } => arrived(ticket, len, fate),
        Flying::Wait { ticket, .. } => ticket.elapsed(),
        Flying::Call { ticket, response, .. } => ticket.responded(response),
    };
    upload.answer(answer).expect("it is under way");
}

/// The most that a connection carries, in bytes a second.
fn fastest(link: Link) -> f64 {
    link.window as f64 / link.trip.as_secs_f64()
}

/// What a part of weight 1 gets of the link, in bytes a second: what others cannot take is shared out among the rest.
fn fullness(flying: &[Flying], link: Link) -> f64 {
    let weights = || {
        flying.iter().filter_map(|it| if let Flying::Part { weight, .. } = it { Some(*weight) } else { None })
    };
    let mut full = 0.0;
    loop {
        let is_full = |weight: f64| weight * full >= fastest(link);
        let at_most = weights().filter(|weight| is_full(*weight)).count() as f64 * fastest(link);
        let rest: f64 = weights().filter(|weight| !is_full(*weight)).sum();
        let more = (link.bits as f64 / 8.0 - if at_most > 0.0 { at_most } else { 0.0 }) / rest;
        if rest == 0.0 || more <= full {
            return full;
        }
        full = more;
    }
}

/// The answer to a part, as its fate is.
fn arrived(ticket: PartTicket, len: u64, fate: Fate) -> Answer {
    let sent = ContentDigest { len, md5: None, crc64: Some(Crc64::of(b"part")) };
    match fate {
        Fate::Arrives => {
            ticket.responded(answer(&[("etag", "\"5EB63BBBE01EEED093CB22BB8F5ACDC3\"")], ""), sent)
        }
        Fate::Breaks => ticket.failed(TransportError::new(TransportKind::Broken, "as the link is"), None),
        Fate::StandsStill => {
            ticket.failed(TransportError::new(TransportKind::Stalled, "as the link is"), None)
        }
        Fate::IsRefused => {
            let mut refusal = answer(&[], "<Error><Code>ServiceUnavailable</Code></Error>");
            *refusal.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            ticket.responded_early(refusal)
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
