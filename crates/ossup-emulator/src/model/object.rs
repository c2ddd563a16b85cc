//! What the operations on objects share: finding, storing, and dispatch to the operation.

use std::sync::Arc;

use ossup_core::digest::ContentDigest;

use super::intake::Taken;
use super::received::{Received, Target};
use super::refusal::{self, Refusal};
use super::reply::{Context, Reply};
use super::weight::Record as _;
use super::world::{Bucket, Object};
use super::{Model, Operation, State, append};
use crate::journal::Exchange;
use crate::storage::Content;

impl State {
    /// The bucket of the request.
    pub(crate) fn bucket(&mut self, received: &Received) -> Result<&mut Bucket, Refusal> {
        let name = received.target.bucket().unwrap_or_default();
        self.buckets.get_mut(name).ok_or_else(|| refusal::no_such_bucket(name))
    }

    /// The object of the request.
    pub(crate) fn object(&mut self, received: &Received) -> Result<Arc<Object>, Refusal> {
        let key = received.target.key().unwrap_or_default();
        let object = self.bucket(received)?.objects.get(key);
        object.cloned().ok_or_else(|| refusal::no_such_key(key))
    }
}

impl Received {
    /// Bucket and key of a request about an object.
    pub(crate) fn names(&self) -> (&str, &str) {
        match &self.target {
            Target::Object { bucket, key } => (bucket, key),
            Target::Bucket(bucket) => (bucket, ""),
            Target::Service => ("", ""),
        }
    }

    /// Whether an object of the same name must be left alone.
    pub(crate) fn forbids_overwrite(&self) -> bool {
        self.header_is("x-oss-forbid-overwrite", "true")
    }
}

impl Model {
    /// Puts an object in its place.
    pub(crate) fn store(
        &self,
        state: &mut State,
        bucket: &str,
        key: &str,
        mut object: Object,
    ) -> Result<Arc<Object>, Refusal> {
        object.hold(key, &self.account).map_err(|_| refusal::internal_error())?;
        let found = state.buckets.get_mut(bucket).ok_or_else(|| refusal::no_such_bucket(bucket))?;
        self.records().put_object(bucket, key, &object).map_err(|_| refusal::internal_error())?;
        let object = Arc::new(object);
        found.objects.insert(key.to_owned(), object.clone());
        Ok(object)
    }

    /// The ETag of content: its MD5, or an arbitrary one where that is not computed.
    pub(crate) fn etag(&self, state: &mut State, digest: &ContentDigest) -> String {
        match digest.md5 {
            Some(md5) => md5.to_string(),
            None => {
                let seed = self.config.seed;
                format!("{:016X}{:016X}", state.random(seed), state.random(seed))
            }
        }
    }

    /// What can be refused before the body is read.
    pub(crate) fn check_before_body(&self, operation: Operation, received: &Received) -> Result<(), Refusal> {
        match operation {
            Operation::UploadPart | Operation::UploadPartCopy => self.check_part(received),
            Operation::PutObject => self.check_put(received),
            Operation::AppendObject => append::check(received),
            Operation::DeleteMultipleObjects if !received.headers.contains_key("content-md5") => {
                Err(refusal::missing_argument("Content-MD5"))
            }
            _ => Ok(()),
        }
    }

    /// Does what was asked for.
    pub(crate) fn perform(
        &self,
        operation: Operation,
        received: &Received,
        taken: Taken,
        at: &Context,
        exchange: &mut Exchange,
    ) -> Result<Reply, Refusal> {
        use Operation as Op;
        match (operation, taken) {
            (Op::PutObject, Taken::Content(content, digest)) => {
                self.put_object(received, content, &digest, at)
            }
            (Op::AppendObject, Taken::Content(content, digest)) => {
                self.append_object(received, &content, &digest, at)
            }
            (Op::UploadPart, Taken::Content(content, digest)) => {
                self.upload_part(received, content, &digest, at)
            }
            (Op::PutBucket, Taken::Document(document)) => self.put_bucket(received, &document),
            (Op::DeleteMultipleObjects, Taken::Document(document)) => {
                self.delete_objects(received, &document)
            }
            (Op::PutObjectTagging, Taken::Document(document)) => self.put_tagging(received, &document),
            (Op::CompleteMultipartUpload, Taken::Document(document)) => {
                self.complete(received, &document, at)
            }
            (Op::InitiateMultipartUpload, _) => self.initiate(received, at, exchange),
            (Op::UploadPartCopy, _) => self.upload_part_copy(received, at),
            (Op::ListParts, _) => self.list_parts(received),
            (Op::AbortMultipartUpload, _) => self.abort(received),
            (Op::ListMultipartUploads, _) => self.list_uploads(received),
            (Op::GetObject, _) => self.get_object(received),
            (Op::HeadObject, _) => self.head_object(received),
            (Op::GetObjectMeta, _) => self.object_meta(received),
            (Op::DeleteObject, _) => self.delete_object(received),
            (Op::CopyObject, _) => self.copy_object(received, at),
            (Op::ListObjects, _) => self.list_objects(received),
            (Op::ListObjectsV2, _) => self.list_objects_v2(received),
            (Op::ListBuckets, _) => self.list_buckets(received),
            (Op::DeleteBucket, _) => self.delete_bucket(received),
            (Op::GetBucketInfo, _) => self.bucket_info(received),
            (Op::GetBucketLocation, _) => Ok(self.bucket_location()),
            (Op::GetBucketStat, _) => self.bucket_stat(received),
            (Op::GetBucketAcl, _) => self.bucket_acl(received),
            (Op::PutBucketAcl, _) => self.put_bucket_acl(received),
            (Op::GetObjectAcl, _) => self.object_acl(received),
            (Op::PutObjectAcl, _) => self.put_object_acl(received),
            (Op::GetObjectTagging, _) => self.get_tagging(received),
            (Op::DeleteObjectTagging, _) => self.delete_tagging(received),
            // Operations with a body were given one when the head was judged.
            (operation, _) => Err(refusal::not_implemented(operation.name())),
        }
    }
}

/// A stretch of content as content of its own, without copying where it is all of it.
pub(crate) fn stretch(model: &Model, content: &Content, offset: u64, len: u64) -> std::io::Result<Content> {
    if offset == 0 && len == content.len() {
        return Ok(content.clone());
    }
    let mut sink = model.storage.create()?;
    let mut reader = content.read(offset, len);
    while let Some(piece) = reader.next()? {
        model.check_interrupted()?;
        sink.write(piece)?;
    }
    Ok(Content::of(sink.finish()?))
}
