//! Discard: what is deleted, what stays all the same, and what is said of it.

use std::collections::VecDeque;

use bytes::Bytes;
use ossup_core::digest::Integrity;
use ossup_core::options::ObjectOptions;
use ossup_core::part::UploadId;
use ossup_core::request::Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, ListParts, PutObject,
};
use ossup_core::upload::{
    Cancel, Cause, Denied, Discarded, Effect, End, Evidence, Goal, Outcome, Policy, Recording, Resume, Turn,
    Upload, Visibility,
};
use ossup_tests::story::bucket::answer;
use ossup_tests::story::{Reply, Story, World, completed, failed};

use crate::cancel::cancelled_at;

/// After so many aborts there is a part of the upload again.
fn lands_after_aborts(story: &mut Story, times: usize) {
    let part = story.world.part(3);
    let land = move |world: &mut World| {
        let id = world.bucket.initiate(0);
        let upload = world.bucket.uploads.remove(&id).unwrap();
        world.bucket.uploads.insert("U1".to_owned(), upload);
        world.bucket.parts().insert(3, part);
    };
    story.when(AbortMultipartUpload, (0..times).map(|_| Reply::Then(Box::new(land))));
}

#[test]
fn a_discard_overrules_a_failure_that_leaves_something_behind() {
    for goal in [Goal::Drain, Goal::Flush] {
        let mut story = cancelled_at(goal, Cancel::Discard);
        story.when_part(3, [Reply::Refuse(403, "AccessDenied")]);
        let outcome = story.run();
        assert!(
            matches!(outcome.end, End::Discarded(Discarded { verified: true, .. })),
            "{goal:?}: {outcome:?}"
        );
        assert!(story.world.bucket.uploads.is_empty() && story.world.record.is_none());
    }
}

#[test]
fn what_fails_on_the_way_to_the_object_does_not_keep_a_discard_from_its_end() {
    let refused = || Reply::Refuse(400, "InvalidArgument");
    for goal in [Goal::Initiate, Goal::Transfer, Goal::Complete] {
        let mut story = Story::new();
        story.when(InitiateMultipartUpload, (goal == Goal::Initiate).then(refused));
        story.when_part(2, (goal == Goal::Transfer).then(refused));
        story.when(CompleteMultipartUpload, [refused()]);
        let mut upload = story.begin();
        let mut queue = VecDeque::new();
        let outcome = loop {
            match upload.turn() {
                // Too late: whoever was to be stopped has its answer.
                Turn::Do(Effect::Stop(_)) => {}
                Turn::Do(effect) => queue.push_back(effect),
                Turn::Blocked => {
                    if upload.goal() == goal && (goal != Goal::Transfer || queue.len() > 1) {
                        upload.cancel(Cancel::Discard);
                    }
                    let answer = story.execute(queue.pop_front().unwrap(), &mut upload);
                    upload.answer(answer).unwrap();
                }
                Turn::Finished(outcome) => break outcome,
            }
        };
        assert!(
            matches!(outcome.end, End::Discarded(Discarded { verified: true, .. })),
            "{goal:?}: {outcome:?}"
        );
        assert!(story.world.bucket.uploads.is_empty() && story.world.record.is_none());
    }
}

#[test]
fn a_part_that_lands_after_the_abort_is_found_and_aborted_too() {
    let mut story = cancelled_at(Goal::Inspect, Cancel::Discard);
    lands_after_aborts(&mut story, 1);
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Discarded(Discarded { verified: true, .. })), "{outcome:?}");
    assert_eq!((story.count(AbortMultipartUpload), story.count(ListParts)), (2, 2));
    assert!(story.world.bucket.uploads.is_empty());
}

#[test]
fn an_abort_that_is_denied_or_goes_on_failing_is_told_with_the_upload_id_and_can_be_tried_again() {
    for (refusal, times) in [((403, "AccessDenied"), 1), ((500, "InternalError"), 8)] {
        let mut story = cancelled_at(Goal::Inspect, Cancel::Discard);
        story.when(AbortMultipartUpload, (0..times).map(|_| Reply::Refuse(refusal.0, refusal.1)));
        let outcome = story.run();
        assert!(matches!(failed(&outcome).cause, Cause::NotDiscarded(_)), "{outcome:?}");
        assert_eq!(failed(&outcome).upload_id.as_ref().map(UploadId::as_str), Some("U1"));
        assert_eq!(story.count(AbortMultipartUpload), times);
        let record = story.world.record.clone().expect("it knows the upload");
        story.watcher = None;
        let upload = Upload::discard(&record, &ObjectOptions::new(), Policy::default(), 3).unwrap();
        assert!(matches!(story.drive(upload).end, End::Discarded(_)));
        assert!(story.world.bucket.uploads.is_empty() && story.world.record.is_none());
    }
}

