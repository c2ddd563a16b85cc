//! Networks and servers that fail.

use std::fs::File;
use std::time::Duration;

use ossup_core::digest::Integrity;
use ossup_core::upload::{Cancel, Cause, End, Policy};
use ossup_emulator::{Action, DEFAULT_BUCKET, Operation, Rule};

use crate::scene::{PART, alike, parallel, policy, silence};
use crate::seen;

#[test]
fn a_lost_answer_is_not_a_lost_upload() {
    for operation in
        [Operation::InitiateMultipartUpload, Operation::UploadPart, Operation::CompleteMultipartUpload]
    {
        alike(|scene| {
            let lost = scene.emulator.faults().add(Rule::on(operation, Action::LoseAnswer).nth(1));
            let content = scene.write(3 * PART);
            let outcome = scene.upload(scene.describe());
            assert_eq!(scene.emulator.faults().hits(lost), Some(1));
            let End::Completed(_) = outcome.end else { panic!("{outcome:?}") };
            let left = scene.emulator.model().uploads(DEFAULT_BUCKET);
            assert!(left.is_empty(), "an upload whose id was lost is found again");
            let object = scene.emulator.model().object_bytes(DEFAULT_BUCKET, "key");
            assert!(object.unwrap().unwrap() == content);
            scene.seen(&outcome)
        });
    }
}

#[test]
fn a_lost_answer_to_a_put_is_not_a_lost_upload() {
    alike(|scene| {
        scene.emulator.faults().add(Rule::on(Operation::PutObject, Action::LoseAnswer).nth(1));
        let content = scene.write(PART);
        let put = Policy { put_threshold: u64::MAX, ..policy() };
        let outcome = scene.upload(scene.describe_as("key", put));
        scene.assert_arrived("key", &content, &outcome);
        scene.seen(&outcome)
    });
}

#[test]
fn a_lost_answer_to_a_question_is_asked_for_again() {
    alike(|scene| {
        let content = scene.write(6 * PART);
        let kept = scene.upload_up_to(4, scene.describe(), |control| control.cancel(Cancel::Keep));
        let list = scene.emulator.faults().add(Rule::on(Operation::ListParts, Action::LoseAnswer).nth(1));
        // With the answer to Complete lost, the object itself is asked for.
        let complete = Rule::on(Operation::CompleteMultipartUpload, Action::LoseAnswer).nth(1);
        let complete = scene.emulator.faults().add(complete);
        let head = scene.emulator.faults().add(Rule::on(Operation::HeadObject, Action::LoseAnswer).nth(1));
        let outcome = scene.upload(scene.describe());
        let hits = [list, complete, head].map(|rule| scene.emulator.faults().hits(rule));
        assert_eq!(hits, [Some(1); 3], "{outcome:?}");
        scene.assert_arrived("key", &content, &outcome);
        (seen::outcome(&kept), scene.seen(&outcome))
    });
}

#[test]
fn a_lost_answer_to_an_abort_leaves_nothing() {
    alike(|scene| {
        let abort = Rule::on(Operation::AbortMultipartUpload, Action::LoseAnswer).nth(1);
        let abort = scene.emulator.faults().add(abort);
        scene.write(6 * PART);
        let outcome = scene.upload_up_to(4, scene.describe(), |control| control.cancel(Cancel::Discard));
        assert_eq!(scene.emulator.faults().hits(abort), Some(1));
        assert!(matches!(&outcome.end, End::Discarded(discarded) if discarded.verified), "{outcome:?}");
        assert!(scene.emulator.model().uploads(DEFAULT_BUCKET).is_empty());
        scene.seen(&outcome)
    });
}

/// Which the machine does from the second attempt on.
#[test]
fn a_server_that_is_asked_before_the_body_may_take_its_time_to_say_yes() {
    alike(|scene| {
        // reqwest does not hear the yes, and holds the body back for longer than this.
        scene.stall_timeout = Duration::from_millis(800);
        let refused = Action::refuse(503, "SlowDown");
        scene.emulator.faults().add(Rule::on(Operation::UploadPart, refused).part(2).nth(1));
        let content = scene.write(3 * PART);
        let outcome = scene.upload(scene.describe());
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!(outcome.report.retries, 1, "{:?}", outcome.report.troubles);
        scene.seen(&outcome)
    });
}

