//! Uploads in parts: how they are cancelled, paused, dropped, and taken up again.

mod common;

use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Arc, Mutex};

use ossup_core::auth::AuthProblem;
use ossup_core::endpoint::Endpoint;
use ossup_core::request::{Operation, Request};
use ossup_core::sign::{AnonymousSigner, RefreshRefused, SignError, Signer};
use ossup_core::time::Timestamp;
use ossup_core::upload::{Cancel, End};
use ossup_fs::{CheckpointFolder, LockError};
use ossup_ureq::{Client, HttpSettings, StartError};

use self::common::{Parts, Place, client_of, endpoint_of};

const SMALL: Parts = Parts::Of(100 << 10);

/// A server that says nothing to parts, and tells of each, and of its end.
fn silent_to_parts() -> (Client, Receiver<String>, Receiver<()>) {
    let ((said, heard), (ended, ends)) = (channel(), channel());
    let client = client_of(move |mut peer| {
        while let Some(asked) = peer.head() {
            if asked.method == "PUT" {
                said.send(asked.target).unwrap();
                peer.wait_for_the_end();
                ended.send(()).unwrap();
                return;
            }
            peer.anything_but_parts(&asked);
        }
    });
    (client, heard, ends)
}

#[test]
fn a_cancel_interrupts_parts_that_stall_and_keep_leaves_a_checkpoint() {
    // Once with small parts, which wait for the answer, and once with ones that cannot be written to their end.
    for (len, parts) in [(250 << 10, SMALL), (64 << 20, Parts::Of(32 << 20))] {
        let place = Place::with_file_of(len);
        let (client, heard, ends) = silent_to_parts();
        let handle = client.start(place.upload(parts).checkpoint_folder(place.checkpoints())).unwrap();
        assert_eq!((heard.recv().is_ok(), heard.recv().is_ok()), (true, true));
        handle.cancel(Cancel::Keep);
        let outcome = handle.wait();
        let End::Suspended { upload_id, .. } = outcome.end else { panic!("{:?}", outcome.end) };
        assert_eq!(upload_id.unwrap().as_str(), "A1");
        ends.recv().unwrap();
        ends.recv().unwrap();
        let folder = CheckpointFolder::open(place.checkpoints()).unwrap();
        assert_eq!(folder.list().unwrap().len(), 1);
    }
}

#[test]
fn a_cancel_that_discards_deletes_what_was_sent_and_forgets_it() {
    let place = Place::with_file_of(250 << 10);
    let (client, heard, _ends) = silent_to_parts();
    let handle = client.start(place.upload(SMALL).checkpoint_folder(place.checkpoints())).unwrap();
    heard.recv().unwrap();
    let control = handle.control();
    control.cancel(Cancel::Discard);
    match handle.wait().end {
        End::Discarded(discarded) => assert!(discarded.verified),
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_dir(place.checkpoints()).unwrap().count(), 0);
    // After the end it does nothing.
    control.cancel(Cancel::Discard);
}

#[test]
fn what_an_earlier_run_left_can_be_discarded_without_its_source() {
    let place = Place::with_file_of(250 << 10);
    let (client, heard, _ends) = silent_to_parts();
    let handle = client.start(place.upload(SMALL).checkpoint_folder(place.checkpoints())).unwrap();
    heard.recv().unwrap();
    handle.cancel(Cancel::Keep);
    assert!(matches!(handle.wait().end, End::Suspended { .. }));
    std::fs::remove_file(place.file()).unwrap();

    let folder = CheckpointFolder::open(place.checkpoints()).unwrap();
    let name = folder.list().unwrap().remove(0);
    let elsewhere = client_of(|_| {});
    let refused = elsewhere.start_discard(&folder, &name);
    assert!(matches!(refused, Err(StartError::OtherDestination(_))));
    let outcome = client.start_discard(&folder, &name).unwrap().wait();
    assert!(matches!(outcome.end, End::Discarded(_)), "{:?}", outcome.end);
    assert_eq!(std::fs::read_dir(place.checkpoints()).unwrap().count(), 0);
}

#[test]
fn an_upload_under_way_is_not_begun_a_second_time() {
    let place = Place::with_file_of(250 << 10);
    let (client, heard, _ends) = silent_to_parts();
    let upload = || place.upload(SMALL).checkpoint_folder(place.checkpoints());
    let handle = client.start(upload()).unwrap();
    heard.recv().unwrap();
    match client.start(upload()) {
        Err(StartError::Lock(LockError::Held { holder: Some(holder), .. })) => {
            assert_eq!(holder.pid, std::process::id());
        }
        other => panic!("{other:?}"),
    }
    handle.cancel(Cancel::Keep);
    let _ = handle.wait();
}