#[test]
fn parts_that_go_on_arriving_after_every_abort_are_told_with_the_upload_id_and_can_be_deleted_later() {
    for recording in [Recording::Checkpoint, Recording::Nowhere] {
        let mut story = cancelled_at(Goal::Inspect, Cancel::Discard);
        story.job.recording = recording;
        lands_after_aborts(&mut story, 9);
        let outcome = story.run();
        let failed = failed(&outcome);
        assert!(
            matches!(&failed.cause, Cause::NotDiscarded(why) if matches!(**why, Cause::StillArriving)),
            "{outcome:?}"
        );
        assert_eq!(failed.upload_id.as_ref().map(UploadId::as_str), Some("U1"));
        assert_eq!(story.count(AbortMultipartUpload), 4);
        assert_eq!(story.world.record.is_some(), recording == Recording::Checkpoint);
    }
}

#[test]
fn an_upload_that_is_begun_again_and_could_not_be_deleted_is_told_by_its_id() {
    let denied = |story: &mut Story| {
        story.when(AbortMultipartUpload, [Reply::Refuse(403, "AccessDenied")]);
    };
    let failing = |story: &mut Story| {
        story.when(AbortMultipartUpload, (0..8).map(|_| Reply::Refuse(500, "InternalError")));
    };
    let refilling = |story: &mut Story| lands_after_aborts(story, 9);
    let troubles: [&dyn Fn(&mut Story); 3] = [&denied, &failing, &refilling];
    for (trouble, never) in troubles.into_iter().flat_map(|trouble| [(trouble, true), (trouble, false)]) {
        let mut story = Story::new();
        story.crash_with(2);
        if never {
            story.job.policy.resume = Resume::Never;
        } else {
            story.job.options = ObjectOptions::new().content_type("video/mp4").unwrap();
        }
        trouble(&mut story);
        let outcome = story.run();
        completed(&outcome);
        let left: Vec<_> = outcome.report.left.iter().map(UploadId::as_str).collect();
        assert_eq!((left, outcome.report.orphan_risk), (vec!["U1"], 0));
        assert!(story.world.bucket.uploads.contains_key("U1"));
    }
}

#[test]
fn where_the_server_does_not_come_to_say_that_nothing_is_left_the_id_is_told() {
    let mut story = cancelled_at(Goal::Inspect, Cancel::Discard);
    story.when(ListParts, (0..8).map(|_| Reply::Refuse(500, "InternalError")));
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Discarded(discarded) if !discarded.verified), "{outcome:?}");
    assert_eq!(outcome.report.left.first().map(UploadId::as_str), Some("U1"));
    assert_eq!(outcome.report.denied, []);
}

#[test]
fn a_discard_while_an_object_is_in_the_way_still_deletes_the_upload() {
    let mut story = Story::new();
    story.job.options = ObjectOptions::new().forbid_overwrite(true);
    story.when(CompleteMultipartUpload, [Reply::LoseRequest, Reply::Refuse(409, "FileAlreadyExists")]);
    story.when(HeadObject, [Reply::Say(answer(200, &[("content-length", "1")], ""))]);
    story.watcher = Some(Box::new(|upload, _| {
        if upload.goal() == Goal::Confirm {
            upload.cancel(Cancel::Discard);
        }
    }));
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Discarded(_)), "{outcome:?}");
    assert!(story.world.bucket.uploads.is_empty());
}

#[test]
fn what_stands_in_between_and_answers_everything_with_a_success_has_deleted_nothing() {
    let mut story = Story::new();
    story.crash_with(1);
    let portal = || Reply::Say(http::Response::builder().status(200).body(Bytes::from("<html>")).unwrap());
    story.when(AbortMultipartUpload, [portal(), portal()]);
    story.watcher = Some(Box::new(|upload, _| upload.cancel(Cancel::Discard)));
    let outcome = story.run();
    assert!(matches!(&outcome.end, End::Discarded(discarded) if discarded.verified), "{outcome:?}");
    assert_eq!(story.count(AbortMultipartUpload), 3);
    assert!(story.world.bucket.uploads.is_empty());
}

