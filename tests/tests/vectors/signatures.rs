//! The functions of text that both signatures are made of.

use ossup_core::sign::{v1, v4};
use serde_json::Value;

use super::{header, members, pairs, text, texts, vectors};

/// Both signatures' name of the resource.
pub(super) fn resource(bucket: &str, key: Option<&str>) -> String {
    format!("/{bucket}/{}", key.unwrap_or_default())
}

fn resource_of(input: &Value) -> String {
    resource(text(input, "bucket"), input["key"].as_str())
}

/// The headers that the caller set.
pub(super) fn headers_of(input: &Value) -> Vec<(String, String)> {
    pairs(&input["headers"]).into_iter().map(|(name, value)| (name, value.unwrap())).collect()
}

/// Those, and the ones that signing adds, without the signature.
fn headers_sent(vector: &Value) -> Vec<(String, String)> {
    let mut headers = headers_of(&vector["input"]);
    for (name, value) in members(&vector["expected"]["headers_added"]) {
        if name != "authorization" && header(&headers, &name).is_empty() {
            headers.push((name, value));
        }
    }
    headers
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Compares each step of V4, and gives the signature.
fn v4_steps(vector: &Value, query: &[(String, Option<String>)], headers: &[(String, String)]) -> String {
    let (id, input, expected) = (text(vector, "id"), &vector["input"], &vector["expected"]);
    let (iso, secret) = (text(input, "time_iso8601"), text(input, "access_key_secret"));
    let (date, region) = (&iso[..8], text(input, "region"));
    let additional = texts(&input["additional_headers"]);
    let method = text(input, "method");
    let canonical = v4::canonical_request(method, &resource_of(input), query, headers, &additional);
    assert_eq!(canonical, text(expected, "canonical_request"), "{id}");
    let to_sign = v4::string_to_sign(iso, &v4::scope(date, region), &canonical);
    assert_eq!(to_sign, text(expected, "string_to_sign"), "{id}");
    assert!(to_sign.ends_with(text(expected, "canonical_request_sha256")), "{id}");
    let signature = v4::signature(secret, date, region, &to_sign);
    assert_eq!(signature, text(expected, "signature"), "{id}");
    signature
}

#[test]
fn v4_in_headers() {
    for vector in vectors(include_str!("../../vectors/v4_header.json")) {
        let (input, expected) = (&vector["input"], &vector["expected"]);
        let headers = headers_sent(&vector);
        let signature = v4_steps(&vector, &pairs(&input["query"]), &headers);
        let (date, region) = (&text(input, "time_iso8601")[..8], text(input, "region"));
        let key = v4::signing_key(text(input, "access_key_secret"), date, region);
        assert_eq!(hex(&*key), text(expected, "signing_key_hex"), "{}", vector["id"]);
        let additional = v4::additional_headers(&headers, &texts(&input["additional_headers"]));
        let authorization = v4::authorization(
            text(input, "access_key_id"),
            &v4::scope(date, region),
            &additional,
            &signature,
        );
        assert_eq!(authorization, text(&expected["headers_added"], "authorization"), "{}", vector["id"]);
    }
}

#[test]
fn v4_in_urls() {
    for vector in vectors(include_str!("../../vectors/v4_presign.json")) {
        let mut query = pairs(&vector["expected"]["query_sorted"]);
        query.retain(|(name, _)| name != "x-oss-signature");
        v4_steps(&vector, &query, &headers_of(&vector["input"]));
    }
}

/// Compares both steps of V1.
fn v1_steps(vector: &Value, date: &str, query: &[(String, Option<String>)], headers: &[(String, String)]) {
    let (id, input, expected) = (text(vector, "id"), &vector["input"], &vector["expected"]);
    let to_sign = v1::string_to_sign(
        text(input, "method"),
        header(headers, "content-md5"),
        header(headers, "content-type"),
        date,
        headers,
        &resource_of(input),
        query,
    );
    assert_eq!(to_sign, text(expected, "string_to_sign"), "{id}");
    let signature = v1::signature(text(input, "access_key_secret"), &to_sign);
    assert_eq!(signature, text(expected, "signature"), "{id}");
}

#[test]
fn v1_in_headers() {
    for vector in vectors(include_str!("../../vectors/v1_header.json")) {
        let input = &vector["input"];
        v1_steps(&vector, text(input, "time_http"), &pairs(&input["query"]), &headers_sent(&vector));
    }
}

#[test]
fn v1_in_urls() {
    for vector in vectors(include_str!("../../vectors/v1_presign.json")) {
        let (input, expected) = (&vector["input"], &vector["expected"]);
        let mut query = pairs(&input["query"]);
        if let Some(token) = input["security_token"].as_str() {
            query.push(("security-token".to_owned(), Some(token.to_owned())));
        }
        v1_steps(&vector, text(expected, "expires"), &query, &headers_of(input));
    }
}
