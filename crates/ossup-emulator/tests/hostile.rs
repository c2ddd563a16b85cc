//! Requests that no client sends: nothing panics, everything is answered, nothing leaves the data directory.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Request;
use ossup_core::time::Timestamp;
use ossup_emulator::{Clock, Config, Model};

/// A sequence that looks random and is the same every time (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)) >> 8) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"];
const PATHS: &[&str] = &[
    "/",
    "/bkt",
    "/bkt/",
    "/bkt/k",
    "/bkt/%2e%2e/%2e%2e/x",
    "/../../etc/passwd",
    "/bkt/../../../x",
    "/..%2f..%2fx/k",
    "/bkt/%00",
    "/bkt/%ff%fe",
    "/bkt/%zz%",
    "/bkt/..%5c..%5cx",
    "/%2e%2e/k",
    "/bkt//k",
    "/b",
    "/BKT/k",
    "/bkt/%F0%9F%98%80",
];
const QUERIES: &[&str] = &[
    "uploads",
    "uploads=",
    "uploadId=x",
    "uploadId=../../x",
    "partNumber=1",
    "partNumber=99999999999999999999",
    "delete",
    "append",
    "position=18446744073709551615",
    "max-parts=-1",
    "max-keys=1",
    "marker=%ff",
    "list-type=2",
    "continuation-token=////",
    "encoding-type=url",
    "prefix=%E4%B8%AD",
    "delimiter=/",
    "acl",
    "tagging",
    "bucketInfo",
    "x-oss-signature=0",
    "Signature=0",
    "OSSAccessKeyId=ossup-emulator",
    "Expires=-1",
    "Expires=99999999999999",
    "x-oss-credential=a/b/c/oss/aliyun_v4_request",
    "x-oss-date=20231216T162057Z",
    "x-oss-expires=1",
    "x-oss-signature-version=OSS4-HMAC-SHA256",
    "callback=e30=",
    "=",
    "&&",
    "%",
    "key-marker=b",
    "sequential",
];
const HEADERS: &[(&str, &str)] = &[
    ("authorization", "OSS ossup-emulator:x"),
    ("authorization", "OSS4-HMAC-SHA256 Credential=,Signature="),
    (
        "authorization",
        "OSS4-HMAC-SHA256 Credential=a/b/c/oss/aliyun_v4_request,AdditionalHeaders=;,Signature=0",
    ),
    ("authorization", "Basic eDp5"),
    ("x-oss-date", "20231216T162057Z"),
    ("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
    ("date", "Sat, 16 Dec 2023 16:20:57 GMT"),
    ("date", "\u{1F600}"),
    ("range", "bytes=18446744073709551615-18446744073709551615"),
    ("range", "bytes=-18446744073709551615"),
    ("x-oss-range-behavior", "standard"),
    ("x-oss-copy-source", "/bkt/../k"),
    ("x-oss-copy-source", "bkt"),
    ("x-oss-copy-source-range", "bytes=5-1"),
    ("x-oss-complete-all", "yes"),
    ("x-oss-tagging", "a=1&a=2"),
    ("x-oss-object-acl", "none"),
    ("x-oss-callback", "!"),
    ("content-md5", "x"),
    ("content-length", "18446744073709551615"),
    ("content-length", "3"),
    ("transfer-encoding", "chunked"),
    ("if-match", "*, \"x\", ,"),
    ("host", "..localhost"),
    ("host", "[::1"),
    ("host", "bkt.localhost:99999"),
    ("host", "oss-.aliyuncs.com"),
];
const BODIES: &[&str] = &[
    "",
    "abc",
    "<Delete><Object><Key>../../x</Key></Object></Delete>",
    "<CompleteMultipartUpload><Part>",
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
    "<!DOCTYPE x [<!ENTITY a \"&a;\">]><Delete>&a;</Delete>",
    "<Tagging/>",
    "\u{0}\u{1}",
];

fn storm(model: &Model, dice: &mut Dice) {
    for _ in 0..20_000 {
        let query: Vec<&str> = (0..dice.roll(5)).map(|_| dice.pick(QUERIES)).collect();
        let uri = format!("{}?{}", dice.pick(PATHS), query.join("&"));
        let mut request = Request::builder().method(dice.pick(METHODS)).uri(&uri);
        let mut seen = Vec::new();
        for _ in 0..dice.roll(6) {
            let (name, value) = HEADERS[dice.roll(HEADERS.len())];
            if !seen.contains(&name) {
                seen.push(name);
                request = request.header(name, value.as_bytes());
            }
        }
        let Ok(request) = request.body(Bytes::from_static(dice.pick(BODIES).as_bytes())) else { continue };
        let response = model.handle(request);
        assert!(response.headers().contains_key("x-oss-request-id"), "{uri}");
        assert!(!response.status().is_server_error(), "{uri} was answered with {}", response.status());
    }
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

#[test]
fn every_request_is_answered_and_nothing_leaves_the_directory() {
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("a/b/c/data");
    let now = Timestamp::from_unix(1_702_743_657);
    for checked in [true, false] {
        let mut config = Config::default();
        config.check_signatures = checked;
        config.auto_create_buckets = true;
        let model = Model::open(config, Clock::fixed(now), &data).unwrap();
        model.create_bucket("bkt").unwrap();
        storm(&model, &mut Dice(7));
        let known = model.journal().entries().len();
        assert!(known > 10_000, "{known}");
        let before = model.buckets();
        drop(model);
        // What was left behind reads back.
        let again = Model::open(Config::default(), Clock::fixed(now), &data).unwrap();
        assert_eq!(again.buckets(), before);
    }
    let mut files = Vec::new();
    files_below(outer.path(), &mut files);
    assert!(files.iter().any(|file| file.ends_with("bkt/bucket.json")));
    assert!(files.iter().all(|file| file.starts_with(&data)), "{files:?}");
}
