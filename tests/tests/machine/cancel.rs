//! Cancel and pause: at every goal, twice, after the end; what is kept.

use ossup_core::request::Operation::{CompleteMultipartUpload, InitiateMultipartUpload, UploadPart};
use ossup_core::upload::{Cancel, Discarded, End, Goal, Notice, Recording, Turn};
use ossup_tests::story::{Reply, Story, completed};

/// A story in which the upload is cancelled at this goal.
pub(crate) fn cancelled_at(goal: Goal, how: Cancel) -> Story {
    let mut story = Story::new();
    story.watcher = Some(Box::new(move |upload, _| {
        if upload.goal() == goal {
            upload.cancel(how);
        }
    }));
    story
}

/// The goals of an upload that nothing goes wrong with.
const CALM: [Goal; 7] =
    [Goal::Begin, Goal::Initiate, Goal::Anchor, Goal::Transfer, Goal::Inspect, Goal::Seal, Goal::Complete];

#[test]
fn a_discard_at_any_goal_leaves_nothing_on_the_server_and_on_the_disk() {
    for goal in CALM {
        let mut story = cancelled_at(goal, Cancel::Discard);
        let outcome = story.run();
        assert!(
            matches!(outcome.end, End::Discarded(Discarded { verified: true, .. })),
            "{goal:?}: {outcome:?}"
        );
        assert!(story.world.bucket.uploads.is_empty() && story.world.bucket.object.is_none(), "{goal:?}");
        assert!(story.world.record.is_none(), "{goal:?}");
    }
}

#[test]
fn a_keep_at_any_goal_leaves_what_the_next_run_can_use() {
    for goal in CALM {
        let mut story = cancelled_at(goal, Cancel::Keep);
        let outcome = story.run();
        assert!(matches!(outcome.end, End::Suspended { .. }), "{goal:?}: {outcome:?}");
        let there = story.world.bucket.uploads.values().map(|upload| upload.parts.len()).sum::<usize>();
        assert_eq!(story.world.recorded().len(), there, "{goal:?}: all that is there is noted");
        let sent = story.parts_sent();
        story.watcher = None;
        completed(&story.run());
        assert_eq!(story.count(UploadPart), 3 - there, "{goal:?}: after {sent:?}");
        story.assert_done();
    }
}

#[test]
fn a_keep_tells_whether_the_checkpoint_knows_all_of_it() {
    for well_again in [true, false] {
        let mut story = Story::new();
        story.when_part(2, [Reply::Then(Box::new(|world| world.full = true))]);
        story.watcher = Some(Box::new(move |upload, world| {
            if upload.progress().parts_done == 2 {
                upload.cancel(Cancel::Keep);
            }
            if upload.goal() == Goal::Flush {
                world.full = !well_again;
            }
        }));
        let outcome = story.run();
        let End::Suspended { upload_id: Some(_), recorded } = outcome.end else { panic!("{outcome:?}") };
        assert_eq!((recorded, story.world.recorded().contains(&2)), (well_again, well_again));
        let told = outcome.report.notices.iter().any(|notice| matches!(notice, Notice::NotRecorded(_)));
        assert!(told || well_again);
        (story.watcher, story.world.full) = (None, false);
        completed(&story.run());
        assert_eq!((story.hashed.is_empty(), story.parts_sent()), (well_again, vec![3]));
        story.assert_done();
    }
}

#[test]
fn a_keep_without_a_checkpoint_says_that_none_leads_to_it() {
    let mut story = cancelled_at(Goal::Inspect, Cancel::Keep);
    story.job.recording = Recording::Nowhere;
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Suspended { upload_id: Some(_), recorded: false }), "{outcome:?}");
}

#[test]
fn a_discard_while_complete_is_under_way_says_what_came_first() {
    let mut story = Story::new();
    let mut seen = false;
    story.watcher = Some(Box::new(move |upload, _| {
        // The goal is Complete in the turn that sends it, too; the next one finds it under way.
        if upload.goal() == Goal::Complete && std::mem::replace(&mut seen, true) {
            upload.cancel(Cancel::Discard);
        }
    }));
    completed(&story.run());
    story.assert_done();
}

#[test]
fn a_cancel_can_be_strengthened_and_not_weakened_and_comes_too_late_after_the_end() {
    let mut story = Story::new();
    story.watcher = Some(Box::new(|upload, _| {
        if upload.goal() == Goal::Drain {
            upload.cancel(Cancel::Discard);
            upload.cancel(Cancel::Keep);
        } else if upload.progress().in_flight > 1 {
            upload.cancel(Cancel::Keep);
        }
    }));
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Discarded(_)), "{outcome:?}");

    let mut upload = Story::new().begin();
    upload.cancel(Cancel::Discard);
    let Turn::Finished(outcome) = upload.turn() else { panic!("nothing was begun") };
    assert!(matches!(outcome.end, End::Discarded(_)));
    upload.cancel(Cancel::Keep);
    assert!(matches!(upload.turn(), Turn::Finished(outcome) if matches!(outcome.end, End::Discarded(_))));
}

