//! The record disagrees with the world: each way of it has its name and its policy.

use ossup_core::checkpoint::Unreadable;
use ossup_core::digest::Crc64;
use ossup_core::options::{ObjectOptions, StorageClass};
use ossup_core::request::Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, InitiateMultipartUpload, UploadPart,
};
use ossup_core::upload::{Cancel, Cause, NotResumable, Notice, Outcome, Resume, Unresumable};
use ossup_tests::story::{Reply, Story, completed, failed};

fn crashed() -> Story {
    let mut story = Story::new();
    story.crash_with(2);
    story
}

fn cannot_resume(outcome: &Outcome) -> &NotResumable {
    match &failed(outcome).cause {
        Cause::CannotResume(why) => why,
        other => panic!("{other:?}"),
    }
}

fn with(story: &mut Story, unresumable: Unresumable) -> Outcome {
    story.job.policy.unresumable = unresumable;
    story.run()
}

#[test]
fn an_upload_that_a_lifecycle_rule_has_deleted_begins_again_and_the_outcome_says_so() {
    let mut story = crashed();
    story.world.bucket.uploads.clear();
    let outcome = with(&mut story, Unresumable::Restart);
    let gone = |notice: &Notice| matches!(notice, Notice::Restarted(NotResumable::UploadGone(_)));
    assert!(outcome.report.notices.iter().any(gone));
    assert_eq!((outcome.report.restarts, outcome.report.resumed_parts), (1, 0));
    assert_eq!(story.parts_sent(), [1, 2, 3]);
    story.assert_done();
}

#[test]
fn an_upload_that_a_lifecycle_rule_has_deleted_cannot_be_resumed_and_ends_there_by_policy() {
    let mut story = crashed();
    story.world.bucket.uploads.clear();
    let outcome = with(&mut story, Unresumable::Fail);
    assert!(matches!(cannot_resume(&outcome), NotResumable::UploadGone(_)));
    assert_eq!((story.count(InitiateMultipartUpload), story.count(UploadPart)), (0, 0));
    assert!(story.world.bucket.object.is_none() && !failed(&outcome).resumable);
    let record = story.world.record.clone();
    assert!(record.is_some());
    assert!(matches!(cannot_resume(&story.run()), NotResumable::UploadGone(_)), "however often it is tried");
    assert_eq!(story.world.record, record);
    completed(&with(&mut story, Unresumable::Restart));
    story.assert_done();
}

#[test]
fn an_upload_that_is_deleted_while_its_parts_are_sent_begins_again_or_ends_by_policy() {
    let gone = || Reply::After(Box::new(|world| world.bucket.uploads.clear()));
    let mut story = Story::new();
    story.when_part(3, [gone()]);
    assert_eq!(with(&mut story, Unresumable::Restart).report.restarts, 1);
    story.assert_done();
    let mut story = Story::new();
    story.when_part(3, [gone()]);
    assert!(matches!(cannot_resume(&with(&mut story, Unresumable::Fail)), NotResumable::UploadGone(_)));
}

#[test]
fn an_upload_that_is_deleted_again_and_again_ends_with_a_name() {
    let mut story = Story::new();
    let gone =
        || Reply::After(Box::new(|world: &mut ossup_tests::story::World| world.bucket.uploads.clear()));
    story.when_part(1, (0..20).map(|_| gone()));
    let outcome = story.run();
    assert!(matches!(cannot_resume(&outcome), NotResumable::UploadGone(_) | NotResumable::TooOften));
    assert_eq!(outcome.report.restarts, 3);
}

#[test]
fn parts_that_were_deleted_on_the_server_are_sent_again() {
    let mut story = crashed();
    story.world.bucket.parts().remove(&1);
    completed(&story.run());
    assert_eq!(story.parts_sent(), [1, 3]);
    story.assert_done();
}

#[test]
fn other_attributes_of_the_object_begin_again_and_leave_nothing_of_the_old_upload() {
    let mut story = crashed();
    story.job.options = ObjectOptions::new().content_type("video/mp4").unwrap();
    let outcome = with(&mut story, Unresumable::Restart);
    assert!(
        outcome
            .report
            .notices
            .contains(&Notice::Restarted(NotResumable::OtherOptions(vec!["content-type".into()])))
    );
    assert_eq!(story.count(AbortMultipartUpload), 1);
    story.assert_done();
}

