//! Small files: one PutObject instead of three requests, with the same guarantees.

use ossup_core::digest::{Crc64, Md5};
use ossup_core::options::ObjectOptions;
use ossup_core::request::Operation::{self, HeadObject, PutObject};
use ossup_core::upload::{Cancel, Cause, Corruption, End, Evidence, Visibility};
use ossup_tests::story::bucket::{Object, answer, refusal};
use ossup_tests::story::{Reply, Story, completed, failed};

fn small(len: u64) -> Story {
    let mut story = Story::of_len(len);
    story.job.policy.put_threshold = 5000;
    story
}

fn operations(story: &Story) -> Vec<Operation> {
    story.seen.iter().map(|seen| seen.request.operation()).collect()
}

#[test]
fn a_source_up_to_the_threshold_goes_up_in_one_request_and_a_longer_one_in_parts() {
    for (len, one) in [(1, true), (5000, true), (5001, false)] {
        let mut story = small(len);
        let outcome = story.run();
        assert_eq!(completed(&outcome).evidence, Evidence::AcknowledgedAndEqual);
        assert_eq!(operations(&story) == [PutObject], one, "{len}");
        story.assert_done();
    }
}

#[test]
fn what_is_large_and_may_be_refused_is_sent_only_once_the_server_has_agreed() {
    for (len, expects) in [(1000, false), (2 << 20, true)] {
        let mut story = Story::of_len(len);
        story.job.policy.put_threshold = u64::MAX;
        completed(&story.run());
        assert_eq!(story.seen[0].request.expects_continue(), expects, "{len}");
    }
}

#[test]
fn threshold_0_sends_in_parts_whatever_there_is_but_nothing_at_all() {
    for (len, one) in [(0, true), (1, false)] {
        let mut story = Story::of_len(len);
        completed(&story.run());
        assert_eq!(operations(&story) == [PutObject], one, "{len}");
        story.assert_done();
    }
}

#[test]
fn it_carries_its_md5_and_needs_no_record() {
    let mut story = small(4000);
    story.watcher = Some(Box::new(|_, world| assert!(world.record.is_none())));
    completed(&story.run());
    let md5 = story.world.source.whole().md5.unwrap().to_base64();
    assert_eq!(story.seen[0].request.headers()["content-md5"].to_str().unwrap(), md5);
}

#[test]
fn one_that_was_lost_or_refused_for_its_bytes_is_sent_again() {
    for trouble in [
        Reply::LoseAnswer,
        Reply::LoseRequest,
        Reply::BreakBody,
        Reply::NoConnection,
        Reply::Refuse(500, "InternalError"),
        Reply::Refuse(400, "InvalidDigest"),
    ] {
        let how = format!("{trouble:?}");
        let mut story = small(4000);
        story.when(PutObject, [trouble]);
        let outcome = story.run();
        assert_eq!(
            (completed(&outcome).evidence, outcome.report.retries),
            (Evidence::AcknowledgedAndEqual, 1),
            "{how}"
        );
        story.assert_done();
    }
}

#[test]
fn one_that_is_stored_as_other_bytes_again_and_again_is_corrupted() {
    let mut story = small(4000);
    let etag = format!("\"{}\"", Md5::of(b"other"));
    let crc = Crc64::of(b"other").to_string();
    let wrong = || Reply::Say(answer(200, &[("etag", &etag), ("x-oss-hash-crc64ecma", &crc)], ""));
    story.when(PutObject, (0..9).map(|_| wrong()));
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::Corrupted(Corruption::Put)), "{outcome:?}");
    assert!(!failed(&outcome).resumable);
}

#[test]
fn an_object_that_must_not_be_overwritten_is_left_alone() {
    let mut story = small(4000);
    story.job.options = ObjectOptions::new().forbid_overwrite(true);
    story.world.bucket.object = Some(Object { len: 5, crc64: Crc64::of(b"other") });
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::ObjectExists(_)));
    assert_eq!(story.world.bucket.object.unwrap().len, 5);
}

#[test]
fn an_object_in_the_way_after_a_lost_answer_is_ours_if_it_is_equal() {
    let mut story = small(4000);
    story.job.options = ObjectOptions::new().forbid_overwrite(true);
    story.when(PutObject, [Reply::LoseAnswer]);
    let outcome = story.run();
    assert_eq!(completed(&outcome).evidence, Evidence::ContentMatch);
    assert_eq!(operations(&story), [PutObject, PutObject, HeadObject]);
    story.assert_done();
}

#[test]
fn a_cancel_stops_it_and_one_that_comes_too_late_says_so() {
    let mut story = small(4000);
    let mut turns = 0;
    story.watcher = Some(Box::new(move |upload, _| {
        turns += 1;
        if turns == 2 {
            upload.cancel(Cancel::Discard);
        }
    }));
    // Stopped: whether it was stored is asked.
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Discarded(_)), "{outcome:?}");
    assert!(story.world.bucket.object.is_none());
}

#[test]
fn a_refusal_is_told_with_the_words_of_the_server() {
    let mut story = small(4000);
    story.when(PutObject, [Reply::SayEarly(refusal(403, "AccessDenied"))]);
    let outcome = story.run();
    assert!(
        matches!(&failed(&outcome).cause, Cause::Refused(error) if error.code.as_deref() == Some("AccessDenied"))
    );
    assert_eq!(failed(&outcome).object, Visibility::Absent);
}

#[test]
fn an_object_in_the_way_that_is_ours_does_not_count_if_the_source_has_changed_since() {
    let mut story = small(4000);
    story.job.options = ObjectOptions::new().forbid_overwrite(true);
    story.when(PutObject, [Reply::LoseAnswer]);
    story.when(HeadObject, [Reply::Then(Box::new(|world| world.source.edit(3)))]);
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::ObjectExists(_)), "{outcome:?}");
    assert_eq!(failed(&outcome).object, Visibility::Wrong, "it is the source as it was");
}

#[test]
fn a_source_that_changed_before_it_was_put_is_found_to_be_there_though_it_must_not_be_overwritten() {
    let mut story = small(4000);
    story.job.options = ObjectOptions::new().forbid_overwrite(true);
    let mut edited = false;
    story.watcher = Some(Box::new(move |_, world| {
        if !std::mem::replace(&mut edited, true) {
            world.source.edit(3);
        }
    }));
    assert_eq!(completed(&story.run()).evidence, Evidence::ContentMatch);
    assert_eq!(operations(&story), [PutObject, PutObject, HeadObject]);
    story.assert_done();
}

#[test]
fn an_object_that_was_put_of_a_file_that_cannot_be_looked_at_any_more_is_there_for_all_that_is_known() {
    let mut story = small(1000);
    story.when(PutObject, [Reply::Then(Box::new(|world| world.source.broken = Some("gone")))]);
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::Source(_)), "{outcome:?}");
    assert_eq!(failed(&outcome).object, Visibility::Unknown);
}
