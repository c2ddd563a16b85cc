//! Complete: lost, refused, in the way of somebody else's object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ossup_core::options::ObjectOptions;
use ossup_core::request::Body;
use ossup_core::request::Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, ListParts, UploadPart,
};
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Cause, Denied, Evidence, Goal, NotResumable, Notice, Recording, Unresumable, Visibility,
};
use ossup_tests::story::bucket::{NOW, Object, answer, listed, refusal};
use ossup_tests::story::{PART, Reply, Story, World, completed, failed};

fn forbidding() -> Story {
    let mut story = Story::new();
    story.job.options = ObjectOptions::new().forbid_overwrite(true);
    story
}

/// Somebody else puts an object under the key.
fn stranger(world: &mut World) {
    world.bucket.object = Some(Object { len: 5, crc64: ossup_core::digest::Crc64::of(b"other") });
}

#[test]
fn a_complete_whose_answer_was_lost_is_repeated_and_then_the_object_is_looked_at() {
    for lost in [
        Reply::LoseAnswer,
        Reply::DoAndSay(refusal(500, "InternalError")),
        Reply::DoAndSay(answer(200, &[], "<html>")),
    ] {
        let how = format!("{lost:?}");
        let mut story = Story::new();
        story.when(CompleteMultipartUpload, [lost]);
        let outcome = story.run();
        assert_eq!(completed(&outcome).evidence, Evidence::ContentMatch, "{how}");
        assert_eq!((story.count(CompleteMultipartUpload), story.count(HeadObject)), (2, 1), "{how}");
        assert_eq!(story.count(UploadPart), 3, "nothing is sent twice: {how}");
        story.assert_done();
    }
}

#[test]
fn a_complete_that_never_arrived_is_simply_repeated() {
    let mut story = Story::new();
    story.when(
        CompleteMultipartUpload,
        [Reply::LoseRequest, Reply::Refuse(503, "ServiceUnavailable"), Reply::NoConnection],
    );
    assert_eq!(completed(&story.run()).evidence, Evidence::AcknowledgedAndEqual);
    assert_eq!(story.count(HeadObject), 0);
    story.assert_done();
}

#[test]
fn an_error_document_in_a_success_is_an_error() {
    let mut story = Story::new();
    story.when(CompleteMultipartUpload, [Reply::Say(refusal(200, "InternalError"))]);
    completed(&story.run());
    assert_eq!(story.count(CompleteMultipartUpload), 2);
    story.assert_done();
}

#[test]
fn an_upload_that_was_ended_elsewhere_while_complete_was_travelling_is_not_taken_for_completed() {
    for unresumable in [Unresumable::Restart, Unresumable::Fail] {
        let mut story = Story::new();
        story.job.policy.unresumable = unresumable;
        let aborted = |world: &mut World| {
            world.bucket.uploads.clear();
            stranger(world);
        };
        story.when(CompleteMultipartUpload, [Reply::LoseRequest, Reply::After(Box::new(aborted))]);
        let outcome = story.run();
        let gone = |why: &NotResumable| matches!(why, NotResumable::UploadGone(_));
        match unresumable {
            Unresumable::Restart => {
                assert!(
                    outcome.report.notices.iter().any(|n| matches!(n, Notice::Restarted(why) if gone(why)))
                );
                assert_eq!(story.parts_sent(), [1, 2, 3, 1, 2, 3]);
                story.assert_done();
            }
            _ => {
                assert!(matches!(&failed(&outcome).cause, Cause::CannotResume(why) if gone(why)));
            }
        }
    }
}

#[test]
fn where_the_object_may_not_be_looked_at_it_is_not_known_and_the_outcome_says_so() {
    let mut story = Story::new();
    story
        .when(CompleteMultipartUpload, [Reply::LoseAnswer])
        .when(HeadObject, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::Unconfirmed(_)));
    assert_eq!((failed(&outcome).object, &failed(&outcome).upload_id), (Visibility::Unknown, &None));
    assert_eq!(outcome.report.denied, [Denied::HeadObject]);
    assert!(story.world.record.is_some() && failed(&outcome).resumable, "a later run may be allowed to look");
    assert_eq!(completed(&story.run()).evidence, Evidence::ContentMatch);
}

#[test]
fn without_a_record_what_is_not_known_stays_unknown() {
    let mut story = Story::new();
    story.job.recording = Recording::Nowhere;
    story
        .when(CompleteMultipartUpload, [Reply::LoseAnswer])
        .when(HeadObject, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::Unconfirmed(_)) && !failed(&outcome).resumable);
}

