//! What has happened and was not told yet. It waits for whoever asks, but not without end: should nobody ask, the oldest
//! makes room for the newest.

use std::collections::VecDeque;

use super::outcome::Notice;

/// How many notices wait to be told.
const MOST: usize = 256;

/// Notices that were not told yet.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    waiting: VecDeque<Notice>,
    missed: u64,
}

impl News {
    pub(super) fn add(&mut self, notice: Notice) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
            self.missed += 1;
        }
        self.waiting.push_back(notice);
    }

    /// All that waits, after how many were missed.
    pub(super) fn take(&mut self) -> Vec<Notice> {
        let missed = std::mem::take(&mut self.missed);
        let waiting = std::mem::take(&mut self.waiting);
        let missed = (missed > 0).then_some(Notice::Missed { notices: missed });
        missed.into_iter().chain(waiting).collect()
    }
}
