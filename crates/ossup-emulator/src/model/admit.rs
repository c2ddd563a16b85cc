//! Whether a request is let in: who sent it, and whether what it names can be named.

use ossup_core::object::{BucketName, ObjectKey};

use super::refusal::{self, Refusal};
use super::world::Acl;
use super::{Model, Operation, Received, Target};
use crate::auth;

impl Model {
    /// The request is signed, or is one that anybody may make.
    pub(crate) fn authorize(&self, received: &Received, operation: Option<Operation>) -> Result<(), Refusal> {
        if !self.config.check_signatures {
            return Ok(());
        }
        let state = self.state();
        if auth::verify(received, &state.keys, &self.config.region, self.clock.now())? {
            return Ok(());
        }
        let bucket = received.target.bucket().and_then(|name| state.buckets.get(name));
        let object = bucket.and_then(|bucket| bucket.objects.get(received.target.key()?));
        let acl = object.and_then(|o| o.meta.acl).or(bucket.map(|b| b.meta.acl)).unwrap_or(Acl::Private);
        let allowed = match acl {
            Acl::Private => false,
            Acl::PublicRead => operation.is_some_and(Operation::is_public_read),
            Acl::PublicReadWrite => operation.is_some_and(|op| op.is_public_read() || op.is_public_write()),
        };
        if allowed {
            return Ok(());
        }
        Err(denied())
    }

    /// Bucket and key may be called that, and the bucket is there, in the region that the host names.
    pub(crate) fn check_names(&self, received: &Received, operation: Operation) -> Result<(), Refusal> {
        let Some(bucket) = received.target.bucket() else { return Ok(()) };
        if bucket.parse::<BucketName>().is_err() {
            return Err(refusal::invalid_bucket_name(bucket));
        }
        if let Target::Object { key, .. } = &received.target
            && key.parse::<ObjectKey>().is_err()
        {
            return Err(refusal::invalid_object_name(key));
        }
        if self.state().buckets.contains_key(bucket) {
            let is_ours = |base: &String| received.host.contains(base.as_str());
            return match received.region_of_host() {
                Some(other)
                    if other != self.config.region && !self.config.base_domains.iter().any(is_ours) =>
                {
                    Err(refusal::wrong_endpoint(&self.config.region))
                }
                _ => Ok(()),
            };
        }
        if operation == Operation::PutBucket {
            return Ok(());
        }
        if self.config.auto_create_buckets && operation != Operation::DeleteBucket {
            return self.create_bucket(bucket).map_err(|_| refusal::internal_error());
        }
        Err(refusal::no_such_bucket(bucket))
    }
}

/// The answer to a caller who may not.
pub(crate) fn denied() -> Refusal {
    refusal::access_denied("You have no right to access this object because of bucket acl.")
        .ec("0003-00000001")
}
