//! What happens to objects and buckets, on the model alone.

mod world;

use bytes::Bytes;
use http::{Request, Response};
use ossup_core::digest::{Crc64, Md5};
use ossup_emulator::{Action, Clock, Conduct, Config, Model, Operation, Rule};
use world::{Answer, World, list};

#[test]
fn anybody_may_write_objects_where_that_is_public_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let open = |checked: bool| {
        let mut config = Config::default();
        config.check_signatures = checked;
        World(Model::open(config, Clock::system(), folder.path()).unwrap())
    };
    let setup = open(false);
    setup.0.create_bucket("bkt").unwrap();
    setup.send("PUT", "/bkt?acl", &[("x-oss-acl", "public-read-write")], "");
    setup.put("/bkt/k", "mine");
    drop(setup);
    let world = open(true);
    assert_eq!(world.put("/bkt/k", "theirs").status, 200);
    assert_eq!(world.get("/bkt/k").body, "theirs");
    let id = world.initiate("m");
    world.part("m", &id, 1, "part");
    assert_eq!(world.complete("m", &id, &[(1, "part")]).status, 200);
    for (method, uri) in [
        ("PUT", "/bkt?acl"),
        ("PUT", "/bkt"),
        ("DELETE", "/bkt"),
        ("GET", "/bkt?acl"),
        ("GET", "/bkt"),
        ("GET", "/bkt?uploads"),
        ("PUT", "/bkt/k?acl"),
        ("PUT", "/bkt/k?tagging"),
        ("GET", "/"),
    ] {
        world.send(method, uri, &[("x-oss-acl", "private")], "").assert_error(403, "AccessDenied");
    }
    let copy = world.send("PUT", "/bkt/c", &[("x-oss-copy-source", "/private/k")], "");
    copy.assert_error(403, "AccessDenied");
    for (method, uri) in [("DELETE", "/bkt/k"), ("DELETE", "/bkt/m")] {
        assert_eq!(world.send(method, uri, &[], "").status, 204);
    }
    world.send("DELETE", "/bkt", &[], "").assert_error(403, "AccessDenied");
    assert_eq!(world.0.buckets().len(), 1);
}

#[test]
fn conditions_are_checked() {
    let world = World::new();
    world.put("/bkt/k", "hello");
    let etag = format!("\"{}\"", Md5::of(b"hello"));
    let with = |name: &str, value: &str| world.send("GET", "/bkt/k", &[(name, value)], "");
    assert_eq!(with("If-Match", &etag).status, 200);
    with("If-Match", "\"0\"").assert_error(412, "PreconditionFailed");
    assert_eq!(with("If-None-Match", &etag).status, 304);
    assert_eq!(with("If-None-Match", "\"0\"").status, 200);
    assert_eq!(with("If-Modified-Since", "Sat, 16 Dec 2023 16:20:57 GMT").status, 304);
    assert_eq!(with("If-Modified-Since", "Sat, 16 Dec 2023 16:20:56 GMT").status, 200);
    with("If-Unmodified-Since", "Sat, 16 Dec 2023 16:20:56 GMT").assert_error(412, "PreconditionFailed");
    let range = with("Range", "bytes=1-3");
    assert_eq!((range.status, range.body.as_str()), (206, "ell"));
    assert_eq!(range.header("content-range"), "bytes 1-3/5");
}

#[test]
fn rules_about_the_connection_are_told_with_the_answer() {
    use std::time::Duration;
    let world = World::new();
    let conduct = |action: Action| {
        let rule = world.0.faults().add(Rule::on(Operation::PutObject, action));
        let answer = world.put("/bkt/k", "x");
        assert_eq!(answer.status, 200);
        world.0.faults().remove(rule);
        (answer.response.extensions().get::<Conduct>().unwrap().clone(), answer)
    };
    let (stalled, _) = conduct(Action::Stall { millis: 30 });
    assert_eq!((stalled.stall, stalled.stall_answer), (Duration::from_millis(30), Duration::ZERO));
    let (stalled, answer) = conduct(Action::StallAnswer { millis: 40 });
    assert_eq!((stalled.stall, stalled.stall_answer), (Duration::ZERO, Duration::from_millis(40)));
    assert_eq!(answer.header("x-oss-qos-delay-time"), "");
    let (held, answer) = conduct(Action::HoldBack { millis: 50 });
    assert_eq!(held.stall_answer, Duration::from_millis(50));
    assert_eq!(answer.header("x-oss-qos-delay-time"), "50");
    assert_eq!(conduct(Action::Pace { bytes_per_second: 1000 }).0.pace, Some(1000));
    // The slower of two.
    world.0.faults().add(Rule::always(Action::Pace { bytes_per_second: 500 }));
    assert_eq!(conduct(Action::Pace { bytes_per_second: 1000 }).0.pace, Some(500));
}

