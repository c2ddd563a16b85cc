//! Invariant: neither the order of what is signed nor the case of names changes a signature, and no text adds a line to it.
//!
//! An input has lines: a method, a resource, then `? name value`, `: name value` and `+ name` for query, headers and
//! additional headers.

#![cfg_attr(fuzzing, no_main)]

use std::collections::BTreeSet;

use ossup_core::sign::{v1, v4};

ossup_fuzz::target!(target);

type Query = Vec<(String, Option<String>)>;
type Headers = Vec<(String, String)>;

fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (method, resource) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let (mut query, mut headers, mut additional): (Query, Headers, Vec<String>) = Default::default();
    for line in lines.take(200) {
        if let Some(rest) = line.strip_prefix("? ") {
            let (name, value) =
                rest.split_once(' ').map_or((rest, None), |(name, value)| (name, Some(value)));
            query.push((name.to_owned(), value.map(str::to_owned)));
        } else if let Some(rest) = line.strip_prefix(": ") {
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            headers.push((name.to_owned(), value.to_owned()));
        } else if let Some(name) = line.strip_prefix("+ ") {
            additional.push(name.to_owned());
        }
    }
    v4(method, resource, &query, &headers, &additional);
    v1(method, resource, &query, &headers);
}

fn v4(method: &str, resource: &str, query: &Query, headers: &Headers, additional: &[String]) {
    let text = v4::canonical_request(method, resource, query, headers, additional);
    let signed: BTreeSet<String> = headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .filter(|name| {
            let always = name == "content-type" || name == "content-md5" || name.starts_with("x-oss-");
            always || additional.iter().any(|other| other.eq_ignore_ascii_case(name))
        })
        .collect();
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.len(), 6 + signed.len(), "{text}");
    let strict = |line: &str, more: &str| {
        line.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%".contains(c) || more.contains(c))
    };
    assert!(strict(lines[1], "/") && strict(lines[2], "&="), "{text}");
    assert_eq!(lines.last(), Some(&v4::UNSIGNED_PAYLOAD));

    let (query, headers, more) = turned(query, headers);
    let wanted: Vec<String> = additional.iter().rev().map(|name| name.to_ascii_uppercase()).collect();
    assert_eq!(v4::canonical_request(method, resource, &query, &headers, &wanted), text);
    let names = v4::additional_headers(&headers, &wanted);
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    let changed = v4::canonical_request(method, resource, &query, &more, &wanted);
    assert_ne!(changed, text, "a header that is not signed");
    let signature = v4::signature("secret", "20231216", "cn-hangzhou", &text);
    assert!(signature.len() == 64 && strict(&signature, ""));
}

fn v1(method: &str, resource: &str, query: &Query, headers: &Headers) {
    let sign = |query: &Query, headers: &Headers| {
        v1::string_to_sign(method, "md5", "type", "date", headers, resource, query)
    };
    let text = sign(query, headers);
    let signed = headers.iter().filter(|(name, _)| name.to_ascii_lowercase().starts_with("x-oss-")).count();
    assert_eq!(text.split('\n').count(), 5 + signed, "{text}");
    let (query, headers, more) = turned(query, headers);
    assert_eq!(sign(&query, &headers), text);
    assert_ne!(sign(&query, &more), text, "a header that is not signed");
}

/// The same the other way round and with names in capitals, and once more with another header.
fn turned(query: &Query, headers: &Headers) -> (Query, Headers, Headers) {
    // Headers of one name keep their order: it means something.
    let mut headers: Headers =
        headers.iter().map(|(name, value)| (name.to_ascii_uppercase(), value.clone())).collect();
    headers.sort_by(|(a, _), (b, _)| b.cmp(a));
    let mut more = headers.clone();
    more.push(("X-Oss-Meta-Another-Header-Of-The-Target".into(), "1".into()));
    (query.iter().rev().cloned().collect(), headers, more)
}
