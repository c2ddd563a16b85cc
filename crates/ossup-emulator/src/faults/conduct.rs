//! How a connection behaves around one request: what the rules about it come to.

use std::time::Duration;

use http::{HeaderValue, Response};

use super::Action;

/// How the connection behaves around one request. The server obeys it; whoever calls the model directly finds it among
/// the extensions of the response and may.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Conduct {
    /// Silence before the body is read.
    pub stall: Duration,
    /// Silence before the answer.
    pub stall_answer: Duration,
    /// How much of that the answer owns up to, in milliseconds.
    pub(crate) held_back: u64,
    /// The connection is closed after so many bytes of the request's body; nothing is done.
    pub cut_in: Option<u64>,
    /// The connection is closed after so many bytes of the answer's body.
    pub cut_out: Option<u64>,
    /// The connection is closed instead of answering.
    pub lose_answer: bool,
    /// Where the connection is closed instead of answering, it is reset.
    pub reset: bool,
    /// The connection is closed behind the answer, whatever of the request is unread.
    pub close: bool,
    /// How many bytes a second bodies may have.
    pub pace: Option<u64>,
    /// Where a bit of the request's body is flipped.
    pub(crate) corrupt: Option<u64>,
    /// Where a bit of the answer's body is flipped.
    pub(crate) corrupt_answer: Option<u64>,
}

impl Conduct {
    /// Takes in what is about the connection; gives back what is about the answer.
    pub(crate) fn adopt(&mut self, action: Action) -> Option<Action> {
        match action {
            Action::LoseAnswer => self.lose_answer = true,
            Action::CutIn { after } => self.cut_in = Some(after),
            Action::ResetIn { after } => (self.cut_in, self.reset) = (Some(after), true),
            Action::ResetAnswer => (self.lose_answer, self.reset) = (true, true),
            Action::CutOut { after } => self.cut_out = Some(after),
            Action::Stall { millis } => self.stall = self.stall.saturating_add(Duration::from_millis(millis)),
            Action::StallAnswer { millis } => {
                self.stall_answer = self.stall_answer.saturating_add(Duration::from_millis(millis));
            }
            Action::HoldBack { millis } => {
                self.stall_answer = self.stall_answer.saturating_add(Duration::from_millis(millis));
                self.held_back = self.held_back.saturating_add(millis);
            }
            Action::Pace { bytes_per_second } => self.limit(bytes_per_second),
            Action::Corrupt { offset } => self.corrupt = Some(offset),
            Action::CorruptAnswer { offset } => self.corrupt_answer = Some(offset),
            other => return Some(other),
        }
        None
    }

    /// Leaves its marks on the answer, and goes with it.
    pub(crate) fn mark<T>(self, response: &mut Response<T>) {
        if self.held_back > 0 {
            response.headers_mut().insert("x-oss-qos-delay-time", HeaderValue::from(self.held_back));
        }
        response.extensions_mut().insert(self);
    }

    /// Bodies have no more than so many bytes a second, whatever else limits them.
    pub(crate) fn limit(&mut self, bytes_per_second: u64) {
        let limit = bytes_per_second.max(1);
        self.pace = Some(self.pace.map_or(limit, |pace| pace.min(limit)));
    }
}
