//! Whatever a key may be, and whatever may come as an answer.

use bytes::Bytes;
use ossup_core::endpoint::Endpoint;
use ossup_core::error::{self, OssError};
use ossup_core::operation::{complete, head, initiate, list_parts, list_uploads, put, upload_part};
use ossup_core::request::{Operation, Response};
use proptest::prelude::*;
use url::Url;

use super::bare;

fn uri(key: &str) -> http::Uri {
    let endpoint: Endpoint = "oss-cn-hangzhou.aliyuncs.com".parse().unwrap();
    let query: [(&str, Option<&str>); 0] = [];
    endpoint.uri(&"bucket".parse().unwrap(), Some(&key.parse().unwrap()), &query).unwrap()
}

/// Every parser and every reader of errors, for every operation. What counts is that each comes back.
fn read_by_all(response: &Response) {
    for operation in Operation::ALL {
        let _ = error::check(operation, response);
    }
    let error = OssError::from_response(response);
    let _ = (error.to_string(), error.hint(), error::retry_after(response));
    let _ = initiate::parse(response);
    let _ = upload_part::parse(response);
    let _ = list_parts::parse(response);
    let _ = list_uploads::parse(response);
    let _ = head::parse(response);
    for with_callback in [false, true] {
        let _ = complete::parse(response, with_callback);
        let _ = put::parse(response, with_callback);
    }
}

fn segments() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["", ".", "..", "...", "%2e", "a", "a b", "\u{4e2d}", "\\", "?#"]);
    prop::collection::vec(segment, 1..7).prop_map(|segments| segments.join("/"))
}

const ELEMENTS: [&str; 14] = [
    "Error",
    "Code",
    "ListPartsResult",
    "Part",
    "PartNumber",
    "Size",
    "ETag",
    "IsTruncated",
    "NextPartNumberMarker",
    "ListMultipartUploadsResult",
    "Upload",
    "UploadId",
    "CompleteMultipartUploadResult",
    "InitiateMultipartUploadResult",
];

/// Text that is nearly a document.
fn markup() -> impl Strategy<Value = String> {
    let element = prop::sample::select(ELEMENTS.to_vec());
    let piece = prop_oneof![
        element.clone().prop_map(|name| format!("<{name}>")),
        element.clone().prop_map(|name| format!("</{name}>")),
        element.prop_map(|name| format!("<{name}/>")),
        prop::sample::select(vec![
            "true",
            "1",
            "10001",
            "-1",
            "&amp;",
            "&#0;",
            "&#x110000;",
            "&x;",
            "<![CDATA[",
            "]]>"
        ])
        .prop_map(str::to_owned),
        prop::sample::select(vec![
            "<!--",
            "<?",
            "<!DOCTYPE a [",
            "99999999999999999999",
            "\u{feff}",
            "<",
            ">"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_url_library_changes_which_object_is_addressed(key in segments()) {
        prop_assume!(!key.is_empty() && !key.starts_with(['/', '\\']));
        // No spelling of these two survives a normaliser in a path of their own.
        prop_assume!(key != "." && key != "..");
        let uri = uri(&key);
        let url = Url::parse(&uri.to_string()).unwrap();
        prop_assert_eq!(url.path(), uri.path());
        prop_assert_eq!(url.query(), None);
        prop_assert_eq!(url.fragment(), None);
        let decoded = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
        prop_assert_eq!(decoded, format!("/{key}"));
    }

    #[test]
    fn any_key_is_the_same_behind_a_url_library(key in "[^/\\\\].{0,60}") {
        prop_assume!(key != "." && key != "..");
        let uri = uri(&key);
        let url = Url::parse(&uri.to_string()).unwrap();
        prop_assert_eq!(url.path(), uri.path());
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error(
        status in 100_u16..1000,
        name in prop::sample::select(vec!["etag", "x-oss-err", "date", "retry-after", "x-oss-hash-crc64ecma"]),
        value in prop::collection::vec(any::<u8>(), 0..40),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut response = http::Response::builder().status(status).body(Bytes::from(body)).unwrap();
        if let Ok(value) = http::HeaderValue::from_bytes(&value) {
            response.headers_mut().insert(name, value);
        }
        read_by_all(&response);
    }

    #[test]
    fn any_markup_is_an_answer_or_an_error(status in 200_u16..600, body in markup()) {
        read_by_all(&bare(status, &body));
    }
}

#[test]
fn what_a_document_says_about_sizes_costs_nothing() {
    let parts =
        |inner: &str| list_parts::parse(&bare(200, &format!("<ListPartsResult>{inner}</ListPartsResult>")));
    let part = |number: &str, size: &str| {
        format!("<Part><PartNumber>{number}</PartNumber><Size>{size}</Size></Part>")
    };
    assert_eq!(parts(&part("10000", "18446744073709551615")).unwrap().parts[0].size, u64::MAX);
    for number in ["0", "10001", "65537", "1073741824", "-1", "1e3", ""] {
        assert!(parts(&part(number, "1")).is_err(), "{number}");
    }
    assert!(parts("<MaxParts>1073741824</MaxParts>").unwrap().parts.is_empty());
    // Entities that a document defines are not known, whatever they would grow to.
    let bomb = "<!DOCTYPE a [<!ENTITY b \"xxxxxxxx\"><!ENTITY c \"&b;&b;\">]><Error><Code>&c;</Code></Error>";
    assert_eq!(OssError::from_response(&bare(400, bomb)).code, None);
    // A text that would fill a log.
    let long = format!("<Error><Code>A</Code><Message>{}</Message></Error>", "x".repeat(10_000));
    assert!(OssError::from_response(&bare(400, &long)).to_string().len() < 2_000);
}
