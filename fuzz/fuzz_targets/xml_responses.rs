//! Invariant: every reader of answers comes back from any status, headers and body, and keeps no more than is bounded.
//!
//! An input is written as an answer is: a line with the status, lines of headers, an empty line, the body.

#![cfg_attr(fuzzing, no_main)]

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use ossup_core::error::{self, OssError};
use ossup_core::operation::{complete, head, initiate, list_parts, list_uploads, put, upload_part};
use ossup_core::options::ObjectOptions;
use ossup_core::part::MAX_PARTS;
use ossup_core::request::{Operation, Response};
use ossup_core::retry::meaning::judge_error;

ossup_fuzz::target!(target);

fn target(data: &[u8]) {
    let response = response(data);
    errors(&response);
    let _ = initiate::parse(&response);
    let _ = upload_part::parse(&response);
    let _ = head::parse(&response);
    for with_callback in [false, true] {
        let _ = put::parse(&response, with_callback);
        if let Ok(completion) = complete::parse(&response, with_callback) {
            let answer = completion.callback_answer.map(|answer| answer.body);
            assert!(answer.is_none_or(|body| with_callback && body == response.body()));
        }
    }
    parts(&response);
    uploads(&response);
}

fn response(data: &[u8]) -> Response {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let mut response = Response::new(Bytes::copy_from_slice(body));
    let mut lines = head.split(|byte| *byte == b'\n');
    if let Some(Ok(status)) = lines.next().map(StatusCode::from_bytes) {
        *response.status_mut() = status;
    }
    for line in lines.take(100) {
        let Some(at) = line.windows(2).position(|pair| pair == b": ") else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(&line[at + 2..]))
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn errors(response: &Response) {
    for operation in Operation::ALL {
        if let Err(error) = error::check(operation, response) {
            assert_eq!(error.status, response.status().as_u16());
            let _ = judge_error(operation, &error);
        } else {
            assert!(response.status().is_success());
        }
    }
    let error = OssError::from_response(response);
    let texts = [&error.code, &error.message, &error.request_id, &error.ec, &error.endpoint, &error.host_id];
    for text in texts.into_iter().flatten() {
        // The last character may begin below the limit and end behind it.
        assert!(text.len() <= 1024 + 3, "{} bytes", text.len());
        assert!(!text.contains(char::is_control), "{text:?} would write more than one line");
    }
    assert!(error.to_string().len() < 6 * 1024);
    let _ = (error.hint(), error::request_id(response));
    let _ = error::retry_after(response);
}

fn parts(response: &Response) {
    let Ok(page) = list_parts::parse(response) else { return };
    assert!(page.parts.len() <= usize::from(MAX_PARTS));
    assert!(page.parts.is_sorted_by(|a, b| a.number < b.number));
    if let Some(next) = page.next {
        assert!(page.parts.last().is_some_and(|last| last.number <= next), "the next page is this one");
    }
}

fn uploads(response: &Response) {
    let Ok(page) = list_uploads::parse(response) else { return };
    assert!(page.uploads.len() <= 20_000);
    let bucket = "example-bucket".parse().expect("a legal name");
    let next = list_uploads::request(&bucket, None, page.next.as_ref(), &ObjectOptions::new());
    let endpoint = "oss-cn-hangzhou.aliyuncs.com".parse().expect("a legal endpoint");
    // A marker may be longer than a URL may be: that is an error, and no panic.
    let _ = ossup_core::sign::unsigned(&next, &endpoint);
}
