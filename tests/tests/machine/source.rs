//! The source changed: whatever it does, no object is made of two of its states.

use ossup_core::checkpoint::SourceIdentity;
use ossup_core::options::ObjectOptions;
use ossup_core::request::Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, InitiateMultipartUpload, PutObject,
};
use ossup_core::upload::{
    Cause, Changed, End, Goal, Notice, Outcome, Recheck, Resume, SourceError, Upload, Visibility,
};
use ossup_tests::story::bucket::answer;
use ossup_tests::story::source::Source;
use ossup_tests::story::{PART, Reply, Story, World, completed, failed};

/// A run that died with two of three parts in the checkpoint, and what was then done to the file.
fn changed_after_a_crash(change: impl FnOnce(&mut Source)) -> Story {
    let mut story = Story::new();
    story.crash_with(2);
    change(&mut story.world.source);
    story
}

/// A run in which something is done to the file, once, when `here` is true.
fn changed_when(
    mut here: impl FnMut(&Upload, &World) -> bool + 'static,
    change: impl FnOnce(&mut Source) + 'static,
) -> Story {
    let (mut story, mut change) = (Story::new(), Some(change));
    story.watcher = Some(Box::new(move |upload, world| {
        if change.is_some() && here(upload, world) {
            change.take().unwrap()(&mut world.source);
        }
    }));
    story
}

fn has_noticed(outcome: &Outcome) -> bool {
    told(outcome).contains(&Notice::SourceChanged)
}

/// What was said of a change: each time, what becomes of the parts.
fn told(outcome: &Outcome) -> Vec<Notice> {
    let of_change = |notice: &&Notice| matches!(notice, Notice::SourceChanged | Notice::SourceReplaced);
    outcome.report.notices.iter().filter(of_change).cloned().collect()
}

/// What there is to be said of one change.
fn words(changed: Changed) -> Vec<Notice> {
    match changed {
        Changed::KeepMatching => vec![Notice::SourceChanged],
        Changed::Restart => vec![Notice::SourceReplaced],
        _ => Vec::new(),
    }
}

/// The parts on the server.
fn arrived(world: &World) -> usize {
    world.bucket.uploads.values().map(|upload| upload.parts.len()).sum()
}

#[test]
fn after_an_edit_between_runs_only_the_parts_that_differ_are_sent_again() {
    let mut story = changed_after_a_crash(|source| source.edit(PART + 1));
    let outcome = story.run();
    assert!(has_noticed(&outcome));
    assert_eq!((story.hashed.len(), story.parts_sent()), (2, vec![2, 3]));
    assert_eq!(outcome.report.resumed_parts, 1);
    story.assert_done();
}

#[test]
fn where_no_attribute_could_betray_an_edit_the_kept_parts_are_compared() {
    for modified_ns in [None, Some(1)] {
        let mut story = Story::new();
        let len = story.world.source.identity.len;
        story.world.source.identity = SourceIdentity { modified_ns, ..SourceIdentity::of_len(len) };
        story.crash_with(2);
        story.world.source.edit_unseen(0);
        completed(&story.run());
        assert_eq!((story.hashed.len(), story.parts_sent()), (2, vec![1, 3]));
        story.assert_done();
    }
}

#[test]
fn an_edit_that_restored_the_modification_time_is_betrayed_by_the_change_time() {
    let mut story = changed_after_a_crash(|source| source.edit_and_restore_mtime(0));
    assert!(has_noticed(&story.run()));
    assert_eq!(story.parts_sent(), [1, 3]);
    story.assert_done();
}

#[test]
fn a_file_in_its_place_with_the_same_length_and_times_is_betrayed_by_its_id() {
    let mut story = changed_after_a_crash(|source| {
        source.edit_unseen(0);
        source.identity.file_id = Some((1, 2));
    });
    assert!(has_noticed(&story.run()));
    story.assert_done();
}

