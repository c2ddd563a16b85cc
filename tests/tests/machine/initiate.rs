//! Initiate: an upload whose id was lost is found again, or its risk is told.

use std::time::Duration;

use ossup_core::options::ObjectOptions;
use ossup_core::request::Operation::{AbortMultipartUpload, InitiateMultipartUpload, ListMultipartUploads};
use ossup_core::upload::{Cancel, Cause, Denied, Discarded, End, Evidence, Patience, Policy, Upload};
use ossup_tests::story::bucket::{NOW, answer, refusal};
use ossup_tests::story::{Reply, Story, completed, failed};

#[test]
fn a_calm_upload_completes_and_leaves_nothing_but_the_object() {
    let mut story = Story::new();
    let outcome = story.run();
    assert_eq!(completed(&outcome).evidence, Evidence::AcknowledgedAndEqual);
    assert_eq!(story.parts_sent(), [1, 2, 3]);
    assert_eq!(outcome.report.orphan_risk, 0);
    story.assert_done();
}

#[test]
fn an_upload_whose_id_was_lost_is_found_and_continued() {
    let done_but_unreadable = || answer(200, &[], "<html>portal</html>");
    for lost in [
        Reply::LoseAnswer,
        Reply::DoAndSay(refusal(500, "InternalError")),
        Reply::DoAndSay(done_but_unreadable()),
    ] {
        let how = format!("{lost:?}");
        let mut story = Story::new();
        story.when(InitiateMultipartUpload, [lost]);
        let outcome = story.run();
        completed(&outcome);
        assert_eq!(story.count(InitiateMultipartUpload), 1, "no second upload is begun: {how}");
        assert_eq!((story.count(ListMultipartUploads), outcome.report.orphan_risk), (1, 0), "{how}");
        story.assert_done();
    }
}

#[test]
fn an_initiate_that_never_arrived_is_sent_again_and_leaves_no_orphan() {
    let mut story = Story::new();
    story.when(InitiateMultipartUpload, [Reply::LoseRequest]);
    let outcome = story.run();
    assert_eq!((story.count(InitiateMultipartUpload), outcome.report.orphan_risk), (2, 0));
    story.assert_done();
}

#[test]
fn an_initiate_without_a_connection_is_not_searched_for() {
    let mut story = Story::new();
    story.when(InitiateMultipartUpload, [Reply::NoConnection]);
    completed(&story.run());
    assert_eq!(story.count(ListMultipartUploads), 0, "it cannot have arrived");
}

#[test]
fn a_search_for_a_lost_upload_gives_neither_the_network_nor_initiate_another_chance() {
    let lost = |count: usize| (0..count).map(|_| Reply::LoseRequest);
    let mut story = Story::new();
    story.job.policy.retry.patience = Patience::Limited(Duration::from_secs(5));
    story.when(InitiateMultipartUpload, lost(5000));
    story.when(ListMultipartUploads, lost(5000));
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::Network(_)), "{outcome:?}");
    assert_eq!((story.count(InitiateMultipartUpload), outcome.report.orphan_risk), (1, 1));
    assert!(story.waits.iter().sum::<Duration>() <= Duration::from_secs(11), "{:?}", story.waits);

    let mut story = Story::new();
    story.when(InitiateMultipartUpload, (0..5000).map(|_| Reply::Refuse(500, "InternalError")));
    story.when(ListMultipartUploads, (0..5000).map(|_| Reply::Refuse(500, "InternalError")));
    assert!(matches!(failed(&story.run()).cause, Cause::ServerFailing(_)));
    assert_eq!(story.count(InitiateMultipartUpload), story.job.policy.retry.attempts as usize);
}

#[test]
fn two_uploads_that_could_be_the_lost_one_are_left_alone_and_the_risk_is_told() {
    let mut story = Story::new();
    story.world.bucket.initiate(NOW - 60);
    story.when(InitiateMultipartUpload, [Reply::LoseAnswer]);
    let outcome = story.run();
    story.assert_object();
    assert_eq!(outcome.report.orphan_risk, 1);
    assert_eq!(story.world.bucket.uploads.len(), 2, "neither the stranger's nor the lost one is touched");
}

#[test]
fn an_upload_that_began_long_before_is_not_taken_for_the_lost_one() {
    let mut story = Story::new();
    story.world.bucket.initiate(NOW - 3600);
    story.when(InitiateMultipartUpload, [Reply::LoseRequest]);
    let outcome = story.run();
    story.assert_object();
    assert_eq!((outcome.report.orphan_risk, story.world.bucket.uploads.len()), (0, 1));
}

#[test]
fn an_upload_with_parts_is_not_taken_for_the_lost_one() {
    let mut story = Story::new();
    let id = story.world.bucket.initiate(NOW);
    let digest = story.world.source.whole();
    story.world.bucket.parts().insert(1, digest);
    story.when(InitiateMultipartUpload, [Reply::LoseRequest]);
    let outcome = story.run();
    story.assert_object();
    assert_eq!(story.world.bucket.uploads[&id].parts.len(), 1, "somebody else's upload is not touched");
    assert_eq!(outcome.report.orphan_risk, 0, "there was no other, so ours never arrived");
}

#[test]
fn where_uploads_may_not_be_listed_the_risk_is_told() {
    let mut story = Story::new();
    story
        .when(InitiateMultipartUpload, [Reply::LoseAnswer])
        .when(ListMultipartUploads, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    story.assert_object();
    assert_eq!(outcome.report.orphan_risk, 1);
    assert_eq!(outcome.report.denied, [Denied::ListMultipartUploads]);
    assert_eq!(story.count(InitiateMultipartUpload), 2);
}

#[test]
fn a_crash_before_the_id_was_noted_is_made_good_by_the_next_run() {
    let mut story = Story::new();
    story.crash_when(|_, world| !world.bucket.uploads.is_empty());
    let outcome = story.run();
    assert_eq!((story.count(InitiateMultipartUpload), outcome.report.orphan_risk), (0, 0));
    story.assert_done();
}

#[test]
fn a_discard_finds_the_upload_whose_id_was_lost_before_it_says_that_nothing_is_left() {
    let mut story = Story::new();
    story.when(InitiateMultipartUpload, [Reply::LoseAnswer]);
    story.watcher = Some(Box::new(|upload, world| {
        if !world.bucket.uploads.is_empty() {
            upload.cancel(Cancel::Discard);
        }
    }));
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Discarded(Discarded { verified: true, .. })), "{outcome:?}");
    assert_eq!((outcome.report.orphan_risk, story.count(AbortMultipartUpload)), (0, 1));
    assert!(story.world.bucket.uploads.is_empty());
}

#[test]
fn an_upload_of_which_only_the_id_is_known_can_be_discarded() {
    let mut story = Story::new();
    let id = story.world.bucket.initiate(NOW);
    let object = story.job.object.clone();
    story.job.options = ObjectOptions::new().request_payer(true);
    let upload = Upload::discard_id(object, id.parse().unwrap(), &story.job.options, Policy::default(), 1);
    let outcome = story.drive(upload);
    assert!(matches!(outcome.end, End::Discarded(Discarded { verified: true, .. })), "{outcome:?}");
    assert!(story.world.bucket.uploads.is_empty() && story.world.record.is_none());
    assert!(story.seen.iter().all(|seen| seen.request.headers().contains_key("x-oss-request-payer")));
}