#[test]
fn a_handle_that_is_dropped_ends_the_upload_and_keeps_its_checkpoint() {
    let place = Place::with_file_of(250 << 10);
    let (client, heard, ends) = silent_to_parts();
    let handle = client.start(place.upload(SMALL).checkpoint_folder(place.checkpoints())).unwrap();
    heard.recv().unwrap();
    drop(handle);
    ends.recv().unwrap();
    // The lock is free once the upload has ended, which nobody waits for.
    let folder = CheckpointFolder::open(place.checkpoints()).unwrap();
    let name = folder.list().unwrap().remove(0);
    let record = loop {
        match folder.lock(&name) {
            Ok(record) => break record,
            Err(LockError::Held { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    assert!(record.load().unwrap().is_some());
}

/// A signer that waits before it signs a part.
struct Slow<F>(AnonymousSigner, F);

impl<F: Fn() + Send + Sync> Signer for Slow<F> {
    fn sign(&self, request: &Request, now: Timestamp) -> Result<http::Request<()>, SignError> {
        if request.operation() == Operation::UploadPart {
            (self.1)();
        }
        self.0.sign(request, now)
    }

    fn refresh(&self, problem: &AuthProblem, now: Timestamp) -> Result<(), RefreshRefused> {
        self.0.refresh(problem, now)
    }
}

#[test]
fn a_cancel_does_not_wait_for_what_cannot_be_interrupted_while_nothing_was_sent() {
    let place = Place::with_file_of(250 << 10);
    let (entered, enters) = channel();
    let (release, released) = sync_channel::<()>(0);
    let released = Mutex::new(released);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let endpoint: Endpoint = endpoint_of(move |mut peer| {
        while let Some(asked) = peer.head() {
            seen.lock().unwrap().push(asked.method.clone());
            peer.anything_but_parts(&asked);
        }
    });
    let waits = move || {
        entered.send(()).unwrap();
        let _ = released.lock().unwrap().recv();
    };
    let signer = Slow(AnonymousSigner::new(endpoint.clone()), waits);
    let client = Client::with_signer(&endpoint, signer, HttpSettings::new().no_proxy());
    let upload = || place.upload(SMALL).checkpoint_folder(place.checkpoints());
    let handle = client.start(upload()).unwrap();
    enters.recv().unwrap();
    handle.cancel(Cancel::Keep);
    let end = handle.wait().end;
    assert!(matches!(end, End::Suspended { .. }), "{end:?}");
    // The end is the end: the lock is free, though a worker is still held up.
    let again = client.start(upload()).unwrap();
    again.cancel(Cancel::Keep);
    let _ = again.wait();
    // Only now may the signer go on. What it signed is not sent.
    drop(release);
    assert!(sent.lock().unwrap().iter().all(|method| method != "PUT"));
}

#[test]
fn a_paused_upload_sends_no_further_part_until_it_goes_on() {
    let place = Place::with_file_of(500 << 10);
    let ((said, heard), (go, goes)) = (channel(), channel::<()>());
    let goes = Mutex::new(goes);
    let client = client_of(move |mut peer| {
        while let Some(asked) = peer.head() {
            if asked.method == "PUT" {
                let body = peer.body(&asked);
                said.send(()).unwrap();
                let _ = goes.lock().unwrap().recv();
                peer.stored(&body);
            } else if asked.method == "POST" && asked.target.contains("uploadId") {
                let body = peer.body(&asked);
                assert_eq!(String::from_utf8(body).unwrap().matches("<PartNumber>").count(), 5);
                peer.answer("200 OK", "", "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>");
            } else {
                peer.anything_but_parts(&asked);
            }
        }
    });
    let handle = client.start(place.upload(SMALL)).unwrap();
    // Two are in flight. Paused, they go on, and no third begins.
    heard.recv().unwrap();
    heard.recv().unwrap();
    handle.pause();
    go.send(()).unwrap();
    go.send(()).unwrap();
    while handle.progress().parts_done < 2 {
        std::thread::yield_now();
    }
    assert_eq!(handle.progress().in_flight, 0);
    assert!(heard.try_recv().is_err(), "no third part");
    handle.unpause();
    drop(go);
    let outcome = handle.wait();
    assert!(matches!(outcome.end, End::Completed(_)), "{:?}", outcome.end);
    assert_eq!(outcome.report.sent_parts, 5);
}
