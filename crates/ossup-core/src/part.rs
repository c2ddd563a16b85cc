//! What a part is: its number, its range in the source, its ETag, and the upload id it belongs to.
//!
//! How a file is cut into parts lives in the plan.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The smallest size of a part, in bytes; only the last part may be smaller (OSS documentation, "Multipart upload").
pub const MIN_PART_SIZE: u64 = 100 * 1024;
/// The largest size of a part, in bytes: 5 GiB (OSS documentation, "Multipart upload").
pub const MAX_PART_SIZE: u64 = 5 * 1024 * 1024 * 1024;
/// How many parts an upload may have (OSS documentation, "Multipart upload").
pub const MAX_PARTS: u16 = 10_000;
/// The largest object a multipart upload can make, in bytes: 48.8 TiB.
pub const MAX_OBJECT_SIZE: u64 = MAX_PART_SIZE * MAX_PARTS as u64;

/// The number of a part: 1 to 10,000.
///
/// ```
/// use ossup_core::part::PartNumber;
/// assert_eq!(PartNumber::new(7).unwrap().get(), 7);
/// assert!(PartNumber::new(0).is_none());
/// assert!(PartNumber::new(10_001).is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u16")]
pub struct PartNumber(NonZeroU16);

impl PartNumber {
    /// The first part.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// The part number `n`, if there can be such a part.
    #[must_use]
    pub const fn new(n: u16) -> Option<Self> {
        match NonZeroU16::new(n) {
            Some(n) if n.get() <= MAX_PARTS => Some(Self(n)),
            _ => None,
        }
    }

    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The position in a list of all parts, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The part at position `index`, from 0.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        u16::try_from(index).ok()?.checked_add(1).and_then(Self::new)
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u64> for PartNumber {
    type Error = InvalidPartNumber;

    fn try_from(n: u64) -> Result<Self, InvalidPartNumber> {
        u16::try_from(n).ok().and_then(Self::new).ok_or(InvalidPartNumber)
    }
}

impl From<PartNumber> for u16 {
    fn from(n: PartNumber) -> Self {
        n.get()
    }
}

impl FromStr for PartNumber {
    type Err = InvalidPartNumber;

    fn from_str(s: &str) -> Result<Self, InvalidPartNumber> {
        s.parse::<u16>().ok().and_then(Self::new).ok_or(InvalidPartNumber)
    }
}

/// A part number outside 1..=10,000.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a part number is a whole number from 1 to {MAX_PARTS}")]
pub struct InvalidPartNumber;

/// A stretch of the source: `len` bytes from `offset`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ByteRange {
    offset: u64,
    len: u64,
}

impl ByteRange {
    /// `len` bytes from `offset`, unless its end is beyond what 64 bits can count.
    #[must_use]
    pub const fn new(offset: u64, len: u64) -> Option<Self> {
        match offset.checked_add(len) {
            Some(_) => Some(Self { offset, len }),
            None => None,
        }
    }

    /// The position of the first byte.
    #[must_use]
    pub const fn offset(self) -> u64 {
        self.offset
    }

    /// How many bytes.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.len
    }

    /// Whether the range has no bytes.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The position behind the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.offset + self.len
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.offset, self.end())
    }
}

/// The entity tag of a part or an object, as the server gave it, quotes included.
///
/// The ETag of a part is the upper-case hexadecimal MD5 of its bytes, in quotes; the ETag of an object made by a
/// multipart upload is opaque. Two of them are equal when they differ only in quotes and in the case of the letters.
///
/// ```
/// use ossup_core::part::ETag;
/// let etag: ETag = "\"5D41402ABC4B2A76B9719D911017C592\"".parse().unwrap();
/// assert_eq!(etag, "5d41402abc4b2a76b9719d911017c592".parse().unwrap());
/// assert_eq!(etag.as_md5().unwrap().to_base64(), "XUFAKrxLKna5cZ2REBfFkg==");
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ETag(Box<str>);

impl ETag {
    /// The longest ETag that is accepted, in bytes.
    pub const MAX_LEN: usize = 256;

    /// The text as the server gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The MD5 that this ETag spells, if it is one.
    #[must_use]
    pub fn as_md5(&self) -> Option<crate::digest::Md5> {
        crate::digest::Md5::from_hex(self.bare())
    }

    fn bare(&self) -> &str {
        self.0.trim_matches('"')
    }
}

impl PartialEq for ETag {
    fn eq(&self, other: &Self) -> bool {
        self.bare().eq_ignore_ascii_case(other.bare())
    }
}

impl Eq for ETag {}

impl std::hash::Hash for ETag {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for byte in self.bare().bytes() {
            state.write_u8(byte.to_ascii_uppercase());
        }
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ETag {
    type Err = InvalidETag;

    fn from_str(s: &str) -> Result<Self, InvalidETag> {
        let s = s.trim();
        let ok = s.len() <= Self::MAX_LEN
            && !s.trim_matches('"').is_empty()
            && s.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if ok { Ok(Self(s.into())) } else { Err(InvalidETag) }
    }
}

impl TryFrom<String> for ETag {
    type Error = InvalidETag;

    fn try_from(s: String) -> Result<Self, InvalidETag> {
        s.parse()
    }
}

impl From<ETag> for String {
    fn from(etag: ETag) -> Self {
        etag.0.into()
    }
}

/// A text that cannot be an ETag: empty, too long, or with control characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an ETag is 1 to {} printable ASCII characters", ETag::MAX_LEN)]
pub struct InvalidETag;

/// The id that the server gave to a multipart upload. Opaque; it does not expire by itself, but a lifecycle rule of
/// the bucket can abort the upload at any time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(Box<str>);

impl UploadId {
    /// The longest upload id that is accepted, in bytes. OSS gives 32.
    pub const MAX_LEN: usize = 512;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(s: &str) -> Result<Self, InvalidUploadId> {
        let ok = !s.is_empty() && s.len() <= Self::MAX_LEN && s.bytes().all(|b| b.is_ascii_graphic());
        if ok { Ok(Self(s.into())) } else { Err(InvalidUploadId) }
    }
}

impl TryFrom<String> for UploadId {
    type Error = InvalidUploadId;

    fn try_from(s: String) -> Result<Self, InvalidUploadId> {
        s.parse()
    }
}

impl From<UploadId> for String {
    fn from(id: UploadId) -> Self {
        id.0.into()
    }
}

/// A text that cannot be an upload id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an upload id is 1 to {} visible ASCII characters", UploadId::MAX_LEN)]
pub struct InvalidUploadId;
