//! Integrity: what is compared, and what follows when it differs.

use ossup_core::digest::{Crc64, Integrity, Md5};
use ossup_core::options::{Encryption, ObjectOptions};
use ossup_core::request::Operation::{CompleteMultipartUpload, UploadPart};
use ossup_core::upload::{Cause, Corruption, Evidence, Visibility};
use ossup_tests::story::bucket::{answer, refusal};
use ossup_tests::story::{Reply, Story, completed, failed};

fn with(integrity: Integrity) -> Story {
    let mut story = Story::new();
    story.job.policy.integrity = integrity;
    story
}

/// The answer to a part with these check values.
fn stored(etag: Md5, crc64: Crc64) -> Reply {
    let (etag, crc64) = (format!("\"{etag}\""), crc64.to_string());
    Reply::DoAndSay(answer(200, &[("etag", &etag), ("x-oss-hash-crc64ecma", &crc64)], ""))
}

#[test]
fn by_default_every_part_carries_its_md5_and_the_object_is_compared_by_crc_64() {
    let mut story = Story::new();
    let outcome = story.run();
    let md5s: Vec<_> = story
        .requests(UploadPart)
        .map(|part| part.headers()["content-md5"].to_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (1..=3).map(|n| story.world.part(n).md5.unwrap().to_base64()).collect();
    assert_eq!(md5s, expected);
    assert_eq!(completed(&outcome).evidence, Evidence::AcknowledgedAndEqual);
    assert_eq!(completed(&outcome).crc64, story.world.source.whole().crc64);
}

#[test]
fn without_md5_the_object_is_still_compared_and_without_anything_it_is_not() {
    for (integrity, evidence) in
        [(Integrity::Crc, Evidence::AcknowledgedAndEqual), (Integrity::None, Evidence::Acknowledged)]
    {
        let mut story = with(integrity);
        assert_eq!(completed(&story.run()).evidence, evidence);
        assert!(story.requests(UploadPart).all(|part| !part.headers().contains_key("content-md5")));
        story.assert_done();
    }
}

#[test]
fn a_part_that_is_stored_as_other_bytes_is_sent_again() {
    for integrity in [Integrity::Md5AndCrc, Integrity::Crc] {
        let story = with(integrity);
        let right = story.world.part(2);
        let (md5, crc) = (right.md5.unwrap(), right.crc64.unwrap());
        let mut wrong = vec![stored(md5, Crc64::of(b"other"))];
        if integrity == Integrity::Md5AndCrc {
            wrong.push(stored(Md5::of(b"other"), crc));
            wrong.push(Reply::Say(refusal(400, "InvalidDigest")));
        }
        for wrong in wrong {
            let mut story = with(integrity);
            let how = format!("{integrity:?} {wrong:?}");
            story.when_part(2, [wrong]);
            let outcome = story.run();
            assert_eq!(completed(&outcome).evidence, Evidence::AcknowledgedAndEqual, "{how}");
            assert_eq!(story.parts_sent().iter().filter(|n| **n == 2).count(), 2, "{how}");
            assert_eq!(outcome.report.troubles.len(), 1, "{how}");
            story.assert_done();
        }
    }
}

#[test]
fn an_etag_that_may_be_no_md5_is_not_taken_for_one_where_the_crc_64_agrees() {
    for (encryption, times) in [
        (Encryption::Kms { key_id: None, sm4: false }, 1),
        (Encryption::Sm4, 1),
        // Of these it is known.
        (Encryption::Aes256, 2),
    ] {
        let mut story = Story::new();
        story.job.options = ObjectOptions::new().encryption(encryption.clone()).unwrap();
        story.when_part(2, [stored(Md5::of(b"other"), story.world.part(2).crc64.unwrap())]);
        completed(&story.run());
        assert_eq!(story.parts_sent().iter().filter(|n| **n == 2).count(), times, "{encryption:?}");
        story.assert_done();
    }
    let mut story = Story::new();
    story.job.options = ObjectOptions::new().encryption(Encryption::Sm4).unwrap();
    story.when_part(2, [stored(Md5::of(b"other"), Crc64::of(b"other"))]);
    completed(&story.run());
    assert_eq!(story.parts_sent().iter().filter(|n| **n == 2).count(), 2, "the CRC-64 differs");
}

#[test]
fn a_part_that_arrives_as_other_bytes_again_and_again_is_corrupted_and_the_record_stays() {
    let mut story = Story::new();
    story.when_part(2, (0..4).map(|_| stored(Md5::of(b"other"), Crc64::of(b"other"))));
    let outcome = story.run();
    let failure = failed(&outcome);
    assert!(matches!(failure.cause, Cause::Corrupted(Corruption::Part(n)) if n.get() == 2));
    assert_eq!((failure.object, failure.resumable), (Visibility::Absent, true));
    assert_eq!(story.count(CompleteMultipartUpload), 0);
    assert_eq!(story.world.recorded(), [1, 3]);
    completed(&story.run());
    assert!(!story.parts_sent().contains(&1), "what is good stays");
    story.assert_done();
}

#[test]
fn an_object_with_other_bytes_is_never_reported_as_good() {
    for integrity in [Integrity::Md5AndCrc, Integrity::Crc] {
        let mut story = with(integrity);
        let wrong = answer(200, &[("x-oss-hash-crc64ecma", "1")], "<CompleteMultipartUploadResult/>");
        story.when(CompleteMultipartUpload, [Reply::DoAndSay(wrong)]);
        let outcome = story.run();
        let ours = story.world.source.whole().crc64.unwrap();
        let Cause::Corrupted(Corruption::Object { object, source_crc64 }) = failed(&outcome).cause else {
            panic!("{outcome:?}");
        };
        assert_eq!((object, source_crc64), (Crc64::from_value(1), ours));
        assert_eq!(failed(&outcome).object, Visibility::Wrong);
        assert!(story.world.record.is_some());
    }
}

#[test]
fn parts_of_earlier_runs_count_by_what_was_read_here_and_not_by_what_the_server_says() {
    // The server lists no CRC-64: the record's is the one of the local bytes.
    let mut story = Story::new();
    story.world.bucket.list_without_crc = true;
    story.crash_with(2);
    let outcome = story.run();
    assert_eq!(completed(&outcome).evidence, Evidence::AcknowledgedAndEqual);
    assert_eq!((story.hashed.len(), story.parts_sent()), (0, vec![3]));
    story.assert_done();
}
