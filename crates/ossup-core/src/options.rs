//! What an object is to be like: the attributes that OSS stores with it, and how requests about it are treated.
//!
//! Each becomes a header on those operations where OSS allows it, and on no other.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, EXPIRES, HeaderName, HeaderValue,
};
use percent_encoding::utf8_percent_encode;
use sha2::{Digest as _, Sha256};

use crate::endpoint::QUERY;
use crate::time::Timestamp;

/// How much user metadata an object may have, in bytes of names and values (OSS documentation, "Manage object metadata").
pub const MAX_METADATA: usize = 8 * 1024;
/// How many tags an object may have (OSS documentation, "Object tagging").
pub const MAX_TAGS: usize = 10;

const OBJECT_ACL: HeaderName = HeaderName::from_static("x-oss-object-acl");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-oss-storage-class");
const TAGGING: HeaderName = HeaderName::from_static("x-oss-tagging");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-oss-server-side-encryption");
const ENCRYPTION_KEY: HeaderName = HeaderName::from_static("x-oss-server-side-encryption-key-id");
const DATA_ENCRYPTION: HeaderName = HeaderName::from_static("x-oss-server-side-data-encryption");
const FORBID_OVERWRITE: HeaderName = HeaderName::from_static("x-oss-forbid-overwrite");
const REQUEST_PAYER: HeaderName = HeaderName::from_static("x-oss-request-payer");
const TRAFFIC_LIMIT: HeaderName = HeaderName::from_static("x-oss-traffic-limit");

/// The attributes of an object, and options of the requests about it.
///
/// ```
/// use ossup_core::options::{Acl, ObjectOptions};
/// let options = ObjectOptions::new()
///     .content_type("video/mp4")?
///     .metadata("camera", "north")?
///     .acl(Acl::Private)
///     .forbid_overwrite(true);
/// # Ok::<(), ossup_core::options::InvalidOption>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObjectOptions {
    content: BTreeMap<&'static str, HeaderValue>,
    metadata: BTreeMap<String, HeaderValue>,
    tags: BTreeMap<String, String>,
    acl: Option<Acl>,
    storage_class: Option<StorageClass>,
    encryption: Option<Encryption>,
    traffic_limit: Option<u64>,
    flags: Flags,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four independent switches of the protocol")]
struct Flags {
    forbid_overwrite: bool,
    request_payer: bool,
    sequential: bool,
    complete_all: bool,
}

/// Who may read and write the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Acl {
    /// As the bucket says.
    Default,
    /// The owner alone.
    Private,
    /// Everybody may read.
    PublicRead,
    /// Everybody may read and write.
    PublicReadWrite,
}

/// How an object is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StorageClass {
    /// Read often.
    Standard,
    /// Read now and then.
    InfrequentAccess,
    /// Read rarely; to be restored first.
    Archive,
    /// Read hardly ever; to be restored first.
    ColdArchive,
    /// Read almost never; to be restored first.
    DeepColdArchive,
}

/// How the server encrypts an object.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Encryption {
    /// With keys that OSS manages, by AES-256.
    Aes256,
    /// With keys that OSS manages, by SM4.
    Sm4,
    /// With a key of KMS.
    Kms {
        /// Which key; none is the account's default.
        key_id: Option<String>,
        /// Encrypt the data by SM4 instead of AES-256.
        sm4: bool,
    },
}

