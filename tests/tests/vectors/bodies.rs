//! What is sent besides the file: the list of parts, and callback parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ossup_core::callback::{BodyType, Callback};
use ossup_core::digest::Md5;
use ossup_core::operation::complete;
use ossup_core::options::ObjectOptions;
use ossup_core::part::{ETag, PartNumber};
use ossup_core::request::{Body, Request};
use serde_json::Value;

use super::{header_of, text, vectors};

pub(super) fn completing(parts: complete::Parts<'_>, callback: Option<&Callback>) -> Request {
    let (object, id) = ("oss://example-bucket/k".parse().unwrap(), "A1".parse().unwrap());
    complete::request(&object, &id, parts, &ObjectOptions::new(), callback)
}

pub(super) fn body(request: &Request) -> &str {
    match request.body() {
        Body::Inline(bytes) => std::str::from_utf8(bytes).unwrap(),
        Body::Empty => "",
        Body::Source(range) => panic!("{range}"),
    }
}

/// Without what is free: the declaration and the blanks between elements.
fn plain(xml: &str) -> String {
    let xml = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").unwrap_or(xml);
    xml.split('\n').collect()
}

#[test]
fn lists_of_parts_are_those_of_the_sdks() {
    for vector in vectors(include_str!("../../vectors/complete_xml.json")) {
        let id = text(&vector, "id");
        let Some(parts) = vector["parts"].as_array() else {
            let request = completing(complete::Parts::All, None);
            assert_eq!(body(&request), "", "{id}");
            assert_eq!(header_of(&request, "x-oss-complete-all"), Some("yes"), "{id}");
            continue;
        };
        let parts: Vec<(PartNumber, ETag)> = parts
            .iter()
            .map(|part| {
                let number = part["part_number"].as_u64().unwrap().try_into().unwrap();
                (number, text(part, "etag").parse().unwrap())
            })
            .collect();
        let parts: Vec<_> = parts.iter().map(|(number, etag)| (*number, etag)).collect();
        let request = completing(complete::Parts::Listed(&parts), None);
        let bodies = &vector["bodies"];
        assert_eq!(body(&request), plain(text(bodies, "oss2")), "{id}");
        assert_eq!(body(&request), plain(text(bodies, "ali-oss")), "{id}");
        let md5 = Md5::of(body(&request).as_bytes()).to_base64();
        assert_eq!(header_of(&request, "content-md5"), Some(md5.as_str()), "{id}");
        // The Python SDK V2 sends the order it was given (d16).
        if text(bodies, "alibabacloud-oss-v2") == text(bodies, "oss2") {
            assert_eq!(md5, text(&vector["content_md5"], "alibabacloud-oss-v2"), "{id}");
        }
    }
}

/// The value of a header, decoded.
pub(super) fn decoded_header(callback: &Callback, name: &str) -> Option<Value> {
    let (_, value) = callback.headers().find(|(other, _)| other == name)?;
    Some(serde_json::from_slice(&STANDARD.decode(value).unwrap()).unwrap())
}

#[test]
fn callbacks_are_those_of_the_sdk() {
    for vector in vectors(include_str!("../../vectors/callback.json")) {
        let input = &vector["input"];
        let mut urls = text(input, "url").split(';');
        let mut callback = Callback::new(urls.next().unwrap(), text(input, "body")).unwrap();
        for url in urls {
            callback = callback.url(url).unwrap();
        }
        if let Some(host) = input["host"].as_str() {
            callback = callback.host(host).unwrap();
        }
        if input["contentType"] == "application/json" {
            callback = callback.body_type(BodyType::Json);
        }
        callback = callback.sni(input["callbackSNI"] == true);
        for (name, value) in input["customValue"].as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            callback = callback.variable(name, &value).unwrap();
        }
        let json =
            |name: &str| vector[name].as_str().map(|json| serde_json::from_str::<Value>(json).unwrap());
        assert_eq!(decoded_header(&callback, "x-oss-callback"), json("callback_json"));
        assert_eq!(decoded_header(&callback, "x-oss-callback-var"), json("callback_var_json"));
        let request = completing(complete::Parts::All, Some(&callback));
        assert!(header_of(&request, "x-oss-callback").is_some());
    }
}
