//! What the adapters say to `tracing`: what there is to be seen, and no secret.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ossup_core::callback::Callback;
use ossup_core::sign::Credentials;
use ossup_core::upload::{Cancel, End};
use ossup_emulator::{Action, Operation, Rule};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::adapter::Adapter;
use crate::scene::{PART, Scene};

/// Writes down everything that is said, at every level, by anybody.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<(String, u64)>>);

impl Everything {
    fn say(&self, what: &str, fields: impl FnOnce(&mut dyn Visit)) -> u64 {
        struct Line<'a>(&'a mut String);
        impl Visit for Line<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, " {field}={value:?}");
            }
        }
        let mut said = self.0.lock().unwrap();
        said.1 += 1;
        said.0.push_str(what);
        fields(&mut Line(&mut said.0));
        said.0.push('\n');
        said.1
    }

    fn said(&self) -> String {
        self.0.lock().unwrap().0.clone()
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        Id::from_u64(self.say(&format!("span {}", span.metadata().name()), |line| span.record(line)))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.say("record", |line| values.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        self.say(&format!("{} {}", metadata.level(), metadata.target()), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Temporary credentials, and what of them is secret.
fn temporary(scene: &Scene) -> (Credentials, [String; 2]) {
    let issued = scene.emulator.model().issue_credentials(Duration::from_secs(3600));
    let secrets = [issued.access_key_secret, issued.security_token.unwrap()];
    (Credentials::temporary(issued.access_key_id, secrets[0].clone(), secrets[1].clone()), secrets)
}

/// Uploads with troubles of all kinds, and says what is secret.
fn eventful(scene: &Scene) -> Vec<String> {
    let ((first, secrets), (second, more)) = (temporary(scene), temporary(scene));
    let mut secrets = [secrets, more].concat();
    scene.keys.set(first, Some(second));
    let faults = scene.emulator.faults();
    let on = |action, part| Rule::on(Operation::UploadPart, action).part(part).nth(1);
    faults.add(on(Action::refuse(403, "SecurityTokenExpired"), 1));
    faults.add(on(Action::refuse(503, "SlowDown"), 2));
    faults.add(on(Action::LoseAnswer, 3));
    faults.add(Rule::on(Operation::CompleteMultipartUpload, Action::refuse(403, "SignatureDoesNotMatch")));
    scene.write(3 * PART);
    let callback = Callback::new("http://127.0.0.1:1/", "hidden-callback-body=${size}").unwrap();
    let callback = callback.variable("token", "hidden-callback-token").unwrap();
    let outcome = scene.upload(scene.describe().callback(callback.clone()));
    assert!(matches!(outcome.end, End::Failed(_)), "{outcome:?}");
    // What there is for developers to print has none either.
    let printed = format!("{outcome:?} {:?} {callback:?}", scene.describe().callback(callback.clone()));
    faults.clear();
    let discarded = scene.upload_and(scene.describe().callback(callback), |control| {
        control.cancel(Cancel::Discard);
    });
    let printed = format!("{printed} {discarded:?}");
    for secret in &secrets {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    secrets.extend(["hidden-callback-body".to_owned(), "hidden-callback-token".to_owned()]);
    secrets
}

#[test]
fn the_traces_tell_what_is_done_and_no_secret() {
    let everything = Everything::default();
    // Drivers have threads of their own, so it must be the subscriber of all threads. Other tests may talk in between.
    tracing::subscriber::set_global_default(everything.clone()).unwrap();
    for adapter in Adapter::ALL {
        let before = everything.said().len();
        let secrets = eventful(&Scene::new(adapter));
        let said = everything.said().split_off(before);
        for expected in [
            "span upload",
            "operation=\"UploadPart\" part=2",
            "span checkpoint",
            "span refresh why=\"SecurityTokenExpired\"",
            "to be repeated: part 2",
            "503",
            "Refreshed",
            "SignatureDoesNotMatch",
            "discarded",
        ] {
            assert!(said.contains(expected), "{adapter:?}: {expected} in {said}");
        }
        for secret in secrets.iter().map(String::as_str).chain(["Authorization", "OSS4-HMAC", "Signature="]) {
            assert!(!said.contains(secret), "{adapter:?}: {secret} in {said}");
        }
    }
}