macro_rules! spelled {
    ($type:ty { $($variant:ident => $text:literal),* $(,)? }) => {
        impl $type {
            /// As OSS spells it.
            #[must_use]
            pub const fn as_str(&self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl std::str::FromStr for $type {
            type Err = InvalidOption;

            fn from_str(text: &str) -> Result<Self, InvalidOption> {
                $(if text.eq_ignore_ascii_case($text) { return Ok(Self::$variant); })*
                Err(InvalidOption::Unknown { text: text.to_owned(), known: &[$($text),*] })
            }
        }
    };
}

spelled!(Acl {
    Default => "default",
    Private => "private",
    PublicRead => "public-read",
    PublicReadWrite => "public-read-write",
});

spelled!(StorageClass {
    Standard => "Standard",
    InfrequentAccess => "IA",
    Archive => "Archive",
    ColdArchive => "ColdArchive",
    DeepColdArchive => "DeepColdArchive",
});

impl ObjectOptions {
    /// No attributes but those that OSS gives an object by itself.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The media type. Without it, it is guessed from the key.
    ///
    /// # Errors
    /// The value is empty or not printable ASCII.
    pub fn content_type(self, value: &str) -> Result<Self, InvalidOption> {
        self.content_header("content-type", value)
    }

    /// `Cache-Control` of downloads.
    ///
    /// # Errors
    /// The value is empty or not printable ASCII.
    pub fn cache_control(self, value: &str) -> Result<Self, InvalidOption> {
        self.content_header("cache-control", value)
    }

    /// `Content-Disposition` of downloads.
    ///
    /// # Errors
    /// The value is empty or not printable ASCII.
    pub fn content_disposition(self, value: &str) -> Result<Self, InvalidOption> {
        self.content_header("content-disposition", value)
    }

    /// `Content-Encoding` of downloads. Says how the bytes are encoded already; nothing is encoded by it.
    ///
    /// # Errors
    /// The value is empty or not printable ASCII.
    pub fn content_encoding(self, value: &str) -> Result<Self, InvalidOption> {
        self.content_header("content-encoding", value)
    }

    /// `Expires` of downloads: a date (`Fri, 12 Jan 2024 21:47:15 GMT`), or `0` for what is never to be kept.
    ///
    /// # Errors
    /// It is neither.
    pub fn expires(self, value: &str) -> Result<Self, InvalidOption> {
        if value.trim() != "0" && Timestamp::parse(value).is_none() {
            return Err(InvalidOption::Expires(value.to_owned()));
        }
        self.content_header("expires", value)
    }

    /// Adds user metadata (`x-oss-meta-<name>`). Names are of letters, digits and `-`; values are printable ASCII.
    ///
    /// # Errors
    /// The name is not like this, the value not printable ASCII, or all of it is more than 8 KiB.
    pub fn metadata(mut self, name: &str, value: &str) -> Result<Self, InvalidOption> {
        let legal = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !legal {
            return Err(InvalidOption::MetadataName(name.to_owned()));
        }
        self.metadata.insert(name.to_ascii_lowercase(), printable("metadata", value)?);
        let size: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > MAX_METADATA { Err(InvalidOption::MetadataSize(size)) } else { Ok(self) }
    }

    /// Adds a tag: a name of 1 to 128 bytes, a value of up to 256; of letters, digits, blanks and `+-=._:/`.
    ///
    /// # Errors
    /// It is not like this, or there are too many.
    pub fn tag(mut self, name: &str, value: &str) -> Result<Self, InvalidOption> {
        let legal = |c: char| c.is_alphanumeric() || " +-=._:/".contains(c);
        let fits = (1..=128).contains(&name.len()) && value.len() <= 256;
        if !fits || !name.chars().chain(value.chars()).all(legal) {
            return Err(InvalidOption::Tag(name.to_owned()));
        }
        self.tags.insert(name.to_owned(), value.to_owned());
        if self.tags.len() > MAX_TAGS { Err(InvalidOption::TooManyTags) } else { Ok(self) }
    }

    /// Who may read and write the object.
    #[must_use]
    pub fn acl(mut self, acl: Acl) -> Self {
        self.acl = Some(acl);
        self
    }

    /// How the object is stored.
    #[must_use]
    pub fn storage_class(mut self, class: StorageClass) -> Self {
        self.storage_class = Some(class);
        self
    }

    /// How the server encrypts the object.
    ///
    /// # Errors
    /// The id of the key is empty or not printable ASCII.
    pub fn encryption(mut self, encryption: Encryption) -> Result<Self, InvalidOption> {
        if let Encryption::Kms { key_id: Some(id), .. } = &encryption {
            printable("the id of the KMS key", id)?;
        }
        self.encryption = Some(encryption);
        Ok(self)
    }

    /// Fail if there is an object under the key. Has no effect in buckets with versioning.
    #[must_use]
    pub fn forbid_overwrite(mut self, forbid: bool) -> Self {
        self.flags.forbid_overwrite = forbid;
        self
    }

    /// We pay for the requests, not the owner of the bucket.
    #[must_use]
    pub fn request_payer(mut self, we_pay: bool) -> Self {
        self.flags.request_payer = we_pay;
        self
    }

    /// The speed of each request that carries data, in bit/s: 245,760 to 838,860,800.
    ///
    /// # Errors
    /// OSS does not offer this speed.
    pub fn traffic_limit(mut self, bits_per_second: u64) -> Result<Self, InvalidOption> {
        // The documentation says from 819,200; the Go SDK V2 says from 245,760.
        if !(245_760..=838_860_800).contains(&bits_per_second) {
            return Err(InvalidOption::TrafficLimit(bits_per_second));
        }
        self.traffic_limit = Some(bits_per_second);
        Ok(self)
    }

    /// Sequential mode: the server takes the parts in order only. One part is in flight at a time then.
    #[must_use]
    pub fn sequential(mut self, sequential: bool) -> Self {
        self.flags.sequential = sequential;
        self
    }

    /// Complete with all parts that the server has, instead of a list. The list is sent nevertheless where the server
    /// may have parts that are not the source's.
    #[must_use]
    pub fn complete_all(mut self, all: bool) -> Self {
        self.flags.complete_all = all;
        self
    }

    /// Whether an ETag that looks like an MD5 may be something else: it is not documented what it is for content that is
    /// encrypted with other keys or ciphers than OSS's own.
    pub(crate) fn has_etags_of_unknown_kind(&self) -> bool {
        matches!(self.encryption, Some(Encryption::Kms { .. } | Encryption::Sm4))
    }

    /// Whether sequential mode is on.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        self.flags.sequential
    }

    /// Whether Complete is to take all parts.
    #[must_use]
    pub fn is_complete_all(&self) -> bool {
        self.flags.complete_all
    }

    /// Whether anything is asked for that is fixed when an upload begins.
    pub(crate) fn fixes_anything(&self) -> bool {
        self.flags.sequential || !self.fixed_headers().is_empty()
    }

    /// A short text that is the same for the same attributes, of those that are fixed when an upload begins. The ACL
    /// and the options of requests are not among them: they may change from run to run.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut field = |text: &[u8]| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        for (name, value) in self.fixed_headers() {
            field(name.as_str().as_bytes());
            field(value.as_bytes());
        }
        field(if self.flags.sequential { b"sequential" } else { b"" });
        hexadecimal(hash, 16)
    }

    /// The same for each of these attributes, by its name, so that it can be said which are others. User metadata counts
    /// as one.
    #[must_use]
    pub fn fingerprints(&self) -> BTreeMap<String, String> {
        let mut hashes = BTreeMap::<String, Sha256>::new();
        for (name, value) in self.fixed_headers() {
            let is_metadata = name.as_str().starts_with("x-oss-meta-");
            let kind = if is_metadata { "x-oss-meta-*" } else { name.as_str() };
            let hash = hashes.entry(kind.to_owned()).or_default();
            hash.update(name.as_str());
            hash.update([0]);
            hash.update(value.as_bytes());
            hash.update([0]);
        }
        hashes.insert("sequential".to_owned(), Sha256::new().chain_update([self.flags.sequential.into()]));
        hashes.into_iter().map(|(name, hash)| (name, hexadecimal(hash, 4))).collect()
    }

    fn content_header(mut self, name: &'static str, value: &str) -> Result<Self, InvalidOption> {
        self.content.insert(name, printable(name, value)?);
        Ok(self)
    }

    /// What is fixed when an upload begins, in a fixed order.
    fn fixed_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        for name in [CONTENT_TYPE, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, EXPIRES] {
            if let Some(value) = self.content.get(name.as_str()) {
                headers.push((name, value.clone()));
            }
        }
        for (name, value) in &self.metadata {
            if let Ok(name) = HeaderName::try_from(format!("x-oss-meta-{name}")) {
                headers.push((name, value.clone()));
            }
        }
        if let Some(class) = self.storage_class {
            headers.push((STORAGE_CLASS, HeaderValue::from_static(class.as_str())));
        }
        if !self.tags.is_empty() {
            let encode = |text| utf8_percent_encode(text, QUERY);
            let tags: Vec<_> =
                self.tags.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
            headers.extend(HeaderValue::try_from(tags.join("&")).ok().map(|tags| (TAGGING, tags)));
        }
        match &self.encryption {
            None => {}
            Some(Encryption::Aes256) => headers.push((ENCRYPTION, HeaderValue::from_static("AES256"))),
            Some(Encryption::Sm4) => headers.push((ENCRYPTION, HeaderValue::from_static("SM4"))),
            Some(Encryption::Kms { key_id, sm4 }) => {
                headers.push((ENCRYPTION, HeaderValue::from_static("KMS")));
                let key = key_id.as_deref().and_then(|id| HeaderValue::try_from(id).ok());
                headers.extend(key.map(|id| (ENCRYPTION_KEY, id)));
                if *sm4 {
                    headers.push((DATA_ENCRYPTION, HeaderValue::from_static("SM4")));
                }
            }
        }
        headers
    }

    fn overwrite_header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.flags.forbid_overwrite.then(|| (FORBID_OVERWRITE, HeaderValue::from_static("true")))
    }

    fn acl_header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.acl.map(|acl| (OBJECT_ACL, HeaderValue::from_static(acl.as_str())))
    }

    fn guessed_type(&self, key: &str) -> Option<(HeaderName, HeaderValue)> {
        if self.content.contains_key(CONTENT_TYPE.as_str()) {
            return None;
        }
        Some((
            CONTENT_TYPE,
            HeaderValue::from_static(content_type_for(key).unwrap_or("application/octet-stream")),
        ))
    }

    /// Headers that every request may carry.
    pub(crate) fn common_headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        self.flags.request_payer.then(|| (REQUEST_PAYER, HeaderValue::from_static("requester"))).into_iter()
    }

    pub(crate) fn initiate_headers(&self, key: &str) -> Vec<(HeaderName, HeaderValue)> {
        let fixed = self.fixed_headers().into_iter().chain(self.guessed_type(key));
        // Checked at Initiate and again at Complete.
        fixed.chain(self.overwrite_header()).chain(self.common_headers()).collect()
    }

    pub(crate) fn part_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        // Encryption headers here would be 400 InvalidArgument.
        let limit = self.traffic_limit.map(|limit| (TRAFFIC_LIMIT, HeaderValue::from(limit)));
        limit.into_iter().chain(self.common_headers()).collect()
    }

    pub(crate) fn complete_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.acl_header().into_iter().chain(self.overwrite_header()).chain(self.common_headers()).collect()
    }

    pub(crate) fn put_headers(&self, key: &str) -> Vec<(HeaderName, HeaderValue)> {
        let limit = self.traffic_limit.map(|limit| (TRAFFIC_LIMIT, HeaderValue::from(limit)));
        self.initiate_headers(key).into_iter().chain(self.acl_header()).chain(limit).collect()
    }
}