#[test]
fn a_part_may_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.check_signatures = false;
    let world = World(Model::open(config.clone(), Clock::system(), folder.path()).unwrap());
    world.0.create_bucket("bkt").unwrap();
    let id = world.initiate("k");
    world.part("k", &id, 1, "1111");
    world.part("k", &id, 2, "2222");
    assert!(world.0.lose_part("bkt", "k", &id, 1).unwrap());
    assert!(!world.0.lose_part("bkt", "k", &id, 1).unwrap());
    assert!(!world.0.lose_part("bkt", "other", &id, 2).unwrap());
    world.complete("k", &id, &[(1, "1111"), (2, "2222")]).assert_error(400, "InvalidPart");
    drop(world);
    let again = Model::open(config, Clock::system(), folder.path()).unwrap();
    assert_eq!(again.uploads("bkt")[0].parts.len(), 1);
}

#[test]
fn a_copy_is_stored_as_asked_and_nonsense_is_refused() {
    let world = World::new();
    let source =
        [("x-oss-meta-a", "1"), ("x-oss-storage-class", "IA"), ("x-oss-server-side-encryption", "AES256")];
    world.send("PUT", "/bkt/k", &source, "x");
    let copy = |headers: &[(&str, &str)]| {
        let all = [&[("x-oss-copy-source", "/bkt/k")], headers].concat();
        world.send("PUT", "/bkt/c", &all, "")
    };
    let told = |name: &str| world.send("HEAD", "/bkt/c", &[], "").header(name).to_owned();
    assert_eq!(copy(&[]).status, 200);
    assert_eq!(
        (told("x-oss-storage-class"), told("x-oss-server-side-encryption")),
        ("IA".into(), "AES256".into())
    );
    let kms = [
        ("x-oss-storage-class", "Archive"),
        ("x-oss-server-side-encryption", "KMS"),
        ("x-oss-server-side-encryption-key-id", "id"),
    ];
    assert_eq!(copy(&kms).header("x-oss-server-side-encryption"), "KMS");
    for (name, value) in kms.into_iter().chain([("x-oss-meta-a", "1")]) {
        assert_eq!(told(name), value, "{name}");
    }
    assert_eq!(copy(&[("x-oss-metadata-directive", "REPLACE"), ("x-oss-meta-b", "2")]).status, 200);
    assert_eq!((told("x-oss-meta-a"), told("x-oss-meta-b")), (String::new(), "2".into()));
    for (name, value, code) in [
        ("x-oss-storage-class", "NOPE", "InvalidArgument"),
        ("x-oss-server-side-encryption", "NOPE", "InvalidEncryptionAlgorithmError"),
        ("x-oss-metadata-directive", "NOPE", "InvalidArgument"),
        ("x-oss-tagging-directive", "NOPE", "InvalidArgument"),
    ] {
        copy(&[(name, value)]).assert_error(400, code);
    }
    // A key may look like a version.
    world.put("/bkt/q%3FversionId%3D1", "odd");
    let source = |text| world.send("PUT", "/bkt/c", &[("x-oss-copy-source", text)], "");
    assert_eq!(source("/bkt/q%3FversionId%3D1").status, 200);
    assert_eq!(world.get("/bkt/c").body, "odd");
    source("/bkt/k?versionId=1").assert_error(400, "NotImplemented");
}

#[test]
fn objects_are_deleted_together_only_with_a_digest() {
    let world = World::new();
    world.put("/bkt/k", "x");
    let document = "<Delete><Object><Key>k</Key></Object></Delete>";
    let without = world.send("POST", "/bkt?delete", &[], document);
    assert_eq!(without.assert_error(400, "MissingArgument").element("ArgumentName"), "Content-MD5");
    let wrong = [("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")];
    world.send("POST", "/bkt?delete", &wrong, document).assert_error(400, "InvalidDigest");
    assert_eq!(world.get("/bkt/k").status, 200);
    let md5 = Md5::of(document.as_bytes()).to_base64();
    assert_eq!(world.send("POST", "/bkt?delete", &[("Content-MD5", &md5)], document).status, 200);
    assert_eq!(world.get("/bkt/k").status, 404);
}