#[test]
fn other_attributes_of_the_object_end_there_by_policy_and_the_old_upload_can_still_be_resumed() {
    let mut story = crashed();
    let options =
        std::mem::replace(&mut story.job.options, ObjectOptions::new().content_type("video/mp4").unwrap());
    let outcome = with(&mut story, Unresumable::Fail);
    assert_eq!(cannot_resume(&outcome), &NotResumable::OtherOptions(vec!["content-type".into()]));
    assert!(failed(&outcome).resumable && story.seen.is_empty());
    story.job.options = options;
    completed(&story.run());
    assert_eq!(story.parts_sent(), [3]);
}

#[test]
fn a_record_of_another_destination_is_set_aside_or_stays_by_policy_and_its_upload_is_not_touched() {
    for unresumable in [Unresumable::Restart, Unresumable::Fail] {
        let mut story = crashed();
        let record = story.world.record.clone();
        story.job.destination = "elsewhere".to_owned();
        let outcome = with(&mut story, unresumable);
        let other = NotResumable::OtherDestination("oss://bucket/dir/key.bin at host".to_owned());
        match unresumable {
            Unresumable::Restart => {
                completed(&outcome);
                assert!(outcome.report.notices.contains(&Notice::SetAside(other)));
            }
            _ => assert_eq!(cannot_resume(&outcome), &other),
        }
        let stays = if unresumable == Unresumable::Fail { &story.world.record } else { &story.world.aside };
        assert_eq!(*stays, record);
        assert!(story.world.bucket.uploads.contains_key("U1"));
    }
}

#[test]
fn a_damaged_record_and_one_of_a_newer_format_are_named_and_set_aside_or_stay_by_policy() {
    let newer = r#"{"begin":{"format":99,"shape":"unknown"}}"#;
    let newer = format!("{:016x} {newer}\n", Crc64::of(newer.as_bytes()).value());
    let too_long = vec![b'\n'; ossup_core::checkpoint::journal::MAX_LEN + 1];
    for (record, why) in [
        (b"{\"some\": \"other file\"}".to_vec(), Unreadable::Damaged),
        (newer.into_bytes(), Unreadable::NewerFormat { found: 99 }),
        (too_long, Unreadable::TooLong),
    ] {
        let why = NotResumable::Unreadable(why);
        let mut story = Story::new();
        story.world.record = Some(record.clone());
        let outcome = with(&mut story, Unresumable::Restart);
        assert!(outcome.report.notices.contains(&Notice::SetAside(why.clone())), "{why}");
        assert_eq!(outcome.report.orphan_risk, 1, "the upload it knew is known to nobody now");
        assert_eq!(story.world.aside.as_ref(), Some(&record));
        story.assert_done();

        let mut story = Story::new();
        story.world.record = Some(record.clone());
        for _ in 0..2 {
            let outcome = with(&mut story, Unresumable::Fail);
            assert_eq!((cannot_resume(&outcome), outcome.report.orphan_risk), (&why, 0));
            assert_eq!((story.world.record.as_ref(), &story.world.aside), (Some(&record), &None));
        }
        assert!(story.seen.is_empty());
    }
}

#[test]
fn where_the_upload_id_is_damaged_an_upload_with_parts_is_left_alone_and_told_of() {
    for lines_behind in [true, false] {
        let mut story = crashed();
        let record = story.world.record.as_mut().unwrap();
        let at = record.windows(2).position(|pair| pair == b"U1").unwrap();
        record[at] ^= 1;
        if !lines_behind {
            let end = record[at..].iter().position(|byte| *byte == b'\n').unwrap();
            record.truncate(at + end + 1);
        }
        let outcome = with(&mut story, Unresumable::Restart);
        completed(&outcome);
        assert_eq!(outcome.report.orphan_risk, 1);
        assert!(story.world.bucket.uploads.contains_key("U1"), "it may be another's");
    }
}

