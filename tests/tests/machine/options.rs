//! Object options: each header on the operations where OSS allows it, and on no other.

use std::collections::BTreeMap;

use ossup_core::options::{Acl, Encryption, ObjectOptions, StorageClass};
use ossup_core::part::PartNumber;
use ossup_core::request::Operation::{
    self, AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload,
    ListMultipartUploads, ListParts, PutObject, UploadPart,
};
use ossup_core::upload::{Cancel, NotResumable, Notice};
use ossup_tests::story::{PART, Reply, Story, completed};

fn everything() -> ObjectOptions {
    ObjectOptions::new()
        .content_type("video/mp4")
        .unwrap()
        .cache_control("no-cache")
        .unwrap()
        .content_disposition("attachment")
        .unwrap()
        .content_encoding("identity")
        .unwrap()
        .expires("Fri, 12 Jan 2024 21:47:15 GMT")
        .unwrap()
        .metadata("camera", "north")
        .unwrap()
        .tag("a", "b c")
        .unwrap()
        .acl(Acl::Private)
        .storage_class(StorageClass::InfrequentAccess)
        .encryption(Encryption::Kms { key_id: Some("key".into()), sm4: false })
        .unwrap()
        .forbid_overwrite(true)
        .request_payer(true)
        .traffic_limit(1_000_000)
        .unwrap()
}

/// The headers of options that each operation of a story carried.
fn seen(story: &Story, headers: &mut BTreeMap<&'static str, Vec<String>>) {
    for seen in &story.seen {
        let names = seen.request.headers().keys().map(|name| name.as_str().to_owned());
        let of_options =
            |name: &String| !["content-md5", "content-length", "x-oss-callback"].contains(&&**name);
        let mut names: Vec<_> = names.filter(of_options).collect();
        names.sort();
        headers.insert(seen.request.operation().name(), names);
    }
}

#[test]
fn each_header_goes_where_oss_allows_it() {
    let mut found = BTreeMap::new();
    // In parts, with a lost Initiate and a lost Complete, so that everything is asked for.
    let mut story = Story::new();
    story.job.options = everything();
    story
        .when(InitiateMultipartUpload, [Reply::LoseAnswer])
        .when(CompleteMultipartUpload, [Reply::LoseAnswer]);
    completed(&story.run());
    seen(&story, &mut found);
    // Discarded.
    let mut story = Story::new();
    story.job.options = everything();
    story.watcher = Some(Box::new(|upload, world| {
        if world.bucket.uploads.values().any(|upload| upload.parts.len() == 2) {
            upload.cancel(Cancel::Discard);
        }
    }));
    let _ = story.run();
    seen(&story, &mut found);
    // In one request.
    let mut story = Story::new();
    story.job.options = everything();
    story.job.policy.put_threshold = 10 * PART;
    completed(&story.run());
    seen(&story, &mut found);

    let attributes = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-type",
        "expires",
        "x-oss-forbid-overwrite",
        "x-oss-meta-camera",
        "x-oss-request-payer",
        "x-oss-server-side-encryption",
        "x-oss-server-side-encryption-key-id",
        "x-oss-storage-class",
        "x-oss-tagging",
    ];
    let on = |operation: Operation| found[operation.name()].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(on(InitiateMultipartUpload), attributes);
    let mut put = attributes.to_vec();
    put.extend(["x-oss-object-acl", "x-oss-traffic-limit"]);
    put.sort_unstable();
    assert_eq!(on(PutObject), put);
    assert_eq!(on(UploadPart), ["x-oss-request-payer", "x-oss-traffic-limit"]);
    assert_eq!(
        on(CompleteMultipartUpload),
        ["content-type", "x-oss-forbid-overwrite", "x-oss-object-acl", "x-oss-request-payer"]
    );
    for operation in [ListParts, AbortMultipartUpload, HeadObject, ListMultipartUploads] {
        assert_eq!(on(operation), ["x-oss-request-payer"], "{operation}");
    }
}

#[test]
fn what_oss_would_refuse_is_refused_before_the_first_request() {
    let new = ObjectOptions::new;
    assert!(new().content_type("a\nb").is_err());
    assert!(new().metadata("", "x").is_err());
    assert!(new().metadata("with space", "x").is_err());
    assert!(new().metadata("big", &"x".repeat(9000)).is_err());
    assert!((0..=10).try_fold(new(), |options, n| options.tag(&format!("k{n}"), "v")).is_err());
    assert!(new().tag(&"k".repeat(129), "v").is_err());
    assert!(new().traffic_limit(1).is_err());
}

#[test]
fn sequential_mode_sends_one_part_after_the_other() {
    let mut story = Story::of_len(6 * PART);
    story.job.options = ObjectOptions::new().sequential(true);
    completed(&story.run());
    assert_eq!((story.peak, story.parts_sent()), (1, vec![1, 2, 3, 4, 5, 6]));
    let initiate = story.requests(InitiateMultipartUpload).next().unwrap();
    assert!(initiate.query().iter().any(|(name, _)| *name == "sequential"), "{:?}", initiate.query());
    story.assert_done();
}

#[test]
fn in_sequential_mode_a_part_that_is_there_already_is_asked_for_and_one_too_early_is_repeated() {
    let mut story = Story::of_len(3 * PART);
    story.job.options = ObjectOptions::new().sequential(true);
    story
        .when_part(1, [Reply::LoseAnswer])
        .when_part(2, [Reply::DoAndSay(ossup_tests::story::bucket::refusal(409, "PartAlreadyExist"))])
        .when_part(3, [Reply::Refuse(400, "PartNotSequential")]);
    completed(&story.run());
    assert_eq!((story.parts_sent(), story.count(ListParts)), (vec![1, 2, 3, 3], 2));
    story.assert_done();
}

#[test]
fn in_sequential_mode_no_part_is_sent_twice_so_a_change_begins_the_upload_again() {
    let mut story = Story::of_len(3 * PART);
    story.job.options = ObjectOptions::new().sequential(true);
    story.crash_with(2);
    story.world.source.edit(3);
    let outcome = story.run();
    assert_eq!((outcome.report.restarts, story.parts_sent()), (1, vec![1, 2, 3]));
    let why = NotResumable::PartInTheWay(PartNumber::FIRST);
    assert!(outcome.report.notices.contains(&Notice::Restarted(why)));
    story.assert_done();
}
