//! What may come of a request, and how a stopped effect is answered.

use ossup_core::request::Response;
use ossup_core::upload::{Answer, Completed, Effect, End, Failed, Outcome, SourceError, TransportError};

use super::World;

/// Something done to the world.
pub type Deed = Box<dyn FnOnce(&mut World)>;

/// What comes of a request.
pub enum Reply {
    /// What the bucket says.
    Serve,
    /// An error, and nothing is done.
    Refuse(u16, &'static str),
    /// This, and nothing is done.
    Say(Response),
    /// This before the body was read to its end, and nothing is done.
    SayEarly(Response),
    /// It is done, and this comes back in place of the answer.
    DoAndSay(Response),
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// The request is lost on its way, with all of the body sent.
    LoseRequest,
    /// The connection breaks before the body was read to its end.
    BreakBody,
    /// There is no connection.
    NoConnection,
    /// It cannot be signed, for this reason.
    NotSigned(&'static str),
    /// First this happens to the world, then what the bucket says.
    After(Deed),
    /// What the bucket says; then this happens to the world.
    Then(Deed),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Serve => f.write_str("Serve"),
            Self::Refuse(status, code) => write!(f, "Refuse({status}, {code})"),
            Self::Say(response) => write!(f, "Say({})", response.status()),
            Self::SayEarly(response) => write!(f, "SayEarly({})", response.status()),
            Self::DoAndSay(response) => write!(f, "DoAndSay({})", response.status()),
            Self::LoseAnswer => f.write_str("LoseAnswer"),
            Self::LoseRequest => f.write_str("LoseRequest"),
            Self::BreakBody => f.write_str("BreakBody"),
            Self::NoConnection => f.write_str("NoConnection"),
            Self::NotSigned(why) => write!(f, "NotSigned({why})"),
            Self::After(_) => f.write_str("After"),
            Self::Then(_) => f.write_str("Then"),
        }
    }
}

/// The answer to an effect that was ended on request.
///
/// # Panics
/// It is not one that can be.
pub fn stop(effect: Effect) -> Answer {
    match effect {
        Effect::Send(ticket, _) => ticket.failed(TransportError::stopped()),
        Effect::SendPart(ticket, _) => ticket.failed(TransportError::stopped(), None),
        Effect::Hash(ticket, ..) => ticket.unreadable(SourceError::Stopped),
        Effect::Wait(ticket, _) => ticket.elapsed(),
        Effect::Refresh(ticket, _) => ticket.refused("ended on request"),
        other => panic!("{other:?} is nothing that can be stopped"),
    }
}

/// What a completed upload came to.
///
/// # Panics
/// It was not completed.
pub fn completed(outcome: &Outcome) -> &Completed {
    match &outcome.end {
        End::Completed(completed) => completed,
        other => panic!("not completed: {other:?}"),
    }
}

/// What a failed upload came to.
///
/// # Panics
/// It did not fail.
pub fn failed(outcome: &Outcome) -> &Failed {
    match &outcome.end {
        End::Failed(failed) => failed,
        other => panic!("not failed: {other:?}"),
    }
}
