//! Inputs on which the official SDKs differ: for each, what we do, and that it is what the vectors say to follow.

use std::time::Duration;

use ossup_core::auth::AuthProblem;
use ossup_core::callback::Callback;
use ossup_core::digest::{Hasher, Integrity};
use ossup_core::endpoint::Endpoint;
use ossup_core::error::{self, OssError};
use ossup_core::operation::{abort, complete, head, initiate, list_parts, list_uploads, put, upload_part};
use ossup_core::options::ObjectOptions;
use ossup_core::part::{ByteRange, ETag, PartNumber};
use ossup_core::request::{Operation, Request};
use ossup_core::retry::meaning::{Meaning, judge};
use ossup_core::sign::{
    Credentials, LocalSigner, SignatureVersion, Signer, Signing, StaticCredentials, v1, v4,
};
use ossup_core::time::Timestamp;
use serde_json::Value;

use super::bodies::{body, completing, decoded_header};
use super::signatures::{headers_of, resource};
use super::{bare, decoded, header_of, pairs, text, texts, vectors};

fn disagreement(id: &str) -> Value {
    let vectors = vectors(include_str!("../../vectors/disagreements.json"));
    vectors.into_iter().find(|vector| vector["id"] == id).unwrap()
}

fn endpoint() -> Endpoint {
    "oss-cn-hangzhou.aliyuncs.com".parse().unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_702_743_657)
}

fn credentials(input: &Value) -> Credentials {
    let (id, secret) = (text(input, "access_key_id"), text(input, "access_key_secret"));
    match input["security_token"].as_str() {
        Some(token) => Credentials::temporary(id, secret, token),
        None => Credentials::new(id, secret),
    }
}

/// Signs with the credentials of an input, or with those that all others have.
fn sign(input: &Value, request: &Request, version: SignatureVersion) -> http::Request<()> {
    let keys = ["access_key_id", "access_key_secret"].map(|name| input[name].as_str());
    let credentials = match keys {
        [Some(_), Some(_)] => credentials(input),
        _ => Credentials::new("LTAI5tFAKEFAKEFAKE0001ab", "FaKeSeCrEt0000000000000000001A"),
    };
    let additional = input["additional_headers"].as_array().map(|_| texts(&input["additional_headers"]));
    let (endpoint, additional) = (endpoint(), additional.unwrap_or_default());
    let signing =
        Signing { endpoint: &endpoint, credentials: &credentials, version, additional_headers: &additional };
    signing.sign(request, now()).unwrap()
}

fn sent<'a>(request: &'a http::Request<()>, name: &str) -> &'a str {
    request.headers()[name].to_str().unwrap()
}

/// The canonical request of an input, with the headers that signing adds.
fn canonical(input: &Value) -> String {
    let mut headers = headers_of(input);
    headers.push(("x-oss-date".to_owned(), text(input, "time_iso8601").to_owned()));
    headers.push(("x-oss-content-sha256".to_owned(), v4::UNSIGNED_PAYLOAD.to_owned()));
    let resource = resource(text(input, "bucket"), input["key"].as_str());
    let additional = texts(&input["additional_headers"]);
    v4::canonical_request(text(input, "method"), &resource, &pairs(&input["query"]), &headers, &additional)
}

fn canonical_query(input: &Value) -> String {
    canonical(input).lines().nth(2).unwrap().to_owned()
}

fn put_of(key: &str, len: u64) -> Request {
    let object = format!("oss://example-bucket/{key}").parse().unwrap();
    let range = ByteRange::new(0, len).unwrap();
    let put = put::request(&object, range, Integrity::Crc, &ObjectOptions::new(), None);
    put.without_digest().unwrap()
}

