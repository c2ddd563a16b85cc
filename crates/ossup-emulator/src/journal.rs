//! What was asked and what became of it: a record to assert on.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ossup_core::time::Timestamp;
use serde::{Serialize, Serializer};

use crate::faults::Conduct;
use crate::model::Operation;

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fate {
    /// It was answered. Whether the client got the answer is not known to a server.
    Answered,
    /// The work was done and the answer withheld by a rule.
    AnswerLost,
    /// The connection was closed by a rule while the body was received.
    CutIn,
    /// The answer was cut short by a rule.
    CutOut,
    /// The client went away before the request was complete.
    Abandoned,
}

impl Fate {
    /// What becomes of an answer that is given.
    pub(crate) fn of(conduct: &Conduct) -> Self {
        match (conduct.lose_answer, conduct.cut_out) {
            (true, _) => Self::AnswerLost,
            (false, Some(_)) => Self::CutOut,
            (false, None) => Self::Answered,
        }
    }
}

/// One request.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// The place in the order in which requests arrived, from 1.
    pub number: u64,
    /// When it arrived, by the emulator's clock.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// What was asked for; none where that is not clear.
    pub operation: Option<Operation>,
    /// The HTTP method.
    pub method: String,
    /// The bucket. Names that are longer than names can be are cut.
    pub bucket: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// The part number.
    pub part_number: Option<u16>,
    /// The upload id.
    pub upload_id: Option<String>,
    /// The headers that say how the body comes and how the answer may, by name. What OSS calls its own is signed.
    #[serde(skip)]
    pub headers: Vec<(&'static str, String)>,
    /// Bytes of the body that were received.
    pub received: u64,
    /// The status of the answer; none where the request did not get that far.
    pub status: Option<u16>,
    /// OSS's error code.
    pub code: Option<String>,
    /// The request id.
    pub request_id: String,
    /// What became of it.
    pub fate: Fate,
}

impl Entry {
    /// Whether the work was done: answered with success, or withheld after success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..400).contains(&status)) && self.code.is_none()
    }

    /// How many bytes it takes up.
    fn weight(&self) -> usize {
        let texts = [&self.bucket, &self.key, &self.upload_id, &self.code];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let headers = self.headers.iter().map(|(_, value)| size_of::<(&str, String)>() + value.len());
        size_of::<Self>() + texts + headers.sum::<usize>() + self.method.len() + self.request_id.len()
    }
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// A request that is under way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InFlight {
    /// What is known of it so far.
    pub entry: Entry,
    /// How many bytes of its body were announced.
    pub expected: u64,
    received: Arc<AtomicU64>,
}

impl InFlight {
    /// How many bytes of its body have been received by now.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// All requests in the order in which they were settled, the oldest forgotten beyond a bound. Copies are handles to
/// one journal.
#[derive(Clone, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A request has arrived or was settled.
    changed: Condvar,
}

#[derive(Clone, Default)]
struct State {
    next: u64,
    entries: VecDeque<Entry>,
    /// What the entries take up.
    bytes: usize,
    in_flight: BTreeMap<u64, InFlight>,
    peak: BTreeMap<Operation, usize>,
}

