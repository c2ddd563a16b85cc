//! Progress: what is told of how far it has come.

use std::num::NonZeroU16;

use ossup_core::request::Operation::CompleteMultipartUpload;
use ossup_core::upload::{Evidence, Goal, Progress, Recheck};
use ossup_tests::story::{PART, Reply, Story, World, completed};

#[test]
fn bytes_never_go_back_and_end_at_exactly_the_length() {
    let mut story = Story::of_len(6 * PART + 17);
    for n in 1..=5 {
        story.when_part(n, [Reply::Refuse(500, "InternalError"), Reply::BreakBody, Reply::LoseAnswer]);
    }
    let outcome = story.run();
    completed(&outcome);
    assert!(story.progress.iter().map(|progress| progress.sent).is_sorted());
    assert!(story.progress.iter().all(|progress| progress.total == 6 * PART + 17));
    let last = story.progress.last().unwrap();
    assert_eq!((last.sent, last.parts_done, last.parts_total, last.in_flight), (last.total, 7, 7, 0));
}

#[test]
fn bytes_are_counted_as_they_go_out_and_not_only_when_a_part_has_arrived() {
    let mut story = Story::new();
    completed(&story.run());
    assert!(story.progress.iter().any(|progress| progress.sent == PART / 2 && progress.parts_done == 0));
}

/// The last part is short, and its bytes are those of the length it had.
#[test]
fn what_counted_as_resumed_and_then_did_not_any_more_is_taken_off_as_it_was_counted() {
    for (parts, len, bytes) in [(1, PART / 2, 2 * PART), (5, 4 * PART + 5, 5 * PART), (5, 5 * PART, 3 * PART)]
    {
        let mut story = Story::of_len(len);
        story.crash_with(parts);
        let mut changed = false;
        story.watcher = Some(Box::new(move |upload, world| {
            if upload.goal() == Goal::Inspect && !std::mem::replace(&mut changed, true) {
                world.source.resize(bytes);
            }
        }));
        let outcome = story.run();
        completed(&outcome);
        let kept = (len / PART).min(bytes / PART);
        let report = &outcome.report;
        assert_eq!((report.resumed_bytes, u64::from(report.resumed_parts)), (kept * PART, kept), "{len}");
        story.assert_done();
    }
}

#[test]
fn resumed_bytes_are_counted_apart_and_are_there_from_the_first_event() {
    let mut story = Story::new();
    story.crash_with(2);
    let outcome = story.run();
    let first = story.progress.iter().find(|progress| progress.sent > 0).unwrap();
    assert_eq!((first.sent, first.resumed), (2 * PART, 2 * PART));
    assert_eq!((outcome.report.resumed_bytes, outcome.report.sent_bytes), (2 * PART, PART / 2));
}

#[test]
fn what_earlier_runs_have_sent_counts_as_kept_before_it_is_compared() {
    let mut story = Story::new();
    story.crash_with(2);
    story.job.policy.recheck = Recheck::Always;
    completed(&story.run());
    let done = |progress: &&Progress| progress.parts_done > 0;
    let before: Vec<_> = story.progress.iter().take_while(|progress| !done(progress)).collect();
    assert!(!before.is_empty() && before.iter().all(|progress| progress.parts_kept == 2), "{before:?}");
    assert_eq!(story.progress.last().map(|progress| progress.parts_kept), Some(3));
}

#[test]
fn parts_that_this_run_has_sent_are_not_resumed_ones_however_often_they_are_looked_at() {
    let lost = |world: &mut World| assert!(world.bucket.parts().remove(&2).is_some());
    let mut repaired = Story::new();
    repaired.when(CompleteMultipartUpload, [Reply::After(Box::new(lost))]);
    let mut edited = Story::new();
    edited.when_part(2, [Reply::Then(Box::new(|world| world.source.edit(PART + 7)))]);
    let mut seen_to_differ = Story::new();
    let edit = |world: &mut World| world.source.edit(PART + 7);
    seen_to_differ.when_part(2, [Reply::Refuse(500, "InternalError")]);
    seen_to_differ.when_part(3, [Reply::Then(Box::new(edit))]);
    for mut story in [repaired, edited, seen_to_differ] {
        let outcome = story.run();
        completed(&outcome);
        story.assert_done();
        assert_eq!((outcome.report.resumed_parts, outcome.report.resumed_bytes), (0, 0));
        assert!(story.progress.iter().all(|progress| progress.resumed == 0));
        assert!(outcome.report.sent_bytes >= outcome.report.total);
    }
}

#[test]
fn a_source_in_one_request_has_bytes_and_no_parts() {
    let mut story = Story::of_len(1000);
    story.job.policy.put_threshold = 1000;
    completed(&story.run());
    assert!(story.progress.iter().all(|progress| progress.parts_total == 0));
    assert!(story.progress.iter().any(|progress| progress.sent == 500));
    assert_eq!(story.progress.last().unwrap().sent, 1000);
}

#[test]
fn the_outcome_says_all_that_the_server_said_of_the_object() {
    let mut story = Story::new();
    let outcome = story.run();
    let completed = completed(&outcome);
    assert_eq!(completed.etag.as_ref().map(ToString::to_string), Some("\"E-1\"".to_owned()));
    assert_eq!(completed.version_id.as_deref(), Some("V1"));
    assert_eq!(completed.request_id.as_deref(), Some("R-1"));
    assert_eq!(completed.evidence, Evidence::AcknowledgedAndEqual);
    assert_eq!((outcome.report.total, outcome.report.sent_parts), (2 * PART + PART / 2, 3));
}

#[test]
fn a_source_that_shrinks_takes_back_no_more_than_it_lost() {
    let mut story = Story::of_len(6 * PART);
    story.job.policy.parallel = NonZeroU16::MIN;
    let mut done = false;
    story.watcher = Some(Box::new(move |upload, world| {
        if !done && upload.progress().parts_done == 5 {
            done = true;
            world.source.resize(3 * PART);
        }
    }));
    completed(&story.run());
    for pair in story.progress.windows(2) {
        let [before, after] = pair else { unreachable!("a window of two") };
        assert!(after.sent >= before.sent.min(after.total) && after.sent <= after.total, "{pair:?}");
    }
    let totals: Vec<_> = story.progress.iter().map(|progress| progress.total / PART).collect();
    assert!(totals.is_sorted_by(|a, b| a >= b) && totals.last() == Some(&3), "{totals:?}");
    assert_eq!(story.progress.last().map(|progress| progress.sent), Some(3 * PART));
}
