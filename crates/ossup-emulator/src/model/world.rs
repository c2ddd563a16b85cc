//! What the emulator knows: buckets, objects, uploads, parts. What requests do to them lives with the operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use ossup_core::digest::{Crc64, Md5};
use serde::{Deserialize, Serialize};

use crate::storage::Content;
use crate::storage::account::Held;

/// All buckets, by name.
pub(crate) type Buckets = BTreeMap<String, Bucket>;

/// Who may do what without a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Acl {
    #[default]
    Private,
    PublicRead,
    PublicReadWrite,
}

impl Acl {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "private" => Some(Self::Private),
            "public-read" => Some(Self::PublicRead),
            "public-read-write" => Some(Self::PublicReadWrite),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) meta: BucketMeta,
    pub(super) held: Held,
    pub(crate) objects: BTreeMap<String, Arc<Object>>,
    /// By key, then upload id: the order in which they are listed.
    pub(crate) uploads: BTreeMap<(String, String), Upload>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BucketMeta {
    /// Unix seconds.
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) acl: Acl,
    pub(crate) storage_class: String,
}

impl Bucket {
    pub(crate) fn new(meta: BucketMeta) -> Self {
        Self { meta, held: Held::default(), objects: BTreeMap::new(), uploads: BTreeMap::new() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) content: Content,
    pub(crate) meta: ObjectMeta,
    pub(super) held: Held,
}

impl Object {
    pub(crate) fn new(content: Content, meta: ObjectMeta) -> Self {
        Self { content, meta, held: Held::default() }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ObjectMeta {
    /// Without quotes.
    pub(crate) etag: String,
    /// None where the emulator was told not to compute it.
    pub(crate) crc64: Option<Crc64>,
    /// Only of objects that were put in one piece: upper-case hexadecimal.
    pub(crate) md5: Option<String>,
    pub(crate) kind: ObjectKind,
    /// Unix seconds.
    pub(crate) modified: i64,
    pub(crate) attributes: Attributes,
    /// None: that of the bucket.
    #[serde(default)]
    pub(crate) acl: Option<Acl>,
}

impl ObjectMeta {
    pub(crate) fn content_md5(&self) -> Option<Md5> {
        self.md5.as_deref().and_then(Md5::from_hex)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ObjectKind {
    Normal,
    Multipart,
    Appendable,
}

impl ObjectKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Multipart => "Multipart",
            Self::Appendable => "Appendable",
        }
    }
}

/// What was said about an object when it, or its upload, was begun: headers that come back when it is read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) headers: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) tagging: Vec<(String, String)>,
}

impl Attributes {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn storage_class(&self) -> &str {
        self.get("x-oss-storage-class").unwrap_or("Standard")
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            let pair = (HeaderName::try_from(name), HeaderValue::try_from(value.as_bytes()));
            if let (Ok(name), Ok(value)) = pair {
                headers.append(name, value);
            }
        }
        if !self.tagging.is_empty() {
            headers.insert("x-oss-tagging-count", HeaderValue::from(self.tagging.len()));
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) meta: UploadMeta,
    pub(super) held: Held,
    pub(crate) parts: BTreeMap<u16, Part>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadMeta {
    /// Unix seconds.
    pub(crate) initiated: i64,
    pub(crate) sequential: bool,
    pub(crate) attributes: Attributes,
}

impl Upload {
    pub(crate) fn new(meta: UploadMeta) -> Self {
        Self { meta, held: Held::default(), parts: BTreeMap::new() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) content: Content,
    pub(crate) meta: PartMeta,
    pub(super) held: Held,
}

impl Part {
    pub(crate) fn new(content: Content, meta: PartMeta) -> Self {
        Self { content, meta, held: Held::default() }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PartMeta {
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) crc64: Option<Crc64>,
    /// Unix seconds.
    pub(crate) modified: i64,
}
