//! Requests there and back: whatever is asked for and signed, a server that decodes the path and the query sees the same,
//! and computes the same signature.

use std::time::Duration;

use bytes::Bytes;
use ossup_core::digest::Integrity;
use ossup_core::endpoint::{Addressing, Endpoint};
use ossup_core::object::{BucketName, ObjectKey, ObjectName};
use ossup_core::operation::complete::{self, Parts};
use ossup_core::operation::{abort, head, initiate, list_parts, list_uploads, put, upload_part};
use ossup_core::options::ObjectOptions;
use ossup_core::part::{ByteRange, ETag, PartNumber, UploadId};
use ossup_core::request::{Body, Request};
use ossup_core::sign::{Credentials, SignError, SignatureVersion, Signing};
use ossup_core::time::Timestamp;
use ossup_emulator::{Clock, Model};
use ossup_tests::server::{Query, Received};
use proptest::prelude::*;

/// Keys of all that is legal: any characters, also those that URLs and XML have trouble with, and dot segments.
fn key() -> impl Strategy<Value = ObjectKey> {
    let segment = prop_oneof![
        "\\PC{0,12}",
        "[ -~]{0,12}",
        any::<String>(),
        prop::sample::select(vec![".", "..", "", "%2F", "%", "+", "a b", "\u{0}", "?#&=", "\u{1f600}"])
            .prop_map(str::to_owned),
    ];
    let keys = prop::collection::vec(segment, 1..5).prop_map(|segments| segments.join("/"));
    keys.prop_filter_map("not a legal key", |key| key.parse().ok())
}

fn upload_id() -> impl Strategy<Value = UploadId> {
    "[!-~]{1,40}".prop_map(|id| id.parse().unwrap())
}

fn number() -> impl Strategy<Value = PartNumber> {
    (1..=10_000_u16).prop_map(|n| PartNumber::new(n).unwrap())
}

fn options() -> impl Strategy<Value = ObjectOptions> {
    let value = "[!-~]([ -~]{0,20}[!-~])?";
    let metadata = prop::collection::vec(("[a-z0-9-]{1,10}", value), 0..4);
    let tags = prop::collection::vec((r"[\p{L}\p{N} +=._:/-]{1,10}", r"[\p{L}\p{N} +=._:/-]{0,10}"), 0..4);
    (prop::option::of(value), metadata, tags, any::<[bool; 3]>()).prop_map(
        |(media_type, metadata, tags, flags)| {
            let mut options = ObjectOptions::new();
            if let Some(media_type) = media_type {
                options = options.content_type(&media_type).unwrap();
            }
            for (name, value) in metadata {
                options = options.metadata(&name, &value).unwrap();
            }
            for (name, value) in tags {
                options = options.tag(&name, &value).unwrap();
            }
            options.forbid_overwrite(flags[0]).request_payer(flags[1]).sequential(flags[2])
        },
    )
}

/// A request of every operation that is about an object.
fn of_object() -> impl Strategy<Value = Request> {
    let choice = (0..7_u8, key(), upload_id(), number(), options(), any::<u32>(), "[ -~]{1,40}[!-~]");
    choice.prop_map(|(which, key, id, number, options, len, etag)| {
        let object = ObjectName { bucket: bucket(), key };
        let range = ByteRange::new(7, len.into()).unwrap();
        match which {
            0 => initiate::request(&object, &options),
            1 => upload_part::request(&object, &id, number, range, Integrity::Crc, &options)
                .without_digest()
                .unwrap(),
            2 => list_parts::request(&object, &id, Some(number), Some(number.get()), &options),
            3 => match etag.parse::<ETag>() {
                Ok(etag) => {
                    complete::request(&object, &id, Parts::Listed(&[(number, &etag)]), &options, None)
                }
                Err(_) => complete::request(&object, &id, Parts::All, &options, None),
            },
            4 => abort::request(&object, &id, &options),
            5 => head::request(&object, &options),
            _ => put::request(&object, range, Integrity::Crc, &options, None).without_digest().unwrap(),
        }
    })
}

/// A list of uploads, where a text of any kind is in the query.
fn of_bucket() -> impl Strategy<Value = Request> {
    let prefix = prop::option::of(any::<String>());
    (prefix, options())
        .prop_map(|(prefix, options)| list_uploads::request(&bucket(), prefix.as_deref(), None, &options))
}

fn bucket() -> BucketName {
    "example-bucket".parse().unwrap()
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![4 => of_object(), 1 => of_bucket()]
}

