//! Uploads in one request: what goes over the wire, what is made of the answers, and how they end early.

mod common;

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use ossup_core::auth::AuthProblem;
use ossup_core::digest::{Integrity, Md5};
use ossup_core::endpoint::Endpoint;
use ossup_core::request::Request;
use ossup_core::sign::{RefreshRefused, SignError, Signer};
use ossup_core::time::Timestamp;
use ossup_core::upload::{Cancel, Cause, End, Evidence, Policy, TransportKind};
use ossup_ureq::{Client, HttpSettings, StartError};

use self::common::{Parts, Place, client_of};

#[test]
fn the_bytes_arrive_with_their_check_values_and_progress_ends_at_the_total() {
    for integrity in [Integrity::Md5AndCrc, Integrity::Crc, Integrity::None] {
        for len in [0, 1, 1_000_000] {
            let place = Place::with_file_of(len);
            let (see, seen) = channel();
            let client = client_of(move |mut peer| {
                let asked = peer.head().unwrap();
                let body = peer.body(&asked);
                peer.stored(&body);
                see.send((asked, body)).unwrap();
            });
            let told = Arc::new(Mutex::new(Vec::new()));
            let listener = Arc::clone(&told);
            let upload = place.upload(Parts::One);
            let policy = Policy { integrity, ..Policy::default() };
            let upload = upload.policy(policy).on_progress(move |just, sent, total| {
                listener.lock().unwrap().push((just, sent, total));
            });
            let handle = client.start(upload).unwrap();
            let control = handle.control();
            let End::Completed(completed) = handle.wait().end else { panic!("not completed") };

            let (asked, body) = seen.recv().unwrap();
            assert!(body == place.content, "{integrity:?} {len}");
            assert_eq!((asked.method.as_str(), asked.target.as_str()), ("PUT", "/bucket/key"));
            let md5 = (integrity == Integrity::Md5AndCrc).then(|| Md5::of(&body).to_base64());
            assert_eq!(asked.header("content-md5"), md5.as_deref());
            let equal = completed.evidence == Evidence::AcknowledgedAndEqual;
            assert_eq!(equal, integrity != Integrity::None, "{integrity:?} {len}");

            let told = told.lock().unwrap();
            assert_eq!(told.iter().map(|(just, ..)| just).sum::<u64>(), len as u64);
            assert!(told.is_sorted_by_key(|(_, sent, _)| *sent));
            assert!(len == 0 || told.last().unwrap().1 == len as u64);
            assert_eq!((control.progress().sent, control.progress().total), (len as u64, len as u64));
        }
    }
}

#[test]
fn an_early_refusal_is_the_outcome_and_not_the_broken_connection_behind_it() {
    let place = Place::with_file_of(64 << 20);
    let client = client_of(|mut peer| {
        peer.head().unwrap();
        let error = "<Error><Code>AccessDenied</Code><RequestId>R1</RequestId></Error>";
        peer.answer("403 Forbidden", "x-oss-request-id: R1\r\n", error);
        // Closing with unread input resets the connection.
    });
    for integrity in [Integrity::Md5AndCrc, Integrity::Crc] {
        let policy = Policy { integrity, put_threshold: u64::MAX, ..Policy::default() };
        let outcome = client.upload(place.upload(Parts::One).policy(policy)).unwrap();
        match outcome.end {
            End::Failed(failed) => match failed.cause {
                Cause::Refused(error) => assert_eq!(error.code.as_deref(), Some("AccessDenied")),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
        assert_eq!(outcome.report.retries, 0);
    }
}

#[test]
fn a_cancel_interrupts_a_request_to_a_server_that_says_nothing() {
    for how in [Cancel::Keep, Cancel::Discard] {
        // Once waiting for the answer, once unable to write.
        for len in [10, 64 << 20] {
            let place = Place::with_file_of(len);
            let ((say, said), (end, ended)) = (channel(), channel());
            let client = client_of(move |mut peer| {
                while let Some(asked) = peer.head() {
                    if asked.method == "PUT" {
                        say.send(()).unwrap();
                        peer.wait_for_the_end();
                        end.send(()).unwrap();
                        return;
                    }
                    peer.anything_but_parts(&asked);
                }
            });
            let handle = client.start(place.upload(Parts::One)).unwrap();
            said.recv().unwrap();
            handle.cancel(how);
            let end = handle.wait().end;
            match how {
                Cancel::Keep => assert!(matches!(end, End::Suspended { .. }), "{end:?}"),
                Cancel::Discard => assert!(matches!(end, End::Discarded(_)), "{end:?}"),
            }
            ended.recv().unwrap();
        }
    }
}

/// A signer that does as it is told.
struct Odd<F>(F);

impl<F: Fn() + Send + Sync> Signer for Odd<F> {
    fn sign(&self, _: &Request, _: Timestamp) -> Result<http::Request<()>, SignError> {
        (self.0)();
        Err(SignError::Remote("it does not want to".into()))
    }

    fn refresh(&self, _: &AuthProblem, _: Timestamp) -> Result<(), RefreshRefused> {
        Err(RefreshRefused("it does not want to".into()))
    }
}

fn client_with(sign: impl Fn() + Send + Sync + 'static) -> Client {
    let endpoint: Endpoint = "http://127.0.0.1:1".parse().unwrap();
    Client::with_signer(&endpoint, Odd(sign), HttpSettings::new())
}

#[test]
fn a_worker_that_panics_is_a_failed_attempt() {
    let place = Place::with_file_of(10);
    let outcome =
        client_with(|| panic!("this signer panics on purpose")).upload(place.upload(Parts::One)).unwrap();
    let End::Failed(failed) = outcome.end else { panic!("{:?}", outcome.end) };
    assert!(
        matches!(&failed.cause, Cause::Network(error) if error.kind == TransportKind::Broken),
        "{failed:?}"
    );
}

#[test]
fn a_listener_that_panics_is_the_panic_of_whoever_waits() {
    let place = Place::with_file_of(10);
    let client = client_of(|mut peer| {
        let asked = peer.head().unwrap();
        let body = peer.body(&asked);
        peer.stored(&body);
    });
    let upload = place.upload(Parts::One).on_progress(|_, _, _| panic!("this listener panics on purpose"));
    let handle = client.start(upload).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handle.wait())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"this listener panics on purpose"));
}

#[test]
fn an_upload_that_cannot_begin_says_why() {
    let place = Place::with_file_of(10);
    let client = client_with(|| {});
    let missing = ossup_ureq::FileUpload::new(place.file().join("no"), "oss://bucket/key".parse().unwrap());
    assert!(matches!(client.start(missing), Err(StartError::Source(_))));
    let in_a_file = place.upload(Parts::One).checkpoint_folder(place.file());
    assert!(matches!(client.start(in_a_file), Err(StartError::Checkpoint(_))));
    let folder = ossup_fs::CheckpointFolder::open(place.checkpoints()).unwrap();
    assert!(matches!(client.start_discard(&folder, "abc"), Err(StartError::NoCheckpoint(_))));
}