impl Journal {
    /// How many entries are kept, at most.
    pub const KEPT: usize = 200_000;
    /// How many bytes they take up, at most.
    pub const KEPT_BYTES: usize = 128 * 1024 * 1024;

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All entries that are kept.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.state().entries.iter().cloned().collect()
    }

    /// The entries of one operation.
    #[must_use]
    pub fn of(&self, operation: Operation) -> Vec<Entry> {
        self.state().entries.iter().filter(|entry| entry.operation == Some(operation)).cloned().collect()
    }

    /// How many requests of an operation there were.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.state().entries.iter().filter(|entry| entry.operation == Some(operation)).count()
    }

    /// How many requests of an operation were under way at once, at most.
    #[must_use]
    pub fn peak(&self, operation: Operation) -> usize {
        self.state().peak.get(&operation).copied().unwrap_or(0)
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        let mut state = self.state();
        state.entries.clear();
        state.bytes = 0;
        state.peak.clear();
    }

    /// The requests that are under way.
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.state().in_flight.values().cloned().collect()
    }

    /// Waits until so many requests of an operation were answered with success, counted from the beginning; false if
    /// that took longer than `patience`.
    #[must_use]
    pub fn wait_for(&self, operation: Operation, successes: usize, patience: Duration) -> bool {
        let short = |state: &mut State| {
            let done =
                state.entries.iter().filter(|entry| entry.operation == Some(operation) && entry.is_success());
            done.count() < successes
        };
        let waited = self.0.changed.wait_timeout_while(self.state(), patience, short);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits until no request is under way; false if that took longer than `patience`.
    #[must_use]
    pub fn wait_until_idle(&self, patience: Duration) -> bool {
        let busy = |state: &mut State| !state.in_flight.is_empty();
        let waited = self.0.changed.wait_timeout_while(self.state(), patience, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(crate) fn fork(&self) -> Self {
        let state = self.state();
        let in_flight = BTreeMap::new();
        let state = Mutex::new(State { in_flight, ..state.clone() });
        Self(Arc::new(Shared { state, changed: Condvar::new() }))
    }

    /// A request has arrived.
    pub(crate) fn open(&self, mut entry: Entry, expected: u64) -> Exchange {
        let mut state = self.state();
        state.next += 1;
        entry.number = state.next;
        let received = Arc::new(AtomicU64::new(0));
        let flying = InFlight { entry: entry.clone(), received: received.clone(), expected };
        state.in_flight.insert(entry.number, flying);
        if let Some(operation) = entry.operation {
            let now = state.in_flight.values().filter(|f| f.entry.operation == Some(operation)).count();
            let peak = state.peak.entry(operation).or_default();
            *peak = now.max(*peak);
        }
        self.0.changed.notify_all();
        Exchange { entry: Some(entry), received, journal: self.clone() }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("entries", &self.state().entries.len()).finish_non_exhaustive()
    }
}

/// One request under way. It is in the journal once it is settled; dropped before, as abandoned.
pub(crate) struct Exchange {
    entry: Option<Entry>,
    received: Arc<AtomicU64>,
    journal: Journal,
}

impl Exchange {
    pub(crate) fn receive(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The upload id of an upload that this request has just begun.
    pub(crate) fn began_upload(&mut self, id: &str) {
        if let Some(entry) = &mut self.entry {
            entry.upload_id = Some(id.to_owned());
        }
    }

    pub(crate) fn settle(mut self, status: Option<u16>, code: Option<String>, fate: Fate) {
        self.record(status, code, fate);
    }

    fn record(&mut self, status: Option<u16>, code: Option<String>, fate: Fate) {
        let Some(entry) = self.entry.take() else { return };
        let entry = Entry { status, code, fate, received: self.received(), ..entry };
        let mut state = self.journal.state();
        state.in_flight.remove(&entry.number);
        state.bytes += entry.weight();
        state.entries.push_back(entry);
        while state.entries.len() > Journal::KEPT || state.bytes > Journal::KEPT_BYTES {
            let Some(oldest) = state.entries.pop_front() else { break };
            state.bytes -= oldest.weight();
        }
        drop(state);
        self.journal.0.changed.notify_all();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.record(None, None, Fate::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_entries_are_forgotten_earlier_than_short_ones() {
        let journal = Journal::default();
        let entry = Entry {
            number: 0,
            time: Timestamp::from_unix(0),
            operation: None,
            method: "GET".into(),
            bucket: None,
            key: Some("k".repeat(100_000)),
            part_number: None,
            upload_id: None,
            headers: Vec::new(),
            received: 0,
            status: None,
            code: None,
            request_id: String::new(),
            fate: Fate::Abandoned,
        };
        let weight = entry.weight();
        for _ in 0..Journal::KEPT_BYTES / 100_000 + 100 {
            journal.open(entry.clone(), 0).settle(None, None, Fate::Answered);
        }
        let kept = journal.entries().len();
        assert_eq!(kept, Journal::KEPT_BYTES / weight);
        journal.clear();
        journal.open(entry, 0).settle(None, None, Fate::Answered);
        assert_eq!((journal.entries().len(), journal.state().bytes), (1, weight));
    }
}