#[test]
fn d01_a_token_travels_signed_in_x_oss_security_token() {
    let vector = disagreement("d01");
    let object = "oss://example-bucket/multipart.data".parse().unwrap();
    let id = "A1B2C3D4E5F60718293A4B5C6D7E8F90".parse().unwrap();
    let (number, range) = (PartNumber::new(2).unwrap(), ByteRange::new(0, 1).unwrap());
    let part = upload_part::request(&object, &id, number, range, Integrity::Crc, &ObjectOptions::new());
    let signed = sign(&vector["input"], &part.without_digest().unwrap(), SignatureVersion::V1);
    let expected = &vector["results"]["oss2"]["headers_added"];
    for name in ["x-oss-security-token", "date", "authorization"] {
        assert_eq!(sent(&signed, name), text(expected, name));
    }
    assert!(!signed.headers().contains_key("security-token"));
}

#[test]
fn d02_x_oss_parameters_are_sub_resources() {
    let vector = disagreement("d02");
    let query = pairs(&vector["input"]["query"]);
    let signed = v1::string_to_sign("PUT", "", "", "1702744557", &[], "/example-bucket/k", &query);
    assert_eq!(signed, text(&vector["results"], "oss2"));
}

#[test]
fn d03_values_are_trimmed_before_they_are_signed_and_sent() {
    let vector = disagreement("d03");
    assert_eq!(canonical(&vector["input"]), text(&vector["results"], "ali-oss"));
    let options = ObjectOptions::new().metadata("a", "  v  ").unwrap();
    let request = initiate::request(&"oss://example-bucket/k".parse().unwrap(), &options);
    assert_eq!(header_of(&request, "x-oss-meta-a"), Some("v"));
}

#[test]
fn d04_an_empty_parameter_is_signed_by_its_name_and_not_sent() {
    let vector = disagreement("d04");
    assert_eq!(canonical_query(&vector["input"]), text(&vector["results"], "oss2"));
    let bucket = "example-bucket".parse().unwrap();
    let request = list_uploads::request(&bucket, Some(""), None, &ObjectOptions::new());
    assert!(request.query().iter().all(|(_, value)| value.as_deref() != Some("")));
}

#[test]
fn d05_parameters_are_sorted_by_the_bytes_of_their_encoded_names() {
    let vector = disagreement("d05");
    assert_eq!(canonical_query(&vector["input"]), text(&vector["results"], "alibabacloud-oss-v2"));
}

#[test]
fn d06_additional_headers_are_sorted_by_their_whole_names() {
    let vector = disagreement("d06");
    let (input, results) = (&vector["input"], &vector["results"]);
    let line = canonical(input).lines().rev().nth(1).unwrap().to_owned();
    assert_eq!(line, text(results, "alibabacloud-oss-v2 canonical line"));
    // The same request by way of the types: its Content-Type is signed, too, so only the layout can be compared.
    let options = ObjectOptions::new().cache_control("no-cache").unwrap();
    let range = ByteRange::new(0, 1).unwrap();
    let put = put::request(&"oss://example-bucket/k".parse().unwrap(), range, Integrity::Crc, &options, None);
    let signed = sign(input, &put.without_digest().unwrap(), SignatureVersion::V4);
    let layout = |authorization: &str| authorization.split_once("Signature=").unwrap().0.to_owned();
    assert_eq!(layout(sent(&signed, "authorization")), layout(text(results, "ali-oss")));
}

#[test]
fn d07_additional_headers_that_are_configured_are_signed() {
    let keys = StaticCredentials::new(Credentials::new("LTAI", "secret"));
    let signer = LocalSigner::new(endpoint(), keys, SignatureVersion::V4).unwrap();
    let plain = signer.sign(&put_of("k", 1), now()).unwrap();
    assert!(!sent(&plain, "authorization").contains("AdditionalHeaders"));
    let signer = signer.with_additional_headers(["Content-Length".to_owned(), "range".to_owned()]);
    let more = signer.sign(&put_of("k", 1), now()).unwrap();
    assert!(sent(&more, "authorization").contains(",AdditionalHeaders=content-length,"));
}

#[test]
fn d08_dot_segments_reach_the_wire() {
    let vector = disagreement("d08");
    let signed = sign(&Value::Null, &put_of(text(&vector["input"], "key"), 1), SignatureVersion::V4);
    assert_eq!(signed.uri().path(), text(&vector["results"], "oss2"));
}