#[test]
fn an_empty_record_is_no_record() {
    let mut story = Story::new();
    story.world.record = Some(Vec::new());
    let outcome = with(&mut story, Unresumable::Fail);
    completed(&outcome);
    assert!(outcome.report.notices.is_empty());
    story.assert_done();
}

#[test]
fn a_line_that_a_crash_has_torn_costs_a_comparison_and_nothing_else() {
    let mut story = crashed();
    let record = story.world.record.as_mut().unwrap();
    record.truncate(record.len() - 3);
    completed(&story.run());
    assert_eq!((story.hashed.len(), story.parts_sent()), (1, vec![3]));
    story.assert_done();
}

#[test]
fn never_resume_deletes_what_the_record_knows_and_begins_again() {
    let mut story = crashed();
    story.job.policy.resume = Resume::Never;
    completed(&story.run());
    assert_eq!((story.count(AbortMultipartUpload), story.parts_sent()), (1, vec![1, 2, 3]));
    story.assert_done();
}

#[test]
fn a_part_size_that_cannot_be_is_not_asked_for_where_the_record_has_one() {
    let mut story = crashed();
    story.job.policy.part_size = 1;
    completed(&story.run());
    assert_eq!(story.parts_sent(), [3]);
    story.assert_done();
}

#[test]
fn where_the_upload_cannot_be_continued_a_part_size_that_cannot_be_is_told_before_anything_is_deleted() {
    let never = |story: &mut Story| story.job.policy.resume = Resume::Never;
    let other = |story: &mut Story| {
        story.job.options = ObjectOptions::new().content_type("video/mp4").unwrap();
    };
    for change in [never, other] {
        let mut story = crashed();
        story.job.policy.part_size = 1;
        change(&mut story);
        let outcome = story.run();
        let failure = failed(&outcome);
        assert!(matches!(failure.cause, Cause::Plan(_)) && failure.resumable, "{failure:?}");
        assert_eq!(failure.upload_id.as_ref().map(ToString::to_string).as_deref(), Some("U1"));
        assert!(story.seen.is_empty() && story.world.recorded() == [1, 2]);
    }
}

#[test]
fn an_upload_that_an_earlier_run_was_discarding_is_discarded_before_a_new_one_begins() {
    let mut story = crashed();
    story.watcher = Some(Box::new(|upload, _| upload.cancel(Cancel::Discard)));
    story.crash_when(|_, world| world.checkpoint().discarding);
    story.watcher = None;
    completed(&story.run());
    assert_eq!((story.count(AbortMultipartUpload), story.parts_sent()), (1, vec![1, 2, 3]));
    story.assert_done();
}

#[test]
fn a_record_that_died_after_complete_was_sent_asks_what_became_of_it() {
    let mut story = Story::new();
    story.crash_when(|_, world| world.bucket.object.is_some());
    let outcome = story.run();
    assert_eq!(completed(&outcome).evidence, ossup_core::upload::Evidence::ContentMatch);
    assert_eq!((story.count(UploadPart), story.count(CompleteMultipartUpload)), (0, 0));
    story.assert_done();
}

#[test]
fn what_is_other_about_the_object_is_named_where_the_checkpoint_tells_it() {
    let begun = || {
        let options = ObjectOptions::new().content_type("a/b").unwrap().metadata("who", "me").unwrap();
        let mut story = Story::new();
        story.job.options = options.storage_class(StorageClass::InfrequentAccess);
        story.crash_with(1);
        let other = ObjectOptions::new().content_type("a/b").unwrap().metadata("who", "you").unwrap();
        story.job.options = other.sequential(true);
        story
    };
    let mut story = begun();
    let outcome = with(&mut story, Unresumable::Fail);
    assert_eq!(
        cannot_resume(&outcome).to_string(),
        "the checkpoint is of an upload with other attributes of the object: sequential, x-oss-meta-*, \
         x-oss-storage-class"
    );

    let mut story = begun();
    let mut earlier = story.world.checkpoint();
    earlier.header.attributes.clear();
    story.world.record = Some(earlier.write());
    let outcome = with(&mut story, Unresumable::Fail);
    assert_eq!(cannot_resume(&outcome), &NotResumable::OtherOptions(vec![]), "an earlier version wrote it");
}
