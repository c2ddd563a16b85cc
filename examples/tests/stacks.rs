//! Every example driver, through what a stack must get right: whole uploads, lost answers, refusals that come early,
//! interruptions, cancels. What they do on the wire and on the disk must be the same.

#![allow(clippy::duplicate_mod, reason = "each example is complete in itself")]

mod common;

#[path = "../async_hyper.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod async_hyper;
#[path = "../blocking_tcp.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod blocking_tcp;
#[path = "../two_at_once.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod two_at_once;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ossup_core::digest::Integrity;
use ossup_core::time::Timestamp;
use ossup_core::upload::{Cancel, End, Outcome, Policy};
use ossup_emulator::{Action, DEFAULT_BUCKET, Operation, Rule};
use ossup_fs::{Begun, FileUpload};

use self::common::{PART, Place, side_by_side};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stack {
    Tcp,
    Hyper,
    TwoAtOnce,
}

const STACKS: [Stack; 3] = [Stack::Tcp, Stack::Hyper, Stack::TwoAtOnce];

fn begin(place: &Place, upload: FileUpload) -> Begun {
    // The signer signs by its own clock; this one is only noted down.
    upload
        .begin(&place.endpoint().authority(), Timestamp::from_unix(1_700_000_000), fastrand::u64(..))
        .unwrap()
}

impl Stack {
    fn run(self, place: &Place, upload: FileUpload) -> Outcome {
        self.run_until(place, upload, &Arc::default())
    }

