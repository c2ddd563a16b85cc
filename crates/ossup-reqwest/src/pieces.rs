//! A range of the source, read piece by piece and handed out in morsels: what the system has in memory where it is asked for,
//! which takes a copy and no wait; what has to come from a disk on threads for blocking work, one piece ahead.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use ossup_core::digest::{ContentDigest, Hasher};
use ossup_core::upload::SourceError;
use ossup_fs::RangeReader;
use tokio::task::JoinHandle;

/// How much is read at once on another thread, in bytes: large enough that handing it from thread to thread costs little.
const PIECE: usize = 128 * 1024;

/// How much is read at once where it is asked for, in bytes: some ten microseconds, in which nothing else is polled.
const CACHED: usize = 64 * 1024;

/// How much is handed out at once, in bytes. A connection takes in 16 of these and then nothing until it has written them
/// all: so much is the grain in which it can be seen that something moves, and small enough for slow lines.
const MORSEL: usize = 16 * 1024;

/// How many pieces are remembered for each range under way whose memory may be used again: as many of the small ones as a
/// connection takes in before it writes, and those at both ends of them.
const REMEMBERED: usize = 6;

/// The memory of pieces that were handed out. All ranges of an upload share it: to give it back to the system at the end of a part
/// and have it again at the beginning of the next takes longer than to send a small one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<VecDeque<Bytes>>>);

impl Memory {
    /// Memory that nobody has any more.
    fn take(&self) -> BytesMut {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = remembered.iter().position(Bytes::is_unique);
        let used = free.and_then(|at| remembered.remove(at));
        drop(remembered);
        used.and_then(|bytes| bytes.try_into_mut().ok()).unwrap_or_default()
    }

    /// Remembers a piece until nobody has it.
    fn remember(&self, piece: Bytes) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.push_back(piece);
        // Each range under way has one of these.
        let most = REMEMBERED * Arc::strong_count(&self.0);
        if remembered.len() > most {
            remembered.pop_front();
        }
    }
}

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
    memory: Memory,
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
    pub(crate) fn new(range: RangeReader, digest: Digest, memory: Memory) -> Self {
        Self {
            unread: range.remaining(),
            stage: Stage::Idle(Box::new(Reader { range, digest })),
            rest: Bytes::new(),
            digest: None,
            memory,
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
                Stage::Idle(mut reader) => {
                    let mut buffer = self.buffer(CACHED);
                    let read = reader.range.read_cached(&mut buffer);
                    if read == 0 {
                        self.stage = Stage::Reading(self.read(reader));
                        continue;
                    }
                    let bytes = reader.digest.take_in(buffer, read);
                    self.stage = self.hand_out(bytes, reader).map_or(Stage::Over, Stage::Idle);
                }
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
        // Where one piece was on the disk the next one will be.
        self.stage = match self.hand_out(bytes?, reader) {
            Some(reader) => Stage::Reading(self.read(reader)),
            None => Stage::Over,
        };
        Ok(())
    }

    /// Makes these bytes the next ones. The reader, if there is more to be read.
    fn hand_out(&mut self, bytes: Bytes, reader: Box<Reader>) -> Option<Box<Reader>> {
        self.unread = self.unread.saturating_sub(bytes.len() as u64);
        self.memory.remember(bytes.clone());
        if self.unread == 0 {
            self.rest = bytes;
            self.digest = Some(match reader.digest {
                Digest::Known(digest) => digest,
                Digest::Computed(hasher) => hasher.finish(),
            });
            return None;
        }
        self.rest = bytes;
        Some(reader)
    }

    fn read(&mut self, mut reader: Box<Reader>) -> JoinHandle<Read> {
        let mut buffer = self.buffer(PIECE);
        tokio::task::spawn_blocking(move || {
            let read = reader.range.read_piece(&mut buffer);
            let bytes = read.map(|read| reader.digest.take_in(buffer, read));
            (reader, bytes)
        })
    }

    /// Memory for a piece of up to so many bytes.
    fn buffer(&self, most: usize) -> BytesMut {
        let mut buffer = self.memory.take();
        buffer.resize(most.min(usize::try_from(self.unread).unwrap_or(most)), 0);
        buffer
    }
}

impl Digest {
    /// Takes in as much of a buffer as was read; gives back that much.
    fn take_in(&mut self, mut buffer: BytesMut, read: usize) -> Bytes {
        buffer.truncate(read);
        if let Self::Computed(hasher) = self {
            hasher.update(&buffer);
        }
        buffer.freeze()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::future::poll_fn;

    use ossup_core::digest::Integrity;
    use ossup_core::part::ByteRange;
    use ossup_fs::FileSource;

    use super::*;

    /// The file is forgotten by the system before it is read, which then waits for the disk; or not.
    async fn read(content: &[u8], range: ByteRange, forgotten: bool) -> (Vec<u8>, Option<ContentDigest>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        if forgotten {
            file.as_file().sync_all().unwrap();
            rustix::fs::fadvise(file.as_file(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
        let reader = FileSource::open(file.path()).unwrap().reader(range);
        let digest = Digest::Computed(Box::new(Hasher::new(Integrity::Md5AndCrc)));
        let mut pieces = Pieces::new(reader, digest, Memory::default());
        let (mut read, mut digest) = (Vec::new(), None);
        while let Some(morsel) = poll_fn(|context| pieces.poll_next(context)).await {
            let morsel = morsel.unwrap();
            assert!((1..=MORSEL).contains(&morsel.bytes.len()));
            assert_eq!(digest, None, "the digest comes with the last bytes");
            read.extend_from_slice(&morsel.bytes);
            digest = morsel.digest;
            assert_eq!(pieces.left(), range.len() - read.len() as u64);
        }
        (read, digest)
    }

    #[tokio::test]
    async fn a_range_is_the_same_from_memory_and_from_the_disk() {
        let content: Vec<u8> = (0..10 * PIECE + 777).map(|i| (i * 31 % 251) as u8).collect();
        for (offset, len) in [(0, content.len()), (5, 9 * PIECE), (PIECE, 1), (7, CACHED), (3, MORSEL + 1)] {
            let range = ByteRange::new(offset as u64, len as u64).unwrap();
            let expected = &content[offset..offset + len];
            let mut hasher = Hasher::new(Integrity::Md5AndCrc);
            hasher.update(expected);
            let digest = hasher.finish();
            for forgotten in [false, true] {
                let (read, told) = read(&content, range, forgotten).await;
                assert!(read == expected, "{len} bytes from {offset}, forgotten: {forgotten}");
                assert_eq!(told, Some(digest));
            }
        }
    }
}
