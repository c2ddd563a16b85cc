//! Adopt: an unfinished upload of the same key, without any record of it.

use ossup_core::options::ObjectOptions;
use ossup_core::request::Operation::{
    AbortMultipartUpload, InitiateMultipartUpload, ListMultipartUploads, ListParts,
};
use ossup_core::upload::{Denied, Goal, Notice, Resume};
use ossup_tests::story::bucket::NOW;
use ossup_tests::story::{PART, Reply, Story, World, completed};

/// An upload that another machine has begun, in parts of `size` bytes, of which these are there.
fn begun_elsewhere(size: u64, parts: &[u16]) -> Story {
    let mut story = Story::of_len(4 * PART + 10);
    story.job.policy.resume = Resume::Adopt;
    send(&mut story, NOW - 90_000, size, parts);
    story
}

fn send(story: &mut Story, initiated: i64, size: u64, parts: &[u16]) -> String {
    let id = story.world.bucket.initiate(initiated);
    for n in parts {
        let from = u64::from(n - 1) * size;
        let piece = story.world.source.piece(from, (from + size).min(4 * PART + 10));
        story.world.bucket.uploads.get_mut(&id).unwrap().parts.insert(*n, piece);
    }
    id
}

#[test]
fn an_upload_of_the_key_is_adopted_with_its_part_size_and_every_part_is_compared() {
    let mut story = begun_elsewhere(2 * PART, &[1, 3]);
    let outcome = story.run();
    assert!(
        outcome
            .report
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::Adopted(id) if id.as_str() == "U1"))
    );
    assert_eq!(story.count(InitiateMultipartUpload), 0);
    assert_eq!((story.hashed.len(), story.parts_sent()), (2, vec![2]));
    assert_eq!((outcome.report.resumed_parts, outcome.report.resumed_bytes), (2, 2 * PART + 10));
    story.assert_done();
}

#[test]
fn that_an_adopted_upload_keeps_its_own_attributes_is_told_where_others_are_asked_for() {
    let asking =
        || [ObjectOptions::new().content_type("video/mp4").unwrap(), ObjectOptions::new().sequential(true)];
    for (options, told) in
        asking().map(|options| (options, true)).into_iter().chain([(ObjectOptions::new(), false)])
    {
        let mut story = begun_elsewhere(PART, &[1, 2]);
        story.job.options = options;
        let outcome = story.run();
        completed(&outcome);
        assert_eq!(outcome.report.notices.contains(&Notice::AttributesUnknown), told);
    }
}

#[test]
fn a_part_of_the_adopted_upload_that_differs_from_the_source_is_sent_again() {
    let mut story = begun_elsewhere(PART, &[1, 2]);
    story.world.source.edit_unseen(PART + 3);
    completed(&story.run());
    assert_eq!(story.parts_sent(), [2, 3, 4, 5]);
    story.assert_done();
}

#[test]
fn an_upload_whose_parts_cannot_be_of_this_source_is_left_alone() {
    let mut story = begun_elsewhere(PART, &[1, 2]);
    let odd = story.world.source.piece(0, 17);
    story.world.bucket.parts().insert(3, odd);
    completed(&story.run());
    story.assert_object();
    assert_eq!(story.world.bucket.uploads.keys().collect::<Vec<_>>(), ["U1"], "it is somebody else's");
    assert_eq!(story.parts_sent(), [1, 2, 3, 4, 5]);
}

#[test]
fn of_several_uploads_the_newest_that_fits_is_adopted() {
    let mut story = begun_elsewhere(PART, &[1]);
    send(&mut story, NOW - 500, PART, &[1, 2, 3]);
    let stranger = send(&mut story, NOW - 10, PART, &[]);
    let odd = story.world.source.piece(0, 17);
    story.world.bucket.uploads.get_mut(&stranger).unwrap().parts.extend([(1, odd), (2, odd)]);
    completed(&story.run());
    story.assert_object();
    assert_eq!(story.world.bucket.uploads.keys().collect::<Vec<_>>(), ["U1", "U3"]);
    assert_eq!(story.parts_sent(), [4, 5]);
}

/// Left by a process that was killed before its first part had arrived, with no record to tell.
#[test]
fn an_upload_without_parts_is_adopted_rather_than_left_beside_another() {
    let mut story = begun_elsewhere(PART, &[]);
    completed(&story.run());
    assert_eq!(story.count(InitiateMultipartUpload), 0);
    assert_eq!(story.parts_sent(), [1, 2, 3, 4, 5]);
    story.assert_done();
}

/// Its size tells nothing of the others'.
#[test]
fn an_upload_of_which_only_the_last_and_short_part_has_arrived_is_adopted() {
    let mut story = begun_elsewhere(PART, &[5]);
    completed(&story.run());
    assert_eq!(story.count(InitiateMultipartUpload), 0);
    assert_eq!(story.parts_sent(), [1, 2, 3, 4]);
    story.assert_done();
}

#[test]
fn an_upload_with_parts_is_adopted_rather_than_a_newer_one_without() {
    let mut story = begun_elsewhere(PART, &[1, 2]);
    send(&mut story, NOW - 10, PART, &[]);
    completed(&story.run());
    story.assert_object();
    assert_eq!(story.world.bucket.uploads.keys().collect::<Vec<_>>(), ["U2"]);
    assert_eq!(story.parts_sent(), [3, 4, 5]);
}

