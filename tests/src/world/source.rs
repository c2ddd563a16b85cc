//! The file that is uploaded: which edit each of its parts is of, and which one its attributes tell of.

use ossup_core::checkpoint::SourceIdentity;

use crate::service::{PART, Piece};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Source {
    pub(super) state: u8,
    /// The state that its attributes tell of.
    pub(super) told: u8,
    /// Which state each part is as it was in.
    pub(super) parts: Vec<u8>,
}

impl Source {
    pub(super) fn edit(&mut self, part: u16) {
        self.state += 1;
        if let Some(entry) = self.parts.get_mut(usize::from(part) - 1) {
            *entry = self.state;
        }
    }

    /// What it is made of.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        (1..=self.parts.len()).filter_map(|part| self.piece(part as u16))
    }

    pub(super) fn piece(&self, part: u16) -> Option<Piece> {
        let state = *self.parts.get(usize::from(part) - 1)?;
        // The last part is short.
        let len = if usize::from(part) == self.parts.len() { PART / 2 } else { PART };
        Some(Piece { part, state, len })
    }
}

pub(super) fn identity(source: &Source) -> SourceIdentity {
    let parts = source.parts.len() as u64;
    SourceIdentity {
        modified_ns: Some(i64::from(source.told)),
        changed_ns: Some(i64::from(source.told)),
        ..SourceIdentity::of_len(parts * PART - PART / 2)
    }
}