/// The media type that the ending of a name stands for, if it is a known one.
#[must_use]
pub fn content_type_for(name: &str) -> Option<&'static str> {
    let name = name.rsplit('/').next().unwrap_or(name);
    match name.rsplit_once('.') {
        // Players of HLS want these (RFC 8216); the table has others first.
        Some((_, ending)) if ending.eq_ignore_ascii_case("m3u8") => Some("application/vnd.apple.mpegurl"),
        Some((_, ending)) if ending.eq_ignore_ascii_case("ts") => Some("video/mp2t"),
        _ => mime_guess::from_path(name).first_raw(),
    }
}

fn hexadecimal(hash: Sha256, bytes: usize) -> String {
    hash.finalize().iter().take(bytes).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn printable(what: &'static str, value: &str) -> Result<HeaderValue, InvalidOption> {
    if value.trim().is_empty() {
        return Err(InvalidOption::Empty(what));
    }
    let printable = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    // Outer blanks would be signed differently by different implementations.
    let value = HeaderValue::try_from(value.trim()).ok().filter(|_| printable);
    value.ok_or(InvalidOption::NotPrintable(what))
}

/// An option that OSS would not accept.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOption {
    /// A header value of nothing.
    #[error("the value of {0} is empty")]
    Empty(&'static str),
    /// A header value that cannot be sent.
    #[error("the value of {0} must be printable ASCII; encode other text yourself")]
    NotPrintable(&'static str),
    /// Not a point in time.
    #[error("'{0}' is not a date such as 'Fri, 12 Jan 2024 21:47:15 GMT', nor 0")]
    Expires(String),
    /// A name that user metadata cannot have.
    #[error("'{0}' cannot be the name of metadata: letters, digits and '-' can")]
    MetadataName(String),
    /// Too much user metadata.
    #[error("{0} bytes of metadata are more than OSS takes (8 KiB)")]
    MetadataSize(usize),
    /// A tag that is empty or too long, or has characters that no tag can have.
    #[error(
        "'{0}' cannot be a tag: 1 to 128 bytes of name, up to 256 of value; letters, digits, blanks and +-=._:/"
    )]
    Tag(String),
    /// Too many tags.
    #[error("an object has at most {MAX_TAGS} tags")]
    TooManyTags,
    /// A speed that OSS does not offer.
    #[error("{0} bit/s is outside the limits of OSS: 245760 to 838860800")]
    TrafficLimit(u64),
    /// A word that is none of those known.
    #[error("'{text}' is not one of {}", known.join(", "))]
    Unknown {
        /// The word.
        text: String,
        /// Those known.
        known: &'static [&'static str],
    },
}

#[cfg(test)]
mod tests;
