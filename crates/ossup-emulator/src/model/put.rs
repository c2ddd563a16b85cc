//! PutObject: an object in one piece.

use ossup_core::digest::ContentDigest;

use super::attributes;
use super::callback::Callback;
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::{Context, Reply};
use super::world::{Object, ObjectKind, ObjectMeta};
use super::{Model, Operation};
use crate::storage::Content;

impl Model {
    pub(crate) fn check_put(&self, received: &Received) -> Result<(), Refusal> {
        attributes::read(received)?;
        attributes::object_acl(received)?;
        Callback::read(received)?;
        let (_, key) = received.names();
        if received.forbids_overwrite() && self.state().bucket(received)?.objects.contains_key(key) {
            return Err(refusal::file_already_exists());
        }
        Ok(())
    }

    pub(crate) fn put_object(
        &self,
        received: &Received,
        content: Content,
        digest: &ContentDigest,
        at: &Context,
    ) -> Result<Reply, Refusal> {
        let (bucket, key) = received.names();
        let mut state = self.state();
        // While the body came, somebody else may have made the object.
        if received.forbids_overwrite() && state.bucket(received)?.objects.contains_key(key) {
            return Err(refusal::file_already_exists());
        }
        let meta = ObjectMeta {
            etag: self.etag(&mut state, digest),
            crc64: digest.crc64,
            md5: digest.md5.map(|md5| md5.to_string()),
            kind: ObjectKind::Normal,
            modified: at.now.unix(),
            attributes: attributes::read(received)?,
            acl: attributes::object_acl(received)?,
        };
        let object = self.store(&mut state, bucket, key, Object::new(content, meta))?;
        let mut reply = Reply::ok().etag(&object.meta.etag).crc64(object.meta.crc64);
        if let Some(md5) = object.meta.content_md5() {
            reply = reply.header("content-md5", md5.to_base64());
        }
        if let Some(callback) = Callback::read(received)? {
            reply.delivery = Some(callback.fill(received, Operation::PutObject, &object, at));
        }
        Ok(encrypted(reply, &object))
    }
}

/// The encryption of an object is told in the answers of the operations that make it.
pub(crate) fn encrypted(mut reply: Reply, object: &Object) -> Reply {
    for name in [
        "x-oss-server-side-encryption",
        "x-oss-server-side-encryption-key-id",
        "x-oss-server-side-data-encryption",
    ] {
        if let Some(value) = object.meta.attributes.get(name) {
            reply = reply.header(name, value);
        }
    }
    reply
}
