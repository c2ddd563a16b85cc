//! What many worlds came to: how they ended, what went wrong in them, and what of the machine they have reached.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ossup_core::request::Operation;
use ossup_core::retry::meaning::{TABLE, judge};
use ossup_core::upload::Goal;

use super::source::Edit;

/// Something that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// No connection came about.
    NoConnection,
    /// A request was lost on its way.
    RequestLost,
    /// The connection broke in the middle of a body.
    BrokenMidBody,
    /// The work was done and the answer lost.
    AnswerLost,
    /// A request arrived after its sender had given it up.
    Late,
    /// A request arrived twice.
    Duplicated,
    /// The body of an answer was cut.
    AnswerTruncated,
    /// An error of the server, and nothing done.
    ServerError,
    /// An error of the server, and the work done nevertheless.
    ErrorAfterWork,
    /// An error in an answer of status 200.
    ErrorInOk,
    /// The server wants less.
    Throttled,
    /// An error before the body was read.
    EarlyRefusal,
    /// An error that a repetition does not mend.
    FinalError,
    /// Somebody on the way answers.
    Proxy,
    /// An error document got lost on the way.
    Stripped,
    /// Bytes arrived as others than were sent.
    Corrupted,
    /// The server does not take the signature.
    Unauthorized,
    /// There are no new credentials.
    NoCredentials,
    /// A write to the checkpoint failed.
    DiskFull,
    /// The source could not be read.
    Unreadable,
    /// The process died.
    Crash,
    /// The machine died.
    PowerCut,
    /// The record was damaged where it lay.
    Rot,
    /// The source was overwritten, shortened, extended, touched or replaced.
    Edit,
    /// The user ended the upload early, to keep it.
    Keep,
    /// The user ended the upload early, to discard it.
    Discard,
    /// The user paused the upload.
    Pause,
    /// A rule of the bucket deleted uploads.
    Lifecycle,
    /// Somebody else sent a part of our upload.
    ForeignPart,
    /// Somebody else completed our upload.
    ForeignComplete,
    /// Somebody else put an object under the key.
    ForeignPut,
    /// Somebody else deleted our upload.
    ForeignAbort,
    /// The clock of the machine was changed.
    ClockJump,
    /// The credentials were withdrawn.
    Revoked,
    /// A second process began on the same record.
    Second,
    /// The user wants other attributes of the object than before.
    OtherOptions,
}

impl Fault {
    /// Everything that goes wrong.
    pub const ALL: [Self; 36] = [
        Self::NoConnection,
        Self::RequestLost,
        Self::BrokenMidBody,
        Self::AnswerLost,
        Self::Late,
        Self::Duplicated,
        Self::AnswerTruncated,
        Self::ServerError,
        Self::ErrorAfterWork,
        Self::ErrorInOk,
        Self::Throttled,
        Self::EarlyRefusal,
        Self::FinalError,
        Self::Proxy,
        Self::Stripped,
        Self::Corrupted,
        Self::Unauthorized,
        Self::NoCredentials,
        Self::DiskFull,
        Self::Unreadable,
        Self::Crash,
        Self::PowerCut,
        Self::Rot,
        Self::Edit,
        Self::Keep,
        Self::Discard,
        Self::Pause,
        Self::Lifecycle,
        Self::ForeignPart,
        Self::ForeignComplete,
        Self::ForeignPut,
        Self::ForeignAbort,
        Self::ClockJump,
        Self::Revoked,
        Self::Second,
        Self::OtherOptions,
    ];
}

/// What worlds came to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// How many worlds.
    pub worlds: u64,
    /// Things that happened.
    pub steps: u64,
    /// Runs of the machine.
    pub runs: u64,
    /// Parts that arrived.
    pub parts: u64,
    /// Bytes of bodies that arrived.
    pub bytes: u64,
    /// The most parts of one source.
    pub largest: u64,
    /// The time that passed in the worlds.
    pub time: Duration,
    /// How runs ended.
    pub ends: BTreeMap<String, u64>,
    /// What went wrong.
    pub faults: BTreeMap<Fault, u64>,
    /// How the source was edited.
    pub edits: BTreeMap<Edit, u64>,
    /// What the machine worked on, in turns.
    pub goals: BTreeMap<Goal, u64>,
    /// Answers that a row of the decision table was about.
    pub rows: BTreeMap<usize, u64>,
}

