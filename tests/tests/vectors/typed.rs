//! The vectors of signatures, once more by the types that a program uses: each that they can say, signed and presigned.
//! Those that they cannot say are named, so that a vector is never passed over in silence.

use std::collections::BTreeMap;
use std::time::Duration;

use ossup_core::digest::{ContentDigest, Integrity, Md5};
use ossup_core::endpoint::{Addressing, Endpoint};
use ossup_core::object::{BucketName, ObjectName};
use ossup_core::operation::complete::{self, Parts};
use ossup_core::operation::{abort, head, initiate, list_parts, list_uploads, put, upload_part};
use ossup_core::options::ObjectOptions;
use ossup_core::part::{ByteRange, PartNumber};
use ossup_core::request::Request;
use ossup_core::sign::{Credentials, SignatureVersion, Signing, v1};
use ossup_core::time::Timestamp;
use ossup_tests::server::{Query, Received};
use serde_json::Value;

use super::signatures::headers_of;
use super::{header, members, pairs, text, texts, vectors};

/// The vectors that the types cannot say, and why this library has no need to.
const NOT_TYPED: &[(&str, &str)] = &[
    ("v1h-01", "an Initiate always has a type"),
    ("v1h-02", "tags are sent in the order of their names"),
    ("v1h-07", "a list of parts always has its MD5"),
    ("v1h-14", "metadata is ASCII"),
    ("v1h-15", "V1 dates a request by Date"),
    ("v1q-04", "an UploadPart has no type"),
    ("v1q-06", "a callback is asked for by headers"),
    ("v1q-11", "a speed is asked for by a header"),
    ("v1q-12", "a PutObject always has a type"),
    ("v4h-01", "an Initiate always has a type, and asks for encoded names"),
    ("v4h-02", "tags are sent in the order of their names"),
    ("v4h-10", "a list of parts always has its MD5"),
    ("v4h-11", "a Complete always asks for encoded names"),
    ("v4h-14", "uploads are listed without a delimiter"),
    ("v4h-15", "uploads are listed by whole pages"),
    ("v4h-20", "a PutObject always has a type"),
    ("v4h-25", "metadata is ASCII"),
    ("v4h-26", "a HeadObject has no parameters"),
    ("v4q-04", "an UploadPart has no type"),
    ("v4q-06", "an Initiate always asks for encoded names"),
    ("v4q-07", "a callback is asked for by headers"),
    ("v4q-08", "a Complete always asks for encoded names"),
    ("v4q-10", "parts are always listed with encoded names"),
    ("v4q-11", "a page begins where another ended, with both markers"),
    ("v4q-13", "a speed is asked for by a header"),
    ("v4q-14", "a PutObject always has a type"),
    ("v4q-16", "an Initiate always has a type, and asks for encoded names"),
];

/// A vector that the types can say.
struct Case {
    vector: Value,
    request: Request,
    endpoint: Endpoint,
    credentials: Credentials,
    additional: Vec<String>,
    now: Timestamp,
}

impl Case {
    fn signing(&self, version: SignatureVersion) -> Signing<'_> {
        let Self { endpoint, credentials, additional: additional_headers, .. } = self;
        Signing { endpoint, credentials, version, additional_headers }
    }

    /// The request that the vector expects, as a server sees it.
    fn expected(&self) -> Received {
        Received::new(self.request.method().as_str(), text(&self.vector["expected"], "url"), [])
    }
}

/// The vectors of a file that the types can say: all but those named.
fn cases(file: &str, version: SignatureVersion) -> Vec<Case> {
    let mut cases = Vec::new();
    for vector in vectors(file) {
        let input = &vector["input"];
        let reason = NOT_TYPED.iter().find(|(id, _)| *id == text(&vector, "id")).map(|(_, reason)| *reason);
        let Some(request) = typed(&vector, version) else {
            assert!(reason.is_some(), "{} can be said no longer", vector["id"]);
            continue;
        };
        assert_eq!(reason, None, "{} can be said", vector["id"]);
        let endpoint: Endpoint =
            format!("{}://{}", text(input, "scheme"), text(input, "endpoint")).parse().unwrap();
        let addressing = match text(input, "addressing") {
            "path" => Addressing::Path,
            "cname" => Addressing::Cname,
            _ => Addressing::VirtualHost,
        };
        let (id, secret) = (text(input, "access_key_id"), text(input, "access_key_secret"));
        cases.push(Case {
            request,
            endpoint: endpoint
                .with_addressing(addressing)
                .with_region(text(input, "region").parse().unwrap()),
            credentials: match input["security_token"].as_str() {
                Some(token) => Credentials::temporary(id, secret, token),
                None => Credentials::new(id, secret),
            },
            additional: texts(&input["additional_headers"]),
            now: Timestamp::from_unix(input["time_unix"].as_i64().unwrap()),
            vector,
        });
    }
    cases
}

/// The request of a vector, if the types can say all that its signature covers.
fn typed(vector: &Value, version: SignatureVersion) -> Option<Request> {
    let input = &vector["input"];
    let request = closest(text(vector, "operation"), input)?;
    let query = request.query().iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let found = covered(request.method().as_str(), query.collect(), headers.collect(), version);
    (found == covered(text(input, "method"), pairs(&input["query"]), headers_of(input), version))
        .then_some(request)
}

