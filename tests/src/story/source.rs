//! A source of real bytes, and what people do to files.

use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Hasher, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::upload::SourceError;

/// A file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What identifies its present state.
    pub identity: SourceIdentity,
    /// It cannot be read, for this reason.
    pub broken: Option<&'static str>,
}

impl Source {
    /// A file of `len` bytes, no two parts alike.
    #[must_use]
    pub fn of_len(len: u64) -> Self {
        let bytes = (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let identity = SourceIdentity {
            modified_ns: Some(1),
            changed_ns: Some(1),
            file_id: Some((1, 1)),
            ..SourceIdentity::of_len(len)
        };
        Self { bytes, identity, broken: None }
    }

    /// Changes a byte.
    pub fn edit(&mut self, at: u64) {
        self.edit_and_restore_mtime(at);
        self.identity.modified_ns = self.identity.modified_ns.map(|ns| ns + 1);
    }

    /// Changes a byte, and sets the modification time to what it was.
    pub fn edit_and_restore_mtime(&mut self, at: u64) {
        self.edit_unseen(at);
        self.identity.changed_ns = self.identity.changed_ns.map(|ns| ns + 1);
    }

    /// Changes a byte in a way that no attribute of the file betrays.
    pub fn edit_unseen(&mut self, at: u64) {
        self.bytes[at as usize] ^= 0x55;
    }

    /// Makes it longer or shorter.
    pub fn resize(&mut self, len: u64) {
        self.bytes.resize(len as usize, 7);
        self.identity.len = len;
        self.identity.modified_ns = self.identity.modified_ns.map(|ns| ns + 1);
    }

    /// The check values of a range.
    ///
    /// # Errors
    /// The file ends before the range does, or is broken.
    pub fn digest(&self, range: ByteRange) -> Result<ContentDigest, SourceError> {
        if let Some(reason) = self.broken {
            return Err(SourceError::Io(reason.to_owned()));
        }
        let (from, to) = (range.offset() as usize, range.end() as usize);
        let bytes = self.bytes.get(from..to).ok_or(SourceError::Shortened { at: self.bytes.len() as u64 })?;
        let mut hasher = Hasher::new(Integrity::Md5AndCrc);
        hasher.update(bytes);
        Ok(hasher.finish())
    }

    /// The check values of the bytes from one position to another.
    ///
    /// # Panics
    /// There are no such bytes.
    #[must_use]
    pub fn piece(&self, from: u64, to: u64) -> ContentDigest {
        self.digest(ByteRange::new(from, to - from).expect("short")).expect("they are there")
    }

    /// The check values of all of it.
    #[must_use]
    pub fn whole(&self) -> ContentDigest {
        self.piece(0, self.bytes.len() as u64)
    }
}

/// As much of a digest as was asked for.
#[must_use]
pub fn as_asked(digest: ContentDigest, integrity: Integrity) -> ContentDigest {
    ContentDigest {
        len: digest.len,
        md5: digest.md5.filter(|_| integrity == Integrity::Md5AndCrc),
        crc64: digest.crc64.filter(|_| integrity != Integrity::None),
    }
}