fn endpoint() -> impl Strategy<Value = (Endpoint, Addressing)> {
    let host = prop::sample::select(vec![
        ("https://oss-cn-hangzhou.aliyuncs.com", Addressing::VirtualHost),
        ("http://storage.example.com:8080", Addressing::Path),
        ("http://[2001:db8::1]:9000", Addressing::Path),
        ("https://img.example.com", Addressing::Cname),
    ]);
    host.prop_map(|(host, addressing)| {
        let endpoint: Endpoint = host.parse().unwrap();
        (endpoint.with_addressing(addressing).with_region("cn-hangzhou".parse().unwrap()), addressing)
    })
}

fn version() -> impl Strategy<Value = SignatureVersion> {
    prop::sample::select(vec![SignatureVersion::V1, SignatureVersion::V4])
}

const SECRET: &str = "FaKeSeCrEt";

fn credentials() -> impl Strategy<Value = Credentials> {
    // As OSS gives them, and a little more.
    let (id, token) = ("[A-Za-z0-9.]{1,30}", prop::option::of("[!-~]{1,60}"));
    (id, token).prop_map(|(id, token)| match token {
        Some(token) => Credentials::temporary(id, SECRET, token),
        None => Credentials::new(id, SECRET),
    })
}

fn additional() -> impl Strategy<Value = Vec<String>> {
    let name =
        prop::sample::select(vec!["host", "Content-Length", "range", "x-oss-date", "Cache-Control", "date"]);
    prop::collection::vec(name.prop_map(str::to_owned), 0..4)
}

/// The resource that a server addressed in this way takes a path for.
fn resource(received: &Received, addressing: Addressing) -> String {
    match addressing {
        Addressing::Path => received.path.clone(),
        _ => format!("/{}{}", bucket(), received.path),
    }
}

