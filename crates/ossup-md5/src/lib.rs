//! MD5 of several messages at once.
//!
//! One message cannot be hashed faster than one step after the other allows, which leaves most of a core idle. Several
//! messages can: each has a lane of a SIMD register, and one instruction takes a step of all of them. Messages may have
//! any lengths and come in pieces, and join and leave at any time.
//!
//! ```
//! use ossup_md5::{Md5, update_all};
//!
//! let (mut first, mut second) = (Md5::new(), Md5::new());
//! update_all(&mut [(&mut first, b"hello"), (&mut second, b"")]);
//! assert_eq!(first.finish()[..4], [0x5d, 0x41, 0x40, 0x2a]);
//! assert_eq!(second.finish()[..4], [0xd4, 0x1d, 0x8c, 0xd9]);
//! ```
//!
//! On x86-64 there are 16 lanes with AVX-512, 8 with AVX2 and 4 in any case; what the processor has is found out when
//! the program runs. On 64-bit ARM there are 8, in pairs of NEON registers. Elsewhere 4 messages are hashed by turns.
//!
//! MD5 protects against accidents, not against people: whoever wants two contents with the same MD5 can have them.

mod lanes;
mod step;
mod turns;

use lanes::Lanes;
use step::{Block, State};

/// How many bytes are hashed in one go.
const BLOCK: usize = 64;

/// An MD5 that is being computed.
#[derive(Clone, Copy)]
pub struct Md5 {
    state: State,
    len: u64,
    /// The bytes behind the last whole block; as many as `len` says.
    rest: Block,
}

impl Md5 {
    /// The MD5 of nothing so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: step::BEGIN, len: 0, rest: [0; BLOCK] }
    }

    /// Takes in the next bytes of the message.
    pub fn update(&mut self, bytes: &[u8]) {
        update_all(&mut [(self, bytes)]);
    }

    /// The digest of all that was taken in.
    #[must_use]
    pub fn finish(mut self) -> [u8; 16] {
        let bits = self.len.wrapping_mul(8).to_le_bytes();
        let mut padding = [0; 2 * BLOCK];
        padding[0] = 0x80;
        // One bit, zeros up to 8 bytes before the end of a block, the length in bits.
        let zeros = (2 * BLOCK - 9 - self.rest_len()) % BLOCK;
        padding[1 + zeros..][..8].copy_from_slice(&bits);
        self.update(&padding[..1 + zeros + 8]);
        let mut digest = [0; 16];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    /// How many bytes there are behind the last whole block.
    fn rest_len(&self) -> usize {
        (self.len % BLOCK as u64) as usize
    }

    /// Takes in all but whole blocks of `bytes`, and gives those back.
    fn take_ends<'a>(&mut self, bytes: &'a [u8]) -> &'a [Block] {
        let held = self.rest_len();
        self.len = self.len.wrapping_add(bytes.len() as u64);
        let bytes = if held == 0 {
            bytes
        } else {
            let (first, bytes) = bytes.split_at(bytes.len().min(BLOCK - held));
            self.rest[held..held + first.len()].copy_from_slice(first);
            if held + first.len() < BLOCK {
                return &[];
            }
            turns::compress_one(&mut self.state, &[self.rest]);
            bytes
        };
        let (blocks, last) = bytes.as_chunks();
        self.rest[..last.len()].copy_from_slice(last);
        blocks
    }
}

impl Default for Md5 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Md5 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Md5").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Takes in the next bytes of each message, of all messages side by side.
///
/// It is quickest with the same number of bytes of each, and many of them: what one message has more than the others is
/// hashed without company.
pub fn update_all(messages: &mut [(&mut Md5, &[u8])]) {
    update_with(Lanes::of_this_machine(), messages);
}

/// How many messages can be hashed side by side on this machine.
#[must_use]
pub fn lanes() -> usize {
    Lanes::of_this_machine().count()
}

/// The same by one kind of lanes, whichever this machine would take: by the `nth` that it has, from the worst. Gives the
/// name of the kind; none, and does nothing, if there are not so many.
#[cfg(feature = "kernels")]
#[doc(hidden)]
pub fn update_all_by(nth: usize, messages: &mut [(&mut Md5, &[u8])]) -> Option<String> {
    let lanes = Lanes::all().nth(nth)?;
    update_with(lanes, messages);
    Some(format!("{lanes:?}"))
}

fn update_with(lanes: Lanes, messages: &mut [(&mut Md5, &[u8])]) {
    for group in messages.chunks_mut(lanes.count()) {
        let mut busy = Vec::with_capacity(group.len());
        for (md5, bytes) in group {
            let blocks = md5.take_ends(bytes);
            busy.push((&mut md5.state, blocks));
        }
        loop {
            busy.retain(|(_, blocks)| !blocks.is_empty());
            // As long as the shortest lasts.
            let Some(common) = busy.iter().map(|(_, blocks)| blocks.len()).min() else { break };
            lanes.compress(&mut busy, common);
        }
    }
}

#[cfg(test)]
mod tests;
