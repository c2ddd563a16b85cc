//! Faults as data: rules that say what goes wrong, on which requests, how often. What carries them out lives in the
//! model (refusals, damage) and in the server (everything about the connection).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Operation;

/// What goes wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// The body is read, nothing is done, the answer is an error.
    Refuse {
        /// The status.
        status: u16,
        /// OSS's code.
        code: String,
        /// The value of `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// As [`Refuse`](Self::Refuse), but before any of the body is read, and the connection is closed behind it.
    RefuseEarly {
        /// The status.
        status: u16,
        /// OSS's code.
        code: String,
    },
    /// 403 `AccessDenied`, as when the policy of the caller lacks the operation.
    Deny,
    /// The body is read, nothing is done, somebody else answers: a proxy's page, nothing at all, XML that is cut off.
    AnswerInstead {
        /// The status.
        status: u16,
        /// The headers; none of OSS's are added.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// The work is done, and the answer is an error nevertheless.
    FailAfter {
        /// The status.
        status: u16,
        /// OSS's code.
        code: String,
    },
    /// Nothing is done, the status is 200, and the body is an `<Error>`.
    ErrorInOk {
        /// OSS's code.
        code: String,
    },
    /// The work is done and the connection closed without an answer.
    LoseAnswer,
    /// The connection is closed when so many bytes of the body have been received; nothing is done.
    CutIn {
        /// Bytes of the body.
        after: u64,
    },
    /// The work is done; the connection is closed when so many bytes of the answer's body have been sent.
    CutOut {
        /// Bytes of the body.
        after: u64,
    },
    /// As [`CutIn`](Self::CutIn), but the client meets a reset (RST) where an orderly end would be: what the network
    /// has not delivered yet is lost.
    ResetIn {
        /// Bytes of the body.
        after: u64,
    },
    /// The work is done and the connection reset (RST) instead of an answer.
    ResetAnswer,
    /// Silence before the body is read.
    Stall {
        /// How long, in milliseconds.
        millis: u64,
    },
    /// Silence between the work and the answer.
    StallAnswer {
        /// How long, in milliseconds.
        millis: u64,
    },
    /// Bodies come and go no faster than this.
    Pace {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// A bit of the received body is flipped before the server sees it.
    Corrupt {
        /// The position of the byte.
        offset: u64,
    },
    /// A bit of the answer's body is flipped.
    CorruptAnswer {
        /// The position of the byte.
        offset: u64,
    },
}

impl Action {
    /// An error answer, the request not being done.
    #[must_use]
    pub fn refuse(status: u16, code: impl Into<String>) -> Self {
        Self::Refuse { status, code: code.into(), retry_after: None }
    }

    /// An error answer in spite of the work being done.
    #[must_use]
    pub fn fail_after(status: u16, code: impl Into<String>) -> Self {
        Self::FailAfter { status, code: code.into() }
    }
}

/// On which requests something goes wrong, and how often.
///
/// ```
/// use ossup_emulator::{Action, Operation, Rule};
/// // The second attempt at part 3 is answered with 503.
/// let rule = Rule::on(Operation::UploadPart, Action::refuse(503, "ServiceUnavailable")).part(3).nth(2);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rule {
    #[serde(default)]
    operation: Option<Operation>,
    #[serde(default)]
    bucket: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    part: Option<u16>,
    /// How many matching requests pass before the first that is hit.
    #[serde(default)]
    skip: u64,
    /// How many are hit then; none: all.
    #[serde(default)]
    times: Option<u64>,
    #[serde(flatten)]
    action: Action,
}

impl Rule {
    /// On every request.
    #[must_use]
    pub fn always(action: Action) -> Self {
        Self { operation: None, bucket: None, key: None, part: None, skip: 0, times: None, action }
    }

    /// On every request of one operation.
    #[must_use]
    pub fn on(operation: Operation, action: Action) -> Self {
        Self { operation: Some(operation), ..Self::always(action) }
    }

    /// Only on this bucket.
    #[must_use]
    pub fn bucket(self, bucket: impl Into<String>) -> Self {
        Self { bucket: Some(bucket.into()), ..self }
    }

    /// Only on this key.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Only on this part number.
    #[must_use]
    pub fn part(self, number: u16) -> Self {
        Self { part: Some(number), ..self }
    }

    /// Only the `n`th request that matches, counted from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        Self { skip: n.saturating_sub(1), times: Some(1), ..self }
    }

    /// Not the first `skip` requests that match.
    #[must_use]
    pub fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Only so many times.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    fn matches(&self, probe: &Probe<'_>) -> bool {
        fn is<T: PartialEq<U>, U: ?Sized>(wanted: Option<&T>, found: Option<&U>) -> bool {
            wanted.is_none_or(|wanted| found.is_some_and(|found| wanted == found))
        }
        is(self.operation.as_ref(), probe.operation.as_ref())
            && is::<String, str>(self.bucket.as_ref(), probe.bucket)
            && is::<String, str>(self.key.as_ref(), probe.key)
            && is(self.part.as_ref(), probe.part.as_ref())
    }
}

