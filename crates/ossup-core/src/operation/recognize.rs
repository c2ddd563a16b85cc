//! A request that somebody else built and wants to have signed: which of our operations it is, if any.
//!
//! Whoever holds keys and signs for others must know what they sign. What a request claims to be is not asked; its
//! method, query and headers say what OSS would do.

use http::header::{HeaderMap, HeaderName};
use http::{HeaderValue, Method};

use crate::object::{BucketName, ObjectKey};
use crate::request::{Operation, Request};

/// The parameters that the operations of an upload have.
const PARAMETERS: [&str; 10] = [
    "encoding-type",
    "key-marker",
    "max-parts",
    "part-number-marker",
    "partNumber",
    "prefix",
    "sequential",
    "upload-id-marker",
    "uploadId",
    "uploads",
];

/// The headers that the operations of an upload have, besides `x-oss-meta-*`.
const HEADERS: [&str; 18] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-md5",
    "content-type",
    "expires",
    "x-oss-callback",
    "x-oss-callback-var",
    "x-oss-complete-all",
    "x-oss-forbid-overwrite",
    "x-oss-object-acl",
    "x-oss-request-payer",
    "x-oss-server-side-data-encryption",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-storage-class",
    "x-oss-tagging",
    "x-oss-traffic-limit",
];

/// The request that has this method, query and headers, for a service that signs what others ask for.
///
/// It is one of the operations of an upload, has no parameter and no header that such an operation does not have
/// (`x-oss-copy-source`, say, which would copy what the signer may read), and names what it is about by its query alone.
/// Whether the one who asks may do this to this key is for the service to decide: it looks at
/// [`Request::operation`], [`Request::bucket`], [`Request::key`], and at [`Request::query`] and [`Request::headers`] for
/// what else it cares about, such as a callback or an ACL.
///
/// The request is for signing only ([`Signing::presign`](crate::sign::Signing::presign),
/// [`Signing::sign`](crate::sign::Signing::sign)): it has no body, whatever that of the original is.
///
/// # Errors
/// It is not a request that an upload makes.
pub fn recognize(
    method: &Method,
    bucket: &BucketName,
    key: Option<&ObjectKey>,
    query: &[(String, Option<String>)],
    headers: &HeaderMap,
) -> Result<Request, NotAnUpload> {
    let mut parameters: Vec<(&'static str, Option<String>)> = Vec::new();
    for (name, value) in query {
        let known = PARAMETERS.iter().find(|known| *known == name);
        let known = *known.ok_or_else(|| NotAnUpload::Parameter(shortened(name)))?;
        if parameters.iter().any(|(other, _)| *other == known) {
            return Err(NotAnUpload::Parameter(shortened(name)));
        }
        parameters.push((known, value.clone()));
    }
    let mut known: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, value) in headers {
        let legal = HEADERS.contains(&name.as_str())
            || name.as_str().strip_prefix("x-oss-meta-").is_some_and(|rest| !rest.is_empty());
        if !legal || headers.get_all(name).iter().count() > 1 {
            return Err(NotAnUpload::Header(shortened(name.as_str())));
        }
        known.push((name.clone(), value.clone()));
    }
    let has = |name: &str| parameters.iter().any(|(other, _)| *other == name);
    let operation = match (method, key, has("uploads"), has("uploadId"), has("partNumber")) {
        (&Method::POST, Some(_), true, false, false) => Operation::InitiateMultipartUpload,
        (&Method::PUT, Some(_), false, true, true) => Operation::UploadPart,
        (&Method::GET, Some(_), false, true, false) => Operation::ListParts,
        (&Method::POST, Some(_), false, true, false) => Operation::CompleteMultipartUpload,
        (&Method::DELETE, Some(_), false, true, false) => Operation::AbortMultipartUpload,
        (&Method::GET, None, true, false, false) => Operation::ListMultipartUploads,
        (&Method::HEAD, Some(_), false, false, false) => Operation::HeadObject,
        (&Method::PUT, Some(_), false, false, false) => Operation::PutObject,
        _ => return Err(NotAnUpload::Operation),
    };
    let request = Request::new(operation, method.clone(), bucket, key).extend_headers(known);
    Ok(parameters.into_iter().fold(request, |request, (name, value)| request.query_param(name, value)))
}

/// As much of a name as an error repeats.
fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

/// A request that no upload makes.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnUpload {
    /// Method, key and parameters are those of no operation of an upload.
    #[error("this is no request of an upload")]
    Operation,
    /// A parameter that no request of an upload has, or has twice.
    #[error("no request of an upload has the parameter '{0}', or has it twice")]
    Parameter(String),
    /// A header that no request of an upload has, or has twice.
    #[error("no request of an upload has the header '{0}', or has it twice")]
    Header(String),
}