/// The request that comes closest to a vector.
fn closest(operation: &str, input: &Value) -> Option<Request> {
    let query = pairs(&input["query"]);
    let parameter = |name: &str| {
        let found = query.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_deref().unwrap_or_default())
    };
    let bucket: BucketName = text(input, "bucket").parse().unwrap();
    let headers = headers_of(input);
    let options = options(operation, &headers)?.sequential(parameter("sequential").is_some());
    if operation == "ListMultipartUploads" {
        return Some(list_uploads::request(&bucket, parameter("prefix"), None, &options));
    }
    let object = ObjectName { bucket, key: text(input, "key").parse().unwrap() };
    let id = || parameter("uploadId").unwrap().parse().unwrap();
    let range = ByteRange::new(0, header(&headers, "content-length").parse().unwrap_or_default()).unwrap();
    let md5 = Md5::from_base64(header(&headers, "content-md5"));
    let integrity = if md5.is_some() { Integrity::Md5AndCrc } else { Integrity::None };
    let digest = ContentDigest { len: range.len(), md5, crc64: None };
    Some(match operation {
        "InitiateMultipartUpload" => initiate::request(&object, &options),
        "UploadPart" => {
            let number = parameter("partNumber").unwrap().parse().unwrap();
            let part = upload_part::request(&object, &id(), number, range, integrity, &options);
            part.with_digest(&digest).unwrap()
        }
        "ListParts" => {
            let after: Option<PartNumber> = parameter("part-number-marker").map(|n| n.parse().unwrap());
            let max = parameter("max-parts").map(|n| n.parse().unwrap());
            list_parts::request(&object, &id(), after, max, &options)
        }
        "CompleteMultipartUpload" => {
            // The MD5 that the vectors have is that of a list without parts.
            let parts = if md5.is_some() { Parts::Listed(&[]) } else { Parts::All };
            complete::request(&object, &id(), parts, &options, None)
        }
        "AbortMultipartUpload" => abort::request(&object, &id(), &options),
        "HeadObject" => head::request(&object, &options),
        "PutObject" => put::request(&object, range, integrity, &options, None).with_digest(&digest).unwrap(),
        other => panic!("{other}"),
    })
}

/// The options that give these headers. What they cannot say is missed when the requests are compared.
fn options(operation: &str, headers: &[(String, String)]) -> Option<ObjectOptions> {
    headers.iter().try_fold(ObjectOptions::new(), |options, (name, value)| {
        Some(match name.to_ascii_lowercase().as_str() {
            "content-type" if operation != "CompleteMultipartUpload" => options.content_type(value).ok()?,
            "x-oss-object-acl" => options.acl(value.parse().ok()?),
            "x-oss-traffic-limit" => options.traffic_limit(value.parse().ok()?).ok()?,
            "x-oss-request-payer" => options.request_payer(true),
            name => match name.strip_prefix("x-oss-meta-") {
                Some(name) => options.metadata(name, value).ok()?,
                None => options,
            },
        })
    })
}

/// What of a request its signature covers, but for the resource and the additional headers.
fn covered(
    method: &str,
    mut query: Query,
    headers: Vec<(String, String)>,
    version: SignatureVersion,
) -> (String, Query, BTreeMap<String, String>) {
    if version == SignatureVersion::V1 {
        query.retain(|(name, _)| name.starts_with("x-oss-") || v1::SUB_RESOURCES.contains(&name.as_str()));
    }
    query.sort();
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let signed = |name: &str| name.starts_with("x-oss-") || ["content-type", "content-md5"].contains(&name);
    (method.to_owned(), query, headers.filter(|(name, _)| signed(name)).collect())
}

fn signed_as_expected(file: &str, version: SignatureVersion) -> usize {
    let cases = cases(file, version);
    for case in &cases {
        let id = text(&case.vector, "id");
        let signed = case.signing(version).sign(&case.request, case.now).unwrap();
        let signed = Received::from_request(&signed);
        for (name, value) in members(&case.vector["expected"]["headers_added"]) {
            assert_eq!(signed.header(&name), Some(value.as_str()), "{id}: {name}");
        }
        let expected = case.expected();
        assert_eq!((signed.host, signed.path), (expected.host, expected.path), "{id}");
    }
    cases.len()
}

#[test]
fn typed_requests_are_signed_as_the_vectors_are() {
    let v1 = signed_as_expected(include_str!("../../vectors/v1_header.json"), SignatureVersion::V1);
    let v4 = signed_as_expected(include_str!("../../vectors/v4_header.json"), SignatureVersion::V4);
    assert_eq!((v1, v4), (11, 17));
}

fn presigned_as_expected(file: &str, version: SignatureVersion) -> usize {
    let cases = cases(file, version);
    for case in &cases {
        let id = text(&case.vector, "id");
        let validity = Duration::from_secs(case.vector["input"]["expires_in"].as_u64().unwrap());
        let url = case.signing(version).presign(&case.request, case.now, validity).unwrap();
        let url = Received::new(case.request.method().as_str(), &url.to_string(), []);
        let expected = case.expected();
        // V1 leaves this one unsigned, and the vectors do not send it.
        let free = |name: &str| version == SignatureVersion::V1 && name == "encoding-type";
        let sorted = |request: &Received| {
            let query = request.query.iter().filter(|(name, _)| !free(name));
            query.map(|(name, value)| (name.clone(), value.clone().unwrap_or_default())).collect()
        };
        let [found, wanted]: [BTreeMap<_, _>; 2] = [sorted(&url), sorted(&expected)];
        assert_eq!(found, wanted, "{id}");
        assert_eq!((url.host, url.path), (expected.host, expected.path), "{id}");
    }
    cases.len()
}

#[test]
fn typed_requests_are_presigned_as_the_vectors_are() {
    let v1 = presigned_as_expected(include_str!("../../vectors/v1_presign.json"), SignatureVersion::V1);
    let v4 = presigned_as_expected(include_str!("../../vectors/v4_presign.json"), SignatureVersion::V4);
    assert_eq!((v1, v4), (9, 7));
}
