//! The multipart operations before Complete: Initiate, UploadPart, ListParts, Abort.

use ossup_core::digest::ContentDigest;
use ossup_core::part::MAX_PARTS;

use super::intake::part_number;
use super::page::{self, Encoding};
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::{Context, Reply};
use super::weight::Record as _;
use super::world::{Part, PartMeta, Upload, UploadMeta};
use super::{Model, State, attributes};
use crate::journal::Exchange;
use crate::storage::Content;

impl State {
    /// The upload of the request; of another bucket or key it is no upload.
    pub(crate) fn upload(&mut self, received: &Received) -> Result<&mut Upload, Refusal> {
        let id = received.upload_id()?;
        let (_, key) = received.names();
        let place = (key.to_owned(), id.to_owned());
        self.bucket(received)?.uploads.get_mut(&place).ok_or_else(|| refusal::no_such_upload(id))
    }
}

impl Received {
    pub(crate) fn upload_id(&self) -> Result<&str, Refusal> {
        self.query.get("uploadId").ok_or_else(|| refusal::missing_argument("uploadId"))
    }
}

impl Model {
    pub(crate) fn initiate(
        &self,
        received: &Received,
        at: &Context,
        exchange: &mut Exchange,
    ) -> Result<Reply, Refusal> {
        let encoding = Encoding::of(received)?;
        let meta = UploadMeta {
            initiated: at.now.unix(),
            sequential: received.query.has("sequential"),
            attributes: attributes::read(received)?,
        };
        let (bucket_name, key) = received.names();
        let mut state = self.state();
        let bucket = state.bucket(received)?;
        if received.forbids_overwrite() && bucket.objects.contains_key(key) {
            return Err(refusal::file_already_exists());
        }
        let seed = self.config.seed;
        let id = format!("{:016X}{:016X}", state.random(seed), state.random(seed));
        let mut upload = Upload::new(meta);
        upload.hold(key, &self.account).map_err(|_| refusal::internal_error())?;
        self.records().put_upload(bucket_name, key, &id, &upload).map_err(|_| refusal::internal_error())?;
        exchange.began_upload(&id);
        state.bucket(received)?.uploads.insert((key.to_owned(), id.clone()), upload);
        Ok(Reply::document("InitiateMultipartUploadResult", |xml| {
            if encoding.is_url() {
                xml.text("EncodingType", "url");
            }
            xml.text("Bucket", bucket_name);
            xml.text("Key", encoding.name(key));
            xml.text("UploadId", id);
        }))
    }

    pub(crate) fn check_part(&self, received: &Received) -> Result<(), Refusal> {
        let number = part_number(received)?.get();
        received.upload_id()?;
        if received.headers.contains_key("x-oss-server-side-encryption") {
            return Err(refusal::invalid_argument(
                "x-oss-server-side-encryption is not allowed in this request.",
            ));
        }
        check_sequence(self.state().upload(received)?, number)
    }

    pub(crate) fn upload_part(
        &self,
        received: &Received,
        content: Content,
        digest: &ContentDigest,
        at: &Context,
    ) -> Result<Reply, Refusal> {
        let mut state = self.state();
        let etag = self.etag(&mut state, digest);
        let meta = PartMeta { etag, crc64: digest.crc64, modified: at.now.unix() };
        let reply = Reply::ok().etag(&meta.etag).crc64(meta.crc64);
        self.keep_part(&mut state, received, Part::new(content, meta))?;
        Ok(match digest.md5 {
            Some(md5) => reply.header("content-md5", md5.to_base64()),
            None => reply,
        })
    }

    /// Puts a part in its place; the last one of a number wins. While its body came, the upload may have gone.
    pub(crate) fn keep_part(
        &self,
        state: &mut State,
        received: &Received,
        mut part: Part,
    ) -> Result<(), Refusal> {
        let number = part_number(received)?.get();
        let upload = state.upload(received)?;
        check_sequence(upload, number)?;
        let (bucket, _) = received.names();
        let id = received.upload_id()?;
        part.hold(id, &self.account).map_err(|_| refusal::internal_error())?;
        self.records().put_part(bucket, id, number, &part).map_err(|_| refusal::internal_error())?;
        upload.parts.insert(number, part);
        Ok(())
    }

    pub(crate) fn list_parts(&self, received: &Received) -> Result<Reply, Refusal> {
        let encoding = Encoding::of(received)?;
        let size = page::size(received, "max-parts", 1000)?;
        let marker = page::number(received, "part-number-marker", u64::from(MAX_PARTS))?.unwrap_or(0);
        let (bucket, key) = received.names();
        let id = received.upload_id()?;
        let mut state = self.state();
        let upload = state.upload(received)?;
        let behind = || upload.parts.iter().filter(|(number, _)| u64::from(**number) > marker);
        let is_truncated = behind().count() > size;
        let last = behind().take(size).last().map_or(marker, |(number, _)| u64::from(*number));
        Ok(Reply::document("ListPartsResult", |xml| {
            if encoding.is_url() {
                xml.text("EncodingType", "url");
            }
            xml.text("Bucket", bucket);
            xml.text("Key", encoding.name(key));
            xml.text("UploadId", id);
            xml.text("StorageClass", upload.meta.attributes.storage_class());
            xml.number("PartNumberMarker", marker);
            xml.number("NextPartNumberMarker", last);
            xml.number("MaxParts", size as u64);
            xml.flag("IsTruncated", is_truncated);
            for (number, part) in behind().take(size) {
                xml.element("Part", |xml| {
                    xml.number("PartNumber", *number);
                    xml.text("LastModified", page::iso(part.meta.modified));
                    xml.text("ETag", format!("\"{}\"", part.meta.etag));
                    if let Some(crc64) = part.meta.crc64 {
                        xml.text("HashCrc64ecma", crc64.to_string());
                    }
                    xml.number("Size", part.content.len());
                });
            }
        }))
    }

    pub(crate) fn abort(&self, received: &Received) -> Result<Reply, Refusal> {
        let mut state = self.state();
        state.upload(received)?;
        let (bucket, key) = received.names();
        self.drop_upload(&mut state, bucket, key, received.upload_id()?)?;
        Ok(Reply::new(http::StatusCode::NO_CONTENT))
    }

    /// Forgets an upload and its parts.
    pub(crate) fn drop_upload(
        &self,
        state: &mut State,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> Result<(), Refusal> {
        self.records().remove_upload(bucket, id).map_err(|_| refusal::internal_error())?;
        if let Some(bucket) = state.buckets.get_mut(bucket) {
            bucket.uploads.remove(&(key.to_owned(), id.to_owned()));
        }
        Ok(())
    }
}

/// In sequential mode parts come in order and are not replaced.
fn check_sequence(upload: &Upload, number: u16) -> Result<(), Refusal> {
    if !upload.meta.sequential {
        return Ok(());
    }
    if let Some(part) = upload.parts.get(&number) {
        return Err(refusal::part_already_exists(number, &part.meta.etag));
    }
    let last = upload.parts.last_key_value().map_or(0, |(number, _)| *number);
    if number == last + 1 { Ok(()) } else { Err(refusal::part_not_sequential(number)) }
}
