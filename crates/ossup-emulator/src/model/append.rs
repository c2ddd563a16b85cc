//! AppendObject: an object that grows at its end.

use http::StatusCode;
use ossup_core::digest::ContentDigest;

use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::{Context, Reply};
use super::world::{Object, ObjectKind, ObjectMeta};
use super::{Model, attributes, page};
use crate::storage::Content;

impl Model {
    pub(crate) fn append_object(
        &self,
        received: &Received,
        content: &Content,
        digest: &ContentDigest,
        at: &Context,
    ) -> Result<Reply, Refusal> {
        let position = position(received)?;
        let (bucket, key) = received.names();
        let mut state = self.state();
        let mut object = match state.bucket(received)?.objects.get(key) {
            Some(object) if object.meta.kind != ObjectKind::Appendable => {
                return Err(Refusal::new(
                    StatusCode::CONFLICT,
                    "ObjectNotAppendable",
                    "The object is not appendable.",
                ));
            }
            Some(object) => Object::clone(object),
            None => {
                let meta = ObjectMeta {
                    etag: String::new(),
                    crc64: Some(ossup_core::digest::Crc64::EMPTY),
                    md5: None,
                    kind: ObjectKind::Appendable,
                    modified: 0,
                    attributes: attributes::read(received)?,
                    acl: attributes::object_acl(received)?,
                };
                Object::new(Content::default(), meta)
            }
        };
        let length = object.content.len();
        if position != length {
            let message = "Position is not equal to file length.";
            return Err(Refusal::new(StatusCode::CONFLICT, "PositionNotEqualToLength", message)
                .header("x-oss-next-append-position", length));
        }
        object.content.append(content);
        object.meta.crc64 =
            object.meta.crc64.zip(digest.crc64).map(|(all, next)| all.followed_by(next, digest.len));
        object.meta.etag = self.etag(&mut state, digest);
        object.meta.modified = at.now.unix();
        let object = self.store(&mut state, bucket, key, object)?;
        Ok(Reply::ok()
            .etag(&object.meta.etag)
            .crc64(object.meta.crc64)
            .header("x-oss-next-append-position", object.content.len().to_string()))
    }
}

/// What can be refused before the body is read.
pub(crate) fn check(received: &Received) -> Result<(), Refusal> {
    attributes::read(received)?;
    attributes::object_acl(received)?;
    position(received)?;
    Ok(())
}

fn position(received: &Received) -> Result<u64, Refusal> {
    page::number(received, "position", u64::MAX)?.ok_or_else(|| refusal::missing_argument("position"))
}
