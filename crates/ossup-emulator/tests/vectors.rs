//! The signature check against the golden vectors: each is accepted as given and refused when anything in it changes.

use std::path::Path;

use bytes::Bytes;
use http::{Method, Request};
use ossup_core::time::Timestamp;
use ossup_emulator::{Clock, Config, Credentials, Model};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// A request of a vector: method, URL, headers.
#[derive(Clone)]
struct Sent {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
}

fn vectors(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(name);
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// A world in which the vector's signature is right.
fn world(vector: &Value) -> Model {
    let input = &vector["input"];
    let mut config = Config::default();
    config.region = text(input, "region").into();
    if text(input, "addressing") == "cname" {
        config.cnames.insert(text(input, "endpoint").into(), text(input, "bucket").into());
    }
    let now = Timestamp::from_unix(input["time_unix"].as_i64().unwrap());
    let model = Model::new(config, Clock::fixed(now));
    let credentials = Credentials::new(text(input, "access_key_id"), text(input, "access_key_secret"));
    model.add_credentials(match input["security_token"].as_str() {
        Some(token) => credentials.with_token(token, None),
        None => credentials,
    });
    model
}

/// What the vector's client sends.
fn sent(vector: &Value) -> Sent {
    let input = &vector["input"];
    let mut headers: Vec<(String, String)> = Vec::new();
    for pair in input["headers"].as_array().unwrap() {
        headers.push((pair[0].as_str().unwrap().to_lowercase(), pair[1].as_str().unwrap().into()));
    }
    if let Some(added) = vector["expected"]["headers_added"].as_object() {
        for (name, value) in added {
            headers.retain(|(found, _)| found != name);
            headers.push((name.clone(), value.as_str().unwrap().into()));
        }
    }
    Sent { method: text(input, "method").into(), url: text(&vector["expected"], "url").into(), headers }
}

/// The code of the answer. Nothing of what the vectors name is there, so a request that is let in meets
/// `NoSuchBucket`.
fn answer(model: &Model, sent: &Sent) -> String {
    let url = sent.url.strip_prefix("https://").or(sent.url.strip_prefix("http://")).unwrap();
    let (host, path) = url.split_once('/').unwrap();
    let method: Method = sent.method.parse().unwrap();
    let mut request = Request::builder().method(method).uri(format!("/{path}"));
    if !sent.headers.iter().any(|(name, _)| name == "host") {
        request = request.header("host", host);
    }
    for (name, value) in &sent.headers {
        request = request.header(name, value.as_bytes());
    }
    let response = model.handle(request.body(Bytes::new()).unwrap());
    let status = response.status().as_u16();
    let entry = model.journal().entries().pop().unwrap();
    assert_eq!(entry.status, Some(status));
    entry.code.unwrap_or_else(|| format!("{status}"))
}

fn assert_accepted(file: &str, vector: &Value, sent: &Sent) {
    let code = answer(&world(vector), sent);
    let query = !vector["input"]["query"].as_array().unwrap().is_empty();
    // One vector asks for a version of an object, which this emulator does not have.
    let known = code == "NoSuchBucket" || (query && code == "NotImplemented");
    assert!(known, "{file} {} was answered with {code}", text(vector, "id"));
}

fn assert_refused(file: &str, vector: &Value, what: &str, sent: &Sent) {
    let code = answer(&world(vector), sent);
    let refusals = [
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "InvalidSecurityToken",
        "InvalidArgument",
        "AccessDenied",
    ];
    let refused = refusals.contains(&code.as_str());
    assert!(refused, "{file} {} with another {what} was answered with {code}", text(vector, "id"));
}

/// Another character of the same kind in place of the one at `at`.
fn change(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
    String::from_utf8(bytes).unwrap()
}

fn with_header(sent: &Sent, name: &str, value: &str) -> Sent {
    let mut changed = sent.clone();
    changed.headers.retain(|(found, _)| found != name);
    changed.headers.push((name.into(), value.into()));
    changed
}

fn with_url(sent: &Sent, url: String) -> Sent {
    Sent { url, ..sent.clone() }
}

const FILES: [&str; 4] = ["v1_header.json", "v1_presign.json", "v4_header.json", "v4_presign.json"];

fn each(check: impl Fn(&str, &Value, &Sent)) {
    for file in FILES {
        let vectors = vectors(file);
        assert!(vectors.len() >= 13, "{file}");
        for vector in vectors {
            check(file, &vector, &sent(&vector));
        }
    }
}

#[test]
fn every_vector_is_accepted_as_given() {
    each(assert_accepted);
}

#[test]
fn the_layout_of_the_classic_python_sdk_is_accepted() {
    for vector in vectors("v4_header.json") {
        let authorization = text(&vector["expected"], "authorization_oss2_style");
        let sent = with_header(&sent(&vector), "authorization", authorization);
        assert_accepted("v4_header.json", &vector, &sent);
    }
}

#[test]
fn another_signature_is_refused_wherever_it_differs() {
    each(|file, vector, sent| {
        let signature = text(&vector["expected"], "signature");
        for at in 0..signature.len() {
            let other = change(signature, at);
            if other == signature {
                continue;
            }
            let changed = match sent.headers.iter().find(|(name, _)| name == "authorization") {
                Some((_, value)) => with_header(sent, "authorization", &value.replace(signature, &other)),
                None => {
                    let encoded = utf8_percent_encode(signature, NON_ALPHANUMERIC).to_string();
                    let url = sent
                        .url
                        .replace(&encoded, &utf8_percent_encode(&other, NON_ALPHANUMERIC).to_string());
                    with_url(sent, url)
                }
            };
            assert_refused(file, vector, "signature", &changed);
        }
    });
}

#[test]
fn another_secret_is_refused() {
    each(|file, vector, sent| {
        let mut other = vector.clone();
        other["input"]["access_key_secret"] = "AnotherSecret".into();
        assert_refused(file, &other, "secret", sent);
    });
}

#[test]
fn another_method_is_refused() {
    each(|file, vector, sent| {
        let method = if sent.method == "GET" { "DELETE" } else { "GET" };
        let changed = Sent { method: method.into(), ..sent.clone() };
        assert_refused(file, vector, "method", &changed);
    });
}

#[test]
fn another_key_is_refused() {
    each(|file, vector, sent| {
        if vector["input"]["key"].is_null() {
            return;
        }
        let (path, query) = sent.url.split_once('?').unwrap_or((&sent.url, ""));
        let url = format!("{path}x?{query}");
        assert_refused(file, vector, "key", &with_url(sent, url));
    });
}

#[test]
fn another_signed_parameter_is_refused() {
    each(|file, vector, sent| {
        let is_v4 = file.starts_with("v4");
        for name in ["uploadId", "partNumber", "uploads", "max-parts", "prefix", "x-oss-expires", "Expires"] {
            let found =
                [format!("?{name}="), format!("&{name}=")].iter().find_map(|item| sent.url.find(item));
            let Some(at) = found.map(|at| at + 1) else { continue };
            // Version 1 does not sign parameters that only shape the answer.
            if !is_v4 && ["max-parts", "prefix"].contains(&name) {
                continue;
            }
            let changed = change(&sent.url, at + name.len() + 1);
            if changed != sent.url {
                assert_refused(file, vector, name, &with_url(sent, changed));
            }
        }
        let added = format!("{}{}acl=", sent.url, if sent.url.contains('?') { '&' } else { '?' });
        assert_refused(file, vector, "query", &with_url(sent, added));
    });
}

#[test]
fn another_value_of_a_signed_header_is_refused() {
    each(|file, vector, sent| {
        let additional: Vec<&str> = vector["input"]["additional_headers"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for (name, value) in &sent.headers {
            let signed = name.starts_with("x-oss-")
                || ["content-type", "content-md5"].contains(&name.as_str())
                || additional.contains(&name.as_str());
            // A changed host or length is refused before the signature is looked at.
            if !signed || ["host", "content-length"].contains(&name.as_str()) {
                continue;
            }
            assert_refused(file, vector, name, &with_header(sent, name, &format!("{value}x")));
        }
        assert_refused(file, vector, "header", &with_header(sent, "x-oss-added", "1"));
    });
}

#[test]
fn a_signature_in_both_places_is_refused() {
    for vector in vectors("v4_header.json") {
        let sent = sent(&vector);
        let mark = if sent.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{mark}x-oss-signature=00", sent.url);
        assert_eq!(answer(&world(&vector), &with_url(&sent, url)), "InvalidArgument");
    }
}

/// The vector with this id, and what its client sends.
fn one(file: &str, id: &str) -> (Value, Sent) {
    let vector = vectors(file).into_iter().find(|vector| text(vector, "id") == id).unwrap();
    let sent = sent(&vector);
    (vector, sent)
}

fn answer_after(vector: &Value, sent: &Sent, seconds: i64) -> String {
    let model = world(vector);
    model.clock().shift(seconds);
    answer(&model, sent)
}

#[test]
fn a_date_may_be_off_by_fifteen_minutes() {
    for (file, id) in [("v1_header.json", "v1h-03"), ("v4_header.json", "v4h-03")] {
        let (vector, sent) = one(file, id);
        for within in [-900, 900] {
            assert_eq!(answer_after(&vector, &sent, within), "NoSuchBucket", "{id}");
        }
        for beyond in [-901, 901] {
            assert_eq!(answer_after(&vector, &sent, beyond), "RequestTimeTooSkewed", "{id}");
        }
    }
}

#[test]
fn a_url_is_good_until_its_end_and_not_long_before_its_date() {
    for (file, id) in [("v1_presign.json", "v1q-01"), ("v4_presign.json", "v4q-01")] {
        let (vector, sent) = one(file, id);
        assert_eq!(answer_after(&vector, &sent, 900), "NoSuchBucket", "{id}");
        assert_eq!(answer_after(&vector, &sent, 901), "AccessDenied", "{id}");
    }
    let (vector, sent) = one("v4_presign.json", "v4q-01");
    assert_eq!(answer_after(&vector, &sent, -901), "RequestTimeTooSkewed");
    let long = with_url(&sent, sent.url.replace("x-oss-expires=900", "x-oss-expires=604801"));
    assert_eq!(answer(&world(&vector), &long), "InvalidArgument");
}

#[test]
fn a_region_that_is_not_the_emulators_is_named_as_the_reason() {
    for (file, id) in [("v4_header.json", "v4h-04"), ("v4_presign.json", "v4q-12")] {
        let (mut vector, sent) = one(file, id);
        vector["input"]["region"] = "cn-hangzhou".into();
        let model = world(&vector);
        assert_eq!(answer(&model, &sent), "InvalidArgument", "{id}");
    }
}

#[test]
fn temporary_credentials_need_their_token_and_end() {
    for (file, id) in
        [("v1_header.json", "v1h-13"), ("v4_header.json", "v4h-05"), ("v4_presign.json", "v4q-03")]
    {
        let (vector, sent) = one(file, id);
        let input = &vector["input"];
        let credentials = Credentials::new(text(input, "access_key_id"), text(input, "access_key_secret"));
        let with = |token: &str, seconds: i64| {
            let model = world(&vector);
            let end = model.clock().now().plus(seconds);
            model.add_credentials(credentials.clone().with_token(token, Some(end)));
            answer(&model, &sent)
        };
        let token = text(input, "security_token");
        assert_eq!(with(token, 0), "NoSuchBucket", "{id}");
        assert_eq!(with(token, -1), "SecurityTokenExpired", "{id}");
        assert_eq!(with("another", 60), "InvalidSecurityToken", "{id}");
        let model = world(&vector);
        // A token with a key that is not temporary.
        model.add_credentials(credentials.clone());
        assert_eq!(answer(&model, &sent), "InvalidSecurityToken", "{id}");
        model.remove_credentials(text(input, "access_key_id"));
        assert_eq!(answer(&model, &sent), "InvalidAccessKeyId", "{id}");
    }
    let (vector, sent) = one("v4_header.json", "v4h-05");
    let mut without = sent;
    without.headers.retain(|(name, _)| name != "x-oss-security-token");
    assert_eq!(answer(&world(&vector), &without), "InvalidAccessKeyId");
}

#[test]
fn lists_of_additional_headers_that_are_empty_or_torn_are_refused() {
    let (vector, sent) = one("v4_header.json", "v4h-06");
    let authorization = text(&vector["expected"]["headers_added"], "authorization");
    for other in ["", ";", "content-length;;host", "content-length;host;"] {
        let changed = authorization.replace("=content-length;host", &format!("={other}"));
        let changed = with_header(&sent, "authorization", &changed);
        assert_eq!(answer(&world(&vector), &changed), "InvalidArgument", "{other}");
    }
}