#[test]
fn a_file_that_is_cut_off_while_kept_parts_are_compared_keeps_those_that_were_not_compared_yet() {
    let mut story = Story::of_len(5 * PART);
    story.crash_with(4);
    story.world.source.identity.modified_ns = Some(77);
    let mut cut = false;
    story.watcher = Some(Box::new(move |upload, world| {
        if upload.goal() == Goal::Verify && !std::mem::replace(&mut cut, true) {
            world.source.resize(3 * PART + 10);
        }
    }));
    let outcome = story.run();
    assert_eq!(told(&outcome), [Notice::SourceChanged, Notice::SourceChanged]);
    assert_eq!(story.parts_sent(), [4]);
    story.assert_done();
}

/// A run that died when its object had been made and it did not know.
fn completed_and_died() -> Story {
    let mut story = Story::new();
    story.crash_when(|_, world| world.bucket.object.is_some());
    story
}

#[test]
fn a_source_of_another_length_is_compared_as_it_is_with_the_object_that_was_made_of_the_old_one() {
    for changed in [Changed::Restart, Changed::KeepMatching] {
        let mut story = completed_and_died();
        story.world.source.resize(PART);
        story.job.policy.changed = changed;
        completed(&story.run());
        assert_eq!(story.count(InitiateMultipartUpload), 1, "{changed:?}");
        story.assert_done();
    }
}

#[test]
fn a_file_that_is_cut_off_while_it_is_compared_with_an_object_is_looked_at_again() {
    let mut story = completed_and_died();
    story.world.source.identity.modified_ns = Some(77);
    let mut cut = false;
    story.watcher = Some(Box::new(move |upload, world| {
        if upload.goal() == Goal::Confirm && !std::mem::replace(&mut cut, true) {
            world.source.resize(PART);
        }
    }));
    assert_eq!(told(&story.run()), [Notice::SourceChanged, Notice::SourceChanged]);
    story.assert_done();
}

#[test]
fn an_object_of_what_the_file_was_is_not_taken_for_the_file_whatever_led_to_beginning_again() {
    let mut story = completed_and_died();
    story.world.source.edit(1);
    story.job.policy.resume = Resume::Never;
    completed(&story.run());
    assert_eq!(story.parts_sent(), [1, 2, 3]);
    story.assert_done();
}

#[test]
fn a_failure_after_beginning_again_says_that_an_earlier_attempt_may_have_made_its_object() {
    let mut story = completed_and_died();
    story.world.source.edit(1);
    story.job.policy.changed = Changed::Restart;
    story.when(AbortMultipartUpload, [Reply::Refuse(403, "AccessDenied")]);
    story.when(InitiateMultipartUpload, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    assert_eq!(failed(&outcome).object, Visibility::Unknown);

    let mut story = completed_and_died();
    story.world.source.edit(1);
    story.when(InitiateMultipartUpload, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    assert_eq!(failed(&outcome).object, Visibility::Wrong, "it was looked at");
}

#[test]
fn a_part_that_was_read_anew_after_an_edit_is_not_sent_a_third_time() {
    let mut story = Story::new();
    let bad = answer(200, &[("etag", "\"00000000000000000000000000000000\"")], "");
    story.when_part(1, [Reply::Say(bad)]);
    let mut edited = false;
    story.watcher = Some(Box::new(move |_, world| {
        if arrived(world) == 2 && !std::mem::replace(&mut edited, true) {
            world.source.edit(1);
        }
    }));
    completed(&story.run());
    assert_eq!(story.parts_sent(), [1, 2, 3, 1]);
    story.assert_done();
}

#[test]
fn what_no_attribute_betrays_is_found_where_kept_parts_are_always_compared() {
    let mut story = changed_after_a_crash(|source| source.edit_unseen(0));
    story.job.policy.recheck = Recheck::Always;
    completed(&story.run());
    assert_eq!((story.hashed.len(), story.parts_sent()), (2, vec![1, 3]));
    story.assert_done();
}

#[test]
fn what_no_attribute_betrays_is_found_before_an_object_is_taken_for_ours_where_all_is_always_compared() {
    let mut story = completed_and_died();
    story.world.source.edit_unseen(0);
    story.job.policy.recheck = Recheck::Always;
    completed(&story.run());
    assert_eq!(story.parts_sent(), [1, 2, 3]);
    story.assert_done();
}

#[test]
fn a_source_that_was_only_touched_costs_a_comparison_and_no_part() {
    let mut story = changed_after_a_crash(|source| source.identity.modified_ns = Some(77));
    completed(&story.run());
    assert_eq!(story.parts_sent(), [3]);
    story.assert_done();
}

#[test]
fn after_an_edit_the_upload_begins_again_by_policy_and_the_old_one_is_deleted() {
    let mut story = changed_after_a_crash(|source| source.edit(0));
    story.job.policy.changed = Changed::Restart;
    let outcome = story.run();
    assert_eq!((outcome.report.restarts, story.count(AbortMultipartUpload)), (1, 1));
    assert_eq!(told(&outcome), words(Changed::Restart));
    assert_eq!(story.parts_sent(), [1, 2, 3]);
    story.assert_done();
}

#[test]
fn after_an_edit_the_upload_ends_by_policy_and_everything_stays() {
    let mut story = changed_after_a_crash(|source| source.edit(0));
    story.job.policy.changed = Changed::Fail;
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::OtherSource) && failed(&outcome).resumable);
    assert_eq!(told(&outcome), []);
    assert!(story.seen.is_empty() && story.world.recorded() == [1, 2]);
}