#[test]
fn faults_cost_requests_and_nothing_else() {
    for (fault, operation) in [
        (Action::fail_after(500, "InternalError"), Operation::CompleteMultipartUpload),
        (Action::ErrorInOk { code: "InternalError".into() }, Operation::CompleteMultipartUpload),
        (Action::CutIn { after: 50_000 }, Operation::UploadPart),
        (Action::CutOut { after: 20 }, Operation::InitiateMultipartUpload),
        (Action::Corrupt { offset: 1000 }, Operation::UploadPart),
        (Action::CorruptAnswer { offset: 5 }, Operation::CompleteMultipartUpload),
        (
            Action::AnswerInstead { status: 200, headers: vec![], body: "<html>".into() },
            Operation::UploadPart,
        ),
    ] {
        alike(|scene| {
            let rule = scene.emulator.faults().add(Rule::on(operation, fault.clone()).nth(1));
            let content = scene.write(3 * PART);
            let outcome = scene.upload(scene.describe());
            assert_eq!(scene.emulator.faults().hits(rule), Some(1), "{fault:?}");
            let End::Completed(_) = outcome.end else { panic!("{fault:?}: {outcome:?}") };
            let object = scene.emulator.model().object_bytes(DEFAULT_BUCKET, "key");
            assert!(object.unwrap().unwrap() == content);
            scene.seen(&outcome)
        });
    }
}

#[test]
fn a_server_that_asks_for_less_gets_less() {
    alike(|scene| {
        let busy = Action::refuse(503, "SlowDown");
        let busy = scene.emulator.faults().add(Rule::on(Operation::UploadPart, busy).times(3));
        let content = scene.write(12 * PART);
        let outcome = scene.upload(scene.describe_as("key", parallel(4)));
        assert_eq!(scene.emulator.faults().hits(busy), Some(3));
        scene.assert_arrived("key", &content, &outcome);
        // Which parts are refused depends on which come first.
        scene.seen(&outcome).whichever_parts()
    });
}

#[test]
fn an_early_refusal_ends_the_upload_though_the_connection_is_closed_in_the_middle_of_a_part() {
    alike(|scene| {
        let early = Action::RefuseEarly { status: 403, code: "AccessDenied".into() };
        scene.emulator.faults().add(Rule::on(Operation::UploadPart, early));
        // More than a connection takes in that nobody reads.
        File::create(scene.file()).unwrap().set_len(32 << 20).unwrap();
        let policy = Policy { part_size: 16 << 20, integrity: Integrity::Crc, ..policy() };
        let outcome = scene.upload(scene.describe_as("key", policy));
        match &outcome.end {
            End::Failed(failed) => match &failed.cause {
                Cause::Refused(error) => assert_eq!(error.code.as_deref(), Some("AccessDenied")),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
        // How often it has to be repeated until it is heard is a matter of luck.
        scene.seen(&outcome).end()
    });
}

#[test]
fn a_connection_that_stands_still_is_given_up_and_the_part_sent_again() {
    alike(|scene| {
        // Long enough for a busy machine to move a byte.
        scene.stall_timeout = Duration::from_secs(2);
        let still = scene.emulator.faults().add(Rule::on(Operation::UploadPart, silence()).part(2).nth(1));
        File::create(scene.file()).unwrap().set_len(32 << 20).unwrap();
        let policy = Policy { part_size: 16 << 20, integrity: Integrity::Crc, ..policy() };
        let outcome = scene.upload(scene.describe_as("key", policy));
        assert_eq!(scene.emulator.faults().hits(still), Some(1));
        let End::Completed(_) = outcome.end else { panic!("{outcome:?}") };
        assert_eq!(outcome.report.troubles.len(), 1);
        scene.seen(&outcome)
    });
}
