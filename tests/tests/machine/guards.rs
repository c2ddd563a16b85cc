//! Guards: conditions that hold an upload back in some corner, and that one could take away without any other story noticing.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Duration;

use ossup_core::digest::Integrity;
use ossup_core::options::ObjectOptions;
use ossup_core::request::Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, HeadObject, ListParts, UploadPart,
};
use ossup_core::upload::{Cancel, Cause, Changed, Effect, End, Goal, Patience, Recording, Turn};
use ossup_tests::story::bucket::{Object, refusal};
use ossup_tests::story::{PART, Reply, Story, completed, failed};

#[test]
fn a_failed_upload_whose_complete_may_be_travelling_is_left_and_named() {
    let mut story = Story::new();
    story.job.recording = Recording::Nowhere;
    story.job.policy.retry.attempts = 1;
    story.job.policy.retry.patience = Patience::Limited(Duration::ZERO);
    story.when(CompleteMultipartUpload, [Reply::LoseRequest]);
    let outcome = story.run();
    assert!(failed(&outcome).upload_id.is_some(), "{outcome:?}");
    assert_eq!((story.count(AbortMultipartUpload), story.world.bucket.uploads.len()), (0, 1));
}

#[test]
fn a_record_that_is_written_anew_goes_on_saying_that_complete_was_tried() {
    let mut story = Story::of_len(2 * PART);
    story.job.policy.changed = Changed::KeepMatching;
    story.crash_when(|upload, world| upload.goal() == Goal::Complete && world.checkpoint().sealed);
    story.world.source.edit(PART);
    let edited = story.world.source.identity.clone();
    story.crash_when(|_, world| world.checkpoint().header.source == edited);
    assert!(story.world.checkpoint().sealed, "after a crash here the upload would begin again, unseen");
}

#[test]
fn what_was_found_to_be_there_is_not_discarded_any_more() {
    let mut story = Story::new();
    story.job.options = ObjectOptions::new().forbid_overwrite(true);
    let whole = story.world.source.whole();
    let equal = Object { len: whole.len, crc64: whole.crc64.unwrap() };
    let exists = Reply::Say(refusal(409, "FileAlreadyExists"));
    story.when(CompleteMultipartUpload, [Reply::LoseRequest, exists]);
    let mut looked = false;
    story.watcher = Some(Box::new(move |upload, world| {
        if upload.goal() == Goal::Confirm {
            // Another process has made it meanwhile.
            world.bucket.object = Some(equal);
            looked = true;
        } else if looked {
            upload.cancel(Cancel::Discard);
        }
    }));
    completed(&story.run());
    assert_eq!(story.count(HeadObject), 1);
}

#[test]
fn parts_behind_the_end_of_a_source_that_was_cut_off_are_not_in_the_object_where_all_parts_are_asked_for() {
    let mut story = Story::of_len(4 * PART);
    story.job.options = ObjectOptions::new().complete_all(true);
    story.job.policy.changed = Changed::KeepMatching;
    let mut cut = false;
    story.watcher = Some(Box::new(move |upload, world| {
        if upload.goal() == Goal::Inspect && !std::mem::replace(&mut cut, true) {
            world.source.resize(2 * PART);
        }
    }));
    completed(&story.run());
    story.assert_done();
}

#[test]
fn a_part_that_was_recorded_without_a_check_value_is_compared_by_a_run_that_wants_one() {
    let mut story = Story::new();
    story.job.policy.integrity = Integrity::None;
    story.crash_with(1);
    story.job.policy.integrity = Integrity::Crc;
    completed(&story.run());
    assert_eq!(story.hashed.len(), 1, "the part that an earlier run has sent");
    story.assert_done();
}

#[test]
fn a_source_that_does_not_stop_changing_ends_the_upload() {
    let mut story = Story::new();
    story.job.policy.changed = Changed::KeepMatching;
    story.watcher = Some(Box::new(|upload, world| {
        if upload.goal() == Goal::Inspect {
            world.source.edit(0);
        }
    }));
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::SourceChanged), "{outcome:?}");
    assert!(story.parts_sent().len() < 20, "{} parts were sent", story.parts_sent().len());
}

#[test]
fn after_a_throttling_no_more_parts_are_in_flight_than_the_half_though_more_are_to_be_sent_again() {
    let mut story = Story::of_len(8 * PART);
    story.job.policy.parallel = NonZeroU16::new(4).unwrap();
    story.job.policy.most_parallel = None;
    for part in 1..=4 {
        story.when_part(part, [Reply::Refuse(503, "SlowDown")]);
    }
    let mut upload = story.begin();
    let mut under_way: VecDeque<Effect> = VecDeque::new();
    let mut most = 0;
    loop {
        match upload.turn() {
            Turn::Do(effect) => under_way.push_back(effect),
            Turn::Blocked => {
                let parts = under_way.iter().filter(|it| matches!(it, Effect::SendPart(..))).count();
                // Four were refused.
                if story.count(UploadPart) >= 4 {
                    most = most.max(parts);
                }
                // Every wait is over before the first of the parts is answered.
                let first = under_way.iter().position(|it| matches!(it, Effect::Wait(..))).unwrap_or(0);
                let effect = under_way.remove(first).expect("something is under way");
                let answer = story.execute(effect, &mut upload);
                upload.answer(answer).unwrap();
            }
            Turn::Finished(outcome) => {
                completed(&outcome);
                break;
            }
        }
    }
    assert_eq!(most, 2);
}

#[test]
fn what_was_not_compared_yet_is_still_recorded_after_a_keep() {
    let mut story = Story::of_len(4 * PART);
    story.job.policy.changed = Changed::KeepMatching;
    story.crash_with(3);
    story.world.source.edit(0);
    story.job.policy.parallel = NonZeroU16::MIN;
    let denied = || (0..4).map(|_| Reply::Refuse(403, "AccessDenied"));
    story.when(ListParts, denied());
    story.watcher = Some(Box::new(|upload, _| {
        if upload.goal() == Goal::Verify && upload.progress().parts_done == 1 {
            upload.cancel(Cancel::Keep);
        }
    }));
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Suspended { .. }), "{outcome:?}");
    story.watcher = None;
    completed(&story.run());
    assert_eq!(story.parts_sent(), [1, 4], "the second and the third were there");
    story.assert_done();
}