#[test]
fn where_parts_may_not_be_listed_the_discard_is_not_verified_and_says_so() {
    let mut story = cancelled_at(Goal::Inspect, Cancel::Discard);
    story.when(ListParts, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Discarded(Discarded { verified: false, .. })));
    assert_eq!(outcome.report.denied, [Denied::ListParts]);
}

#[test]
fn another_process_discards_from_the_record_alone() {
    let mut story = Story::new();
    story.crash_with(2);
    let record = story.world.record.clone().unwrap();
    let options = ObjectOptions::new().request_payer(true);
    let upload = Upload::discard(&record, &options, Policy::default(), 2).unwrap();
    let outcome = story.drive(upload);
    assert!(matches!(outcome.end, End::Discarded(Discarded { verified: true, .. })));
    assert!(story.seen.iter().all(|seen| seen.request.headers().contains_key("x-oss-request-payer")));
    assert_eq!((story.count(AbortMultipartUpload), story.count(ListParts)), (1, 1));
    assert!(story.world.bucket.uploads.is_empty() && story.world.record.is_none());
}

/// Deletes what the record leads to, where there is no file.
fn discard_blindly(story: &mut Story) -> Outcome {
    let record = story.world.record.clone().unwrap();
    let upload = Upload::discard(&record, &ObjectOptions::new(), Policy::default(), 2).unwrap();
    story.world.source.broken = Some("there is none");
    story.drive(upload)
}

#[test]
fn a_discard_does_without_the_file_and_says_what_it_could_not_compare() {
    let mut completed = Story::new();
    completed.job.policy.integrity = Integrity::None;
    completed.crash_when(|_, world| world.bucket.object.is_some());
    let mut damaged = Story::new();
    damaged.crash_with(2);
    damaged.world.bucket.uploads.clear();
    let record = damaged.world.record.as_mut().unwrap();
    let at = record.len() - 5;
    record[at] ^= 1;
    for (mut story, object) in [(completed, Visibility::Unknown), (damaged, Visibility::Absent)] {
        let outcome = discard_blindly(&mut story);
        let End::Discarded(discarded) = outcome.end else { panic!("{outcome:?}") };
        assert_eq!((discarded.verified, discarded.object), (true, object));
        assert!(story.world.record.is_none());
    }
}

#[test]
fn a_file_that_cannot_be_read_any_more_does_not_hold_up_a_discard() {
    let mut story = Story::new();
    let mut upload = story.begin();
    // Nothing is stopped: whoever reads finds out first.
    let mut queue = Vec::new();
    let outcome = loop {
        match upload.turn() {
            Turn::Do(Effect::Stop(_)) => {}
            Turn::Do(effect) => queue.push(effect),
            Turn::Blocked => {
                if upload.progress().in_flight > 1 {
                    story.world.source.broken = Some("input/output error");
                    upload.cancel(Cancel::Discard);
                }
                let answer = story.execute(queue.remove(0), &mut upload);
                upload.answer(answer).unwrap();
            }
            Turn::Finished(outcome) => break outcome,
        }
    };
    assert!(matches!(outcome.end, End::Discarded(Discarded { verified: true, .. })), "{outcome:?}");
    assert!(story.world.bucket.uploads.is_empty() && story.world.record.is_none());
}

#[test]
fn where_the_object_may_not_be_looked_at_the_record_of_a_completed_upload_is_no_dead_end() {
    for discard in [true, false] {
        let mut story = Story::new();
        story.crash_when(|_, world| world.bucket.object.is_some());
        story.when(HeadObject, [Reply::Refuse(403, "AccessDenied")]);
        if discard {
            let outcome = discard_blindly(&mut story);
            assert!(
                matches!(outcome.end, End::Discarded(Discarded { object: Visibility::Unknown, .. })),
                "{outcome:?}"
            );
            assert!(story.world.record.is_none());
        } else {
            story.job.policy.resume = Resume::Never;
            completed(&story.run());
            assert_eq!(story.parts_sent(), [1, 2, 3]);
            story.assert_done();
        }
    }
}

