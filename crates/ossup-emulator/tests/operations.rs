//! Operations that the emulator does not have are refused and change nothing, whatever they resemble.

use bytes::Bytes;
use http::Request;
use ossup_core::time::Timestamp;
use ossup_emulator::{Clock, Config, Model};

/// Every operation of the official Python SDK V2, 1.4.1, that the emulator does not have: name, method, target.
const FOREIGN: &str = include_str!("operations.txt");

fn world() -> Model {
    let mut config = Config::default();
    config.check_signatures = false;
    let model = Model::new(config, Clock::fixed(Timestamp::from_unix(1_702_743_657)));
    model.create_bucket("bkt").unwrap();
    model
}

fn code(model: &Model, method: &str, target: &str, body: &str) -> String {
    let request = Request::builder().method(method).uri(target).header("Host", "127.0.0.1");
    let request = request.header("Content-Length", body.len()).body(Bytes::copy_from_slice(body.as_bytes()));
    let answer = model.handle(request.unwrap());
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    let code = text.split_once("<Code>").and_then(|(_, rest)| Some(rest.split_once("</Code>")?.0.to_owned()));
    code.unwrap_or_else(|| answer.status().to_string())
}

#[test]
fn no_operation_of_the_sdk_is_taken_for_another_one() {
    let mut count = 0;
    for line in FOREIGN.lines() {
        let [name, method, target] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        // The bucket is empty, so that it could be deleted; the object is there, so that it could be replaced.
        let model = world();
        if target.starts_with("/bkt/k") {
            assert_eq!(code(&model, "PUT", "/bkt/k", "kept"), "200 OK");
        }
        let before = model.buckets();
        assert_eq!(
            code(&model, method, target, "<Document/>"),
            "NotImplemented",
            "{name}: {method} {target}"
        );
        // With an empty value it is the same name.
        assert_eq!(code(&model, method, &format!("{target}="), "<Document/>"), "NotImplemented", "{name}");
        assert_eq!(model.buckets(), before, "{name}");
        count += 1;
    }
    assert!(count > 110, "{count}");
}

#[test]
fn names_that_no_operation_has_are_refused_and_unknown_values_ignored() {
    let model = world();
    for (method, target) in [
        ("GET", "/?whatever"),
        ("GET", "/bkt?whatever"),
        ("PUT", "/bkt?whatever"),
        ("DELETE", "/bkt?whatever="),
        ("PUT", "/bkt/k?whatever"),
        ("GET", "/bkt/k?prefix="),
        ("GET", "/bkt?uploads&bucketInfo"),
        ("GET", "/bkt/k?versionId=x"),
        ("GET", "/bkt/k?x-oss-process=image/info"),
        ("GET", "/bkt?list-type=3"),
    ] {
        assert_eq!(code(&model, method, target, ""), "NotImplemented", "{method} {target}");
    }
    assert_eq!(code(&model, "PUT", "/bkt/k?t=1", "x"), "200 OK");
    assert_eq!(code(&model, "GET", "/bkt/k?t=1&response-content-type=text%2Fplain", ""), "200 OK");
    assert_eq!(
        code(&model, "GET", "/bkt?prefix=&marker=&delimiter=&max-keys=5&encoding-type=", ""),
        "200 OK"
    );
    assert_eq!(code(&model, "GET", "/bkt?list-type=1", ""), "200 OK");
    assert_eq!(code(&model, "GET", "/bkt?list-type=2&continuation-token=&fetch-owner=true", ""), "200 OK");
}