    fn run_until(self, place: &Place, upload: FileUpload, cancelled: &Arc<AtomicBool>) -> Outcome {
        let (begun, signer) = (begin(place, upload), place.signer());
        match self {
            Self::Tcp => blocking_tcp::upload(begun, &signer, Arc::clone(cancelled)).unwrap(),
            Self::TwoAtOnce => two_at_once::upload_all(vec![begun], &signer, cancelled).unwrap().remove(0),
            Self::Hyper => runtime().block_on(async {
                let cancel = async {
                    while !cancelled.load(Ordering::Relaxed) {
                        tokio::task::yield_now().await;
                    }
                    Cancel::Keep
                };
                async_hyper::upload(begun, Arc::new(signer), cancel).await.unwrap()
            }),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_file_arrives_in_parts_or_in_one_request_with_any_check_values() {
    for stack in STACKS {
        let place = Place::new();
        for integrity in [Integrity::Md5AndCrc, Integrity::Crc, Integrity::None] {
            for put_threshold in [0, u64::MAX] {
                let upload =
                    place.upload("a b/ü").policy(Policy { integrity, put_threshold, ..side_by_side() });
                place.assert_arrived("a b/ü", &stack.run(&place, upload));
                place.assert_no_checkpoint_is_left();
            }
        }
        let peak = place.emulator.journal().peak(Operation::UploadPart);
        assert!(if stack == Stack::Tcp { peak == 1 } else { peak > 1 }, "{stack:?}: {peak} in flight");
    }
}

#[test]
fn faults_cost_requests_and_nothing_else() {
    for (fault, operation) in [
        (Action::LoseAnswer, Operation::InitiateMultipartUpload),
        (Action::LoseAnswer, Operation::UploadPart),
        (Action::LoseAnswer, Operation::CompleteMultipartUpload),
        (Action::refuse(503, "ServiceUnavailable"), Operation::UploadPart),
        (Action::CutIn { after: 50_000 }, Operation::UploadPart),
        (Action::RefuseEarly { status: 503, code: "ServiceUnavailable".into() }, Operation::UploadPart),
        (Action::CutOut { after: 20 }, Operation::InitiateMultipartUpload),
        (Action::Corrupt { offset: 1000 }, Operation::UploadPart),
    ] {
        for stack in STACKS {
            let place = Place::new();
            let rule = place.emulator.faults().add(Rule::on(operation, fault.clone()).nth(1));
            let outcome = stack.run(&place, place.upload("key").policy(side_by_side()));
            place.assert_arrived("key", &outcome);
            assert_eq!(place.emulator.faults().hits(rule), Some(1), "{stack:?}: {fault:?}");
        }
    }
}

#[test]
fn what_one_stack_has_sent_another_does_not_send_again() {
    for (first, second) in STACKS.into_iter().zip([Stack::TwoAtOnce, Stack::Tcp, Stack::Hyper]) {
        let place = Place::new();
        place.refuse_parts_after(5);
        let outcome = first.run(&place, place.upload("key"));
        let End::Failed(failed) = &outcome.end else { panic!("{first:?}: {outcome:?}") };
        assert!(failed.resumable, "{first:?}: {failed:?}");
        assert_eq!(place.stored("key").len(), 5);

        place.emulator.faults().clear();
        let outcome = second.run(&place, place.upload("key"));
        place.assert_arrived("key", &outcome);
        assert_eq!(outcome.report.resumed_parts, 5, "{second:?}");
        place.assert_each_part_was_stored_once("key");
        place.assert_no_checkpoint_is_left();
    }
}

#[test]
fn a_cancel_leaves_parts_and_record_to_a_later_run() {
    for stack in STACKS {
        let place = Place::new();
        let cancelled = Arc::new(AtomicBool::new(false));
        let cancel = Arc::clone(&cancelled);
        let upload = place.upload("key").policy(side_by_side()).on_progress(move |_, sent, _| {
            if sent > 3 * PART as u64 {
                cancel.store(true, Ordering::Relaxed);
            }
        });
        let outcome = stack.run_until(&place, upload, &cancelled);
        assert!(matches!(outcome.end, End::Suspended { upload_id: Some(_), .. }), "{stack:?}: {outcome:?}");
        assert_eq!(place.emulator.model().uploads(DEFAULT_BUCKET).len(), 1);

        let outcome = stack.run(&place, place.upload("key"));
        place.assert_arrived("key", &outcome);
        assert!(outcome.report.resumed_parts >= 3, "{stack:?}: {outcome:?}");
    }
}

#[test]
fn a_source_that_has_become_shorter_is_no_fault_of_the_network() {
    for stack in STACKS {
        let place = Place::new();
        let (file, mut seen) = (place.file(), false);
        let upload = place.upload("key").on_progress(move |_, _, _| {
            if !std::mem::replace(&mut seen, true) {
                std::fs::File::options().write(true).open(&file).unwrap().set_len(6 * PART as u64).unwrap();
            }
        });
        let outcome = stack.run(&place, upload);
        assert!(matches!(outcome.end, End::Completed(_)), "{stack:?}: {outcome:?}");
        let object = place.emulator.model().object_bytes(DEFAULT_BUCKET, "key").unwrap().unwrap();
        assert!(object == place.content[..6 * PART], "{stack:?}: the object is the file as it is now");
    }
}

#[test]
fn two_uploads_of_one_thread_are_on_the_wire_at_the_same_time_and_neither_holds_up_the_other() {
    let place = Place::new();
    // The first cannot go on after some parts; the second does not mind.
    place.emulator.faults().add(Rule::on(Operation::UploadPart, Action::Deny).key("one").after(4));
    // The first parts take long enough for those of both to be seen beside each other.
    for key in ["one", "two"] {
        let slow = Action::Stall { millis: 500 };
        place.emulator.faults().add(Rule::on(Operation::UploadPart, slow).key(key).times(3));
    }
    let begun = vec![begin(&place, place.upload("one")), begin(&place, place.upload("two"))];
    let outcomes = two_at_once::upload_all(begun, &place.signer(), &Arc::default()).unwrap();
    assert!(matches!(&outcomes[0].end, End::Failed(failed) if failed.resumable), "{outcomes:?}");
    assert!(matches!(outcomes[1].end, End::Completed(_)), "{outcomes:?}");
    let peak = place.emulator.journal().peak(Operation::UploadPart);
    assert_eq!(peak, 2, "one of each");

    place.emulator.faults().clear();
    let begun = vec![begin(&place, place.upload("one")), begin(&place, place.upload("two"))];
    let outcomes = two_at_once::upload_all(begun, &place.signer(), &Arc::default()).unwrap();
    place.assert_arrived("one", &outcomes[0]);
    place.assert_arrived("two", &outcomes[1]);
    place.assert_each_part_was_stored_once("one");
}

#[test]
fn a_driver_whose_future_is_dropped_leaves_what_a_later_run_goes_on_from() {
    let place = Place::new();
    let seen = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&seen);
    let upload = place.upload("key").on_progress(move |_, sent, _| {
        if sent > 3 * PART as u64 {
            tell.notify_one();
        }
    });
    let (begun, signer) = (begin(&place, upload), Arc::new(place.signer()));
    runtime().block_on(async {
        tokio::select! {
            outcome = async_hyper::upload(begun, signer, std::future::pending()) => panic!("{outcome:?}"),
            () = seen.notified() => {}
        }
    });
    let outcome = Stack::Hyper.run(&place, place.upload("key"));
    place.assert_arrived("key", &outcome);
    assert!(outcome.report.resumed_parts >= 3, "{outcome:?}");
}
