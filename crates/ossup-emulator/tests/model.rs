//! What uploads of several parts do, and what rules, clones and the clock make of them, on the model alone.

mod world;

use bytes::Bytes;
use http::Request;
use ossup_core::digest::{Crc64, Md5};
use ossup_core::time::Timestamp;
use ossup_emulator::{Action, Clock, Conduct, Config, Fate, Model, Operation, Rule};
use world::{World, list};

#[test]
fn parts_become_an_object_with_the_attributes_of_the_beginning() {
    let world = World::new();
    let headers = [
        ("Content-Type", "text/plain"),
        ("x-oss-meta-Owner", "me"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-server-side-encryption", "AES256"),
        ("x-oss-tagging", "a=1&b=2"),
        ("Cache-Control", "no-cache"),
    ];
    let begun = world.send("POST", "/bkt/dir/k?uploads", &headers, "");
    let id = begun.element("UploadId");
    assert_eq!(id.len(), 32);
    let part = world.part("dir/k", id, 2, "world");
    assert_eq!(part.header("etag"), format!("\"{}\"", Md5::of(b"world")));
    assert_eq!(part.header("x-oss-hash-crc64ecma"), Crc64::of(b"world").to_string());
    assert_eq!(part.header("content-md5"), Md5::of(b"world").to_base64());
    world.part("dir/k", id, 1, "hello ");
    let done = world.complete("dir/k", id, &[(1, "hello "), (2, "world")]);
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(done.header("etag").ends_with("-2\""));
    assert_eq!(done.header("x-oss-hash-crc64ecma"), Crc64::of(b"hello world").to_string());
    assert_eq!(done.header("x-oss-server-side-encryption"), "AES256");
    assert_eq!(done.element("Key"), "dir/k");
    assert_eq!(done.element("ETag"), done.header("etag"));

    let head = world.send("HEAD", "/bkt/dir/k", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for (name, value) in [
        ("content-length", "11"),
        ("content-type", "text/plain"),
        ("cache-control", "no-cache"),
        ("x-oss-meta-owner", "me"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-server-side-encryption", "AES256"),
        ("x-oss-tagging-count", "2"),
        ("x-oss-object-type", "Multipart"),
        ("content-md5", ""),
        ("etag", done.header("etag")),
        ("last-modified", "Sat, 16 Dec 2023 16:20:57 GMT"),
        ("server", "AliyunOSS"),
    ] {
        assert_eq!(head.header(name), value, "{name}");
    }
    assert_eq!(head.header("x-oss-request-id").len(), 24);
    assert_eq!(world.get("/bkt/dir/k").body, "hello world");
    world.complete("dir/k", id, &[(1, "hello ")]).assert_error(404, "NoSuchUpload");
}

#[test]
fn a_part_that_is_sent_again_replaces_the_first() {
    let world = World::new();
    let id = world.initiate("k");
    world.part("k", &id, 1, "first");
    world.part("k", &id, 1, "second");
    world.complete("k", &id, &[(1, "first")]).assert_error(400, "InvalidPart");
    assert_eq!(world.complete("k", &id, &[(1, "second")]).status, 200);
    assert_eq!(world.get("/bkt/k").body, "second");
}

#[test]
fn complete_refuses_lists_that_are_wrong_and_keeps_the_upload() {
    let world = World::new();
    let id = world.initiate("k");
    world.part("k", &id, 1, "12");
    world.part("k", &id, 2, "1234");
    world.complete("k", &id, &[(2, "1234"), (1, "12")]).assert_error(400, "InvalidPartOrder");
    world.complete("k", &id, &[(2, "1234"), (2, "1234")]).assert_error(400, "InvalidPartOrder");
    let missing = world.complete("k", &id, &[(2, "1234"), (3, "x")]);
    assert_eq!(missing.assert_error(400, "InvalidPart").element("PartNumber"), "3");
    let small = world.complete("k", &id, &[(1, "12"), (2, "1234")]);
    assert_eq!(small.assert_error(400, "EntityTooSmall").element("MinSizeAllowed"), "4");
    for document in ["", "<CompleteMultipartUpload/>", "<CompleteMultipartUpload>", "<Other/>", "{}"] {
        world.send("POST", &format!("/bkt/k?uploadId={id}"), &[], document).assert_error(400, "MalformedXML");
    }
    world.complete("other", &id, &[(2, "1234")]).assert_error(404, "NoSuchUpload");
    // Gaps are allowed.
    assert_eq!(world.complete("k", &id, &[(2, "1234")]).status, 200);
}

#[test]
fn complete_all_takes_what_is_there_and_no_list() {
    let world = World::new();
    let id = world.initiate("k");
    world.part("k", &id, 7, "7777");
    world.part("k", &id, 3, "3333");
    let uri = format!("/bkt/k?uploadId={id}");
    let both = world.send("POST", &uri, &[("x-oss-complete-all", "yes")], &list(&[(3, "3333")]));
    assert_eq!(both.assert_error(400, "InvalidArgument").element("EC"), "0042-00000216");
    assert_eq!(world.send("POST", &uri, &[("x-oss-complete-all", "yes")], "").status, 200);
    assert_eq!(world.get("/bkt/k").body, "33337777");
}

#[test]
fn an_object_that_must_not_be_overwritten_is_not() {
    let world = World::new();
    let id = world.initiate("k");
    world.part("k", &id, 1, "mine");
    world.put("/bkt/k", "theirs");
    let forbid = [("x-oss-forbid-overwrite", "true")];
    let uri = format!("/bkt/k?uploadId={id}");
    world.send("POST", &uri, &forbid, &list(&[(1, "mine")])).assert_error(409, "FileAlreadyExists");
    world.send("POST", "/bkt/k?uploads", &forbid, "").assert_error(409, "FileAlreadyExists");
    world.send("PUT", "/bkt/k", &forbid, "x").assert_error(409, "FileAlreadyExists");
    assert_eq!(world.get("/bkt/k").body, "theirs");
    assert_eq!(world.0.uploads("bkt").len(), 1);
}

#[test]
fn sequential_uploads_take_parts_in_order_once() {
    let world = World::new();
    let begun = world.send("POST", "/bkt/k?uploads&sequential", &[], "");
    let id = begun.element("UploadId");
    world.part("k", id, 2, "2222").assert_error(400, "PartNotSequential");
    assert_eq!(world.part("k", id, 1, "1111").status, 200);
    let again = world.part("k", id, 1, "1111");
    again.assert_error(409, "PartAlreadyExist");
    assert_eq!(again.element("PartEtag"), format!("\"{}\"", Md5::of(b"1111")));
    assert_eq!(world.part("k", id, 2, "2222").status, 200);
    assert_eq!(world.complete("k", id, &[(1, "1111"), (2, "2222")]).status, 200);
}

#[test]
fn parts_are_listed_page_by_page() {
    let world = World::new();
    let id = world.initiate("a%20b%2Bc");
    let empty = world.get(&format!("/bkt/a%20b%2Bc?uploadId={id}"));
    assert_eq!((empty.element("NextPartNumberMarker"), empty.element("IsTruncated")), ("0", "false"));
    for number in [1, 3, 5] {
        world.part("a%20b%2Bc", &id, number, "part");
    }
    let uri = format!("/bkt/a%20b%2Bc?uploadId={id}&max-parts=2&encoding-type=url");
    let first = world.get(&uri);
    assert_eq!(first.elements("PartNumber"), ["1", "3"]);
    assert_eq!((first.element("IsTruncated"), first.element("NextPartNumberMarker")), ("true", "3"));
    assert_eq!((first.element("EncodingType"), first.element("Key")), ("url", "a%20b%2Bc"));
    assert_eq!(first.element("ETag"), format!("\"{}\"", Md5::of(b"part")));
    assert_eq!(first.element("HashCrc64ecma"), Crc64::of(b"part").to_string());
    assert_eq!(first.element("LastModified"), "2023-12-16T16:20:57.000Z");
    let second = world.get(&format!("{uri}&part-number-marker=3"));
    assert_eq!(second.elements("PartNumber"), ["5"]);
    assert_eq!((second.element("IsTruncated"), second.element("NextPartNumberMarker")), ("false", "5"));
    for bad in ["max-parts=0", "max-parts=1001", "max-parts=x", "part-number-marker=-1", "encoding-type=b"] {
        world.get(&format!("/bkt/a%20b%2Bc?uploadId={id}&{bad}")).assert_error(400, "InvalidArgument");
    }
}

#[test]
fn an_aborted_upload_is_gone_with_its_parts() {
    let world = World::new();
    let id = world.initiate("k");
    world.part("k", &id, 1, "part");
    let uri = format!("/bkt/k?uploadId={id}");
    let aborted = world.send("DELETE", &uri, &[], "");
    assert_eq!((aborted.status, aborted.body.as_str()), (204, ""));
    world.send("DELETE", &uri, &[], "").assert_error(404, "NoSuchUpload");
    world.part("k", &id, 2, "part").assert_error(404, "NoSuchUpload");
    world.get(&uri).assert_error(404, "NoSuchUpload");
}

#[test]
fn parts_with_wrong_numbers_digests_or_options_are_refused() {
    let world = World::new();
    let id = world.initiate("k");
    for number in ["0", "10001", "x", "-1", ""] {
        let answer = world.put(&format!("/bkt/k?partNumber={number}&uploadId={id}"), "x");
        assert_eq!(answer.assert_error(400, "InvalidArgument").element("EC"), "0017-00000220");
    }
    world.put(&format!("/bkt/k?uploadId={id}"), "x").assert_error(400, "MissingArgument");
    let uri = format!("/bkt/k?partNumber=1&uploadId={id}");
    let other = Md5::of(b"other").to_base64();
    world.send("PUT", &uri, &[("Content-MD5", &other)], "body").assert_error(400, "InvalidDigest");
    world.send("PUT", &uri, &[("Content-MD5", "nonsense")], "body").assert_error(400, "InvalidDigest");
    let encryption = [("x-oss-server-side-encryption", "AES256")];
    world.send("PUT", &uri, &encryption, "body").assert_error(400, "InvalidArgument");
    assert!(world.0.uploads("bkt")[0].parts.is_empty());
    let right = Md5::of(b"body").to_base64();
    assert_eq!(world.send("PUT", &uri, &[("Content-MD5", &right)], "body").status, 200);
}

#[test]
fn uploads_are_listed_by_key_and_id_page_by_page() {
    let world = World::new();
    let mut ids = [world.initiate("b"), world.initiate("b"), world.initiate("b")];
    ids.sort();
    let other = world.initiate("dir/x");
    world.initiate("dir/y");
    let mut seen = Vec::new();
    let (mut key, mut id) = (String::new(), String::new());
    loop {
        let page = world.get(&format!("/bkt?uploads&max-uploads=2&key-marker={key}&upload-id-marker={id}"));
        seen.extend(page.elements("UploadId").into_iter().map(str::to_owned));
        (key, id) = (page.element("NextKeyMarker").into(), page.element("NextUploadIdMarker").into());
        if page.element("IsTruncated") == "false" {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[..3], ids);
    assert_eq!(seen[3], other);
    let folded = world.get("/bkt?uploads&delimiter=/");
    assert_eq!(folded.elements("Prefix").last(), Some(&"dir/"));
    assert_eq!(folded.elements("UploadId").len(), 3);
    assert_eq!(world.get("/bkt?uploads&prefix=dir/").elements("UploadId").len(), 2);
    assert_eq!(world.get("/bkt?uploads&key-marker=b").elements("UploadId").len(), 2);
}

#[test]
fn what_is_not_there_has_its_own_code() {
    let world = World::new();
    let key = world.get("/bkt/none");
    assert_eq!(key.assert_error(404, "NoSuchKey").header("x-oss-ec"), "0026-00000001");
    assert_eq!(world.get("/other/none").assert_error(404, "NoSuchBucket").element("BucketName"), "other");
    let head = world.send("HEAD", "/bkt/none", &[], "");
    assert_eq!((head.status, head.body.as_str()), (404, ""));
    assert_eq!(head.header("x-oss-ec"), "0026-00000001");
    assert!(head.header("x-oss-err").starts_with("PD94bWwg"));
    world.get("/BKT/none").assert_error(400, "InvalidBucketName");
    world.put("/bkt//leading", "x").assert_error(400, "InvalidObjectName");
    world.get("/bkt?lifecycle").assert_error(400, "NotImplemented");
    assert_eq!(world.send("DELETE", "/bkt/none", &[], "").status, 204);
}

#[test]
fn a_body_that_is_too_short_is_a_timeout_and_a_surplus_is_dropped() {
    let world = World::new();
    world.send("PUT", "/bkt/k", &[], "x");
    let request = |length: usize| {
        let request = Request::put("/bkt/k").header("Host", "127.0.0.1").header("Content-Length", length);
        world.0.handle(request.body(Bytes::from_static(b"12345")).unwrap())
    };
    assert_eq!(request(6).status(), 400);
    assert_eq!(world.get("/bkt/k").body, "x");
    assert_eq!(request(4).status(), 200);
    assert_eq!(world.get("/bkt/k").body, "1234");
    let none = Request::put("/bkt/k").header("Host", "127.0.0.1").body(Bytes::from_static(b"1"));
    assert_eq!(world.0.handle(none.unwrap()).status(), 411);
}

#[test]
fn a_rule_refuses_damages_or_hides_and_the_journal_tells() {
    let world = World::new();
    let id = world.initiate("k");
    let faults = world.0.faults();
    faults.add(Rule::on(Operation::UploadPart, Action::refuse(503, "ServiceUnavailable")).part(1).nth(1));
    faults.add(Rule::on(Operation::UploadPart, Action::LoseAnswer).part(1).nth(2));
    faults.add(Rule::on(Operation::UploadPart, Action::Corrupt { offset: 2 }).part(2).nth(1));
    faults.add(Rule::on(Operation::CompleteMultipartUpload, Action::fail_after(500, "InternalError")).nth(1));
    world.part("k", &id, 1, "part").assert_error(503, "ServiceUnavailable");
    let lost = world.part("k", &id, 1, "part");
    assert!(lost.response.extensions().get::<Conduct>().unwrap().lose_answer);
    let uri = format!("/bkt/k?partNumber=2&uploadId={id}");
    let md5 = Md5::of(b"next").to_base64();
    world.send("PUT", &uri, &[("Content-MD5", &md5)], "next").assert_error(400, "InvalidDigest");
    assert_eq!(world.part("k", &id, 2, "next").status, 200);
    let parts = [(1, "part"), (2, "next")];
    world.complete("k", &id, &parts).assert_error(500, "InternalError");
    world.complete("k", &id, &parts).assert_error(404, "NoSuchUpload");
    assert_eq!(world.get("/bkt/k").body, "partnext");

    let told = world.0.journal().of(Operation::UploadPart);
    let short: Vec<_> = told.iter().map(|e| (e.part_number, e.status, e.fate, e.received)).collect();
    assert_eq!(
        short,
        [
            (Some(1), Some(503), Fate::Answered, 4),
            (Some(1), Some(200), Fate::AnswerLost, 4),
            (Some(2), Some(400), Fate::Answered, 4),
            (Some(2), Some(200), Fate::Answered, 4),
        ]
    );
    assert_eq!(told[0].upload_id.as_deref(), Some(&*id));
    assert!(told[1].is_success() && !told[2].is_success());
}

#[test]
fn a_forked_world_goes_its_own_way() {
    let world = World::new();
    let id = world.initiate("k");
    world.part("k", &id, 1, "part");
    let fork = World(world.0.clone());
    assert_eq!(fork.complete("k", &id, &[(1, "part")]).status, 200);
    world.get("/bkt/k").assert_error(404, "NoSuchKey");
    assert_eq!(world.0.uploads("bkt").len(), 1);
    assert_eq!(fork.get("/bkt/k").body, "part");
    assert_eq!(world.0.journal().count(Operation::CompleteMultipartUpload), 0);
}

#[test]
fn equal_seeds_and_requests_give_equal_answers() {
    let (one, two) = (World::new(), World::new());
    for world in [&one, &two] {
        world.initiate("k");
        world.put("/bkt/k", "x");
    }
    assert_eq!(one.get("/bkt?uploads").body, two.get("/bkt?uploads").body);
    let bodies = |world: &World| format!("{:?}", world.0.journal().entries());
    assert_eq!(bodies(&one), bodies(&two));
}

#[test]
fn old_uploads_expire_by_the_clock() {
    use std::time::Duration;
    let world = World::new();
    let id = world.initiate("k");
    world.0.clock().advance(Duration::from_secs(86_400));
    world.initiate("younger");
    assert_eq!(world.0.expire_uploads(Duration::from_secs(86_400)), 1);
    world.part("k", &id, 1, "x").assert_error(404, "NoSuchUpload");
    assert_eq!(world.0.uploads("bkt").len(), 1);
}

#[test]
fn uploads_end_with_their_lifetime_and_their_parts_with_them() {
    use std::time::Duration;
    let mut config = Config::default();
    config.check_signatures = false;
    config.upload_lifetime = Some(Duration::from_secs(7 * 86_400));
    let model = Model::new(config, Clock::fixed(Timestamp::from_unix(1_702_743_657)));
    model.create_bucket("bkt").unwrap();
    let world = World(model);
    let id = world.initiate("k");
    assert_eq!(world.part("k", &id, 1, "x").status, 200);
    world.0.clock().advance(Duration::from_secs(7 * 86_400 - 1));
    assert_eq!(world.part("k", &id, 2, "x").status, 200);
    world.0.clock().advance(Duration::from_secs(1));
    world.part("k", &id, 3, "x").assert_error(404, "NoSuchUpload");
    world.get(&format!("/bkt/k?uploadId={id}")).assert_error(404, "NoSuchUpload");
    world.complete("k", &id, &[(1, "x")]).assert_error(404, "NoSuchUpload");
    assert!(world.0.uploads("bkt").is_empty());
}