/// What a rule looks at.
pub(crate) struct Probe<'a> {
    pub(crate) operation: Option<Operation>,
    pub(crate) bucket: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) part: Option<u16>,
}

/// Names a rule that was added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RuleId(u64);

impl RuleId {
    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }
}

#[derive(Clone, Debug)]
struct Counted {
    id: RuleId,
    rule: Rule,
    matched: u64,
    hits: u64,
}

/// The rules in force. Copies are handles to the same rules.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    next: u64,
    rules: Vec<Counted>,
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a rule in force. Of several rules that hit one request all apply; of several that say what is answered,
    /// the first added.
    #[allow(clippy::must_use_candidate, reason = "the id is for those who take the rule back")]
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut state = self.state();
        let id = RuleId(state.next);
        state.next += 1;
        state.rules.push(Counted { id, rule, matched: 0, hits: 0 });
        id
    }

    /// Removes a rule; false if it was not there.
    #[allow(clippy::must_use_candidate, reason = "that the rule is gone is what the caller wants")]
    pub fn remove(&self, id: RuleId) -> bool {
        let mut state = self.state();
        let before = state.rules.len();
        state.rules.retain(|counted| counted.id != id);
        state.rules.len() < before
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// How many requests a rule has hit; none if there is no such rule.
    #[must_use]
    pub fn hits(&self, id: RuleId) -> Option<u64> {
        self.state().rules.iter().find(|counted| counted.id == id).map(|counted| counted.hits)
    }

    /// The rules in force, with how many requests each has hit.
    #[must_use]
    pub fn list(&self) -> Vec<(RuleId, Rule, u64)> {
        self.state().rules.iter().map(|counted| (counted.id, counted.rule.clone(), counted.hits)).collect()
    }

    pub(crate) fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// What happens to a request, in the order in which the rules were added.
    pub(crate) fn strike(&self, probe: &Probe<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        for counted in &mut self.state().rules {
            if counted.rule.matches(probe) {
                counted.matched += 1;
                let past = counted.matched > counted.rule.skip;
                if past && counted.rule.times.is_none_or(|times| counted.hits < times) {
                    counted.hits += 1;
                    actions.push(counted.rule.action.clone());
                }
            }
        }
        actions
    }
}

/// How the connection behaves around one request. The server obeys it; whoever calls the model directly finds it among
/// the extensions of the response and may.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Conduct {
    /// Silence before the body is read.
    pub stall: Duration,
    /// Silence before the answer.
    pub stall_answer: Duration,
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
            Action::Stall { millis } => self.stall += Duration::from_millis(millis),
            Action::StallAnswer { millis } => self.stall_answer += Duration::from_millis(millis),
            Action::Pace { bytes_per_second } => self.limit(bytes_per_second),
            Action::Corrupt { offset } => self.corrupt = Some(offset),
            Action::CorruptAnswer { offset } => self.corrupt_answer = Some(offset),
            other => return Some(other),
        }
        None
    }

    /// Bodies have no more than so many bytes a second, whatever else limits them.
    pub(crate) fn limit(&mut self, bytes_per_second: u64) {
        let limit = bytes_per_second.max(1);
        self.pace = Some(self.pace.map_or(limit, |pace| pace.min(limit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16) -> Probe<'static> {
        Probe {
            operation: Some(Operation::UploadPart),
            bucket: Some("b"),
            key: Some("k"),
            part: Some(number),
        }
    }

    #[test]
    fn a_rule_hits_the_request_it_names_and_no_other() {
        let faults = Faults::default();
        let id = faults.add(Rule::on(Operation::UploadPart, Action::LoseAnswer).part(3).nth(2));
        assert!(faults.strike(&part(3)).is_empty());
        assert!(faults.strike(&part(2)).is_empty());
        assert_eq!(faults.strike(&part(3)), [Action::LoseAnswer]);
        assert!(faults.strike(&part(3)).is_empty());
        assert_eq!(faults.hits(id), Some(1));
    }

    #[test]
    fn forked_rules_count_on_their_own() {
        let faults = Faults::default();
        faults.add(Rule::always(Action::Deny).times(1));
        let fork = faults.fork();
        assert_eq!(faults.strike(&part(1)), [Action::Deny]);
        assert_eq!(fork.strike(&part(1)), [Action::Deny]);
        assert!(faults.strike(&part(1)).is_empty());
    }

    #[test]
    fn rules_are_written_as_json() {
        let text =
            r#"{"operation":"UploadPart","part":3,"times":1,"do":"refuse","status":503,"code":"Busy"}"#;
        let rule: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(rule, Rule::on(Operation::UploadPart, Action::refuse(503, "Busy")).part(3).times(1));
        let again: Rule = serde_json::from_str(&serde_json::to_string(&rule).unwrap()).unwrap();
        assert_eq!(again, rule);
    }
}