#[test]
fn a_discard_that_dies_is_finished_by_the_next_run() {
    let mut story = cancelled_at(Goal::Inspect, Cancel::Discard);
    story.crash_when(|_, world| world.record.is_some() && world.checkpoint().discarding);
    assert!(!story.world.bucket.uploads.is_empty());
    let record = story.world.record.clone().unwrap();
    story.watcher = None;
    let upload = Upload::discard(&record, &ObjectOptions::new(), Policy::default(), 2).unwrap();
    assert!(matches!(story.drive(upload).end, End::Discarded(Discarded { verified: true, .. })));
    assert!(story.world.bucket.uploads.is_empty());
}

#[test]
fn nothing_is_in_flight_when_abort_goes() {
    let mut story = cancelled_at(Goal::Transfer, Cancel::Discard);
    // The one that cancels after the parts are in flight.
    let mut turns = 0;
    story.watcher = Some(Box::new(move |upload, _| {
        turns += usize::from(upload.progress().in_flight > 1);
        if turns > 1 {
            upload.cancel(Cancel::Discard);
        }
        assert!(upload.goal() != Goal::Abort || upload.progress().in_flight == 0);
    }));
    assert!(matches!(story.run().end, End::Discarded(Discarded { verified: true, .. })));
}

#[test]
fn a_failure_keeps_the_parts_where_a_record_leads_to_them_and_deletes_them_where_none_does() {
    for recording in [Recording::Checkpoint, Recording::Nowhere] {
        let mut story = Story::new();
        story.job.recording = recording;
        story.when_part(3, [Reply::Refuse(403, "AccessDenied")]);
        let outcome = story.run();
        let kept = recording == Recording::Checkpoint;
        assert_eq!(failed(&outcome).resumable, kept);
        assert_eq!((story.world.record.is_some(), !story.world.bucket.uploads.is_empty()), (kept, kept));
    }
}

#[test]
fn without_a_record_nothing_is_ever_written() {
    let mut story = Story::new();
    story.job.recording = Recording::Nowhere;
    story.watcher = Some(Box::new(|_, world| assert!(world.record.is_none())));
    completed(&story.run());
    story.assert_done();
}

#[test]
fn a_discard_from_the_record_alone_compares_the_object_by_the_parts_of_the_record() {
    let mut story = Story::new();
    story.crash_when(|_, world| world.bucket.object.is_some());
    let record = story.world.record.clone().unwrap();
    let upload = Upload::discard(&record, &ObjectOptions::new(), Policy::default(), 2).unwrap();
    let outcome = story.drive(upload);
    assert_eq!(completed(&outcome).evidence, Evidence::ContentMatch);
    assert!(story.hashed.is_empty() && story.world.record.is_none());
}

#[test]
fn an_object_that_was_put_of_what_the_file_was_is_told_by_a_discard_too() {
    let mut story = Story::of_len(1000);
    story.job.policy.put_threshold = 1000;
    story.when(PutObject, [Reply::Then(Box::new(|world| world.source.edit(3)))]);
    story.watcher = Some(Box::new(|upload, _| {
        if upload.goal() == Goal::Inspect {
            upload.cancel(Cancel::Discard);
        }
    }));
    let outcome = story.run();
    assert!(
        matches!(outcome.end, End::Discarded(Discarded { object: Visibility::Wrong, .. })),
        "{outcome:?}"
    );
    assert!(story.world.bucket.object.is_some());
}

#[test]
fn what_was_not_there_to_be_deleted_is_told_apart_from_what_was() {
    let existed = |outcome: &Outcome| match outcome.end {
        End::Discarded(discarded) => discarded.existed,
        _ => panic!("{outcome:?}"),
    };
    let discard = |answers: Vec<Reply>, gone: bool| {
        let mut story = Story::new();
        story.crash_with(2);
        if gone {
            story.world.bucket.uploads.clear();
        }
        story.when(AbortMultipartUpload, answers);
        let record = story.world.record.clone().unwrap();
        let outcome =
            story.drive(Upload::discard(&record, &ObjectOptions::new(), Policy::default(), 1).unwrap());
        existed(&outcome)
    };
    assert!(discard(vec![], false));
    assert!(!discard(vec![], true));
    assert!(discard(vec![Reply::LoseAnswer], false), "the first request may have done it");
}
