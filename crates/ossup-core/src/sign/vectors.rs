//! The golden vectors of whole requests: what is signed of a [`Request`], which headers come with it, and the URL.
//!
//! The functions of text below them are checked with the same vectors from outside, in the tests of the workspace.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde_json::Value;

use super::{Credentials, SignError, SignatureVersion, Signing};
use crate::endpoint::{Addressing, Endpoint};
use crate::object::ObjectKey;
use crate::part::ByteRange;
use crate::request::{Body, Operation, Request};
use crate::time::Timestamp;

/// What a vector puts in.
struct Input {
    endpoint: Endpoint,
    credentials: Credentials,
    additional_headers: Vec<String>,
    request: Request,
    now: Timestamp,
    validity: Duration,
}

impl Input {
    fn signing(&self, version: SignatureVersion) -> Signing<'_> {
        Signing {
            endpoint: &self.endpoint,
            credentials: &self.credentials,
            version,
            additional_headers: &self.additional_headers,
        }
    }
}

fn vectors(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    let vectors = file["vectors"].as_array().unwrap().clone();
    assert_eq!(Some(vectors.len() as u64), file["count"].as_u64());
    vectors
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn pairs(value: &Value) -> Vec<(&str, Option<&str>)> {
    value.as_array().unwrap().iter().map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str())).collect()
}

