//! Content in files: a file that is written, and one that is read until nobody holds it any more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::storage::{Blob, Sink, Stored};

/// A file that goes with the last handle to it.
pub(super) struct FileBlob {
    path: PathBuf,
    name: String,
    len: u64,
    /// Set when files that nobody holds any more are to stay.
    closed: Arc<AtomicBool>,
}

impl FileBlob {
    /// A file that is there.
    pub(super) fn found(path: PathBuf, name: String, len: u64, closed: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { path, name, len, closed })
    }
}

impl Drop for FileBlob {
    fn drop(&mut self) {
        if !self.closed.load(Ordering::SeqCst) {
            // A file that cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file that is being written.
pub(super) struct Growing {
    file: File,
    blob: FileBlob,
}

impl Growing {
    pub(super) fn create(path: PathBuf, name: String, closed: Arc<AtomicBool>) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { file, blob: FileBlob { path, name, len: 0, closed } })
    }
}

impl Sink for Growing {
    fn write(&mut self, piece: Bytes) -> io::Result<()> {
        self.blob.len += piece.len() as u64;
        self.file.write_all(&piece)
    }

    fn finish(self: Box<Self>) -> io::Result<Blob> {
        Ok(Arc::new(self.blob))
    }
}

impl Stored for FileBlob {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut piece = Vec::with_capacity(max.min(self.len.saturating_sub(offset) as usize));
        file.take(max as u64).read_to_end(&mut piece)?;
        Ok(piece.into())
    }

    fn name(&self) -> &str {
        &self.name
    }
}
