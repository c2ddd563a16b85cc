//! CopyObject and UploadPartCopy: content that is on the server already.

use std::sync::Arc;

use ossup_core::digest::{ContentDigest, Hasher};
use percent_encoding::percent_decode_str;

use super::object::stretch;
use super::page;
use super::put::encrypted;
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::{Context, Reply};
use super::world::{Attributes, Object, ObjectKind, ObjectMeta, Part, PartMeta};
use super::{Model, attributes};
use crate::storage::Content;

impl Model {
    /// The object that `x-oss-copy-source` names.
    fn copy_source(&self, received: &Received) -> Result<Arc<Object>, Refusal> {
        let text = received.header("x-oss-copy-source").unwrap_or_default();
        let invalid = || refusal::argument("x-oss-copy-source", &text, "The copy source is not valid.");
        // A key may have these characters too, but then encoded.
        if text.contains("?versionId=") {
            return Err(refusal::not_implemented("versionId"));
        }
        let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| invalid())?;
        let path = decoded.strip_prefix('/').unwrap_or(&decoded);
        let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
        let state = self.state();
        let found = state.buckets.get(bucket).ok_or_else(|| refusal::no_such_bucket(bucket))?;
        let object = found.objects.get(key).cloned().ok_or_else(|| refusal::no_such_key(key))?;
        check_source(received, &object)?;
        Ok(object)
    }

    pub(crate) fn copy_object(&self, received: &Received, at: &Context) -> Result<Reply, Refusal> {
        let source = self.copy_source(received)?;
        let attributes = copied_attributes(received, &source.meta.attributes)?;
        let digest = self.digest(&source.content)?;
        let (bucket, key) = received.names();
        let mut state = self.state();
        if received.forbids_overwrite() && state.bucket(received)?.objects.contains_key(key) {
            return Err(refusal::file_already_exists());
        }
        let meta = ObjectMeta {
            etag: self.etag(&mut state, &digest),
            crc64: digest.crc64,
            md5: digest.md5.map(|md5| md5.to_string()),
            kind: ObjectKind::Normal,
            modified: at.now.unix(),
            attributes,
            acl: attributes::object_acl(received)?,
        };
        let object = self.store(&mut state, bucket, key, Object::new(source.content.clone(), meta))?;
        let etag = &object.meta.etag;
        let reply = Reply::document("CopyObjectResult", |xml| {
            xml.text("ETag", format!("\"{etag}\""));
            xml.text("LastModified", page::iso(object.meta.modified));
        });
        Ok(encrypted(reply.etag(etag).crc64(object.meta.crc64), &object))
    }

    pub(crate) fn upload_part_copy(&self, received: &Received, at: &Context) -> Result<Reply, Refusal> {
        let source = self.copy_source(received)?;
        let size = source.content.len();
        let (offset, len) = match received.header("x-oss-copy-source-range") {
            Some(text) => {
                let (start, end) = source_range(&text, size).ok_or_else(|| {
                    refusal::argument("x-oss-copy-source-range", &text, "The copy source range is not valid.")
                })?;
                (start, end - start + 1)
            }
            None => (0, size),
        };
        if len > self.config.max_part_size {
            return Err(refusal::entity_too_large(len));
        }
        let content = stretch(self, &source.content, offset, len).map_err(|_| refusal::internal_error())?;
        let digest = self.digest(&content)?;
        let mut state = self.state();
        let etag = self.etag(&mut state, &digest);
        let meta = PartMeta { etag: etag.clone(), crc64: digest.crc64, modified: at.now.unix() };
        self.keep_part(&mut state, received, Part::new(content, meta))?;
        let reply = Reply::document("CopyPartResult", |xml| {
            xml.text("LastModified", page::iso(at.now.unix()));
            xml.text("ETag", format!("\"{etag}\""));
        });
        // The classic Python SDK takes the ETag from the header, others from the document.
        Ok(reply.etag(&etag).crc64(digest.crc64))
    }

    fn digest(&self, content: &Content) -> Result<ContentDigest, Refusal> {
        let mut hasher = Hasher::new(self.config.integrity);
        let mut reader = content.read(0, content.len());
        while let Some(piece) = reader.next().map_err(|_| refusal::internal_error())? {
            self.check_interrupted().map_err(|_| refusal::internal_error())?;
            hasher.update(&piece);
        }
        Ok(hasher.finish())
    }
}

/// The attributes of a copy: those of the source or of the request, as the directives say; where and how it is stored is
/// up to the request in any case.
fn copied_attributes(received: &Received, source: &Attributes) -> Result<Attributes, Refusal> {
    let asked = attributes::read(received)?;
    let replace_headers = is_replaced(received, "x-oss-metadata-directive")?;
    let replace_tagging = is_replaced(received, "x-oss-tagging-directive")?;
    let tagging = if replace_tagging { asked.tagging } else { source.tagging.clone() };
    if replace_headers {
        return Ok(Attributes { headers: asked.headers, tagging });
    }
    let mut headers = source.headers.clone();
    for group in ["x-oss-storage-class", "x-oss-server-side-"] {
        let given = asked.headers.iter().filter(|(name, _)| name.starts_with(group));
        let given: Vec<_> = given.cloned().collect();
        if !given.is_empty() {
            headers.retain(|(name, _)| !name.starts_with(group));
            headers.extend(given);
        }
    }
    Ok(Attributes { headers, tagging })
}

fn is_replaced(received: &Received, directive: &str) -> Result<bool, Refusal> {
    match received.header(directive) {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("COPY") => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("REPLACE") => Ok(true),
        Some(text) => Err(refusal::argument(directive, &text, "The directive must be COPY or REPLACE.")),
    }
}

/// The conditions under which the source is copied.
fn check_source(received: &Received, object: &Object) -> Result<(), Refusal> {
    use ossup_core::part::ETag;
    use ossup_core::time::Timestamp;
    let own = object.meta.etag.parse::<ETag>();
    let same = |header: &str| received.header(header).map(|etag| etag.parse::<ETag>() == own);
    let after =
        |header: &str| Some(object.meta.modified > Timestamp::parse(&received.header(header)?)?.unix());
    let failed = [
        ("x-oss-copy-source-if-match", same("x-oss-copy-source-if-match") == Some(false)),
        ("x-oss-copy-source-if-none-match", same("x-oss-copy-source-if-none-match") == Some(true)),
        ("x-oss-copy-source-if-modified-since", after("x-oss-copy-source-if-modified-since") == Some(false)),
        (
            "x-oss-copy-source-if-unmodified-since",
            after("x-oss-copy-source-if-unmodified-since") == Some(true),
        ),
    ];
    match failed.iter().find(|(_, failed)| *failed) {
        Some((condition, _)) => Err(refusal::precondition_failed(condition)),
        None => Ok(()),
    }
}

/// First and last byte, both within the source.
fn source_range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
    let start = start.parse::<u64>().ok()?;
    let end = if end.is_empty() { size.checked_sub(1)? } else { end.parse().ok()? };
    (start <= end && end < size).then_some((start, end))
}
