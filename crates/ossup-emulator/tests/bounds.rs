//! What requests leave behind in memory is bounded: records, whatever they say, and the journal.

use bytes::Bytes;
use http::Request;
use ossup_core::time::Timestamp;
use ossup_emulator::{Clock, Config, Model};

const MIB: u64 = 1 << 20;

fn config(limit: u64) -> Config {
    let mut config = Config::default();
    config.check_signatures = false;
    config.memory_limit = limit;
    config
}

fn world(limit: u64) -> Model {
    let model = Model::new(config(limit), Clock::fixed(Timestamp::from_unix(1_702_743_657)));
    model.create_bucket("bkt").unwrap();
    model
}

fn send(model: &Model, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(uri).header("Host", "127.0.0.1");
    request = request.header("Content-Length", body.len());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = model.handle(request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap());
    (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
}

/// How many times the request succeeds before it is refused for want of memory.
fn fill(model: &Model, most: usize, request: impl Fn(usize) -> (u16, String)) -> usize {
    for n in 0..most {
        match request(n) {
            (200, _) => {}
            (status, text) => {
                assert!(status == 500 && text.contains("<Code>InternalError</Code>"), "{text}");
                return n;
            }
        }
    }
    panic!("{most} requests did not fill {} bytes", model.config().memory_limit);
}

#[test]
fn uploads_that_have_no_content_take_up_what_there_is_and_give_it_back() {
    let model = world(MIB);
    let long = "v".repeat(8000);
    let begin = |_: usize| send(&model, "POST", "/bkt/k?uploads", &[("x-oss-meta-a", &long)], "");
    let first = fill(&model, 1000, begin);
    assert!((100..140).contains(&first), "{first}");
    assert_eq!(model.expire_uploads(std::time::Duration::ZERO), first);
    assert_eq!(fill(&model, 1000, begin), first);
}

#[test]
fn parts_of_one_byte_take_up_more_than_that() {
    let model = world(MIB);
    let (_, begun) = send(&model, "POST", "/bkt/k?uploads", &[], "");
    let id = begun.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0;
    let part = |n| send(&model, "PUT", &format!("/bkt/k?partNumber={}&uploadId={id}", n + 1), &[], "x");
    let stored = fill(&model, 10_000, part);
    assert!((500..2100).contains(&stored), "{stored}");
    // One that is sent again takes the place of the first.
    assert_eq!(send(&model, "DELETE", &format!("/bkt/k?uploadId={id}"), &[], "").0, 204);
    assert_eq!(send(&model, "PUT", "/bkt/k", &[], &"x".repeat(500_000)).0, 200);
}

#[test]
fn records_of_objects_are_counted_where_content_is_in_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Model::open(config(MIB), Clock::system(), folder.path()).unwrap();
    let model = open();
    model.create_bucket("bkt").unwrap();
    let long = "v".repeat(8000);
    let objects =
        fill(&model, 1000, |n| send(&model, "PUT", &format!("/bkt/{n}"), &[("Expires", &long)], ""));
    assert!((100..140).contains(&objects), "{objects}");
    // After a restart they are still there, and count.
    drop(model);
    let model = open();
    assert_eq!(model.buckets()[0].object_count, objects);
    assert_eq!(send(&model, "PUT", "/bkt/more", &[("Expires", &long)], "").0, 500);
    assert_eq!(send(&model, "DELETE", "/bkt/0", &[], "").0, 204);
    assert_eq!(send(&model, "PUT", "/bkt/more", &[("Expires", &long)], "").0, 200);
}

#[test]
fn buckets_are_counted() {
    let model = world(MIB);
    let buckets = fill(&model, 10_000, |n| send(&model, "PUT", &format!("/bucket-{n}"), &[], ""));
    assert!(buckets < 2100, "{buckets}");
}

#[test]
fn headers_that_are_kept_with_an_object_have_a_bound() {
    let model = world(MIB);
    let long = "v".repeat(5000);
    for name in ["Cache-Control", "Content-Disposition", "Content-Type", "Content-Encoding"] {
        assert_eq!(send(&model, "PUT", "/bkt/k", &[(name, &long)], "").0, 200, "{name}");
        let (status, text) = send(&model, "PUT", "/bkt/k", &[(name, &long), ("Expires", &long)], "");
        assert!(status == 400 && text.contains("<Code>InvalidArgument</Code>"), "{text}");
        assert_eq!(send(&model, "POST", "/bkt/k?uploads", &[(name, &long), ("Expires", &long)], "").0, 400);
    }
}

#[test]
fn the_journal_keeps_no_more_of_names_than_names_can_have() {
    let model = world(MIB);
    let long = "é".repeat(20_000);
    let host = format!("{}.localhost", "a".repeat(50_000));
    let request = Request::get("/k?uploadId=1").header("Host", &host).body(Bytes::new());
    model.handle(request.unwrap());
    send(&model, "GET", &format!("/bkt/{long}?uploadId={}", "i".repeat(10_000)), &[], "");
    send(&model, &"M".repeat(10_000), "/bkt/k", &[], "");
    let entries = model.journal().entries();
    assert_eq!(entries[0].bucket.as_ref().unwrap().len(), 63);
    assert_eq!(entries[1].key.as_ref().unwrap().len(), 1022);
    assert_eq!(entries[1].upload_id.as_ref().unwrap().len(), 64);
    assert_eq!(entries[2].method.len(), 16);
}
