//! The protocol against the golden vectors of official SDKs, a module for each kind, and against whatever else a server
//! or a URL library may do.
//!
//! Whole signed requests are compared inside the core, where requests can be made of any input.

mod answers;
mod bodies;
mod check_values;
mod disagreements;
mod hostile;
mod names;
mod signatures;
mod typed;
mod wire;

use bytes::Bytes;
use ossup_core::request::{Request, Response};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The vectors in a file, as many as it says it has.
fn vectors(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    let vectors = file["vectors"].as_array().unwrap().clone();
    assert_eq!(Some(vectors.len() as u64), file["count"].as_u64());
    vectors
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// A list of names and values; `null` is none.
fn pairs(value: &Value) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    value.as_array().unwrap().iter().map(|pair| (text(&pair[0]).unwrap(), text(&pair[1]))).collect()
}

/// The same of an object.
fn members(value: &Value) -> Vec<(String, String)> {
    let object = value.as_object().unwrap();
    object.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

/// An answer that a vector describes.
fn answer(vector: &Value) -> Response {
    let mut response = http::Response::builder().status(vector["status"].as_u64().unwrap() as u16);
    for (name, value) in members(&vector["headers"]) {
        response = response.header(name, value);
    }
    response.body(Bytes::from(text(vector, "body").to_owned())).unwrap()
}

/// An answer of a certain status and body, without any header.
fn bare(status: u16, body: &str) -> Response {
    http::Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
}

/// The value of a header of a request that is not signed yet.
fn header_of<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name).map(|value| value.to_str().unwrap())
}

/// A list that was cut short together with its count would pass every other test.
#[test]
fn no_vector_is_missing() {
    let count = |file: &str, list: &str| {
        let file: Value = serde_json::from_str(file).unwrap();
        file.pointer(list).unwrap_or_else(|| panic!("{list}")).as_array().unwrap().len()
    };
    for (file, expected) in [
        (include_str!("../../vectors/v1_header.json"), 16),
        (include_str!("../../vectors/v1_presign.json"), 13),
        (include_str!("../../vectors/v4_header.json"), 26),
        (include_str!("../../vectors/v4_presign.json"), 16),
        (include_str!("../../vectors/complete_xml.json"), 6),
        (include_str!("../../vectors/callback.json"), 3),
        (include_str!("../../vectors/responses.json"), 20),
        (include_str!("../../vectors/errors.json"), 38),
        (include_str!("../../vectors/wire.json"), 96),
        (include_str!("../../vectors/disagreements.json"), 19),
    ] {
        assert_eq!(count(file, "/vectors"), expected);
    }
    assert_eq!(count(include_str!("../../vectors/content_type.json"), "/rows"), 54);
    assert_eq!(count(include_str!("../../vectors/endpoints.json"), "/rows"), 18);
    let lists = ["/bytes", "/lcg/cases", "/repeat", "/combine", "/combine_far", "/fold", "/incremental"];
    let crc64 = lists.map(|list| count(include_str!("../../vectors/crc64.json"), list));
    assert_eq!(crc64, [12, 8, 4, 7, 5, 4, 2]);
}