#[test]
fn what_is_said_of_the_bucket_or_by_a_portal_says_nothing_of_the_object() {
    let mut story = Story::new();
    story.when(CompleteMultipartUpload, [Reply::LoseAnswer]);
    let encoded = STANDARD.encode("<Error><Code>NoSuchBucket</Code></Error>");
    story.when(HeadObject, [Reply::Say(answer(404, &[("x-oss-err", &encoded)], ""))]);
    let outcome = story.run();
    let failed = failed(&outcome);
    assert!(matches!(failed.cause, Cause::Unconfirmed(_)) && failed.object == Visibility::Unknown);
    assert!(outcome.report.denied.is_empty());

    let mut story = Story::new();
    story.when(CompleteMultipartUpload, [Reply::LoseAnswer]);
    let portal = http::Response::builder().status(200).header("content-length", "6").body(Bytes::new());
    story.when(HeadObject, [Reply::Say(portal.unwrap())]);
    completed(&story.run());
    assert_eq!((story.count(HeadObject), story.count(InitiateMultipartUpload)), (2, 1));
    story.assert_done();
}

#[test]
fn an_object_without_a_crc_64_proves_nothing() {
    let mut story = Story::new();
    let len = story.world.source.bytes.len().to_string();
    let head = answer(200, &[("content-length", &len), ("etag", "\"E-1\"")], "");
    story.when(CompleteMultipartUpload, [Reply::LoseAnswer]).when(HeadObject, [Reply::Say(head)]);
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::Unconfirmed(_)));
    assert_eq!(failed(&outcome).object, Visibility::Unknown);
}

/// An object equal to the source was there before the upload began, by so many seconds.
fn equal_object(world: &mut World, earlier: i64) {
    let whole = world.source.whole();
    world.bucket.object = Some(Object { len: whole.len, crc64: whole.crc64.unwrap() });
    world.bucket.made = Some(NOW - earlier);
}

#[test]
fn an_equal_object_from_before_the_upload_began_is_not_what_it_has_made() {
    // Clocks may differ by a quarter of an hour.
    for (earlier, ours) in [(14 * 60, true), (16 * 60, false)] {
        let mut story = Story::new();
        equal_object(&mut story.world, earlier);
        story.crash_when(|upload, _| upload.goal() == Goal::Complete);
        story.world.bucket.uploads.clear();
        let outcome = story.run();
        assert_eq!(completed(&outcome).evidence == Evidence::ContentMatch, ours, "{outcome:?}");
        assert_eq!(
            (story.count(CompleteMultipartUpload), outcome.report.restarts == 0),
            (usize::from(!ours), ours)
        );
        story.assert_done();
    }
    let mut story = forbidding();
    let before = |world: &mut World| equal_object(world, 3600);
    story.when(CompleteMultipartUpload, [Reply::LoseRequest, Reply::After(Box::new(before))]);
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::ObjectExists(_)), "{outcome:?}");
    assert_eq!(failed(&outcome).object, Visibility::Absent);
}

#[test]
fn an_object_made_by_a_clock_that_was_ahead_is_known_again_by_a_later_run() {
    let mut story = Story::new();
    story.job.now = Timestamp::from_unix(NOW + 3600);
    let skewed = format!(
        "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{}</ServerTime></Error>",
        Timestamp::from_unix(NOW)
    );
    story.when(InitiateMultipartUpload, [Reply::Say(answer(403, &[], &skewed))]);
    story.crash_when(|_, world| world.bucket.object.is_some());
    assert_eq!(completed(&story.run()).evidence, Evidence::ContentMatch);
    assert_eq!(story.count(CompleteMultipartUpload), 0);
    story.assert_done();
}

#[test]
fn an_object_that_must_not_be_overwritten_is_found_before_the_first_part_is_sent() {
    let mut story = forbidding();
    stranger(&mut story.world);
    assert!(matches!(failed(&story.run()).cause, Cause::ObjectExists(_)));
    assert_eq!((story.count(InitiateMultipartUpload), story.count(UploadPart)), (1, 0));
    assert!(story.world.record.is_none(), "there is nothing that it could lead to");
}

#[test]
fn an_object_that_appears_meanwhile_and_must_not_be_overwritten_stays_and_so_do_our_parts() {
    let mut story = forbidding();
    story.when(CompleteMultipartUpload, [Reply::After(Box::new(stranger))]);
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::ObjectExists(_)));
    assert_eq!(story.world.bucket.object.unwrap().len, 5);
    assert!(story.world.record.is_some() && failed(&outcome).upload_id.is_some());
}

#[test]
fn an_object_in_the_way_after_a_lost_answer_is_ours_if_it_is_equal() {
    let mut story = forbidding();
    story.when(CompleteMultipartUpload, [Reply::LoseAnswer, Reply::Refuse(409, "FileAlreadyExists")]);
    assert_eq!(completed(&story.run()).evidence, Evidence::ContentMatch);
    story.assert_done();
}

#[test]
fn an_object_in_the_way_after_a_lost_answer_is_not_ours_if_it_differs() {
    let mut story = forbidding();
    story.when(CompleteMultipartUpload, [Reply::LoseRequest, Reply::After(Box::new(stranger))]);
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::ObjectExists(_)));
    assert_eq!(story.world.bucket.object.unwrap().len, 5);
}

/// Another process with the same file, say.
fn equal(world: &mut World) {
    let whole = world.source.whole();
    world.bucket.object = Some(Object { len: whole.len, crc64: whole.crc64.unwrap() });
}

