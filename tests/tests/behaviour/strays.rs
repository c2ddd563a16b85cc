//! Uploads that no checkpoint leads to.

use ossup_core::upload::{Cancel, End};
use ossup_emulator::{Action, DEFAULT_BUCKET, Operation, Rule};

use crate::scene::{PART, alike};

#[test]
fn an_upload_that_only_the_server_knows_is_found_and_deleted_by_its_id() {
    alike(|scene| {
        scene.write(6 * PART);
        let kept = scene.upload_up_to(4, scene.describe(), |control| control.cancel(Cancel::Keep));
        assert!(matches!(kept.end, End::Suspended { .. }), "{kept:?}");
        std::fs::remove_dir_all(scene.checkpoints()).unwrap();
        let busy = Rule::on(Operation::ListMultipartUploads, Action::refuse(503, "SlowDown")).nth(1);
        scene.emulator.faults().add(busy);
        let found = scene.unfinished(Some("ke"));
        assert_eq!(found.uploads.len(), 1);
        assert_eq!(scene.unfinished(Some("other")).uploads.len(), 0);
        let outcome = scene.discard_id(&found.uploads[0].upload_id);
        assert!(matches!(&outcome.end, End::Discarded(discarded) if discarded.verified), "{outcome:?}");
        assert!(scene.emulator.model().uploads(DEFAULT_BUCKET).is_empty());
        scene.seen(&outcome)
    });
}
