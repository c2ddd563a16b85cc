//! What an object is called: the name of its bucket and its key, and the rules for both.

use std::fmt;
use std::str::FromStr;

/// The name of a bucket: 3 to 63 of `a-z`, `0-9` and `-`, beginning and ending with a letter or a digit
/// (OSS documentation, "Bucket naming conventions").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BucketName(Box<str>);

impl BucketName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BucketName {
    type Err = InvalidBucketName;

    fn from_str(s: &str) -> Result<Self, InvalidBucketName> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let ok =
            (3..=63).contains(&s.len()) && s.bytes().all(legal) && !s.starts_with('-') && !s.ends_with('-');
        if ok { Ok(Self(s.into())) } else { Err(InvalidBucketName) }
    }
}

/// A text that cannot be the name of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a bucket name is 3 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or a digit")]
pub struct InvalidBucketName;

/// The key of an object: 1 to 1023 bytes of UTF-8 that do not begin with `/` or `\`
/// (OSS documentation, "Object naming conventions"). Dot segments are ordinary text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectKey(Box<str>);

impl ObjectKey {
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 1023;

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidObjectKey;

    fn from_str(s: &str) -> Result<Self, InvalidObjectKey> {
        if s.is_empty() || s.len() > Self::MAX_LEN {
            Err(InvalidObjectKey::Length)
        } else if s.starts_with(['/', '\\']) {
            Err(InvalidObjectKey::LeadingSlash)
        } else {
            Ok(Self(s.into()))
        }
    }
}

/// A text that cannot be the key of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidObjectKey {
    /// No text, or more than 1023 bytes.
    #[error("an object key is 1 to {} bytes of UTF-8", ObjectKey::MAX_LEN)]
    Length,
    /// It begins with `/` or `\`.
    #[error("an object key does not begin with '/' or '\\'")]
    LeadingSlash,
}

/// An object: where in OSS the bytes go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectName {
    /// The bucket.
    pub bucket: BucketName,
    /// The key within the bucket.
    pub key: ObjectKey,
}

/// `oss://bucket/key`
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oss://{}/{}", self.bucket, self.key)
    }
}

impl FromStr for ObjectName {
    type Err = InvalidObjectName;

    /// Reads `oss://bucket/key`; the key is taken as it is, nothing in it is decoded.
    fn from_str(s: &str) -> Result<Self, InvalidObjectName> {
        let rest = s.strip_prefix("oss://").ok_or(InvalidObjectName::Scheme)?;
        let (bucket, key) = rest.split_once('/').ok_or(InvalidObjectName::NoKey)?;
        Ok(Self { bucket: bucket.parse()?, key: key.parse()? })
    }
}

/// A text that is not `oss://bucket/key`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidObjectName {
    /// It does not begin with `oss://`.
    #[error("an object is written oss://bucket/key")]
    Scheme,
    /// There is nothing behind the bucket.
    #[error("an object is written oss://bucket/key; the key is missing")]
    NoKey,
    /// The bucket cannot be one.
    #[error(transparent)]
    Bucket(#[from] InvalidBucketName),
    /// The key cannot be one.
    #[error(transparent)]
    Key(#[from] InvalidObjectKey),
}
