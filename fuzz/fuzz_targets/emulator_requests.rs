//! Invariant: the emulator answers any requests, with an answer that has its request id and a bounded body, and keeps no
//! more than it was sent.
//!
//! An input is a sequence of requests, each behind a line `%%`: a line with method and target, lines of headers, an empty
//! line, the body. `{upload}` in a target is the id of an upload that is in progress. The first byte of an input that is
//! `!` has signatures checked.

#![cfg_attr(fuzzing, no_main)]

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use ossup_core::time::Timestamp;
use ossup_emulator::{Clock, Config, Model};

ossup_fuzz::target!(target);

const BUCKET: &str = "example-bucket";

fn target(data: &[u8]) {
    let (signed, data) = match data.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, data),
    };
    let mut config = Config::default();
    config.check_signatures = signed;
    config.min_part_size = 1;
    config.memory_limit = 1024 * 1024;
    config.max_document = 64 * 1024;
    let model = Model::new(config, Clock::fixed(Timestamp::from_unix(1_705_096_035)));
    model.create_bucket(BUCKET).expect("a legal name");
    let mut kept = 0;
    for text in split(data, b"%%\n").into_iter().take(32) {
        let upload = model.uploads(BUCKET).first().map(|upload| upload.upload_id.clone());
        let Some(request) = request(text, upload.as_deref().unwrap_or("none")) else { continue };
        kept += request.body().len() as u64;
        let response = model.handle(request);
        assert!(response.headers().contains_key("x-oss-request-id"));
        // A document says no more than some lines about each thing that there is, and repeats what it was asked.
        assert!(response.body().len() < 4 * 1024 * 1024 + 64 * data.len(), "{} bytes", response.body().len());
    }
    // A copy shares its bytes with what it is a copy of, so only what is there but once is counted.
    for bucket in model.buckets() {
        for upload in &bucket.uploads {
            assert!(upload.parts.iter().all(|part| part.size <= kept && part.number <= 10_000));
        }
    }
}

fn split<'a>(data: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (data, Vec::new());
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        pieces.push(&rest[..at]);
        rest = &rest[at + mark.len()..];
    }
    pieces.push(rest);
    pieces
}

fn request(text: &[u8], upload: &str) -> Option<Request<Bytes>> {
    let (head, body) = match text.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&text[..at], &text[at + 2..]),
        None => (text, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next()?).replace("{upload}", upload);
    let (method, target) = first.split_once(' ')?;
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = target.parse::<Uri>().ok()?;
    request.headers_mut().insert("host", HeaderValue::from_static("localhost"));
    for line in lines.take(64) {
        let Some(at) = line.windows(2).position(|pair| pair == b": ") else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(&line[at + 2..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    if !request.headers().contains_key("content-length") {
        request.headers_mut().insert("content-length", body.len().into());
    }
    Some(request)
}