#[cfg(test)]
mod tests {
    use super::super::testing::object;
    use super::super::{abort, complete, head, initiate, list_parts, list_uploads, put, upload_part};
    use super::*;
    use crate::callback::Callback;
    use crate::digest::Integrity;
    use crate::options::{Acl, Encryption, ObjectOptions, StorageClass};
    use crate::part::{ByteRange, PartNumber, UploadId};

    fn again(request: &Request) -> Result<Request, NotAnUpload> {
        let query: Vec<_> =
            request.query().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        recognize(request.method(), request.bucket(), request.key(), &query, request.headers())
    }

    /// One request of each operation, with all that options can add.
    fn all() -> Vec<Request> {
        let options = ObjectOptions::new()
            .content_type("a/b")
            .and_then(|o| o.cache_control("no-store"))
            .and_then(|o| o.content_disposition("inline"))
            .and_then(|o| o.content_encoding("br"))
            .and_then(|o| o.expires("0"))
            .and_then(|o| o.metadata("m", "1"))
            .and_then(|o| o.tag("t", "1"))
            .and_then(|o| o.encryption(Encryption::Kms { key_id: Some("id".into()), sm4: true }))
            .and_then(|o| o.traffic_limit(819_200))
            .unwrap()
            .acl(Acl::Private)
            .storage_class(StorageClass::Archive)
            .forbid_overwrite(true)
            .request_payer(true)
            .sequential(true);
        let (object, id): (_, UploadId) = (object(), "A1".parse().unwrap());
        let (one, range) = (PartNumber::new(1).unwrap(), ByteRange::new(0, 1).unwrap());
        let callback = Callback::new("http://app", "x=${x:v}").unwrap().variable("v", "1").unwrap();
        vec![
            initiate::request(&object, &options),
            upload_part::request(&object, &id, one, range, Integrity::None, &options)
                .without_digest()
                .unwrap(),
            list_parts::request(&object, &id, Some(one), Some(9), &options),
            complete::request(&object, &id, complete::Parts::All, &options, Some(&callback)),
            abort::request(&object, &id, &options),
            list_uploads::request(&object.bucket, Some("k"), None, &options),
            head::request(&object, &options),
            put::request(&object, range, Integrity::None, &options, Some(&callback))
                .without_digest()
                .unwrap(),
        ]
    }

    #[test]
    fn every_request_of_an_upload_is_recognized_by_what_it_says() {
        let all = all();
        assert!(all.iter().map(Request::operation).eq(Operation::ALL));
        for request in all {
            let recognized = again(&request).unwrap();
            assert_eq!(recognized.operation(), request.operation());
            assert_eq!(recognized.query(), request.query());
            assert_eq!(recognized.headers(), request.headers());
        }
    }

    #[test]
    fn what_no_upload_asks_for_is_refused() {
        let put = all().pop().unwrap();
        let with = |method: &Method, query: &[(&str, Option<&str>)], header: Option<&'static str>| {
            let query: Vec<_> = query.iter().map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned))).collect();
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("v"))));
            recognize(method, put.bucket(), put.key(), &query, &headers).map(|request| request.operation())
        };
        assert_eq!(with(&Method::PUT, &[], None), Ok(Operation::PutObject));
        // A copy of what the signer may read; an ACL and a tagging of their own; a download; a deletion.
        let copy = with(&Method::PUT, &[], Some("x-oss-copy-source"));
        assert_eq!(copy, Err(NotAnUpload::Header("x-oss-copy-source".into())));
        assert_eq!(with(&Method::PUT, &[("acl", None)], None), Err(NotAnUpload::Parameter("acl".into())));
        assert!(with(&Method::PUT, &[("tagging", None)], None).is_err());
        assert_eq!(with(&Method::GET, &[], None), Err(NotAnUpload::Operation));
        assert_eq!(with(&Method::DELETE, &[], None), Err(NotAnUpload::Operation));
        // Who signs says who it is and when.
        assert!(with(&Method::PUT, &[], Some("x-oss-date")).is_err());
        assert!(with(&Method::PUT, &[], Some("x-oss-security-token")).is_err());
        assert!(with(&Method::PUT, &[], Some("authorization")).is_err());
        // One thing said twice may be understood as either.
        let twice = [("uploadId", Some("A")), ("partNumber", Some("1")), ("uploadId", Some("B"))];
        assert_eq!(with(&Method::PUT, &twice, None), Err(NotAnUpload::Parameter("uploadId".into())));
    }
}
