//! Content in memory, with an upper bound; records are not needed.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::account::{Account, Share};
use super::{Blob, Sink, Storage, Stored};
use crate::model::world::{Bucket, Object, Part, Upload};

/// Keeps content in memory, no more than an account allows.
#[derive(Debug)]
pub(crate) struct Memory {
    account: Arc<Account>,
}

impl Memory {
    pub(crate) fn new(account: Arc<Account>) -> Self {
        Self { account }
    }
}

impl Storage for Memory {
    fn create(&self) -> io::Result<Box<dyn Sink>> {
        let share = self.account.take(0)?;
        Ok(Box::new(Growing(Pieces { ends: Vec::new(), len: 0, share })))
    }

    fn put_bucket(&self, _: &str, _: &Bucket) -> io::Result<()> {
        Ok(())
    }

    fn remove_bucket(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn put_object(&self, _: &str, _: &str, _: &Object) -> io::Result<()> {
        Ok(())
    }

    fn remove_object(&self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn put_upload(&self, _: &str, _: &str, _: &str, _: &Upload) -> io::Result<()> {
        Ok(())
    }

    fn remove_upload(&self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn put_part(&self, _: &str, _: &str, _: u16, _: &Part) -> io::Result<()> {
        Ok(())
    }

    fn remove_part(&self, _: &str, _: &str, _: u16) -> io::Result<()> {
        Ok(())
    }
}

/// Pieces as they came, each with the position behind it.
struct Pieces {
    ends: Vec<(u64, Bytes)>,
    len: u64,
    share: Share,
}

struct Growing(Pieces);

impl Growing {
    /// Pieces below this size are gathered, so that a trickle of bytes does not cost an allocation each.
    const SMALL: usize = 4096;
    /// Pieces up to this size are copied.
    const COPIED: usize = 32 * 1024;
}

impl Sink for Growing {
    fn write(&mut self, piece: Bytes) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        let blob = &mut self.0;
        let added = piece.len() as u64;
        blob.len += added;
        blob.share.grow(added)?;
        match blob.ends.last_mut() {
            Some((end, last)) if last.len() + piece.len() <= Self::SMALL => {
                let mut joined = Vec::with_capacity(Self::SMALL);
                joined.extend_from_slice(last);
                joined.extend_from_slice(&piece);
                *last = joined.into();
                *end = blob.len;
            }
            // A slice keeps the whole buffer it came from alive, which may be as large as the head of a request; only a
            // large one is worth that.
            _ if piece.len() <= Self::COPIED => {
                blob.ends.push((blob.len, Bytes::copy_from_slice(&piece)));
            }
            _ => blob.ends.push((blob.len, piece)),
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Blob> {
        // The room that was kept for more.
        if let Some((_, last)) = self.0.ends.last_mut().filter(|(_, last)| last.len() < Self::SMALL) {
            *last = Bytes::copy_from_slice(last);
        }
        self.0.ends.shrink_to_fit();
        Ok(Arc::new(self.0))
    }
}

impl Stored for Pieces {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        let at = self.ends.partition_point(|(end, _)| *end <= offset);
        let Some((end, piece)) = self.ends.get(at) else { return Ok(Bytes::new()) };
        let from = piece.len().saturating_sub((end - offset) as usize);
        Ok(piece.slice(from..piece.len().min(from + max)))
    }

    fn name(&self) -> &'static str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Content;

    fn blob(storage: &Memory, pieces: &[&[u8]]) -> Blob {
        let mut sink = storage.create().unwrap();
        for piece in pieces {
            sink.write(Bytes::copy_from_slice(piece)).unwrap();
        }
        sink.finish().unwrap()
    }

    fn read(content: &Content, offset: u64, len: u64) -> Vec<u8> {
        let mut reader = content.read(offset, len);
        let mut all = Vec::new();
        while let Some(piece) = reader.next().unwrap() {
            all.extend_from_slice(&piece);
        }
        all
    }

    #[test]
    fn every_range_of_content_in_several_blobs_reads_back() {
        let storage = Memory::new(Account::new(1 << 20));
        let whole: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
        let mut content = Content::of(blob(&storage, &[&whole[..3], &whole[3..9_000]]));
        content.append(&Content::of(blob(&storage, &[])));
        content.push(blob(&storage, &[&whole[9_000..9_001], &whole[9_001..]]));
        for (offset, len) in [(0, 20_000), (0, 1), (2, 3), (8_999, 3), (9_000, 1), (19_999, 5), (20_000, 1)] {
            let end = whole.len().min((offset + len) as usize);
            assert_eq!(read(&content, offset, len), whole[offset as usize..end], "{offset}+{len}");
        }
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let storage = Memory::new(Account::new(10_000));
        let first = blob(&storage, &[&[0; 6_000]]);
        let mut sink = storage.create().unwrap();
        let full = sink.write(Bytes::from(vec![0; 6_000])).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        drop((sink, first));
        blob(&storage, &[&[0; 6_000]]);
    }
}
