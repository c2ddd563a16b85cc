//! Credentials that end, clocks that are wrong, callbacks.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use ossup_core::callback::Callback;
use ossup_core::sign::Credentials;
use ossup_core::upload::{CallbackEnd, Cause, End};
use ossup_emulator::{Action, Operation, Rule};

use crate::scene::{PART, Scene, alike};

/// Temporary credentials.
fn temporary(scene: &Scene, lifetime: u64) -> Credentials {
    let issued = scene.emulator.model().issue_credentials(Duration::from_secs(lifetime));
    Credentials::temporary(issued.access_key_id, issued.access_key_secret, issued.security_token.unwrap())
}

#[test]
fn credentials_that_have_ended_are_renewed() {
    alike(|scene| {
        scene.emulator.clock().shift(-60);
        let ended = temporary(scene, 30);
        scene.emulator.clock().shift(60);
        scene.keys.set(ended, Some(temporary(scene, 3600)));
        let content = scene.write(3 * PART);
        let outcome = scene.upload(scene.describe());
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!(outcome.report.refreshes, 1);
        scene.seen(&outcome)
    });
}

#[test]
fn credentials_that_end_among_the_parts_cost_one_request() {
    alike(|scene| {
        scene.keys.set(temporary(scene, 3600), Some(temporary(scene, 3600)));
        let refused = Action::refuse(403, "SecurityTokenExpired");
        scene.emulator.faults().add(Rule::on(Operation::UploadPart, refused).part(3).nth(1));
        let content = scene.write(6 * PART);
        let outcome = scene.upload(scene.describe());
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!(outcome.report.refreshes, 1);
        assert_eq!(scene.count(Operation::UploadPart), 7);
        scene.seen(&outcome)
    });
}

#[test]
fn credentials_that_cannot_be_renewed_end_an_upload_that_can_be_resumed() {
    alike(|scene| {
        let refused = Action::refuse(403, "SecurityTokenExpired");
        let refused = scene.emulator.faults().add(Rule::on(Operation::UploadPart, refused).part(3));
        let content = scene.write(6 * PART);
        let outcome = scene.upload(scene.describe());
        match &outcome.end {
            End::Failed(failed) => {
                assert!(matches!(failed.cause, Cause::CredentialsRefused { .. }), "{failed:?}");
                assert!(failed.resumable);
            }
            other => panic!("{other:?}"),
        }
        let first = scene.seen(&outcome);
        scene.emulator.faults().remove(refused);
        let outcome = scene.upload(scene.describe());
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!(outcome.report.resumed_parts, 2);
        (first, scene.seen(&outcome))
    });
}

#[test]
fn a_clock_that_is_wrong_is_set_by_the_server() {
    alike(|scene| {
        scene.emulator.clock().shift(2 * 3600);
        let content = scene.write(3 * PART);
        let outcome = scene.upload(scene.describe());
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!(outcome.report.refreshes, 1);
        scene.seen(&outcome)
    });
}

/// An application that answers every callback with this.
fn application(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/uploaded", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = vec![0; 64 << 10];
            let mut read = 0;
            // To the end of its body, which is the word at its end.
            while !asked[..read].ends_with(b"end") {
                read += stream.read(&mut asked[read..]).unwrap();
            }
            let len = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn what_the_application_answers_to_its_callback_is_handed_on() {
    alike(|scene| {
        let content = scene.write(3 * PART);
        let callback = Callback::new(&application("200 OK", r#"{"id":7}"#), "object=${object}&end").unwrap();
        let outcome = scene.upload(scene.describe().callback(callback));
        scene.assert_arrived("key", &content, &outcome);
        match &outcome.end {
            End::Completed(completed) => match &completed.callback {
                CallbackEnd::Answered(answer) => assert_eq!(answer.body, r#"{"id":7}"#),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
        scene.seen(&outcome)
    });
}

#[test]
fn a_callback_that_fails_leaves_a_completed_upload() {
    alike(|scene| {
        let content = scene.write(3 * PART);
        let callback = application("500 Internal Server Error", "{}");
        let callback = Callback::new(&callback, "object=${object}&end").unwrap();
        let outcome = scene.upload(scene.describe().callback(callback));
        scene.assert_arrived("key", &content, &outcome);
        match &outcome.end {
            End::Completed(completed) => {
                assert!(matches!(completed.callback, CallbackEnd::Failed(_)), "{completed:?}");
            }
            other => panic!("{other:?}"),
        }
        scene.seen(&outcome)
    });
}
