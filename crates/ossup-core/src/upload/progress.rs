//! How far an upload has come.

use super::Upload;
use super::effect::EffectId;
use super::emit::Task;
use super::outcome::End;

/// How far an upload has come, in bytes and parts. The bytes never go back, and end at exactly the total. Only a source that
/// turns out to be shorter than it was takes some of them back: with its length the total goes, and nothing counts
/// beyond it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of the source that are sent, those of earlier runs included.
    pub sent: u64,
    /// Bytes of the source.
    pub total: u64,
    /// Of those sent: bytes of parts that earlier runs have sent.
    pub resumed: u64,
    /// Parts the server has acknowledged.
    pub parts_done: u16,
    /// Parts that a later run can go on from: those the server has acknowledged, and those that earlier runs have sent
    /// and that are not compared yet.
    pub parts_kept: u16,
    /// Parts of the source; 0 when it is sent in one request.
    pub parts_total: u16,
    /// Parts in flight.
    pub in_flight: u16,
}

impl Upload {
    /// Tells that so many bytes of the body of this request have gone out so far. Optional, and of no consequence but
    /// for [`progress`](Self::progress).
    pub fn sent(&mut self, id: EffectId, bytes: u64) {
        if id.machine != self.machine {
            return;
        }
        match self.outstanding.get(&id.seq).map(|under_way| &under_way.task) {
            Some(Task::Part(n)) => {
                let n = *n;
                let len = self.facts.attempt.parts.range(n).len();
                if let Some(slot) = self.facts.attempt.slots.get_mut(&n) {
                    slot.sent = bytes.min(len);
                }
            }
            Some(Task::Put) => self.furthest = self.furthest.max(bytes.min(self.facts.source.len)),
            _ => {}
        }
        self.note_progress();
    }

    /// How far the upload has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let attempt = &self.facts.attempt;
        let total = self.facts.source.len;
        let completed = matches!(self.facts.end, Some(End::Completed(_)));
        let sent = if completed { total } else { self.furthest.max(self.bytes_now()).min(total) };
        let small = attempt.id.is_none() && self.facts.is_small();
        Progress {
            sent,
            total,
            resumed: self.facts.report.resumed_bytes,
            parts_done: attempt.parts.done_count(),
            parts_kept: attempt.kept_count(),
            parts_total: if small { 0 } else { attempt.parts.plan().count() },
            in_flight: u16::try_from(attempt.in_flight()).unwrap_or(u16::MAX),
        }
    }

    /// Remembers how far it has come, so that a part that has to be sent again takes nothing back.
    pub(super) fn note_progress(&mut self) {
        self.furthest = self.furthest.max(self.bytes_now());
    }

    fn bytes_now(&self) -> u64 {
        let attempt = &self.facts.attempt;
        attempt.parts.done_bytes() + attempt.slots.values().map(|slot| slot.sent).sum::<u64>()
    }
}
