//! What becomes of a request on its way: drawn when it departs, from what the setting allows.

use fastrand::Rng;
use ossup_core::request::Operation;
use ossup_core::upload::TransportKind;
use ossup_emulator::Action;

use super::setting::Setting;
use super::totals::Fault;

/// How long a sender waits for a server that is silent, in milliseconds.
pub const PATIENCE: u64 = 60_000;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It arrives.
    Arrives(Arrival),
    /// It never arrives, and the sender finds out in this way.
    Never(TransportKind),
}

/// How a request arrives.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// It takes so much longer than usual, in milliseconds.
    pub delay: u64,
    /// So much of its body arrives, as a share of 255.
    pub cut: Option<u8>,
    /// It arrives once more.
    pub twice: bool,
    /// What the service does instead.
    pub twist: Option<Action>,
    /// What becomes of the answer.
    pub answer: AnswerFate,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub enum AnswerFate {
    /// It is delivered.
    #[default]
    Delivered,
    /// It is lost, and the sender finds out in this way.
    Lost(TransportKind),
    /// Its body is cut.
    Truncated,
    /// Another takes its place.
    Replaced(u16, &'static str),
    /// What explains it is lost.
    Stripped,
}

const SERVER_ERRORS: [(u16, &str); 5] = [
    (500, "InternalError"),
    (400, "RequestTimeout"),
    (400, "BadRequest"),
    (400, "IncompleteBody"),
    (501, "NotImplementedToday"),
];
const THROTTLES: [(u16, &str); 4] = [
    (503, "ServiceUnavailable"),
    (503, "SlowDown"),
    (429, "TotalQpsLimitExceeded"),
    (503, "UploadTrafficRateLimitExceeded"),
];
const FINAL: [(u16, &str); 4] =
    [(404, "NoSuchBucket"), (400, "InvalidArgument"), (403, "AccessDenied"), (403, "UserDisable")];
const UNAUTHORIZED: [&str; 4] =
    ["SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId", "RequestTimeTooSkewed"];
const PROXY: [u16; 7] = [502, 503, 504, 408, 429, 200, 407];

/// Draws what becomes of a request. `len` is that of its body.
pub fn draw(setting: &Setting, operation: Operation, len: u64, rng: &mut Rng) -> (Fate, Option<Fault>) {
    let arrives = |arrival: Arrival| Fate::Arrives(arrival);
    let twisted = |action: Action| Fate::Arrives(Arrival { twist: Some(action), ..Arrival::default() });
    let answered = |answer: AnswerFate| Fate::Arrives(Arrival { answer, ..Arrival::default() });
    // An answer to HEAD is rare, and there are rows of the decision table for it alone.
    if operation == Operation::HeadObject && rng.u8(..10) == 0 {
        return (answered(AnswerFate::Stripped), Some(Fault::Stripped));
    }
    let pick = |list: &[(u16, &'static str)], rng: &mut Rng| list[rng.usize(..list.len())];
    let (fate, fault) = match rng.u8(..100) {
        0..8 => (Fate::Never(TransportKind::Connect), Fault::NoConnection),
        8..16 => (Fate::Never(TransportKind::Stalled), Fault::RequestLost),
        16..24 if len > 0 => {
            (arrives(Arrival { cut: Some(rng.u8(..)), ..Arrival::default() }), Fault::BrokenMidBody)
        }
        16..36 => {
            let kind = if rng.bool() { TransportKind::Broken } else { TransportKind::Stalled };
            (answered(AnswerFate::Lost(kind)), Fault::AnswerLost)
        }
        36..42 => {
            let delay = PATIENCE + rng.u64(..10 * PATIENCE);
            let answer = AnswerFate::Lost(TransportKind::Stalled);
            (arrives(Arrival { delay, answer, ..Arrival::default() }), Fault::Late)
        }
        42..48 => (arrives(Arrival { twice: true, ..Arrival::default() }), Fault::Duplicated),
        48..54 => (answered(AnswerFate::Truncated), Fault::AnswerTruncated),
        54..62 if setting.options.is_sequential() && operation == Operation::UploadPart => {
            (twisted(Action::refuse(409, "PartNotSequential")), Fault::ServerError)
        }
        54..62 => {
            let (status, code) = pick(&SERVER_ERRORS, rng);
            (twisted(Action::refuse(status, code)), Fault::ServerError)
        }
        62..67 => (answered(AnswerFate::Replaced(500, "InternalError")), Fault::ErrorAfterWork),
        67..70 => (twisted(Action::ErrorInOk { code: "InternalError".into() }), Fault::ErrorInOk),
        70..76 => {
            let (status, code) = pick(&THROTTLES, rng);
            let retry_after = rng.bool().then(|| rng.u64(1..400));
            (twisted(Action::Refuse { status, code: code.into(), retry_after }), Fault::Throttled)
        }
        76..80 => {
            let code = UNAUTHORIZED[rng.usize(..UNAUTHORIZED.len())];
            (twisted(Action::RefuseEarly { status: 403, code: code.into() }), Fault::Unauthorized)
        }
        80..82 => {
            let (status, code) = pick(&SERVER_ERRORS, rng);
            (twisted(Action::RefuseEarly { status, code: code.into() }), Fault::EarlyRefusal)
        }
        82..84 => {
            let (status, code) = pick(&FINAL, rng);
            (twisted(Action::RefuseEarly { status, code: code.into() }), Fault::FinalError)
        }
        84..90 => {
            let status = PROXY[rng.usize(..PROXY.len())];
            let body = if rng.bool() { "<html><body>Wait a moment</body></html>" } else { "" };
            (twisted(Action::AnswerInstead { status, headers: Vec::new(), body: body.into() }), Fault::Proxy)
        }
        _ if setting.perils.corruption && len > 0 => {
            (twisted(Action::Corrupt { offset: rng.u64(..len) }), Fault::Corrupted)
        }
        _ => return (arrives(Arrival::default()), None),
    };
    (fate, Some(fault))
}
