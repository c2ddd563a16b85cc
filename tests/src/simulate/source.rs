//! A file that costs a few bytes for each block: what is in a block follows from a number.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use fastrand::Rng;
use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Hasher, Integrity};
use ossup_core::part::ByteRange;

use super::setting::Tells;

/// The size of a block. Parts begin anywhere in one.
const BLOCK: u64 = 32 * 1024;

/// Where the content of all blocks is taken from: block `n` begins at byte `n`.
static NOISE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut rng = Rng::with_seed(0x0055);
    std::iter::repeat_with(|| rng.u8(..)).take(usize::from(u16::MAX) + 1 + BLOCK as usize).collect()
});

/// What a file contains at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Content {
    blocks: Arc<Vec<u16>>,
    len: u64,
}

impl Content {
    fn new(len: u64, rng: &mut Rng) -> Self {
        let blocks = std::iter::repeat_with(|| rng.u16(..)).take(len.div_ceil(BLOCK) as usize).collect();
        Self { blocks: Arc::new(blocks), len }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of a range, as far as there are any.
    #[must_use]
    pub fn pieces(&self, range: ByteRange) -> Vec<Bytes> {
        let (mut at, end) = (range.offset(), range.end().min(self.len));
        let mut pieces = Vec::new();
        while at < end {
            let (block, within) = (at / BLOCK, at % BLOCK);
            let len = (BLOCK - within).min(end - at);
            let from = u64::from(self.blocks[block as usize]) + within;
            pieces.push(NOISE.slice(from as usize..(from + len) as usize));
            at += len;
        }
        pieces
    }

    /// Whether this is what `object` says, piece by piece.
    pub fn equals(&self, object: impl Iterator<Item = Bytes>) -> bool {
        let mut at = 0;
        for piece in object {
            let Some(range) = ByteRange::new(at, piece.len() as u64) else { return false };
            let mut rest = &piece[..];
            for ours in self.pieces(range) {
                match rest.split_at_checked(ours.len()) {
                    Some((theirs, behind)) if theirs == ours => rest = behind,
                    _ => return false,
                }
            }
            if !rest.is_empty() {
                return false;
            }
            at += piece.len() as u64;
        }
        at == self.len
    }
}

/// An edit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Edit {
    /// Some bytes are written over.
    Overwrite,
    /// The same, and the time of the modification is put back.
    OverwriteInSecret,
    /// It becomes shorter.
    Truncate,
    /// It becomes longer.
    Append,
    /// Its times change and its bytes do not.
    Touch,
    /// Another file with the same bytes takes its place.
    Replace,
}

impl Edit {
    /// Every edit.
    pub const ALL: [Self; 6] =
        [Self::Overwrite, Self::OverwriteInSecret, Self::Truncate, Self::Append, Self::Touch, Self::Replace];
}

/// The file that is uploaded.
#[derive(Debug)]
pub struct Source {
    content: Content,
    tells: Tells,
    modified_ns: i64,
    changed_ns: i64,
    file: u64,
    /// Everything it ever contained.
    history: Vec<Content>,
    /// It was edited, and what it says of itself does not tell.
    secretly_edited: bool,
    digests: HashMap<(u64, u64, bool), ContentDigest>,
}

impl Source {
    /// A file of so many bytes.
    #[must_use]
    pub fn new(len: u64, tells: Tells, rng: &mut Rng) -> Self {
        let content = Content::new(len, rng);
        let history = vec![content.clone()];
        Self {
            content,
            tells,
            modified_ns: 1,
            changed_ns: 1,
            file: 1,
            history,
            secretly_edited: false,
            digests: HashMap::new(),
        }
    }

    /// What it contains now.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// How often its bytes were changed.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.history.len()
    }

    /// What identifies it now.
    #[must_use]
    pub fn identity(&self) -> SourceIdentity {
        SourceIdentity {
            len: self.content.len,
            modified_ns: self.tells.modified.then_some(self.modified_ns),
            changed_ns: self.tells.changed.then_some(self.changed_ns),
            file_id: self.tells.file.then_some((1, self.file)),
        }
    }

    /// Changes it at this time.
    pub fn edit(&mut self, edit: Edit, now_ns: i64, rng: &mut Rng) {
        let before = self.identity();
        let Content { mut blocks, mut len } = self.content.clone();
        match edit {
            Edit::Overwrite | Edit::OverwriteInSecret => {
                if !blocks.is_empty() {
                    let at = rng.usize(..blocks.len());
                    Arc::make_mut(&mut blocks)[at] ^= rng.u16(1..);
                }
            }
            Edit::Truncate => {
                len = rng.u64(..=len);
                Arc::make_mut(&mut blocks).truncate(len.div_ceil(BLOCK) as usize);
            }
            Edit::Append => {
                len += rng.u64(1..4 * BLOCK);
                let missing = len.div_ceil(BLOCK) as usize - blocks.len();
                Arc::make_mut(&mut blocks).extend(std::iter::repeat_with(|| rng.u16(..)).take(missing));
            }
            Edit::Touch => {}
            Edit::Replace => self.file += 1,
        }
        if edit != Edit::OverwriteInSecret {
            self.modified_ns = now_ns;
        }
        self.changed_ns = now_ns;
        let content = Content { blocks, len };
        if content != self.content {
            self.content = content;
            self.history.push(self.content.clone());
            self.digests.clear();
            self.secretly_edited |= before == self.identity();
        }
    }

    /// The digest of a range, or where it ends before the range does.
    ///
    /// # Errors
    /// The file is too short.
    pub fn digest(&mut self, range: ByteRange, integrity: Integrity) -> Result<ContentDigest, u64> {
        if range.end() > self.content.len {
            return Err(self.content.len);
        }
        if integrity == Integrity::None {
            return Ok(ContentDigest { len: range.len(), md5: None, crc64: None });
        }
        let key = (range.offset(), range.len(), integrity == Integrity::Md5AndCrc);
        let content = &self.content;
        Ok(*self.digests.entry(key).or_insert_with(|| {
            let mut hasher = Hasher::new(integrity);
            content.pieces(range).iter().for_each(|piece| hasher.update(piece));
            hasher.finish()
        }))
    }

    /// Whether an object is what the file was when it was last looked at. After an edit that nothing tells of, every
    /// piece of it must at least be what the file had there at some time.
    pub fn explains(&self, inspected: &Content, object: impl Fn() -> Vec<Bytes>) -> bool {
        if inspected.equals(object().into_iter()) {
            return true;
        }
        let mut at = 0;
        self.secretly_edited
            && object().iter().all(|piece| {
                let mut from = 0;
                while from < piece.len() {
                    // No piece of a part spans more than what is left of a block.
                    let len = (BLOCK - at % BLOCK).min((piece.len() - from) as u64);
                    let theirs = &piece[from..from + len as usize];
                    let known = |content: &Content| {
                        ByteRange::new(at, len).is_some_and(|range| content.pieces(range).concat() == theirs)
                    };
                    if !self.history.iter().any(known) {
                        return false;
                    }
                    at += len;
                    from += len as usize;
                }
                true
            })
            && at == inspected.len()
    }
}