#[test]
fn with_nothing_to_adopt_it_begins_anew() {
    let mut story = Story::new();
    story.job.policy.resume = Resume::Adopt;
    completed(&story.run());
    assert_eq!((story.count(ListMultipartUploads), story.count(InitiateMultipartUpload)), (1, 1));
    story.assert_done();
}

#[test]
fn where_uploads_may_not_be_listed_it_begins_anew_and_says_so() {
    let mut story = begun_elsewhere(PART, &[1, 2]);
    story.when(ListMultipartUploads, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    story.assert_object();
    assert_eq!(outcome.report.denied, [Denied::ListMultipartUploads]);
    assert_eq!(story.world.bucket.uploads.len(), 1);
}

#[test]
fn nothing_is_adopted_unless_it_is_asked_for() {
    for resume in [Resume::Never, Resume::FromCheckpoint] {
        let mut story = begun_elsewhere(PART, &[1, 2]);
        story.job.policy.resume = resume;
        completed(&story.run());
        story.assert_object();
        assert_eq!(
            (story.count(ListMultipartUploads), story.world.bucket.uploads.len()),
            (0, 1),
            "{resume:?}"
        );
    }
}

#[test]
fn with_a_record_that_is_what_is_resumed() {
    let mut story = Story::new();
    story.job.policy.resume = Resume::Adopt;
    story.crash_with(1);
    story.world.bucket.initiate(NOW);
    completed(&story.run());
    assert_eq!(story.count(ListMultipartUploads), 0);
    assert_eq!((story.parts_sent().last(), story.world.bucket.uploads.len()), (Some(&3), 1));
}

#[test]
fn an_adopted_upload_is_noted_and_can_be_resumed_like_any_other() {
    let mut story = begun_elsewhere(PART, &[1, 2, 3]);
    story.crash_with(4);
    completed(&story.run());
    assert_eq!(story.parts_sent(), [5]);
    story.assert_done();
}

#[test]
fn with_a_record_that_cannot_be_used_an_upload_is_adopted_as_without_one() {
    let mut story = begun_elsewhere(PART, &[1, 2, 3]);
    story.world.record = Some(b"no checkpoint\n".to_vec());
    completed(&story.run());
    assert_eq!((story.count(InitiateMultipartUpload), story.parts_sent()), (0, vec![4, 5]));
    story.assert_done();
}

#[test]
fn with_a_record_of_an_upload_that_is_gone_another_is_adopted() {
    let mut story = Story::of_len(4 * PART + 10);
    story.job.policy.resume = Resume::Adopt;
    story.crash_with(2);
    story.world.bucket.uploads.clear();
    send(&mut story, NOW - 50, PART, &[1, 2, 3]);
    completed(&story.run());
    assert_eq!((story.count(InitiateMultipartUpload), story.parts_sent()), (0, vec![4, 5]));
    story.assert_done();
}

/// However old it is: nothing of ours can have been begun when it was.
#[test]
fn with_a_record_without_an_id_whose_upload_never_began_another_is_adopted() {
    for age in [90_000, 60] {
        let mut story = Story::of_len(4 * PART + 10);
        story.job.policy.resume = Resume::Adopt;
        send(&mut story, NOW - age, PART, &[1, 2, 3]);
        story.job.policy.resume = Resume::FromCheckpoint;
        story.crash_when(|upload, world| world.record.is_some() && upload.goal() == Goal::Initiate);
        story.job.policy.resume = Resume::Adopt;
        completed(&story.run());
        assert_eq!((story.count(InitiateMultipartUpload), story.parts_sent()), (0, vec![4, 5]), "{age}");
        story.assert_done();
    }
}

#[test]
fn of_several_uploads_that_may_be_the_one_whose_id_was_lost_the_newest_that_fits_is_adopted() {
    let mut story = Story::of_len(4 * PART + 10);
    story.crash_when(|upload, world| world.record.is_some() && upload.goal() == Goal::Initiate);
    send(&mut story, NOW - 20, PART, &[1, 2]);
    send(&mut story, NOW - 10, PART, &[1, 2, 3]);
    story.job.policy.resume = Resume::Adopt;
    let outcome = story.run();
    completed(&outcome);
    assert_eq!((outcome.report.orphan_risk, story.parts_sent()), (1, vec![4, 5]));
    assert_eq!(story.world.bucket.uploads.keys().collect::<Vec<_>>(), ["U1"]);
}

#[test]
fn an_upload_that_was_to_be_deleted_and_is_still_there_is_not_adopted() {
    let mut story = Story::of_len(4 * PART + 10);
    story.job.policy.resume = Resume::Adopt;
    story.crash_with(2);
    story.job.options = ObjectOptions::new().content_type("video/mp4").unwrap();
    story.when(AbortMultipartUpload, [Reply::Refuse(403, "AccessDenied")]);
    let lose = |world: &mut World| drop(world.bucket.uploads.remove("U2"));
    story.when_part(1, [Reply::After(Box::new(lose))]);
    completed(&story.run());
    story.assert_object();
    assert_eq!(story.world.bucket.uploads.keys().collect::<Vec<_>>(), ["U1"]);
    assert!(story.requests(ListParts).next().is_none());
}
