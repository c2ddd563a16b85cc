//! Whole requests as the SDKs' clients emit them: their signatures are found again from what is on the wire alone.

use ossup_core::sign::{v1, v4};
use serde_json::Value;

use super::signatures::resource;
use super::{decoded, header, members, text, vectors};

const BUCKET: &str = "example-bucket";
const REGION: &str = "cn-hangzhou";

/// The secret of an access key id, of the two that the vectors have.
fn secret_of(id: &str) -> &'static str {
    match id {
        "LTAI5tFAKEFAKEFAKE0001ab" => "FaKeSeCrEt0000000000000000001A",
        "STS.NUfakefakefake0003efgh" => "StsFaKeSeCrEt00000000000000003",
        other => panic!("{other}"),
    }
}

/// The decoded path without its first slash, and the query, in which a plus is a blank.
fn address(request: &Value) -> (String, Vec<(String, Option<String>)>) {
    let url =
        text(request, "url").strip_prefix("https://example-bucket.oss-cn-hangzhou.aliyuncs.com/").unwrap();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), Some(decoded(&value.replace('+', " "))))
    });
    (decoded(path), query.collect())
}

#[test]
fn the_signatures_of_whole_requests_are_found_again() {
    let mut found = 0;
    for vector in vectors(include_str!("../../vectors/wire.json")) {
        let request = &vector["request"];
        let (key, query) = address(request);
        let resource = resource(BUCKET, Some(&key));
        let (method, headers) = (text(request, "method"), members(&request["headers"]));
        let authorization = header(&headers, "authorization");
        let what = format!("{} V{} {}", vector["sdk"], vector["signature_version"], vector["operation"]);
        if let Some(credential) = authorization.strip_prefix("OSS ") {
            let (id, signature) = credential.split_once(':').unwrap();
            let header = |name| header(&headers, name);
            let to_sign = v1::string_to_sign(
                method,
                header("content-md5"),
                header("content-type"),
                header("date"),
                &headers,
                &resource,
                &query,
            );
            assert_eq!(v1::signature(secret_of(id), &to_sign), signature, "{what}");
        } else {
            let (_, credential) = authorization.split_once("Credential=").unwrap();
            let (id, _) = credential.split_once('/').unwrap();
            let (_, signature) = authorization.split_once("Signature=").unwrap();
            let iso = header(&headers, "x-oss-date");
            let canonical = v4::canonical_request(method, &resource, &query, &headers, &[]);
            let to_sign = v4::string_to_sign(iso, &v4::scope(&iso[..8], REGION), &canonical);
            assert_eq!(v4::signature(secret_of(id), &iso[..8], REGION, &to_sign), signature, "{what}");
        }
        found += 1;
    }
    assert_eq!(found, 96);
}
