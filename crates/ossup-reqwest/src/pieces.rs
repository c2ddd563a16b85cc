//! A range of the source, read piece by piece on threads for blocking work, one piece ahead of whoever takes them, and
//! handed out in morsels.

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

/// How much is handed out at once, in bytes. A connection takes in 16 of these and then nothing until it has written them
/// all: so much is the grain in which it can be seen that something moves, and small enough for slow lines.
const MORSEL: usize = 16 * 1024;

/// How many pieces are remembered whose memory may be used again: as many as a connection takes in before it writes, and
/// those at both ends of them.
const REMEMBERED: usize = 4;

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
    /// How many bytes are still to be read.
    unread: u64,
    /// What is still to be handed out of the piece that was read last.
    rest: Bytes,
    /// The digest of all, once all was read.
    digest: Option<ContentDigest>,
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

/// Some bytes of the range, and with the last ones the digest of all.
#[derive(Debug)]
pub(crate) struct Morsel {
    pub(crate) bytes: Bytes,
    pub(crate) digest: Option<ContentDigest>,
}

impl Pieces {
    pub(crate) fn new(range: RangeReader, digest: Digest) -> Self {
        Self {
            unread: range.remaining(),
            stage: Stage::Idle(Box::new(Reader { range, digest })),
            rest: Bytes::new(),
            digest: None,
            handed_out: VecDeque::new(),
        }
    }

    /// How many bytes are still to be handed out.
    pub(crate) fn left(&self) -> u64 {
        self.unread + self.rest.len() as u64
    }

    /// The next bytes; none at the end of the range.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Morsel, SourceError>>> {
        loop {
            if !self.rest.is_empty() {
                return Poll::Ready(Some(Ok(self.morsel())));
            }
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Idle(reader) => self.stage = Stage::Reading(self.read(reader)),
                Stage::Reading(mut reading) => {
                    let Poll::Ready(joined) = Pin::new(&mut reading).poll(context) else {
                        self.stage = Stage::Reading(reading);
                        return Poll::Pending;
                    };
                    if let Err(error) = self.take_in(joined) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    fn morsel(&mut self) -> Morsel {
        let bytes = self.rest.split_to(MORSEL.min(self.rest.len()));
        let digest = if self.left() == 0 { self.digest.take() } else { None };
        Morsel { bytes, digest }
    }

    fn take_in(&mut self, joined: Result<Read, tokio::task::JoinError>) -> Result<(), SourceError> {
        let (reader, bytes) = joined.map_err(|error| SourceError::Io(error.to_string()))?;
        let bytes = bytes?;
        self.unread = self.unread.saturating_sub(bytes.len() as u64);
        if self.unread == 0 {
            self.digest = Some(match reader.digest {
                Digest::Known(digest) => digest,
                Digest::Computed(hasher) => hasher.finish(),
            });
        } else {
            self.handed_out.push_back(bytes.clone());
            if self.handed_out.len() > REMEMBERED {
                self.handed_out.pop_front();
            }
            self.stage = Stage::Reading(self.read(reader));
        }
        self.rest = bytes;
        Ok(())
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
        let len = PIECE.min(usize::try_from(self.unread).unwrap_or(PIECE));
        let free = self.handed_out.front().is_some_and(Bytes::is_unique);
        let used = if free { self.handed_out.pop_front() } else { None };
        let mut buffer = used.and_then(|bytes| bytes.try_into_mut().ok()).unwrap_or_default();
        buffer.resize(len, 0);
        buffer
    }
}
