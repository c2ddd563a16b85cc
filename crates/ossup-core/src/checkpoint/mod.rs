//! The record of an upload: what is remembered between runs, and what is learnt from reading it back.
//!
//! How it is written down, line by line, lives in [`journal`]. Where it is kept is the business of whoever has a disk.
//! The format is specified in `docs/checkpoint-format.md`.

pub mod journal;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::Crc64;
use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::{ETag, PartNumber, UploadId};

/// What tells one state of a source from another. Two equal identities that [betray every edit](Self::betrays_every_edit)
/// mean: nobody has touched the bytes. With poorer ones, a later run compares what was sent with the source.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// How many bytes the source has.
    pub len: u64,
    /// When its bytes were last changed, as it says itself: nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_ns: Option<i64>,
    /// When anything about it was last changed (`ctime`): nanoseconds since 1970. No program can set it, so it betrays
    /// an edit that restored the modification time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_ns: Option<i64>,
    /// Which file it is (on Unix: device and inode).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<(u64, u64)>,
}

impl SourceIdentity {
    /// The identity of a source that is known by its length alone.
    #[must_use]
    pub const fn of_len(len: u64) -> Self {
        Self { len, modified_ns: None, changed_ns: None, file_id: None }
    }

    /// Whether no edit escapes it. One that leaves the length alone and restores the modification time, as copying tools
    /// do, is betrayed by the change time only.
    #[must_use]
    pub const fn betrays_every_edit(&self) -> bool {
        self.changed_ns.is_some()
    }
}

/// What an upload was begun with. A later run must want the same, or it cannot continue the upload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Header {
    /// Host and port the upload goes to.
    pub destination: String,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The fingerprint of the object's attributes, which are fixed at initiate.
    pub options: String,
    /// Short fingerprints of these attributes, by name, to say which are others. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The source as it was when the upload began, or when its parts were last compared with it.
    pub source: SourceIdentity,
    /// What the source is called, such as the path of a file. For people: nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
    /// The size of every part but the last, in bytes.
    pub part_size: u64,
    /// When the upload began: Unix seconds, by the clock of the machine that began it.
    pub begun: i64,
}

/// A finished part as it is remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RecordedPart {
    /// The ETag that the server gave.
    pub etag: ETag,
    /// The CRC-64 of the local bytes that were sent.
    pub crc64: Option<Crc64>,
}

/// A record as it was read back.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Checkpoint {
    /// What the upload was begun with.
    pub header: Header,
    /// The upload id; none when the run ended between asking for one and noting it down.
    pub upload_id: Option<UploadId>,
    /// The finished parts.
    pub parts: BTreeMap<PartNumber, RecordedPart>,
    /// Complete may have been sent.
    pub sealed: bool,
    /// The upload was to be discarded.
    pub discarding: bool,
    /// How many lines could not be read, though they were written to their ends. A torn last line is not counted: it is
    /// what a crash leaves, and it costs nothing but itself.
    pub damaged_lines: usize,
    /// The last line was not written to its end. Nothing may be appended behind it: the record is written anew first.
    pub torn: bool,
}

impl Header {
    /// What an upload of `source` to `object` at `destination` (host and port) is begun with, if the object has no attributes.
    /// `begun` is in Unix seconds.
    #[must_use]
    pub fn new(
        destination: impl Into<String>,
        object: &ObjectName,
        source: SourceIdentity,
        part_size: u64,
        begun: i64,
    ) -> Self {
        let options = ObjectOptions::default();
        Self {
            destination: destination.into(),
            bucket: object.bucket.to_string(),
            key: object.key.to_string(),
            options: options.fingerprint(),
            attributes: options.fingerprints(),
            source,
            source_name: None,
            part_size,
            begun,
        }
    }
}

impl RecordedPart {
    /// A part with the ETag that the server gave, and the CRC-64 of the local bytes.
    #[must_use]
    pub fn new(etag: ETag, crc64: Option<Crc64>) -> Self {
        Self { etag, crc64 }
    }
}

impl Checkpoint {
    /// The record of an upload that asks for its upload id.
    #[must_use]
    pub fn new(header: Header) -> Self {
        Self {
            header,
            upload_id: None,
            parts: BTreeMap::new(),
            sealed: false,
            discarding: false,
            damaged_lines: 0,
            torn: false,
        }
    }
}

/// A record that cannot be used at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// There is nothing in it: the run that made it died while it began.
    #[error("the checkpoint is empty")]
    Empty,
    /// Its first line is damaged, or it is another kind of file.
    #[error("the checkpoint is damaged: its first line cannot be read")]
    Damaged,
    /// It is longer than any checkpoint: see [`journal::MAX_LEN`].
    #[error("the checkpoint is damaged: it is longer than any checkpoint")]
    TooLong,
    /// A newer ossup wrote it.
    #[error("the checkpoint has format {found}; this version reads up to {}", journal::FORMAT)]
    NewerFormat {
        /// The format it has.
        found: u64,
    },
}

/// The name under which the record of an upload is kept: 40 hexadecimal digits, the same on every system and safe as
/// a file name.
///
/// ```
/// let name = ossup_core::checkpoint::record_name("oss-cn-hangzhou.aliyuncs.com", "bucket", "key", "/data/file");
/// assert_eq!(name.len(), 40);
/// ```
#[must_use]
pub fn record_name(destination: &str, bucket: &str, key: &str, source: &str) -> String {
    use std::fmt::Write as _;

    let mut hash = Sha256::new();
    for field in [destination, bucket, key, source] {
        // The length in front keeps ("a", "bc") apart from ("ab", "c").
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().iter().take(20).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_again_by_every_version() {
        let name = |source| record_name("oss-cn-hangzhou.aliyuncs.com", "bucket", "key", source);
        assert_eq!(name("/data/file"), "e5a67841a6e391d58f47ed5d3232283f697f52d9");
        assert_ne!(name("/data/file"), name("/data/file2"));
        assert_ne!(record_name("h", "a", "bc", ""), record_name("h", "ab", "c", ""));
    }
}