#[test]
fn numbers_of_errors_are_those_of_the_operation() {
    let world = World::new();
    world.put("/bkt/k", "x");
    let forbid = [("x-oss-forbid-overwrite", "true")];
    assert_eq!(
        world.send("PUT", "/bkt/k", &forbid, "x").assert_error(409, "FileAlreadyExists").element("EC"),
        ""
    );
    let id = world.initiate("k");
    world.part("k", &id, 1, "mine");
    let uri = format!("/bkt/k?uploadId={id}");
    let refused = world.send("POST", &uri, &forbid, &list(&[(1, "mine")]));
    assert_eq!(refused.assert_error(409, "FileAlreadyExists").element("EC"), "0042-00000214");
    let refused = world.send("POST", &uri, &[], "<Other/>");
    assert_eq!(refused.assert_error(400, "MalformedXML").element("EC"), "0042-00000205");
    let refused = world.put("/bkt/k?tagging", "<Other/>");
    assert_eq!(refused.assert_error(400, "MalformedXML").element("EC"), "");
}

#[test]
fn a_bucket_is_addressed_in_its_region() {
    let world = World::new();
    let get = |host: &str, uri: &str| {
        let request = Request::get(uri).header("Host", host).body(Bytes::new()).unwrap();
        let response = world.0.handle(request);
        let body = String::from_utf8_lossy(response.body()).into_owned();
        Answer { status: response.status().as_u16(), body, response }
    };
    for host in
        ["oss-cn-beijing.aliyuncs.com", "oss-cn-beijing-internal.aliyuncs.com", "cn-beijing.oss.aliyuncs.com"]
    {
        let refused = get(&format!("bkt.{host}"), "/?location");
        refused.assert_error(403, "AccessDenied");
        assert_eq!(refused.element("EC"), "0003-00001403");
        assert_eq!(refused.element("Endpoint"), "oss-cn-hangzhou.aliyuncs.com");
        get(&format!("other.{host}"), "/?location").assert_error(404, "NoSuchBucket");
    }
    for host in [
        "oss-cn-hangzhou.aliyuncs.com",
        "oss-cn-hangzhou-internal.aliyuncs.com:80",
        "cn-hangzhou.oss.aliyuncs.com",
        "oss-accelerate.aliyuncs.com",
        "oss-accelerate-overseas.aliyuncs.com",
        "localhost",
    ] {
        assert_eq!(get(&format!("bkt.{host}"), "/?location").status, 200, "{host}");
    }
}

#[test]
fn every_answer_has_a_date_wherever_the_clock_is_moved_to() {
    let world = World::new();
    for seconds in [i64::MAX, i64::MIN, i64::MIN, -100_000_000_000] {
        world.0.clock().shift(seconds);
        assert!(world.get("/").header("date").ends_with(" GMT"), "{seconds}");
    }
}

#[test]
fn a_callback_is_made_once_the_object_is_there() {
    use base64::Engine as _;
    let world = World::new();
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let parameters =
        encode(r#"{"callbackUrl":"a.example/x;http://b.example/","callbackBody":"k=${object}&n=${x:n}"}"#);
    let variables = encode(r#"{"x:n":"a&b"}"#);
    let headers = [("x-oss-callback", &*parameters), ("x-oss-callback-var", &*variables)];
    let failed = world.send("PUT", "/bkt/dir/k", &headers, "one");
    assert_eq!(failed.assert_error(203, "CallbackFailed").element("EC"), "0007-00000203");
    assert_eq!(failed.header("etag"), format!("\"{}\"", Md5::of(b"one")));
    assert_eq!(world.get("/bkt/dir/k").body, "one");
    world.0.on_callback(|delivery| {
        assert_eq!(delivery.urls, ["http://a.example/x", "http://b.example/"]);
        assert_eq!(delivery.body, "k=dir%2Fk&n=a%26b");
        Ok(Response::builder().header("Content-Length", 2).body("{}".into()).unwrap())
    });
    let called = world.send("PUT", "/bkt/dir/k", &headers, "two");
    assert_eq!((called.status, &*called.body), (200, "{}"));
    assert_eq!(called.header("x-oss-hash-crc64ecma"), Crc64::of(b"two").to_string());
    for bad in [
        "nonsense",
        &encode("[]"),
        &encode(r#"{"callbackUrl":"http://a/"}"#),
        &encode(r#"{"callbackUrl":"http://a/","callbackBody":"x","callbackSNI":"true"}"#),
    ] {
        world.send("PUT", "/bkt/dir/k", &[("x-oss-callback", bad)], "x").assert_error(400, "InvalidArgument");
    }
    let both = format!("/bkt/k?callback={}", parameters.replace('=', "%3D").replace('+', "%2B"));
    world.send("PUT", &both, &headers, "x").assert_error(400, "InvalidArgument");
}
