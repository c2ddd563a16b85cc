//! Whole requests as the SDKs' clients emit them, eight operations in both versions with permanent and temporary keys: a
//! server that has nothing but what is on the wire finds their signatures again.

use std::collections::BTreeMap;

use ossup_tests::server::Received;
use serde_json::Value;

use super::{members, text, vectors};

const BUCKET: &str = "example-bucket";

/// The secret of an access key id, of the two that the vectors have.
fn secret_of(id: &str) -> &'static str {
    match id {
        "LTAI5tFAKEFAKEFAKE0001ab" => "FaKeSeCrEt0000000000000000001A",
        "STS.NUfakefakefake0003efgh" => "StsFaKeSeCrEt00000000000000003",
        other => panic!("{other}"),
    }
}

fn received(vector: &Value) -> Received {
    let request = &vector["request"];
    Received::new(text(request, "method"), text(request, "url"), members(&request["headers"]))
}

#[test]
fn the_signatures_of_whole_requests_are_found_again() {
    let mut kinds = BTreeMap::new();
    for vector in vectors(include_str!("../../vectors/wire.json")) {
        let request = received(&vector);
        let what = format!("{} V{} {}", vector["sdk"], vector["signature_version"], vector["operation"]);
        assert_eq!(request.host, format!("{BUCKET}.oss-cn-hangzhou.aliyuncs.com"), "{what}");
        let id = request.access_key_id().unwrap().to_owned();
        let verified = request.verify(&format!("/{BUCKET}{}", request.path), secret_of(&id));
        verified.unwrap_or_else(|error| panic!("{what}: {error}"));
        let kind = (vector["sdk"].to_string(), vector["signature_version"].as_u64(), id);
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 12, "three SDKs, two versions, two keys");
    assert!(kinds.values().all(|operations| *operations == 8), "{kinds:?}");
}

#[test]
fn a_request_that_is_changed_on_the_way_has_another_signature() {
    for vector in vectors(include_str!("../../vectors/wire.json")) {
        let mut request = received(&vector);
        let secret = secret_of(request.access_key_id().unwrap());
        let resource = format!("/{BUCKET}{}", request.path);
        assert!(request.verify(&format!("{resource}x"), secret).is_err(), "another key");
        assert!(request.verify(&resource, "another secret").is_err(), "another secret");
        request.headers.push(("x-oss-meta-more".into(), "1".into()));
        assert!(request.verify(&resource, secret).is_err(), "another header");
    }
}