#[test]
fn a_change_that_is_to_end_the_upload_ends_it_whatever_else_stands_in_its_way() {
    let longer_than_fits = |story: &mut Story| story.world.source.identity.len = 10_001 * PART;
    let emptied = |story: &mut Story| story.world.source.resize(0);
    let other_options = |story: &mut Story| {
        story.world.source.edit(0);
        story.job.options = ObjectOptions::new().content_type("video/mp4").unwrap();
    };
    for change in [longer_than_fits, emptied, other_options] {
        let mut story = changed_after_a_crash(|_| {});
        story.job.policy.changed = Changed::Fail;
        change(&mut story);
        let outcome = story.run();
        assert!(matches!(failed(&outcome).cause, Cause::OtherSource) && failed(&outcome).resumable);
        assert!(story.seen.is_empty() && story.world.recorded() == [1, 2]);
    }
}

#[test]
fn where_the_earlier_upload_is_not_to_be_continued_it_does_not_matter_that_the_source_has_changed() {
    let mut story = changed_after_a_crash(|source| source.edit(0));
    story.job.policy.changed = Changed::Fail;
    story.job.policy.resume = Resume::Never;
    completed(&story.run());
    story.assert_done();
}

#[test]
fn an_edit_while_parts_are_sent_is_found_before_complete() {
    for changed in [Changed::KeepMatching, Changed::Restart] {
        let mut story = changed_when(|_, world| arrived(world) == 2, |source| source.edit(7));
        story.job.policy.changed = changed;
        let outcome = story.run();
        assert_eq!(told(&outcome), words(changed), "{changed:?}");
        assert_eq!(story.count(CompleteMultipartUpload), 1);
        story.assert_done();
    }
    let mut story = changed_when(|_, world| arrived(world) == 2, |source| source.edit(7));
    story.job.policy.changed = Changed::Fail;
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::SourceChanged));
    assert_eq!((told(&outcome), story.count(CompleteMultipartUpload)), (vec![], 0));
    assert!(story.world.bucket.object.is_none());
}

#[test]
fn the_last_look_at_the_source_comes_after_the_last_part_has_arrived() {
    let mut story = changed_when(|upload, _| upload.goal() == Goal::Inspect, |source| source.edit(7));
    completed(&story.run());
    assert_eq!(story.parts_sent(), [1, 2, 3, 1]);
    story.assert_done();
}

