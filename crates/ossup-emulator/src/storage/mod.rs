//! Where content and metadata are kept: the contract of a storage, and content as the model sees it.
//!
//! What the metadata mean lives in the model.

pub(crate) mod account;
pub(crate) mod directory;
pub(crate) mod memory;

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::model::world::{Bucket, Object, Part, Upload};

/// Keeps blobs and the records of what they are. Each `put_*` and `remove_*` is atomic: after a crash it has
/// happened or it has not.
pub(crate) trait Storage: Send + Sync {
    /// A new blob to be written.
    fn create(&self) -> io::Result<Box<dyn Sink>>;
    fn put_bucket(&self, name: &str, bucket: &Bucket) -> io::Result<()>;
    fn remove_bucket(&self, name: &str) -> io::Result<()>;
    fn put_object(&self, bucket: &str, key: &str, object: &Object) -> io::Result<()>;
    fn remove_object(&self, bucket: &str, key: &str) -> io::Result<()>;
    fn put_upload(&self, bucket: &str, key: &str, id: &str, upload: &Upload) -> io::Result<()>;
    fn remove_upload(&self, bucket: &str, id: &str) -> io::Result<()>;
    fn put_part(&self, bucket: &str, id: &str, number: u16, part: &Part) -> io::Result<()>;
    fn remove_part(&self, bucket: &str, id: &str, number: u16) -> io::Result<()>;
    /// The world is about to be dropped: from now on blobs that nobody holds any more stay.
    fn close(&self) {}
}

/// Takes in the bytes of a blob. Dropped before `finish`, it leaves nothing behind.
pub(crate) trait Sink: Send {
    fn write(&mut self, piece: Bytes) -> io::Result<()>;
    fn finish(self: Box<Self>) -> io::Result<Blob>;
}

/// The bytes of a blob, which never change.
pub(crate) trait Stored: Send + Sync {
    fn len(&self) -> u64;
    /// Some of the bytes from `offset`, at most `max` and at least one unless `offset` is the end.
    fn read(&self, offset: u64, max: usize) -> io::Result<Bytes>;
    /// What a record calls the blob; empty where there are no records.
    fn name(&self) -> &str;
}

/// A handle to a blob; the blob goes with its last handle.
pub(crate) type Blob = Arc<dyn Stored>;

/// The bytes of an object or a part: blobs, one behind the other. So completing an upload copies nothing.
#[derive(Clone, Default)]
pub(crate) struct Content {
    blobs: Vec<Blob>,
    len: u64,
}

impl Content {
    pub(crate) fn of(blob: Blob) -> Self {
        let mut content = Self::default();
        content.push(blob);
        content
    }

    pub(crate) fn push(&mut self, blob: Blob) {
        self.len += blob.len();
        if blob.len() > 0 {
            self.blobs.push(blob);
        }
    }

    pub(crate) fn append(&mut self, other: &Self) {
        self.len += other.len;
        self.blobs.extend(other.blobs.iter().cloned());
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// Reads `len` bytes from `offset`; less where the content is shorter.
    pub(crate) fn read(&self, offset: u64, len: u64) -> Reader {
        let end = offset.saturating_add(len).min(self.len);
        let mut reader =
            Reader { content: self.clone(), blob: 0, within: offset, left: end.saturating_sub(offset) };
        while let Some(blob) = reader.content.blobs.get(reader.blob)
            && reader.within >= blob.len()
        {
            reader.within -= blob.len();
            reader.blob += 1;
        }
        reader
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("len", &self.len).field("blobs", &self.blobs.len()).finish()
    }
}

/// Reads content in pieces.
pub(crate) struct Reader {
    content: Content,
    blob: usize,
    within: u64,
    left: u64,
}

impl Reader {
    /// How large a piece is at most.
    const PIECE: usize = 256 * 1024;

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(blob) = self.content.blobs.get(self.blob) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let max = self.left.min(Self::PIECE as u64) as usize;
        let piece = blob.read(self.within, max)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= piece.len() as u64;
        self.within += piece.len() as u64;
        if self.within >= blob.len() {
            self.blob += 1;
            self.within = 0;
        }
        Ok(Some(piece))
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("left", &self.left).finish_non_exhaustive()
    }
}
