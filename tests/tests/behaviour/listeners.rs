//! What listeners are told of requests and of the checkpoint.

use std::sync::{Arc, Mutex};

use ossup_core::part::PartNumber;
use ossup_core::upload::End;
use ossup_emulator::{Action, Operation, Rule};
use ossup_fs::{CheckpointEnd, Listener, RequestEnd};

use crate::scene::{PART, alike};

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Listener for Notes {
    fn request(&mut self, request: &RequestEnd) {
        let RequestEnd { operation, part, bytes, status, failure, .. } = request;
        let part = part.map_or(0, PartNumber::get);
        // How long a document is that names an upload depends on its id.
        let bytes = if part > 0 { *bytes } else { 0 };
        assert!(!request.took.is_zero());
        self.note(format!("{} {part} of {bytes}: {status:?} {failure:?}", operation.name()));
    }

    fn checkpoint(&mut self, write: &CheckpointEnd) {
        assert!(write.done && !write.took.is_zero());
        self.note(format!("checkpoint, {}", if write.bytes > 0 { "written" } else { "removed" }));
    }
}

#[test]
fn each_request_and_each_write_is_told_with_what_came_of_it() {
    alike(|scene| {
        let faults = scene.emulator.faults();
        faults.add(Rule::on(Operation::UploadPart, Action::refuse(503, "SlowDown")).part(1).nth(1));
        faults.add(Rule::on(Operation::UploadPart, Action::LoseAnswer).part(2).nth(1));
        scene.write(2 * PART + 1);
        let notes = Notes::default();
        let outcome = scene.upload(scene.describe().listener(notes.clone()));
        assert!(matches!(outcome.end, End::Completed(_)), "{outcome:?}");
        let told = notes.0.lock().unwrap().clone();
        for expected in [
            "InitiateMultipartUpload 0 of 0: Some(200) None",
            "UploadPart 1 of 102400: Some(503) None",
            "UploadPart 1 of 102400: Some(200) None",
            "UploadPart 2 of 102400: None Some(Broken)",
            "UploadPart 3 of 1: Some(200) None",
            "CompleteMultipartUpload 0 of 0: Some(200) None",
            "checkpoint, written",
            "checkpoint, removed",
        ] {
            assert!(told.iter().any(|note| note == expected), "{expected} in {told:#?}");
        }
        // Writes to the checkpoint go on beside the next part.
        told.into_iter().filter(|note| !note.starts_with("checkpoint")).collect::<Vec<_>>()
    });
}