fn asked(request: &Request) -> Query {
    request.query().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Whether the request is about what was asked for, wherever its signature is.
fn is_about(received: &Received, request: &Request, addressing: Addressing) -> Result<(), TestCaseError> {
    let key = request.key().map_or("", ObjectKey::as_str);
    prop_assert_eq!(resource(received, addressing), format!("/{}/{key}", bucket()));
    prop_assert_eq!(received.method.as_str(), request.method().as_str());
    prop_assert!(received.query.starts_with(&asked(request)), "{:?}", received.query);
    prop_assert_eq!(received.host.starts_with("example-bucket."), addressing == Addressing::VirtualHost);
    Ok(())
}

proptest! {
    #[test]
    fn a_server_sees_what_was_asked_for_and_finds_the_signature_again(
        request in request(),
        (endpoint, addressing) in endpoint(),
        credentials in credentials(),
        version in version(),
        additional in additional(),
        now in 0_i64..4_000_000_000,
    ) {
        let signing =
            Signing { endpoint: &endpoint, credentials: &credentials, version, additional_headers: &additional };
        let signed = signing.sign(&request, Timestamp::from_unix(now)).unwrap();
        let received = Received::from_request(&signed);
        is_about(&received, &request, addressing)?;
        prop_assert_eq!(&received.query, &asked(&request), "nothing was added to the query");
        for (name, value) in request.headers() {
            prop_assert_eq!(received.header(name.as_str()), value.to_str().ok());
        }
        prop_assert_eq!(received.access_key_id(), Some(credentials.access_key_id()));
        let verified = received.verify(&resource(&received, addressing), SECRET);
        prop_assert!(verified.is_ok(), "{}", verified.unwrap_err());
        let other = received.verify(&format!("{}x", resource(&received, addressing)), SECRET);
        prop_assert!(other.is_err(), "the signature is good for another key");
    }

    #[test]
    fn the_emulator_takes_a_request_for_what_was_asked_for(
        request in request(),
        (endpoint, _) in endpoint(),
        (id, token) in ("[A-Za-z0-9.]{1,30}", prop::option::of("[!-~]{1,60}")),
        version in version(),
        additional in additional(),
        now in 0_i64..4_000_000_000,
        presigned in any::<bool>(),
    ) {
        let now = Timestamp::from_unix(now);
        let mut config = ossup_emulator::Config::default();
        config.cnames.insert("img.example.com".into(), bucket().to_string());
        let model = Model::new(config, Clock::fixed(now));
        model.create_bucket(bucket().as_str()).unwrap();
        let keys = ossup_emulator::Credentials::new(id.clone(), SECRET);
        let (keys, credentials) = match token {
            Some(token) => (keys.with_token(token.clone(), None), Credentials::temporary(id, SECRET, token)),
            None => (keys, Credentials::new(id, SECRET)),
        };
        model.add_credentials(keys);
        let signing =
            Signing { endpoint: &endpoint, credentials: &credentials, version, additional_headers: &additional };
        let head = if presigned {
            let mut head = ossup_core::sign::unsigned(&request, &endpoint).unwrap();
            *head.uri_mut() = signing.presign(&request, now, Duration::from_secs(60)).unwrap();
            let host = head.uri().authority().unwrap().as_str().parse().unwrap();
            head.headers_mut().insert(http::header::HOST, host);
            head
        } else {
            signing.sign(&request, now).unwrap()
        };
        let inline = match request.body() {
            Body::Inline(bytes) => bytes.clone(),
            Body::Empty | Body::Source(_) => Bytes::new(),
        };
        let response = model.handle(head.map(|()| inline));
        let entries = model.journal().entries();
        let [entry] = entries.as_slice() else { panic!("one request makes one entry") };
        prop_assert!(response.status() != 403, "the signature: {}", String::from_utf8_lossy(response.body()));
        let asked = |name: &str| asked(&request).into_iter().find(|(other, _)| other == name)?.1;
        prop_assert_eq!(entry.operation.map(|it| it.to_string()), Some(request.operation().to_string()));
        prop_assert_eq!(&entry.bucket, &Some(bucket().to_string()));
        prop_assert_eq!(entry.key.as_deref(), request.key().map(ObjectKey::as_str));
        prop_assert_eq!(&entry.upload_id, &asked("uploadId").or(entry.upload_id.clone().filter(|_| entry.is_success())));
        prop_assert_eq!(entry.part_number.map(|n| n.to_string()), asked("partNumber"));
    }

    #[test]
    fn a_server_sees_what_was_asked_for_by_a_presigned_url(
        request in request(),
        (endpoint, addressing) in endpoint(),
        credentials in credentials(),
        version in version(),
        additional in additional(),
        now in 0_i64..4_000_000_000,
        seconds in 1_u64..=604_800,
    ) {
        let signing =
            Signing { endpoint: &endpoint, credentials: &credentials, version, additional_headers: &additional };
        let url = signing.presign(&request, Timestamp::from_unix(now), Duration::from_secs(seconds)).unwrap();
        // Whoever uses the URL sends the headers that were signed.
        let sent = ossup_core::sign::unsigned(&request, &endpoint).unwrap();
        let headers = Received::from_request(&sent).headers;
        let received = Received::new(request.method().as_str(), &url.to_string(), headers);
        is_about(&received, &request, addressing)?;
        prop_assert_eq!(received.access_key_id(), Some(credentials.access_key_id()));
        let verified = received.verify(&resource(&received, addressing), SECRET);
        prop_assert!(verified.is_ok(), "{}", verified.unwrap_err());
    }

    #[test]
    fn whatever_the_credentials_they_sign_or_are_refused(
        request in request(),
        (endpoint, addressing) in endpoint(),
        id in any::<String>(),
        secret in any::<String>(),
        token in prop::option::of(any::<String>()),
        version in version(),
        now in any::<i64>(),
        validity in any::<u64>(),
    ) {
        let texts = [Some(&id), token.as_ref()];
        let fit = texts.into_iter().flatten().all(|text| http::HeaderValue::try_from(text).is_ok());
        let credentials = match &token {
            Some(token) => Credentials::temporary(&*id, &*secret, &**token),
            None => Credentials::new(&*id, &*secret),
        };
        let signing = Signing { endpoint: &endpoint, credentials: &credentials, version, additional_headers: &[] };
        let now = Timestamp::from_unix(now);
        match signing.sign(&request, now) {
            Ok(signed) => {
                prop_assert!(fit);
                let received = Received::from_request(&signed);
                // An id with the punctuation of the header in it makes a header that nobody can take apart.
                if id.chars().all(char::is_alphanumeric) && !id.is_empty() {
                    let verified = received.verify(&resource(&received, addressing), &secret);
                    prop_assert!(verified.is_ok(), "{}", verified.unwrap_err());
                }
            }
            Err(error) => {
                prop_assert_eq!(error, SignError::NotPrintable);
                prop_assert!(!fit);
            }
        }
        let _ = signing.presign(&request, now, Duration::from_secs(validity));
    }
}
