//! Uploads that are ended early, and what later runs make of them.

use std::sync::mpsc::channel;

use ossup_core::upload::{Cancel, End, Policy, Resume};
use ossup_emulator::{Action, DEFAULT_BUCKET, Operation, Rule};
use ossup_fs::CheckpointFolder;

use crate::scene::{FOR_EVER, PART, Scene, alike, policy, silence};
use crate::seen;

/// Uploads three parts of six, and cancels in the fourth.
pub(crate) fn half(scene: &Scene) -> ossup_core::upload::Outcome {
    let outcome = scene.upload_up_to(4, scene.describe(), |control| control.cancel(Cancel::Keep));
    assert!(matches!(outcome.end, End::Suspended { upload_id: Some(_), .. }), "{outcome:?}");
    outcome
}

#[test]
fn a_cancel_that_keeps_leaves_the_parts_and_the_record() {
    alike(|scene| {
        scene.write(6 * PART);
        let outcome = half(scene);
        let seen = scene.seen(&outcome);
        let record = seen.record.as_ref().unwrap();
        assert_eq!(record.iter().filter(|line| line.contains(r#""part":"#)).count(), 3, "{record:?}");
        assert_eq!(scene.emulator.model().uploads(DEFAULT_BUCKET)[0].parts.len(), 3);
        seen
    });
}

#[test]
fn a_cancel_that_discards_leaves_nothing() {
    alike(|scene| {
        scene.write(6 * PART);
        let discard = |control: &crate::adapter::Control<'_>| control.cancel(Cancel::Discard);
        let outcome = scene.upload_up_to(4, scene.describe(), discard);
        match &outcome.end {
            End::Discarded(discarded) => assert!(discarded.verified),
            other => panic!("{other:?}"),
        }
        assert!(scene.emulator.model().uploads(DEFAULT_BUCKET).is_empty());
        assert_eq!(scene.count(Operation::AbortMultipartUpload), 1);
        let seen = scene.seen(&outcome);
        assert_eq!(seen.record, None);
        seen
    });
}

#[test]
fn an_upload_that_is_dropped_keeps_its_parts_and_can_be_begun_again_at_once() {
    alike(|scene| {
        let content = scene.write(6 * PART);
        let client = scene.client();
        let silent = scene.emulator.faults().add(Rule::on(Operation::UploadPart, silence()).part(4));
        client.begin_and_drop(scene.describe(), |control| scene.await_part(4, control)).unwrap();
        scene.emulator.faults().remove(silent);
        let outcome = client.upload(scene.describe(), |_| {}).unwrap();
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!((outcome.report.resumed_parts, outcome.report.sent_parts), (3, 3));
        scene.seen(&outcome)
    });
}

#[test]
fn a_checkpoint_alone_is_enough_to_delete_what_it_leads_to() {
    alike(|scene| {
        scene.write(6 * PART);
        let kept = half(scene);
        std::fs::remove_file(scene.file()).unwrap();
        let folder = CheckpointFolder::open(scene.checkpoints()).unwrap();
        let name = folder.list().unwrap().remove(0);
        let outcome = scene.client().discard(folder, &name).unwrap();
        assert!(matches!(&outcome.end, End::Discarded(discarded) if discarded.verified), "{outcome:?}");
        assert!(scene.emulator.model().uploads(DEFAULT_BUCKET).is_empty());
        let seen = scene.seen(&outcome);
        assert_eq!(seen.record, None);
        (seen::outcome(&kept), seen)
    });
}

#[test]
fn a_pause_starts_no_part_and_breaks_off_none() {
    alike(|scene| {
        let content = scene.write(4 * PART);
        let ((begins, has_begun), (paused, go)) = (channel(), channel::<()>());
        // The first signature is that of Initiate; the second part waits for its own until the pause is there.
        scene.keys.before_signing(3, move || {
            begins.send(()).unwrap();
            go.recv().unwrap_err();
        });
        let outcome = scene.upload_and(scene.describe(), |control| {
            has_begun.recv().unwrap();
            control.pause();
            drop(paused);
            while control.progress().parts_done < 2 {
                std::thread::yield_now();
            }
            assert!(scene.emulator.journal().wait_until_idle(FOR_EVER));
            assert_eq!((scene.count(Operation::UploadPart), control.progress().in_flight), (2, 0));
            control.unpause();
        });
        scene.assert_arrived("key", &content, &outcome);
        scene.seen(&outcome)
    });
}

#[test]
fn a_later_run_sends_what_is_missing() {
    alike(|scene| {
        let content = scene.write(6 * PART);
        let _ = half(scene);
        let outcome = scene.upload(scene.describe());
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!((outcome.report.resumed_parts, outcome.report.sent_parts), (3, 3));
        assert_eq!(scene.count(Operation::InitiateMultipartUpload), 1);
        scene.seen(&outcome)
    });
}

#[test]
fn a_record_of_one_adapter_is_resumed_by_the_other() {
    alike(|scene| {
        let content = scene.write(6 * PART);
        let _ = half(scene);
        scene.adapter = scene.adapter.other();
        let outcome = scene.upload(scene.describe());
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!((outcome.report.resumed_parts, outcome.report.sent_parts), (3, 3));
        assert_eq!(scene.count(Operation::InitiateMultipartUpload), 1);
        scene.seen(&outcome)
    });
}

#[test]
fn who_may_not_list_parts_resumes_from_the_record() {
    alike(|scene| {
        let content = scene.write(6 * PART);
        let _ = half(scene);
        let denied = scene.emulator.faults().add(Rule::on(Operation::ListParts, Action::Deny));
        let outcome = scene.upload(scene.describe());
        assert!(scene.emulator.faults().hits(denied).unwrap() > 0);
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!(outcome.report.resumed_parts, 3);
        scene.seen(&outcome)
    });
}

#[test]
fn who_may_not_list_uploads_adopts_none_and_begins() {
    alike(|scene| {
        let content = scene.write(3 * PART);
        let denied = Rule::on(Operation::ListMultipartUploads, Action::Deny);
        let denied = scene.emulator.faults().add(denied);
        let adopt = Policy { resume: Resume::Adopt, ..policy() };
        let outcome = scene.upload(scene.describe_as("key", adopt));
        assert!(scene.emulator.faults().hits(denied).unwrap() > 0);
        scene.assert_arrived("key", &content, &outcome);
        scene.seen(&outcome)
    });
}
