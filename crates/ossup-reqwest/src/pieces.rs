//! A range of the source, read piece by piece on threads for blocking work, one piece ahead of whoever takes them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use ossup_core::digest::{ContentDigest, Hasher};
use ossup_core::upload::SourceError;
use ossup_fs::RangeReader;
use tokio::task::JoinHandle;

/// How much is read at once, in bytes: large enough that handing it from thread to thread costs little.
const PIECE: usize = 128 * 1024;

/// How many pieces are remembered whose memory may be used again: as many as a connection takes in before it writes.
const REMEMBERED: usize = 6;

/// Where the digest of a range comes from.
#[derive(Debug)]
pub(crate) enum Digest {
    /// It was computed before, because the headers needed it.
    Known(ContentDigest),
    /// It is computed as the bytes go by.
    Computed(Box<Hasher>),
}

/// The pieces of a range.
#[derive(Debug)]
pub(crate) struct Pieces {
    stage: Stage,
    left: u64,
    /// Pieces that were handed out, and are free again once nobody else has them.
    handed_out: VecDeque<Bytes>,
}

#[derive(Debug)]
enum Stage {
    Idle(Box<Reader>),
    Reading(JoinHandle<Read>),
    /// All was read, or nothing more can be.
    Over,
}

#[derive(Debug)]
struct Reader {
    range: RangeReader,
    digest: Digest,
}

type Read = (Box<Reader>, Result<Bytes, SourceError>);

/// A piece, and with the last one the digest of all.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) digest: Option<ContentDigest>,
}

impl Pieces {
    pub(crate) fn new(range: RangeReader, digest: Digest) -> Self {
        let left = range.remaining();
        Self { stage: Stage::Idle(Box::new(Reader { range, digest })), left, handed_out: VecDeque::new() }
    }

    /// How many bytes are still to be handed out.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; none at the end of the range.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, SourceError>>> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Idle(reader) => self.stage = Stage::Reading(self.read(reader)),
                Stage::Reading(mut reading) => {
                    let Poll::Ready(joined) = Pin::new(&mut reading).poll(context) else {
                        self.stage = Stage::Reading(reading);
                        return Poll::Pending;
                    };
                    return Poll::Ready(Some(self.take_in(joined)));
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    fn take_in(&mut self, joined: Result<Read, tokio::task::JoinError>) -> Result<Piece, SourceError> {
        let (reader, bytes) = joined.map_err(|error| SourceError::Io(error.to_string()))?;
        let bytes = bytes?;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left == 0 {
            let digest = match reader.digest {
                Digest::Known(digest) => digest,
                Digest::Computed(hasher) => hasher.finish(),
            };
            return Ok(Piece { bytes, digest: Some(digest) });
        }
        self.handed_out.push_back(bytes.clone());
        if self.handed_out.len() > REMEMBERED {
            self.handed_out.pop_front();
        }
        self.stage = Stage::Reading(self.read(reader));
        Ok(Piece { bytes, digest: None })
    }

    fn read(&mut self, mut reader: Box<Reader>) -> JoinHandle<Read> {
        let mut buffer = self.buffer();
        tokio::task::spawn_blocking(move || {
            let read = reader.range.read_piece(&mut buffer).map(|read| {
                buffer.truncate(read);
                if let Digest::Computed(hasher) = &mut reader.digest {
                    hasher.update(&buffer);
                }
                buffer.freeze()
            });
            (reader, read)
        })
    }

    /// Memory for a piece: that of one that was sent, if there is one.
    fn buffer(&mut self) -> BytesMut {
        let len = PIECE.min(usize::try_from(self.left).unwrap_or(PIECE));
        let free = self.handed_out.front().is_some_and(Bytes::is_unique);
        let used = if free { self.handed_out.pop_front() } else { None };
        let mut buffer = used.and_then(|bytes| bytes.try_into_mut().ok()).unwrap_or_default();
        buffer.resize(len, 0);
        buffer
    }
}