#[test]
fn d09_a_path_is_encoded_by_the_strict_rule() {
    let vector = disagreement("d09");
    let key = text(&vector["input"], "key");
    let signed = sign(&Value::Null, &put_of(key, 1), SignatureVersion::V4);
    assert_eq!(signed.uri().path(), text(&vector["results"], "alibabacloud-oss-v2"));
    for sdk in ["alibabacloud-oss-v2", "oss2", "ali-oss"] {
        assert_eq!(decoded(text(&vector["results"], sdk)), format!("/{key}"), "{sdk}");
    }
}

#[test]
fn d10_a_failed_callback_is_an_error_of_an_object_that_is_stored() {
    let vector = disagreement("d10");
    let answer = bare(203, text(&vector["input"], "body"));
    let complete = Operation::CompleteMultipartUpload;
    let error = error::check(complete, &answer).unwrap_err();
    let expected = &vector["results"]["ali-oss"];
    assert_eq!(error.code.as_deref(), expected["code"].as_str());
    assert_eq!(error.ec.as_deref(), expected["ec"].as_str());
    assert_eq!(error.request_id.as_deref(), expected["request_id"].as_str());
    let row = judge(complete, error.status, error.code.as_deref());
    assert_eq!(row.meaning, Meaning::CallbackFailed);
}

#[test]
fn d11_the_clock_is_set_by_the_answer_that_complains_of_it() {
    let answer = http::Response::builder().status(403).header("date", "Fri, 12 Jan 2024 21:47:15 GMT");
    let document = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    let error = OssError::from_response(&answer.body(document.into()).unwrap());
    let server_time = error.server_time.unwrap();
    assert_eq!(Some(server_time), Timestamp::parse("2024-01-12T21:47:15Z"));
    let keys = StaticCredentials::new(Credentials::new("LTAI", "secret"));
    let signer = LocalSigner::new(endpoint(), keys, SignatureVersion::V4).unwrap();
    signer.refresh(&AuthProblem::ClockSkew { server_time }, now()).unwrap();
    let corrected = signer.sign(&put_of("k", 1), now()).unwrap();
    assert_eq!(sent(&corrected, "x-oss-date"), "20240112T214715Z");
}

#[test]
fn d12_a_plus_in_a_listed_name_is_a_plus() {
    let vector = disagreement("d12");
    let document = format!(
        "<ListMultipartUploadsResult><EncodingType>url</EncodingType><Upload><Key>{}</Key><UploadId>A1</UploadId>\
         </Upload></ListMultipartUploadsResult>",
        text(&vector["input"], "encoded")
    );
    let page = list_uploads::parse(&bare(200, &document)).unwrap();
    assert_eq!(page.uploads[0].key, text(&vector["results"], "oss2"));
}

#[test]
fn d13_content_md5_goes_where_there_is_a_body_to_protect() {
    let (object, id) = ("oss://example-bucket/k".parse().unwrap(), "A1".parse().unwrap());
    let options = ObjectOptions::new();
    let bodiless = [
        initiate::request(&object, &options),
        list_parts::request(&object, &id, None, None, &options),
        abort::request(&object, &id, &options),
        list_uploads::request(&object.bucket, None, None, &options),
        head::request(&object, &options),
        complete::request(&object, &id, complete::Parts::All, &options, None),
    ];
    for request in bodiless {
        assert_eq!(header_of(&request, "content-md5"), None, "{}", request.operation());
    }
    let etag: ETag = "\"A\"".parse().unwrap();
    let list = completing(complete::Parts::Listed(&[(PartNumber::FIRST, &etag)]), None);
    assert!(header_of(&list, "content-md5").is_some());
    let range = ByteRange::new(0, 5).unwrap();
    let part = upload_part::request(&object, &id, PartNumber::FIRST, range, Integrity::Md5AndCrc, &options);
    let mut hasher = Hasher::new(part.integrity());
    hasher.update(b"hello");
    let part = part.with_digest(&hasher.finish()).unwrap();
    assert_eq!(header_of(&part, "content-md5"), Some("XUFAKrxLKna5cZ2REBfFkg=="));
}