impl Totals {
    /// Adds those of another world.
    pub fn add(&mut self, other: &Self) {
        fn sum<K: Ord + Clone>(all: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
            for (key, count) in more {
                *all.entry(key.clone()).or_default() += count;
            }
        }
        self.worlds += other.worlds;
        self.steps += other.steps;
        self.runs += other.runs;
        self.parts += other.parts;
        self.bytes += other.bytes;
        self.largest = self.largest.max(other.largest);
        self.time += other.time;
        sum(&mut self.ends, &other.ends);
        sum(&mut self.faults, &other.faults);
        sum(&mut self.edits, &other.edits);
        sum(&mut self.goals, &other.goals);
        sum(&mut self.rows, &other.rows);
    }

    /// Notes which row an error answer was about.
    pub fn judged(&mut self, operation: Operation, status: u16, code: Option<&str>) {
        let row = judge(operation, status, code);
        if let Some(index) = TABLE.iter().position(|other| std::ptr::eq(other, row)) {
            *self.rows.entry(index).or_default() += 1;
        }
    }

    /// The rows of the decision table that no answer was about.
    #[must_use]
    pub fn missing_rows(&self) -> Vec<String> {
        let missing = TABLE.iter().enumerate().filter(|(index, _)| !self.rows.contains_key(index));
        missing
            .map(|(index, row)| format!("{index}: {:?} {} {:?}", row.operations, row.status, row.codes))
            .collect()
    }

    /// The goals that were never called for.
    #[must_use]
    pub fn missing_goals(&self) -> Vec<Goal> {
        Goal::ALL.into_iter().filter(|goal| !self.goals.contains_key(goal)).collect()
    }

    /// What never went wrong.
    #[must_use]
    pub fn missing_faults(&self) -> Vec<Fault> {
        Fault::ALL.into_iter().filter(|fault| !self.faults.contains_key(fault)).collect()
    }

    /// The ways in which the source was never edited.
    #[must_use]
    pub fn missing_edits(&self) -> Vec<Edit> {
        Edit::ALL.into_iter().filter(|edit| !self.edits.contains_key(edit)).collect()
    }

    /// Whether everything came up that can.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing_rows().is_empty()
            && self.missing_goals().is_empty()
            && self.missing_faults().is_empty()
            && self.missing_edits().is_empty()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<K: fmt::Debug>(map: &BTreeMap<K, u64>) -> String {
            map.iter()
                .map(|(key, count)| format!("{key:?} {count}"))
                .collect::<Vec<_>>()
                .join(", ")
                .replace('"', "")
        }
        writeln!(
            f,
            "{} worlds, {} steps, {} runs, {} parts of {} MiB, at most {} in one source, {} days",
            self.worlds,
            self.steps,
            self.runs,
            self.parts,
            self.bytes >> 20,
            self.largest,
            self.time.as_secs() / 86_400
        )?;
        writeln!(f, "ends: {}", list(&self.ends))?;
        writeln!(f, "faults: {}", list(&self.faults))?;
        writeln!(f, "edits: {}", list(&self.edits))?;
        writeln!(f, "goals, in turns: {}", list(&self.goals))?;
        writeln!(f, "rows of the decision table, in answers:")?;
        for (index, row) in TABLE.iter().enumerate() {
            let count = self.rows.get(&index).copied().unwrap_or(0);
            let operations: Vec<_> = row.operations.iter().map(|operation| operation.name()).collect();
            let codes = row.codes.first().copied().unwrap_or("any code");
            let more = if row.codes.len() > 1 { ", …" } else { "" };
            writeln!(
                f,
                "  {count:>9}  {} {} {codes}{more}: {:?}",
                if operations.is_empty() { "any".into() } else { operations.join("/") },
                row.status,
                row.meaning
            )?;
        }
        write!(
            f,
            "never called for: {:?}; never met: {:?}; never went wrong: {:?}; never edited so: {:?}",
            self.missing_goals(),
            self.missing_rows(),
            self.missing_faults(),
            self.missing_edits()
        )
    }
}
