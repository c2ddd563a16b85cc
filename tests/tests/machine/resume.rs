//! Resume: the server's list against the record.

use ossup_core::request::Operation::{AbortMultipartUpload, InitiateMultipartUpload, ListParts};
use ossup_core::upload::{Cause, Denied, Visibility};
use ossup_tests::story::bucket::param;
use ossup_tests::story::{PART, Reply, Story, completed, failed};

/// A run that died when so many parts were in the checkpoint.
fn crashed_with(parts: usize) -> Story {
    let mut story = Story::new();
    story.crash_with(parts);
    story
}

#[test]
fn parts_of_an_earlier_run_are_neither_sent_nor_read_again() {
    let mut story = crashed_with(2);
    let outcome = story.run();
    completed(&outcome);
    assert_eq!(story.parts_sent(), [3]);
    assert!(story.hashed.is_empty(), "the record and the server agree");
    assert_eq!((outcome.report.resumed_parts, outcome.report.resumed_bytes), (2, 2 * PART));
    assert_eq!((outcome.report.sent_parts, outcome.report.sent_bytes), (1, PART / 2));
    assert_eq!(story.count(InitiateMultipartUpload), 0);
    story.assert_done();
}

#[test]
fn a_part_that_the_record_lacks_is_compared_and_kept_if_equal() {
    let mut story = Story::new();
    story.crash_when(|_, world| {
        world.bucket.uploads.values().any(|upload| upload.parts.len() == 2) && world.recorded().len() < 2
    });
    completed(&story.run());
    assert!(!story.hashed.is_empty(), "what only the server knows is proven by the source");
    assert_eq!(story.parts_sent(), [3]);
    story.assert_done();
}

#[test]
fn a_part_that_the_record_lacks_is_sent_again_if_the_source_has_other_bytes() {
    let mut story = crashed_with(1);
    let foreign = story.world.part(3);
    story.world.bucket.parts().insert(2, ossup_core::digest::ContentDigest { len: PART, ..foreign });
    completed(&story.run());
    assert_eq!(story.parts_sent(), [2, 3]);
    story.assert_done();
}

#[test]
fn a_recorded_part_that_the_server_has_otherwise_is_compared_and_sent_again() {
    let mut story = crashed_with(2);
    let other = story.world.part(2);
    story.world.bucket.parts().insert(1, other);
    completed(&story.run());
    assert_eq!(story.hashed.len(), 1);
    assert_eq!(story.parts_sent(), [1, 3]);
    story.assert_done();
}

#[test]
fn a_part_of_another_size_does_not_count_and_is_not_even_compared() {
    let mut story = crashed_with(2);
    let short = story.world.source.piece(0, PART - 1);
    story.world.bucket.parts().insert(1, short);
    completed(&story.run());
    assert!(story.hashed.is_empty());
    assert_eq!(story.parts_sent(), [1, 3]);
    story.assert_done();
}

#[test]
fn gaps_are_filled_and_what_is_behind_them_is_kept_the_short_last_part_too() {
    let mut story = Story::of_len(4 * PART + 5);
    story.crash_when(|upload, world| {
        upload.goal() == ossup_core::upload::Goal::Transfer && world.record.is_some()
    });
    for n in [2, 5] {
        let part = story.world.part(n);
        story.world.bucket.parts().insert(n, part);
    }
    let outcome = story.run();
    assert_eq!(story.parts_sent(), [1, 3, 4]);
    assert_eq!(outcome.report.resumed_bytes, PART + 5);
    story.assert_done();
}

#[test]
fn more_than_a_thousand_parts_are_listed_page_by_page() {
    let mut story = Story::of_len(1100 * PART);
    story.job.policy.integrity = ossup_core::digest::Integrity::Crc;
    story.crash_when(|_, world| {
        world.bucket.uploads.values().any(|upload| upload.parts.len() == 1050) && world.record.is_some()
    });
    let outcome = story.run();
    let markers: Vec<_> = story
        .requests(ListParts)
        .map(|request| param(request, "part-number-marker").map(str::to_owned))
        .collect();
    assert_eq!(markers, [None, Some("1000".to_owned())]);
    assert_eq!(outcome.report.resumed_parts, 1050);
    assert_eq!(story.parts_sent().len(), 50);
    story.assert_done();
}

#[test]
fn trouble_while_listing_is_repeated_and_never_taken_for_gone() {
    let mut story = crashed_with(2);
    story.when(
        ListParts,
        [
            Reply::Refuse(500, "InternalError"),
            Reply::Refuse(503, "ServiceUnavailable"),
            Reply::LoseAnswer,
            Reply::NoConnection,
        ],
    );
    let outcome = story.run();
    assert_eq!((outcome.report.retries, outcome.report.restarts), (4, 0));
    assert_eq!((story.count(InitiateMultipartUpload), story.parts_sent()), (0, vec![3]));
    story.assert_done();
}

#[test]
fn a_listing_that_goes_on_failing_ends_the_run_and_keeps_everything() {
    let mut story = crashed_with(2);
    story.when(ListParts, (0..8).map(|_| Reply::Refuse(500, "InternalError")));
    let outcome = story.run();
    let failure = failed(&outcome);
    assert!(matches!(&failure.cause, Cause::ServerFailing(error) if error.status == 500));
    assert!(failure.resumable && failure.upload_id.is_some() && failure.object == Visibility::Absent);
    assert_eq!((story.count(ListParts), story.count(AbortMultipartUpload)), (8, 0));
    assert_eq!(story.world.recorded(), [1, 2]);
    completed(&story.run());
    assert_eq!(story.parts_sent(), [3]);
}

#[test]
fn where_parts_may_not_be_listed_the_record_has_to_do_and_the_outcome_says_so() {
    let mut story = crashed_with(2);
    story.when(ListParts, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    assert_eq!(outcome.report.denied, [Denied::ListParts]);
    assert_eq!(story.parts_sent(), [3]);
    story.assert_done();
}

#[test]
fn resuming_twice_is_resuming_once() {
    let mut story = crashed_with(1);
    story.crash_when(|upload, _| upload.goal() == ossup_core::upload::Goal::Transfer);
    let before = story.world.checkpoint();
    story.crash_when(|upload, _| upload.goal() == ossup_core::upload::Goal::Transfer);
    assert_eq!(story.world.checkpoint(), before);
    completed(&story.run());
    story.assert_done();
}