fn input(vector: &Value) -> Input {
    let input = &vector["input"];
    let endpoint: Endpoint =
        format!("{}://{}", text(input, "scheme"), text(input, "endpoint")).parse().unwrap();
    let addressing = match text(input, "addressing") {
        "virtual" => Addressing::VirtualHost,
        "path" => Addressing::Path,
        "cname" => Addressing::Cname,
        other => panic!("{other}"),
    };
    let (id, secret) = (text(input, "access_key_id"), text(input, "access_key_secret"));
    let credentials = match input["security_token"].as_str() {
        Some(token) => Credentials::temporary(id, secret, token),
        None => Credentials::new(id, secret),
    };
    let operation =
        Operation::ALL.into_iter().find(|operation| operation.name() == text(vector, "operation")).unwrap();
    let method: Method = text(input, "method").parse().unwrap();
    let key: Option<ObjectKey> = input["key"].as_str().map(|key| key.parse().unwrap());
    let mut request = Request::new(operation, method, &text(input, "bucket").parse().unwrap(), key.as_ref());
    for (name, value) in pairs(&input["query"]) {
        request = request.query_param(String::from(name).leak(), value.map(str::to_owned));
    }
    for (name, value) in pairs(&input["headers"]) {
        let value = value.unwrap();
        request = match name {
            // It is a matter of the endpoint, and signed by what is really sent.
            "Host" => request,
            // It is a matter of the body.
            "Content-Length" => {
                let range = ByteRange::new(0, value.parse().unwrap()).unwrap();
                request.with_body(Body::Source(range))
            }
            _ => request.header(name.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap()),
        };
    }
    let names = input["additional_headers"].as_array().unwrap();
    Input {
        endpoint: endpoint.with_region(text(input, "region").parse().unwrap()).with_addressing(addressing),
        credentials,
        additional_headers: names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        request,
        now: Timestamp::from_unix(input["time_unix"].as_i64().unwrap()),
        validity: Duration::from_secs(input["expires_in"].as_u64().unwrap()),
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

/// The decoded path and the decoded pairs of the query.
fn parts_of(url: &str) -> (String, Vec<(String, String)>) {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    (decoded(path), query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect())
}

fn headers_are_as_expected(version: SignatureVersion, file: &str) {
    for vector in vectors(file) {
        let (id, expected) = (text(&vector, "id"), &vector["expected"]);
        let input = input(&vector);
        let signed = input.signing(version).sign(&input.request, input.now).unwrap();
        let (url, wanted) = (signed.uri().to_string(), text(expected, "url"));
        assert_eq!(parts_of(&url), parts_of(wanted), "{id}");
        // Keys with dot segments are spelled so that no URL library takes them for navigation.
        if !input.request.key().is_some_and(|key| key.as_str().split('/').any(|s| s == "." || s == "..")) {
            assert_eq!(url, wanted, "{id}");
        }
        let added: BTreeMap<&str, &str> = expected["headers_added"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        for (name, value) in &added {
            let found = signed.headers().get(*name).unwrap_or_else(|| panic!("{id}: {name} is missing"));
            assert_eq!(found.to_str().unwrap(), *value, "{id}: {name}");
        }
        for name in signed.headers().keys() {
            let known = added.contains_key(name.as_str())
                || input.request.headers().contains_key(name)
                || ["date", "host", "content-length"].contains(&name.as_str());
            assert!(known, "{id}: {name} is not asked for");
        }
    }
}

#[test]
fn requests_signed_by_v4_are_those_of_the_sdks() {
    headers_are_as_expected(SignatureVersion::V4, include_str!("../../../../tests/vectors/v4_header.json"));
}

#[test]
fn requests_signed_by_v1_are_those_of_the_sdks() {
    headers_are_as_expected(SignatureVersion::V1, include_str!("../../../../tests/vectors/v1_header.json"));
}

fn urls_are_as_expected(version: SignatureVersion, file: &str) {
    for vector in vectors(file) {
        let (id, expected) = (text(&vector, "id"), &vector["expected"]);
        let input = input(&vector);
        let url = input.signing(version).presign(&input.request, input.now, input.validity).unwrap();
        let (path, mut query) = parts_of(&url.to_string());
        query.sort();
        let wanted: Vec<_> = pairs(&expected["query_sorted"])
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned()))
            .collect();
        assert_eq!(query, wanted, "{id}");
        assert_eq!(path, parts_of(text(expected, "url")).0, "{id}");
    }
}

#[test]
fn urls_signed_by_v4_are_those_of_the_sdks() {
    urls_are_as_expected(SignatureVersion::V4, include_str!("../../../../tests/vectors/v4_presign.json"));
}

#[test]
fn urls_signed_by_v1_are_those_of_the_sdks() {
    urls_are_as_expected(SignatureVersion::V1, include_str!("../../../../tests/vectors/v1_presign.json"));
}

#[test]
fn a_url_is_valid_for_a_second_at_least_and_by_v4_for_a_week_at_most() {
    let [vector, ..] = &vectors(include_str!("../../../../tests/vectors/v4_presign.json"))[..] else {
        panic!()
    };
    let input = input(vector);
    let presign = |version, validity| input.signing(version).presign(&input.request, input.now, validity);
    let (v1, v4) = (SignatureVersion::V1, SignatureVersion::V4);
    let (week, more) = (super::MAX_VALIDITY, super::MAX_VALIDITY + Duration::from_secs(1));
    assert_eq!(presign(v4, Duration::from_millis(999)), Err(SignError::Validity));
    assert_eq!(presign(v1, Duration::ZERO), Err(SignError::Validity));
    assert_eq!(presign(v4, more), Err(SignError::Validity));
    assert!(presign(v4, week).is_ok() && presign(v1, more).is_ok());
}

proptest! {
    #[test]
    fn whatever_is_signed_is_signed_or_refused(
        key in "[^/\\\\].{0,40}",
        id in ".{0,30}",
        secret in ".{0,30}",
        token in prop::option::of(".{0,30}"),
        value in prop::collection::vec(any::<u8>(), 0..30),
        name in ".{0,10}",
        additional in prop::collection::vec(".{0,10}", 0..3),
        now in any::<i64>(),
        validity in any::<u64>(),
        v1 in any::<bool>(),
    ) {
        let endpoint = "oss-cn-hangzhou.aliyuncs.com".parse().unwrap();
        let credentials = match token {
            Some(token) => Credentials::temporary(id, secret, token),
            None => Credentials::new(id, secret),
        };
        let version = if v1 { SignatureVersion::V1 } else { SignatureVersion::V4 };
        let signing =
            Signing { endpoint: &endpoint, credentials: &credentials, version, additional_headers: &additional };
        let (bucket, key) = ("bucket".parse().unwrap(), key.parse().unwrap());
        let mut request = Request::new(Operation::PutObject, Method::PUT, &bucket, Some(&key))
            .query_param("prefix", Some(name.clone()));
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request = request.header(HeaderName::from_static("x-oss-meta-a"), value);
        }
        let now = Timestamp::from_unix(now);
        if let Ok(signed) = signing.sign(&request, now) {
            prop_assert!(signed.headers().contains_key("authorization"));
            prop_assert_eq!(parts_of(&signed.uri().to_string()).1, [("prefix".to_owned(), name)]);
        }
        let _: Result<Uri, SignError> = signing.presign(&request, now, Duration::from_secs(validity));
    }
}
