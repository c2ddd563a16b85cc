//! Which operation a request asks for.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};

use super::parameters;
use super::received::{Received, Target};
use super::refusal::{self, Refusal};

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The operations that the emulator has.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Operation { $($(#[$doc])* $name),* }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name that OSS's documentation uses.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

operations! {
    /// `GET /`
    ListBuckets,
    /// `PUT /bucket`
    PutBucket,
    /// `DELETE /bucket`
    DeleteBucket,
    /// `GET /bucket?bucketInfo`
    GetBucketInfo,
    /// `GET /bucket?location`
    GetBucketLocation,
    /// `GET /bucket?stat`
    GetBucketStat,
    /// `GET /bucket?acl`
    GetBucketAcl,
    /// `PUT /bucket?acl`
    PutBucketAcl,
    /// `GET /bucket`
    ListObjects,
    /// `GET /bucket?list-type=2`
    ListObjectsV2,
    /// `GET /bucket?uploads`
    ListMultipartUploads,
    /// `POST /bucket?delete`
    DeleteMultipleObjects,
    /// `PUT /bucket/key`
    PutObject,
    /// `GET /bucket/key`
    GetObject,
    /// `HEAD /bucket/key`
    HeadObject,
    /// `HEAD /bucket/key?objectMeta`
    GetObjectMeta,
    /// `DELETE /bucket/key`
    DeleteObject,
    /// `PUT /bucket/key` with `x-oss-copy-source`
    CopyObject,
    /// `POST /bucket/key?append&position=n`
    AppendObject,
    /// `GET /bucket/key?acl`
    GetObjectAcl,
    /// `PUT /bucket/key?acl`
    PutObjectAcl,
    /// `GET /bucket/key?tagging`
    GetObjectTagging,
    /// `PUT /bucket/key?tagging`
    PutObjectTagging,
    /// `DELETE /bucket/key?tagging`
    DeleteObjectTagging,
    /// `POST /bucket/key?uploads`
    InitiateMultipartUpload,
    /// `PUT /bucket/key?partNumber=n&uploadId=id`
    UploadPart,
    /// The same with `x-oss-copy-source`
    UploadPartCopy,
    /// `GET /bucket/key?uploadId=id`
    ListParts,
    /// `POST /bucket/key?uploadId=id`
    CompleteMultipartUpload,
    /// `DELETE /bucket/key?uploadId=id`
    AbortMultipartUpload,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Operation {
    /// The operation that the request asks for; one that the emulator does not have is refused.
    pub(crate) fn of(received: &Received) -> Result<Self, Refusal> {
        let has = |name: &str| received.query.has(name);
        let copy = received.headers.contains_key("x-oss-copy-source");
        let method = &received.method;
        let (get, put, post) = (method == Method::GET, method == Method::PUT, method == Method::POST);
        let (head, delete) = (method == Method::HEAD, method == Method::DELETE);
        let operation = match &received.target {
            Target::Service if get => Self::ListBuckets,
            Target::Bucket(_) if get && has("uploads") => Self::ListMultipartUploads,
            Target::Bucket(_) if get && has("bucketInfo") => Self::GetBucketInfo,
            Target::Bucket(_) if get && has("location") => Self::GetBucketLocation,
            Target::Bucket(_) if get && has("stat") => Self::GetBucketStat,
            Target::Bucket(_) if get && has("acl") => Self::GetBucketAcl,
            Target::Bucket(_) if get && received.query.get("list-type") == Some("2") => Self::ListObjectsV2,
            Target::Bucket(_) if get => Self::ListObjects,
            Target::Bucket(_) if put && has("acl") => Self::PutBucketAcl,
            Target::Bucket(_) if put => Self::PutBucket,
            Target::Bucket(_) if delete => Self::DeleteBucket,
            Target::Bucket(_) if post && has("delete") => Self::DeleteMultipleObjects,
            Target::Bucket(_) if post => return Err(refusal::not_implemented("PostObject")),
            Target::Object { .. } if post && has("uploads") => Self::InitiateMultipartUpload,
            Target::Object { .. } if post && has("uploadId") => Self::CompleteMultipartUpload,
            Target::Object { .. } if post && has("append") => Self::AppendObject,
            Target::Object { .. } if put && (has("partNumber") || has("uploadId")) => {
                if copy {
                    Self::UploadPartCopy
                } else {
                    Self::UploadPart
                }
            }
            Target::Object { .. } if put && has("acl") => Self::PutObjectAcl,
            Target::Object { .. } if put && has("tagging") => Self::PutObjectTagging,
            Target::Object { .. } if put && copy => Self::CopyObject,
            Target::Object { .. } if put => Self::PutObject,
            Target::Object { .. } if get && has("uploadId") => Self::ListParts,
            Target::Object { .. } if get && has("acl") => Self::GetObjectAcl,
            Target::Object { .. } if get && has("tagging") => Self::GetObjectTagging,
            Target::Object { .. } if get => Self::GetObject,
            Target::Object { .. } if head && has("objectMeta") => Self::GetObjectMeta,
            Target::Object { .. } if head => Self::HeadObject,
            Target::Object { .. } if delete && has("uploadId") => Self::AbortMultipartUpload,
            Target::Object { .. } if delete && has("tagging") => Self::DeleteObjectTagging,
            Target::Object { .. } if delete => Self::DeleteObject,
            Target::Object { .. } if post => return Err(refusal::not_implemented("POST")),
            Target::Service | Target::Bucket(_) | Target::Object { .. } => {
                parameters::check(None, &received.query)?;
                return Err(refusal::method_not_allowed(method.as_str()));
            }
        };
        parameters::check(Some(operation), &received.query)?;
        Ok(operation)
    }

    /// Whether the request has a body that the operation reads.
    pub(crate) fn takes_body(self) -> bool {
        matches!(
            self,
            Self::PutObject
                | Self::AppendObject
                | Self::UploadPart
                | Self::CompleteMultipartUpload
                | Self::DeleteMultipleObjects
                | Self::PutObjectTagging
                | Self::PutBucket
        )
    }

    /// Whether the body is content, and not a document about content.
    pub(crate) fn takes_content(self) -> bool {
        matches!(self, Self::PutObject | Self::AppendObject | Self::UploadPart)
    }

    /// Whether anyone may do it in a bucket that is public to read.
    pub(crate) fn is_public_read(self) -> bool {
        matches!(self, Self::GetObject | Self::HeadObject | Self::GetObjectMeta)
    }

    /// Whether anyone may do it besides in a bucket that is public to write: what is about the content of objects, and
    /// not about who may do what. Copies are not: their source may be private.
    pub(crate) fn is_public_write(self) -> bool {
        matches!(
            self,
            Self::PutObject
                | Self::AppendObject
                | Self::DeleteObject
                | Self::DeleteMultipleObjects
                | Self::InitiateMultipartUpload
                | Self::UploadPart
                | Self::ListParts
                | Self::CompleteMultipartUpload
                | Self::AbortMultipartUpload
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of(method: &str, uri: &str) -> Result<Operation, String> {
        let request = http::Request::builder().method(method).uri(uri).header("Host", "bkt.localhost");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let received =
            Received::read(&head, &Config::default(), |_| false).map_err(|r| r.code.to_string())?;
        Operation::of(&received).map_err(|refusal| refusal.code.to_string())
    }

    #[test]
    fn bare_names_and_empty_values_are_the_same() {
        assert_eq!(of("POST", "/k?uploads"), Ok(Operation::InitiateMultipartUpload));
        assert_eq!(of("POST", "/k?uploads="), Ok(Operation::InitiateMultipartUpload));
        assert_eq!(of("GET", "/?uploads="), Ok(Operation::ListMultipartUploads));
    }

    #[test]
    fn parameters_come_in_any_order() {
        assert_eq!(of("PUT", "/k?uploadId=u&partNumber=1"), Ok(Operation::UploadPart));
        assert_eq!(of("PUT", "/k?partNumber=1&uploadId=u"), Ok(Operation::UploadPart));
    }

    #[test]
    fn what_is_not_there_is_never_taken_for_something_else() {
        for (method, uri) in [
            ("GET", "/?lifecycle"),
            ("PUT", "/?lifecycle"),
            ("DELETE", "/?policy"),
            ("GET", "/k?versionId=x"),
            ("GET", "/k?x-oss-process=image/info"),
            ("PUT", "/k?symlink"),
            ("POST", "/k?restore"),
            ("PUT", "/k?uploads"),
            ("DELETE", "/k?uploads"),
            ("POST", "/"),
        ] {
            assert_eq!(of(method, uri), Err("NotImplemented".into()), "{method} {uri}");
        }
    }
}
