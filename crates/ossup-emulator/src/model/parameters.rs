//! Which parameters a query may have: those of the operation and those of every request. OSS's API grows by bare names
//! (`?lifecycle`), each of which makes another operation of a request; one that is not known here is never ignored.

use super::Operation;
use super::received::Query;
use super::refusal::{self, Refusal};

/// In every request: where it is signed, who pays, how fast it may be.
const COMMON: &[&str] = &[
    "Expires",
    "OSSAccessKeyId",
    "Signature",
    "security-token",
    "x-oss-additional-headers",
    "x-oss-credential",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-request-payer",
    "x-oss-security-token",
    "x-oss-signature",
    "x-oss-signature-version",
    "x-oss-traffic-limit",
];

/// Those that OSS gives a meaning together with a value. Others with a value it ignores, as this emulator does.
const WITH_VALUE: &[&str] = &[
    "comp",
    "endTime",
    "inventoryId",
    "list-type",
    "partNumber",
    "position",
    "startTime",
    "status",
    "styleName",
    "tag-key",
    "tag-value",
    "uploadId",
    "version-id-marker",
    "versionId",
    "wormId",
];

/// Refuses a query in which something is asked for that the operation, or any if there is none, does not have.
pub(crate) fn check(operation: Option<Operation>, query: &Query) -> Result<(), Refusal> {
    let own = operation.map_or(&[][..], of);
    let foreign = query.0.iter().find(|(name, value)| {
        let name = name.as_str();
        let value = value.as_deref().unwrap_or_default();
        let meaningful = value.is_empty() || WITH_VALUE.contains(&name) || name.starts_with("x-oss-");
        // Listing version 1 may say so.
        let is_one = operation == Some(Operation::ListObjects) && name == "list-type" && value == "1";
        meaningful && !is_one && !own.contains(&name) && !COMMON.contains(&name)
    });
    match foreign {
        Some((name, _)) => Err(refusal::not_implemented(name)),
        None => Ok(()),
    }
}

/// The parameters that an operation has for itself.
fn of(operation: Operation) -> &'static [&'static str] {
    use Operation as Op;
    match operation {
        Op::ListBuckets => &["prefix", "marker", "max-keys"],
        Op::GetBucketInfo => &["bucketInfo"],
        Op::GetBucketLocation => &["location"],
        Op::GetBucketStat => &["stat"],
        Op::GetBucketAcl | Op::PutBucketAcl | Op::GetObjectAcl | Op::PutObjectAcl => &["acl"],
        Op::ListObjects => &["prefix", "marker", "max-keys", "delimiter", "encoding-type"],
        Op::ListObjectsV2 => &[
            "list-type",
            "prefix",
            "start-after",
            "continuation-token",
            "max-keys",
            "delimiter",
            "encoding-type",
            "fetch-owner",
        ],
        Op::ListMultipartUploads => &[
            "uploads",
            "prefix",
            "key-marker",
            "upload-id-marker",
            "max-uploads",
            "delimiter",
            "encoding-type",
        ],
        Op::DeleteMultipleObjects => &["delete", "encoding-type"],
        Op::GetObject => &[
            "response-content-type",
            "response-content-language",
            "response-expires",
            "response-cache-control",
            "response-content-disposition",
            "response-content-encoding",
        ],
        Op::GetObjectMeta => &["objectMeta"],
        Op::PutObject => &["callback", "callback-var"],
        Op::AppendObject => &["append", "position"],
        Op::GetObjectTagging | Op::PutObjectTagging | Op::DeleteObjectTagging => &["tagging"],
        Op::InitiateMultipartUpload => &["uploads", "sequential", "encoding-type"],
        Op::UploadPart | Op::UploadPartCopy => &["partNumber", "uploadId", "sequential"],
        Op::ListParts => &["uploadId", "max-parts", "part-number-marker", "encoding-type", "sequential"],
        Op::CompleteMultipartUpload => {
            &["uploadId", "encoding-type", "sequential", "callback", "callback-var"]
        }
        Op::AbortMultipartUpload => &["uploadId", "sequential"],
        Op::PutBucket | Op::DeleteBucket | Op::HeadObject | Op::DeleteObject | Op::CopyObject => &[],
    }
}