#[test]
fn d14_an_etag_is_sent_as_it_came() {
    let etag: ETag = "\"3349DC700140D7F86A07848427800001\"".parse().unwrap();
    let request = completing(complete::Parts::Listed(&[(PartNumber::FIRST, &etag)]), None);
    assert!(body(&request).contains("<ETag>\"3349DC700140D7F86A07848427800001\"</ETag>"));
}

#[test]
fn d15_an_answer_without_any_sign_of_oss_is_judged_by_its_status() {
    let error = error::check(Operation::UploadPart, &bare(502, "<html>Bad Gateway</html>")).unwrap_err();
    assert_eq!((error.status, &error.code, &error.request_id, error.server_time), (502, &None, &None, None));
    assert_eq!(judge(Operation::UploadPart, 502, None).meaning, Meaning::Retry);
}

#[test]
fn d16_the_list_of_parts_is_sorted_and_names_each_once() {
    let vector = disagreement("d16");
    let (a, b): (ETag, ETag) = ("\"A\"".parse().unwrap(), "\"B\"".parse().unwrap());
    let [one, two] = [1, 2].map(|n| PartNumber::new(n).unwrap());
    let request = completing(complete::Parts::Listed(&[(two, &b), (one, &a), (one, &a)]), None);
    assert_eq!(body(&request), text(&vector["results"], "oss2"));
}

#[test]
fn d17_a_blank_and_a_plus_travel_encoded() {
    let vector = disagreement("d17");
    let (bucket, prefix) = ("example-bucket".parse().unwrap(), text(&vector["input"], "prefix"));
    let request = list_uploads::request(&bucket, Some(prefix), None, &ObjectOptions::new());
    let signed = sign(&Value::Null, &request, SignatureVersion::V4);
    let query = signed.uri().query().unwrap();
    assert!(query.split('&').any(|pair| pair == "prefix=a%20b%2Bc"), "{query}");
}

#[test]
fn d18_a_callback_variable_is_a_text() {
    let vector = disagreement("d18");
    let callback = Callback::new("http://cb.example.com/", "n=${x:n}").unwrap().variable("n", "7").unwrap();
    let expected: Value = serde_json::from_str(text(&vector["results"], "header")).unwrap();
    assert_eq!(decoded_header(&callback, "x-oss-callback-var"), Some(expected));
}

#[test]
fn d19_v1_signs_the_date_header_that_is_sent() {
    let vector = disagreement("d19");
    let request = head::request(&"oss://example-bucket/k".parse().unwrap(), &ObjectOptions::new());
    let signed = sign(&Value::Null, &request, SignatureVersion::V1);
    let expected = &vector["results"]["oss2"];
    assert_eq!(sent(&signed, "date"), text(expected, "date"));
    assert_eq!(sent(&signed, "authorization"), text(expected, "authorization"));
    assert!(!signed.headers().contains_key("x-oss-date"));
}

#[test]
fn a_url_for_a_typed_request_is_that_of_the_vector() {
    let vectors = vectors(include_str!("../../vectors/v4_presign.json"));
    let vector = vectors.iter().find(|vector| vector["id"] == "v4q-09").unwrap();
    let (input, endpoint) = (&vector["input"], endpoint());
    let object = format!("oss://{}/{}", text(input, "bucket"), text(input, "key")).parse().unwrap();
    let id = "0005F00DCAFE4BABE9A8B7C6D5E4F3A2".parse().unwrap();
    let credentials = credentials(input);
    let signing = Signing {
        endpoint: &endpoint,
        credentials: &credentials,
        version: SignatureVersion::V4,
        additional_headers: &[],
    };
    let request = abort::request(&object, &id, &ObjectOptions::new());
    let now = Timestamp::from_unix(input["time_unix"].as_i64().unwrap());
    let url = signing.presign(&request, now, Duration::from_secs(900)).unwrap().to_string();
    let expected = text(&vector["expected"], "url");
    let pieces = |url: &str| {
        let (path, query) = url.split_once('?').unwrap();
        let mut query: Vec<_> = query.split('&').map(str::to_owned).collect();
        query.sort();
        (path.to_owned(), query)
    };
    assert_eq!(pieces(&url), pieces(expected));
}
