//! Found on the server: until it has been looked at, an upload is somebody else's, whatever it was found for.

use ossup_core::request::Operation::{AbortMultipartUpload, InitiateMultipartUpload, ListParts, UploadPart};
use ossup_core::upload::{Cancel, End, Goal, NotResumable, Notice, Outcome, Recording, Resume, Unresumable};
use ossup_tests::story::bucket::NOW;
use ossup_tests::story::{PART, Reply, Story, completed};

/// How a run ends before it has seen the parts of an upload that it has found.
#[derive(Clone, Copy, Debug)]
enum Blind {
    Kept,
    Discarded,
    Failing,
}

const BLIND: [Blind; 3] = [Blind::Kept, Blind::Discarded, Blind::Failing];

/// A run that finds somebody else's upload, with parts, begun `age` seconds ago, and does not come to see them.
fn blind(how: Blind, age: i64, prepare: impl FnOnce(&mut Story)) -> (Story, Outcome) {
    let mut story = Story::of_len(4 * PART + 10);
    story.world.bucket.initiate(NOW - age);
    for n in [1, 3] {
        let from = u64::from(n - 1) * 2 * PART;
        let piece = story.world.source.piece(from, (from + 2 * PART).min(4 * PART + 10));
        story.world.bucket.parts().insert(n, piece);
    }
    prepare(&mut story);
    match how {
        Blind::Failing => {}
        Blind::Kept | Blind::Discarded => {
            let how = if matches!(how, Blind::Kept) { Cancel::Keep } else { Cancel::Discard };
            story.watcher = Some(Box::new(move |upload, _| {
                if upload.goal() == Goal::Reconcile {
                    upload.cancel(how);
                }
            }));
        }
    }
    if !matches!(how, Blind::Kept) {
        story.when(ListParts, (0..8).map(|_| Reply::Refuse(500, "InternalError")));
    }
    let outcome = story.run();
    story.watcher = None;
    (story, outcome)
}

fn named(outcome: &Outcome) -> Option<String> {
    let id = match &outcome.end {
        End::Suspended { upload_id, .. } => upload_id.as_ref(),
        End::Failed(failed) => failed.upload_id.as_ref(),
        _ => None,
    };
    id.map(ToString::to_string)
}

/// It is not touched, not named as ours and not noted, and the next run begins its own.
fn left_alone(story: &mut Story, outcome: &Outcome, how: &str) {
    assert!(story.world.bucket.uploads.contains_key("U1"), "{how}: it is somebody else's");
    assert_eq!((story.count(AbortMultipartUpload), story.count(UploadPart)), (0, 0), "{how}");
    assert_eq!(named(outcome), None, "{how}");
    let noted = story.world.record.as_ref().and_then(|_| story.world.checkpoint().upload_id);
    assert_eq!(noted, None, "{how}");
}

#[test]
fn an_upload_that_was_to_be_adopted_and_was_not_looked_at_is_nobodys_business() {
    for (how, recording) in
        BLIND.into_iter().flat_map(|how| [(how, Recording::Checkpoint), (how, Recording::Nowhere)])
    {
        let (mut story, outcome) = blind(how, 90_000, |story| {
            story.job.policy.resume = Resume::Adopt;
            story.job.recording = recording;
        });
        left_alone(&mut story, &outcome, &format!("{how:?} {recording:?}"));
        assert_eq!(outcome.report.orphan_risk, 0, "{how:?} {recording:?}");
    }
}

#[test]
fn an_upload_that_may_be_the_one_whose_id_was_lost_and_was_not_looked_at_is_left_alone_and_told_of() {
    for (how, recording) in
        BLIND.into_iter().flat_map(|how| [(how, Recording::Checkpoint), (how, Recording::Nowhere)])
    {
        let (mut story, outcome) = blind(how, 0, |story| {
            story.job.recording = recording;
            story.when(InitiateMultipartUpload, [Reply::LoseRequest]);
        });
        left_alone(&mut story, &outcome, &format!("{how:?} {recording:?}"));
        assert_eq!(outcome.report.orphan_risk, 1, "{how:?} {recording:?}");
    }
}

#[test]
fn an_upload_that_was_not_looked_at_is_adopted_by_the_next_run_with_its_part_size() {
    for how in [Blind::Kept, Blind::Failing] {
        let adopt = |story: &mut Story| story.job.policy.resume = Resume::Adopt;
        let (mut story, _) = blind(how, 90_000, adopt);
        completed(&story.run());
        assert_eq!(story.parts_sent(), [2], "{how:?}");
        story.assert_done();
    }
}

#[test]
fn an_upload_that_is_gone_before_it_was_looked_at_was_none_of_ours() {
    for (resume, age) in [(Resume::Adopt, 90_000), (Resume::FromCheckpoint, 0)] {
        let mut story = Story::new();
        story.job.policy.resume = resume;
        story.job.policy.unresumable = Unresumable::Fail;
        story.world.bucket.initiate(NOW - age);
        story.when(InitiateMultipartUpload, (resume != Resume::Adopt).then_some(Reply::LoseRequest));
        story.when(ListParts, [Reply::After(Box::new(|world| world.bucket.uploads.clear()))]);
        let outcome = story.run();
        completed(&outcome);
        let restarted = |notice: &Notice| matches!(notice, Notice::Restarted(NotResumable::UploadGone(_)));
        assert!(!outcome.report.notices.iter().any(restarted) && outcome.report.restarts == 0);
        story.assert_done();
    }
}
