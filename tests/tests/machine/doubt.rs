//! Doubt: what a run has read of a change that no attribute betrays, the next one knows, however the run has ended.

use std::num::NonZeroU16;

use ossup_core::checkpoint::SourceIdentity;
use ossup_core::upload::{Cancel, Cause, Changed, End, Goal, Notice, Upload};
use ossup_tests::story::{PART, Reply, Story, World, completed, failed};

/// A run that has noted part 1 as the file was, and reads part 2 again as it is after an edit that nothing else betrays.
/// Before every turn after that, `then` happens.
fn betrayed(changed: Changed, mut then: impl FnMut(&mut Upload, &mut World) + 'static) -> Story {
    let mut story = Story::new();
    story.job.policy.changed = changed;
    story.job.policy.parallel = NonZeroU16::MIN;
    story.when_part(2, [Reply::LoseRequest]);
    let mut edited = false;
    story.watcher = Some(Box::new(move |upload, world| {
        if edited {
            then(upload, world);
        } else if upload.goal() == Goal::Probe {
            world.source.edit_unseen(9);
            world.source.edit_unseen(PART + 9);
            edited = true;
        }
    }));
    story
}

/// The next run takes nobody's word for the parts that are there.
fn compared_by_the_next_run(mut story: Story) {
    story.watcher = None;
    story.job.policy.changed = Changed::KeepMatching;
    let outcome = story.run();
    completed(&outcome);
    assert!(outcome.report.notices.contains(&Notice::SourceChanged));
    assert!(story.parts_sent().contains(&1), "sent: {:?}", story.parts_sent());
    story.assert_done();
}

#[test]
fn a_run_that_ends_by_policy_over_a_second_reading_is_not_taken_at_its_earlier_word() {
    let mut story = betrayed(Changed::Fail, |_, _| {});
    assert!(matches!(failed(&story.run()).cause, Cause::SourceChanged));
    assert_eq!(story.world.recorded(), [1]);
    story.watcher = None;
    let outcome = story.run();
    assert!(
        matches!(failed(&outcome).cause, Cause::OtherSource) && failed(&outcome).resumable,
        "nor by policy"
    );
    compared_by_the_next_run(story);
}

#[test]
fn a_run_that_is_ended_or_dies_before_the_parts_are_compared_is_not_taken_at_its_earlier_word() {
    for goal in [Goal::Inspect, Goal::Verify] {
        for how in [Some(Cancel::Keep), None] {
            let mut story = betrayed(Changed::KeepMatching, move |upload, _| {
                if let Some(how) = how.filter(|_| upload.goal() == goal) {
                    upload.cancel(how);
                }
            });
            if how.is_some() {
                assert!(matches!(story.run().end, End::Suspended { .. }), "{goal:?}");
            } else {
                story.crash_when(|upload, world| upload.goal() == goal && world.recorded() == [1]);
            }
            compared_by_the_next_run(story);
        }
    }
}

/// The user, or the policy, would have everything deleted.
#[test]
fn a_run_that_dies_before_its_discard_is_noted_is_not_taken_at_its_earlier_word() {
    for changed in [Changed::KeepMatching, Changed::Restart] {
        let mut story = betrayed(changed, move |upload, _| {
            if changed == Changed::KeepMatching && matches!(upload.goal(), Goal::Rewrite | Goal::Inspect) {
                upload.cancel(Cancel::Discard);
            }
        });
        story.crash_when(|upload, _| upload.goal() == Goal::Intend);
        compared_by_the_next_run(story);
    }
}

#[test]
fn a_file_whose_bytes_do_not_stop_changing_is_not_taken_at_its_earlier_word() {
    let mut story = Story::new();
    story.job.policy.parallel = NonZeroU16::MIN;
    story.when_part(2, (0..10).map(|_| Reply::LoseRequest));
    story.watcher = Some(Box::new(|upload, world| {
        if upload.goal() == Goal::Probe {
            for at in [9, PART as usize + 9] {
                world.source.bytes[at] = world.source.bytes[at].wrapping_add(1);
            }
        }
    }));
    assert!(matches!(failed(&story.run()).cause, Cause::SourceChanged));
    compared_by_the_next_run(story);
}

/// For readers that know nothing of doubt, too: they compare what is not the same file.
#[test]
fn a_record_in_doubt_names_the_source_by_its_length_alone_until_its_parts_are_proven() {
    let len = SourceIdentity::of_len(2 * PART + PART / 2);
    let mut story = betrayed(Changed::KeepMatching, |_, _| {});
    story.crash_when(|upload, world| upload.goal() == Goal::Verify && world.recorded() == [1]);
    assert_eq!(story.world.checkpoint().header.source, len);
    story.watcher = None;
    story.crash_when(|upload, _| upload.goal() == Goal::Transfer);
    assert_eq!(story.world.checkpoint().header.source, story.world.source.identity);
    assert!(!story.world.recorded().contains(&1), "it is not what the file has there");
}

#[test]
fn where_doubt_cannot_be_noted_the_record_is_removed_rather_than_left_to_mislead() {
    for changed in [Changed::KeepMatching, Changed::Fail] {
        let mut story = betrayed(changed, |_, world| world.full = true);
        let outcome = story.run();
        let failure = failed(&outcome);
        assert!(matches!(failure.cause, Cause::Store(_)) && !failure.resumable, "{failure:?}");
        assert!(story.world.record.is_none());
        assert_eq!(
            failure.upload_id.as_ref().map(ossup_core::part::UploadId::as_str),
            Some("U1"),
            "the outcome says what is left"
        );
        story.watcher = None;
        story.world.full = false;
        completed(&story.run());
        story.assert_object();
    }
}