#[test]
fn while_it_is_paused_no_part_is_begun_and_those_in_flight_go_on() {
    let mut story = Story::of_len(10 * ossup_tests::story::PART);
    let mut upload = story.begin();
    upload.pause();
    let mut queue = Vec::new();
    let (mut rests, mut outcome) = (Vec::new(), None);
    while outcome.is_none() {
        match upload.turn() {
            Turn::Do(effect) => queue.push(effect),
            Turn::Blocked if queue.is_empty() => {
                assert!(upload.is_paused(), "only a pause comes to rest");
                rests.push(upload.progress().parts_done);
                upload.unpause();
            }
            Turn::Blocked => {
                let answer = story.execute(queue.remove(0), &mut upload);
                upload.answer(answer).unwrap();
                if upload.progress().parts_done == 2 && rests.len() == 1 {
                    upload.pause();
                }
            }
            Turn::Finished(end) => outcome = Some(end),
        }
    }
    completed(&outcome.unwrap());
    // The second time, the four that were in flight are done.
    assert_eq!(rests, [0, 5]);
}

/// Stories that come by goals which a calm one does not.
fn troubled(goal: Goal) -> Story {
    let mut story = Story::new();
    match goal {
        Goal::SetAside => story.world.record = Some(b"no checkpoint\n".to_vec()),
        Goal::Put => story.job.policy.put_threshold = u64::MAX,
        Goal::Find => {
            story.when(InitiateMultipartUpload, [Reply::LoseAnswer]);
        }
        Goal::Probe => {
            story.when_part(2, [Reply::LoseAnswer]);
        }
        Goal::Confirm => {
            story.when(CompleteMultipartUpload, [Reply::LoseAnswer]);
        }
        _ => {
            story.crash_with(2);
            story.world.source.edit(5);
        }
    }
    story
}

#[test]
fn a_cancel_is_heard_at_every_other_goal_too() {
    let goals = [
        Goal::SetAside,
        Goal::Put,
        Goal::Find,
        Goal::Probe,
        Goal::Confirm,
        Goal::Reconcile,
        Goal::Verify,
        Goal::Rewrite,
    ];
    for (goal, how) in goals.into_iter().flat_map(|goal| [(goal, Cancel::Keep), (goal, Cancel::Discard)]) {
        let mut story = troubled(goal);
        let reached = std::rc::Rc::new(std::cell::Cell::new(false));
        let seen = std::rc::Rc::clone(&reached);
        story.watcher = Some(Box::new(move |upload, _| {
            if upload.goal() == goal {
                seen.set(true);
                upload.cancel(how);
            }
        }));
        let outcome = story.run();
        assert!(reached.get(), "{goal:?}");
        match (&outcome.end, how) {
            (End::Discarded(discarded), Cancel::Discard) => {
                assert!(discarded.verified, "{goal:?}");
                assert!(
                    story.world.bucket.uploads.is_empty() && story.world.bucket.object.is_none(),
                    "{goal:?}"
                );
                assert!(story.world.record.is_none(), "{goal:?}");
            }
            // It was made before the cancel came, which is told.
            (End::Completed(_), Cancel::Discard) if goal == Goal::Confirm => story.assert_done(),
            (End::Suspended { .. }, Cancel::Keep) => {
                story.watcher = None;
                completed(&story.run());
                story.assert_done();
            }
            (end, _) => panic!("{goal:?} {how:?}: {end:?}"),
        }
    }
}

#[test]
fn a_cancel_at_any_goal_of_a_discard_changes_nothing_of_it() {
    let goals = [Goal::Drain, Goal::Intend, Goal::Abort, Goal::Sweep, Goal::Forget];
    for (goal, how) in goals.into_iter().flat_map(|goal| [(goal, Cancel::Keep), (goal, Cancel::Discard)]) {
        let mut story = Story::new();
        let reached = std::rc::Rc::new(std::cell::Cell::new(false));
        let seen = std::rc::Rc::clone(&reached);
        story.watcher = Some(Box::new(move |upload, _| {
            if upload.goal() == Goal::Transfer && upload.progress().parts_done > 0 {
                upload.cancel(Cancel::Discard);
            }
            if upload.goal() == goal {
                seen.set(true);
                upload.cancel(how);
            }
        }));
        let outcome = story.run();
        assert!(reached.get(), "{goal:?}");
        assert!(
            matches!(&outcome.end, End::Discarded(discarded) if discarded.verified),
            "{goal:?} {how:?}: {outcome:?}"
        );
        assert!(story.world.bucket.uploads.is_empty() && story.world.record.is_none(), "{goal:?} {how:?}");
    }
}
