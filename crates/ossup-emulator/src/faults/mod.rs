//! Faults as data: rules that say what goes wrong, on which requests, how often. What carries them out lives in the
//! model (refusals, damage) and in the server (everything about the connection).

mod action;
mod conduct;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::model::Operation;

pub use action::Action;
pub use conduct::Conduct;

/// On which requests something goes wrong, and how often.
///
/// ```
/// use ossup_emulator::{Action, Operation, Rule};
/// // The second attempt at part 3 is answered with 503.
/// let rule = Rule::on(Operation::UploadPart, Action::refuse(503, "ServiceUnavailable")).part(3).nth(2);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rule {
    operation: Option<Operation>,
    bucket: Option<String>,
    key: Option<String>,
    part: Option<u16>,
    /// How many matching requests pass before the first that is hit.
    skip: u64,
    /// How many are hit then; none: all.
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

/// A rule as it is read, before it is judged.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    operation: Option<Operation>,
    #[serde(default)]
    bucket: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    part: Option<u16>,
    #[serde(default)]
    skip: u64,
    #[serde(default)]
    times: Option<u64>,
    #[serde(flatten)]
    action: Action,
}

/// What is misspelled, or cannot be carried out, is refused: a rule that lost its condition would hit every request.
impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let given = Map::deserialize(deserializer)?;
        let written = serde_json::from_value(Value::Object(given.clone())).map_err(Error::custom)?;
        let Written { operation, bucket, key, part, skip, times, action } = written;
        let rule = Self { operation, bucket, key, part, skip, times, action };
        rule.action.check().map_err(Error::custom)?;
        // Every field is written, so that what is written of it is all that was known.
        let known = serde_json::to_value(&rule).map_err(Error::custom)?;
        match given.keys().find(|name| known.get(name).is_none()) {
            Some(unknown) => Err(Error::custom(format!("unknown field `{unknown}`"))),
            None => Ok(rule),
        }
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
    fn rules_that_are_misspelled_or_impossible_are_refused() {
        for (text, why) in [
            (r#"{"opration":"UploadPart","do":"lose_answer"}"#, "`opration`"),
            (r#"{"part_number":3,"do":"deny"}"#, "`part_number`"),
            (r#"{"do":"stall","milis":5}"#, "`millis`"),
            (r#"{"do":"stall","millis":5,"seconds":5}"#, "`seconds`"),
            (r#"{"do":"refuse","status":503,"code":"x","retry":1}"#, "`retry`"),
            (r#"{"do":"refuse","status":7,"code":"x"}"#, "7"),
            (r#"{"do":"refuse","status":101,"code":"x"}"#, "101"),
            (r#"{"do":"refuse_early","status":600,"code":"x"}"#, "600"),
            (r#"{"do":"fail_after","status":204,"code":"x"}"#, "no body"),
            (r#"{"do":"answer_instead","status":99}"#, "99"),
            (r#"{"do":"answer_instead","status":204,"body":"x"}"#, "no body"),
            (r#"{"do":"answer_instead","status":200,"headers":[["Bad Name","x"]]}"#, "`Bad Name`"),
            (r#"{"do":"answer_instead","status":200,"headers":[["a","x\ny"]]}"#, "value"),
            (r#"{"do":"nothing"}"#, "`nothing`"),
            (r#"{"operation":"Upload","do":"deny"}"#, "`Upload`"),
            (r#"{"do":"deny","part":70000}"#, "70000"),
            ("[]", "sequence"),
        ] {
            let error = serde_json::from_str::<Rule>(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let instead = r#"{"do":"answer_instead","status":204,"headers":[["Server","x"]]}"#;
        assert!(serde_json::from_str::<Rule>(instead).is_ok());
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