/// Ours never arrived, and what it was to be made of is still there.
#[test]
fn an_equal_object_in_the_way_is_the_end_and_our_parts_are_deleted() {
    for recording in [Recording::Checkpoint, Recording::Nowhere] {
        let mut story = forbidding();
        story.job.recording = recording;
        story.when(CompleteMultipartUpload, [Reply::LoseRequest, Reply::After(Box::new(equal))]);
        let outcome = story.run();
        assert_eq!(completed(&outcome).evidence, Evidence::ContentMatch);
        assert!(outcome.report.left.is_empty());
        assert_eq!(
            (story.count(AbortMultipartUpload), story.count(ListParts)),
            (1, 1),
            "and it is looked after"
        );
        story.assert_done();
    }
}

#[test]
fn a_run_that_dies_while_it_deletes_our_parts_beside_an_equal_object_is_completed_by_the_next() {
    for goal in [Goal::Abort, Goal::Sweep, Goal::Forget] {
        let mut story = forbidding();
        story.when(CompleteMultipartUpload, [Reply::LoseRequest, Reply::After(Box::new(equal))]);
        story.crash_when(|upload, _| upload.goal() == goal);
        assert_eq!(completed(&story.run()).evidence, Evidence::ContentMatch, "{goal:?}");
        story.assert_done();
    }
}

#[test]
fn where_our_parts_beside_an_equal_object_cannot_be_deleted_the_outcome_names_them() {
    let mut story = forbidding();
    story.when(CompleteMultipartUpload, [Reply::LoseRequest, Reply::After(Box::new(equal))]);
    story.when(AbortMultipartUpload, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    completed(&outcome);
    assert_eq!(outcome.report.left.iter().map(ToString::to_string).collect::<Vec<_>>(), ["U1"]);
    assert!(story.world.record.is_none());
}

#[test]
fn parts_that_the_server_misses_at_complete_are_found_by_its_list_and_sent_again() {
    let mut story = Story::new();
    let lose = |world: &mut World| {
        world.bucket.parts().remove(&2);
    };
    story.when(CompleteMultipartUpload, [Reply::After(Box::new(lose))]);
    completed(&story.run());
    assert_eq!((story.count(ListParts), story.parts_sent()), (1, vec![1, 2, 3, 2]));
    story.assert_done();
}

#[test]
fn parts_that_the_server_goes_on_missing_end_the_run_with_its_words() {
    let mut story = Story::new();
    story.when(CompleteMultipartUpload, (0..9).map(|_| Reply::Refuse(400, "InvalidPart")));
    let outcome = story.run();
    assert!(
        matches!(&failed(&outcome).cause, Cause::Refused(error) if error.code.as_deref() == Some("InvalidPart"))
    );
    assert!(failed(&outcome).resumable && story.count(CompleteMultipartUpload) <= 5);
}

#[test]
fn complete_names_every_part_or_by_option_leaves_that_to_the_server() {
    let mut story = Story::new();
    completed(&story.run());
    let Body::Inline(body) = story.requests(CompleteMultipartUpload).next().unwrap().body().clone() else {
        panic!()
    };
    let etag = |n| format!("&quot;{}&quot;", story.world.part(n).md5.unwrap());
    let plain = |(n, etag): (u16, String)| (n, etag.replace('"', "&quot;"));
    let expected: Vec<_> = (1..=3).map(|n| (n, etag(n))).collect();
    assert_eq!(listed(&body).into_iter().map(plain).collect::<Vec<_>>(), expected);

    let mut story = Story::new();
    story.job.options = ObjectOptions::new().complete_all(true);
    completed(&story.run());
    let request = story.requests(CompleteMultipartUpload).next().unwrap();
    assert_eq!(request.headers()["x-oss-complete-all"], "yes");
    assert!(matches!(request.body(), Body::Empty));
}

#[test]
fn with_foreign_parts_in_the_upload_complete_names_ours_whatever_the_option_says() {
    let mut story = Story::new();
    story.job.options = ObjectOptions::new().complete_all(true);
    story.crash_with(1);
    let stranger = story.world.part(1);
    story.world.bucket.parts().insert(7, stranger);
    completed(&story.run());
    assert!(
        !story.requests(CompleteMultipartUpload).next().unwrap().headers().contains_key("x-oss-complete-all")
    );
    story.assert_done();
}

#[test]
fn where_parts_may_not_be_listed_complete_names_ours_whatever_the_option_says() {
    let mut story = Story::of_len(5 * PART);
    story.job.options = ObjectOptions::new().complete_all(true);
    story.crash_with(5);
    story.world.source.resize(3 * PART);
    story.when(ListParts, [Reply::Refuse(403, "AccessDenied")]);
    completed(&story.run());
    story.assert_done();
}

#[test]
fn complete_has_more_time_than_requests_that_make_nothing() {
    let mut story = Story::new();
    completed(&story.run());
    let patience = |operation| story.requests(operation).next().unwrap().answer_within();
    assert!(patience(CompleteMultipartUpload) > patience(InitiateMultipartUpload));
}