#[test]
fn a_source_that_does_not_stop_changing_is_given_up_with_everything_kept() {
    let mut story = Story::new();
    story.watcher = Some(Box::new(|upload, world| {
        if upload.goal() == Goal::Inspect {
            world.source.edit(7);
        }
    }));
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::SourceChanged) && failed(&outcome).resumable);
    assert!(story.world.bucket.object.is_none());
    story.watcher = None;
    completed(&story.run());
    story.assert_done();
}

#[test]
fn a_second_reading_with_other_bytes_than_the_first_is_a_change_though_no_attribute_says_so() {
    for changed in [Changed::KeepMatching, Changed::Restart, Changed::Fail] {
        let mut story = Story::new();
        story.job.policy.changed = changed;
        story.when_part(1, [Reply::LoseRequest]);
        let mut edited = false;
        story.watcher = Some(Box::new(move |upload, world| {
            if upload.goal() == Goal::Probe && !std::mem::replace(&mut edited, true) {
                world.source.edit_unseen(9);
            }
        }));
        let outcome = story.run();
        assert_eq!(told(&outcome), words(changed), "{changed:?}");
        if changed == Changed::Fail {
            assert!(matches!(failed(&outcome).cause, Cause::SourceChanged));
            assert!(story.world.bucket.object.is_none());
        } else {
            completed(&outcome);
            story.assert_done();
        }
    }
}

#[test]
fn a_source_that_shrinks_or_grows_while_it_is_read_becomes_the_object_that_it_is_then() {
    for len in [PART + 3, 2 * PART, 3 * PART + 1, 10 * PART] {
        let mut story = changed_when(|_, world| arrived(world) == 1, move |source| source.resize(len));
        let outcome = story.run();
        completed(&outcome);
        assert!(has_noticed(&outcome), "{len}");
        assert_eq!(outcome.report.total, len);
        assert_eq!(story.progress.last().map(|progress| (progress.sent, progress.total)), Some((len, len)));
        story.assert_done();
    }
}

#[test]
fn a_source_that_became_empty_is_uploaded_as_empty() {
    let mut story = changed_when(|_, world| arrived(world) == 1, |source| source.resize(0));
    completed(&story.run());
    story.assert_done();
}

#[test]
fn a_source_that_cannot_be_read_ends_the_run_with_what_the_system_says_and_keeps_everything() {
    let mut story =
        changed_when(|_, world| arrived(world) == 1, |source| source.broken = Some("input/output error"));
    let outcome = story.run();
    let unreadable = Cause::Source(SourceError::Io("input/output error".to_owned())).to_string();
    assert_eq!(failed(&outcome).cause.to_string(), unreadable);
    assert!(failed(&outcome).resumable);
    story.world.source.broken = None;
    story.watcher = None;
    completed(&story.run());
    assert!(!story.parts_sent().contains(&1));
}

#[test]
fn a_small_source_that_changes_while_it_is_sent_is_sent_again_or_told_by_policy() {
    for changed in [Changed::KeepMatching, Changed::Restart, Changed::Fail] {
        let mut story = Story::of_len(1000);
        story.job.policy.put_threshold = 1000;
        story.job.policy.changed = changed;
        story.when(PutObject, [Reply::Then(Box::new(|world| world.source.edit(3)))]);
        let outcome = story.run();
        match &outcome.end {
            End::Completed(_) => {
                assert_eq!(story.count(PutObject), 2);
                assert_eq!(told(&outcome), [Notice::SourceReplaced], "{changed:?}");
                story.assert_done();
            }
            _ => {
                assert_eq!(changed, Changed::Fail);
                assert!(matches!(failed(&outcome).cause, Cause::SourceChanged));
                assert_eq!(
                    failed(&outcome).object,
                    Visibility::Wrong,
                    "it is there, and it is the old source"
                );
            }
        }
        assert_eq!(story.count(InitiateMultipartUpload), 0);
    }
}
