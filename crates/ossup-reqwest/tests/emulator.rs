//! What only this adapter can get wrong, against the emulator: futures that are dropped, signals, keys that a URL
//! changes. What both adapters do alike is in the behaviour suite of `ossup-tests`.

use std::future::pending;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use ossup_core::digest::{Crc64, Integrity};
use ossup_core::endpoint::{Endpoint, Region};
use ossup_core::object::ObjectName;
use ossup_core::retry::RetryPolicy;
use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, StaticCredentials};
use ossup_core::upload::{Cancel, End, Outcome, Patience, Policy};
use ossup_emulator::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, DEFAULT_BUCKET, DEFAULT_REGION, Emulator, Operation, Rule,
};
use ossup_fs::{CheckpointFolder, LockError};
use ossup_reqwest::{
    Client, FileUpload, HttpSettings, ProgressStream, StartError, UploadControl, UploadHandle,
};

const PART: usize = 100 << 10;

/// Longer than any test; what waits for so long has failed to be interrupted.
const FOR_EVER: Duration = Duration::from_secs(3600);

struct Place {
    root: tempfile::TempDir,
    content: Vec<u8>,
}

impl Place {
    fn with_file_of(len: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
        std::fs::write(root.path().join("file"), &content).unwrap();
        Self { root, content }
    }

    fn checkpoints(&self) -> PathBuf {
        self.root.path().join("checkpoints")
    }

    fn upload(&self, key: &str) -> FileUpload {
        let object = ObjectName { bucket: DEFAULT_BUCKET.parse().unwrap(), key: key.parse().unwrap() };
        FileUpload::new(self.root.path().join("file"), object)
            .policy(policy())
            .checkpoint_folder(self.checkpoints())
    }
}

fn policy() -> Policy {
    Policy {
        part_size: PART as u64,
        put_threshold: 0,
        parallel: NonZeroU16::new(4).unwrap(),
        // Nothing is gained by waiting here.
        retry: RetryPolicy { base: Duration::from_millis(1), ..RetryPolicy::default() },
        ..Policy::default()
    }
}

fn client_of(emulator: &Emulator) -> Client {
    let endpoint: Endpoint = emulator.endpoint().parse().unwrap();
    let region: Region = DEFAULT_REGION.parse().unwrap();
    let endpoint = endpoint.with_region(region);
    let keys = StaticCredentials::new(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET));
    let signer = LocalSigner::new(endpoint.clone(), keys, SignatureVersion::V4).unwrap();
    Client::with_signer(&endpoint, signer, HttpSettings::new().no_proxy().stall_timeout(FOR_EVER).unwrap())
}

fn assert_arrived(emulator: &Emulator, place: &Place, key: &str, outcome: &Outcome) {
    let End::Completed(completed) = &outcome.end else { panic!("{outcome:?}") };
    let object = emulator.model().object_bytes(DEFAULT_BUCKET, key).unwrap().unwrap();
    assert!(object == place.content, "the object is the source");
    assert_eq!(completed.crc64, Some(Crc64::of(&place.content)));
    let left = std::fs::read_dir(place.checkpoints()).unwrap().count();
    assert_eq!(left, 0, "nothing is left of the checkpoint");
}

/// An emulator that says nothing to parts for as long as a test lasts.
fn silent_to_parts() -> Emulator {
    let emulator = Emulator::start().unwrap();
    let stall = Action::Stall { millis: 3_600_000 };
    emulator.faults().add(Rule::on(Operation::UploadPart, stall));
    emulator
}

/// Waits until so many parts are in flight.
async fn in_flight(emulator: &Emulator, count: usize) {
    while emulator.journal().in_flight().len() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_arrives_in_parts_and_in_one_request_with_every_kind_of_check_value() {
    let place = Place::with_file_of(20 * PART + 5);
    let emulator = Emulator::start().unwrap();
    let client = client_of(&emulator);
    for integrity in [Integrity::Md5AndCrc, Integrity::Crc, Integrity::None] {
        for put_threshold in [0, u64::MAX] {
            let upload = place.upload("key").policy(Policy { integrity, put_threshold, ..policy() });
            let outcome = client.upload(upload).await.unwrap();
            assert_arrived(&emulator, &place, "key", &outcome);
        }
    }
    assert_eq!(emulator.journal().count(Operation::UploadPart), 3 * 21);
    assert_eq!(emulator.journal().count(Operation::PutObject), 3);
    assert!((2..=4).contains(&emulator.journal().peak(Operation::UploadPart)));
}

#[tokio::test]
async fn a_file_without_bytes_arrives() {
    let place = Place::with_file_of(0);
    let emulator = Emulator::start().unwrap();
    for integrity in [Integrity::Md5AndCrc, Integrity::Crc, Integrity::None] {
        let upload = place.upload("key").policy(Policy { integrity, ..policy() });
        let outcome = client_of(&emulator).upload(upload).await.unwrap();
        assert_arrived(&emulator, &place, "key", &outcome);
    }
}

#[tokio::test]
async fn a_key_that_a_url_would_change_is_refused_before_anything_is_sent() {
    let place = Place::with_file_of(PART);
    let emulator = Emulator::start().unwrap();
    let client = client_of(&emulator);
    for key in [".", "..", "a/../b", "a/./b", "a/..", "../a", "a/."] {
        match client.start(place.upload(key)).await {
            Err(StartError::KeyNotSendable(named)) => assert_eq!(named, key),
            other => panic!("{key}: {other:?}"),
        }
    }
    assert_eq!(emulator.journal().entries().len(), 0);
    // These look alike, and are sent as they are.
    for key in
        ["a b+c%2F/ü/中", "...", "a/.b", "%2e", "a/%2E%2e/b", "x?y#z&=;\"<>'|^`{}\\", "a//b/", "\u{1}\t"]
    {
        let outcome = client.upload(place.upload(key)).await.unwrap();
        assert_arrived(&emulator, &place, key, &outcome);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_future_of_an_upload_breaks_off_its_requests_and_keeps_its_checkpoint() {
    let place = Place::with_file_of(6 * PART);
    let emulator = silent_to_parts();
    let client = client_of(&emulator);
    let upload = tokio::spawn(client.upload(place.upload("key")));
    in_flight(&emulator, 4).await;
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    let folder = CheckpointFolder::open(place.checkpoints()).unwrap();
    let name = folder.list().unwrap().remove(0);
    let record = loop {
        match folder.lock(&name) {
            Ok(record) => break record,
            Err(LockError::Held { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(record.load().unwrap().is_some());
    assert_eq!(emulator.model().uploads(DEFAULT_BUCKET).len(), 1);
    assert_eq!(emulator.journal().count(Operation::AbortMultipartUpload), 0);
    drop(record);

    emulator.faults().clear();
    let outcome = client.upload(place.upload("key")).await.unwrap();
    assert_arrived(&emulator, &place, "key", &outcome);
    assert_eq!(emulator.journal().count(Operation::InitiateMultipartUpload), 1);
}

#[tokio::test]
async fn a_signal_cancels_as_it_was_told_to() {
    for how in [Cancel::Keep, Cancel::Discard] {
        let place = Place::with_file_of(6 * PART);
        let emulator = silent_to_parts();
        let handle = client_of(&emulator).start(place.upload("key")).await.unwrap();
        let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
        handle.cancel_when(Cancel::Discard, pending());
        handle.cancel_when(how, async { drop(cancelled.await) });
        in_flight(&emulator, 4).await;
        assert!(!handle.is_finished());
        drop(cancel);
        let outcome = handle.wait().await;
        let left = emulator.model().uploads(DEFAULT_BUCKET).len();
        match (how, outcome.end) {
            (Cancel::Keep, End::Suspended { upload_id: Some(_), .. }) => assert_eq!(left, 1),
            (Cancel::Discard, End::Discarded(discarded)) => {
                assert!(discarded.verified);
                assert_eq!(left, 0);
            }
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn progress_can_be_watched_to_its_end() {
    let place = Place::with_file_of(6 * PART);
    let emulator = Emulator::start().unwrap();
    let handle = client_of(&emulator).start(place.upload("key")).await.unwrap();
    let mut watch = handle.watch();
    let mut last = *watch.borrow_and_update();
    while watch.changed().await.is_ok() {
        let now = *watch.borrow_and_update();
        assert!(now.sent >= last.sent, "{now:?} after {last:?}");
        last = now;
    }
    assert_eq!((last.sent, last.parts_done), (place.content.len() as u64, 6));
    assert!(matches!(handle.wait().await.end, End::Completed(_)));
}

#[tokio::test]
async fn progress_is_a_stream_that_begins_at_once_and_ends_with_the_upload() {
    let place = Place::with_file_of(6 * PART);
    let emulator = Emulator::start().unwrap();
    let handle = client_of(&emulator).start(place.upload("key")).await.unwrap();
    let (stream, late) = (handle.progress_stream(), handle.control());
    let seen: Vec<_> = stream.collect().await;
    assert!(seen.windows(2).all(|pair| pair[0].sent <= pair[1].sent), "{seen:?}");
    let last = seen.last().unwrap();
    assert_eq!((last.sent, last.parts_done), (place.content.len() as u64, 6));
    assert!(matches!(handle.wait().await.end, End::Completed(_)));
    // Who comes late is told the end.
    assert_eq!(late.progress_stream().collect::<Vec<_>>().await, [*last]);
}

#[tokio::test]
async fn a_discard_needs_no_source_and_takes_no_key_that_cannot_be_sent() {
    let place = Place::with_file_of(6 * PART);
    let emulator = silent_to_parts();
    let client = client_of(&emulator);
    let handle = client.start(place.upload("key")).await.unwrap();
    in_flight(&emulator, 4).await;
    handle.cancel(Cancel::Keep);
    assert!(matches!(handle.wait().await.end, End::Suspended { .. }));
    std::fs::remove_file(place.root.path().join("file")).unwrap();

    let folder = CheckpointFolder::open(place.checkpoints()).unwrap();
    let name = folder.list().unwrap().remove(0);
    let store = std::sync::Arc::new(folder);
    let outcome = client.start_discard(store.clone(), &name).await.unwrap().wait().await;
    assert!(matches!(outcome.end, End::Discarded(_)), "{:?}", outcome.end);
    assert!(emulator.model().uploads(DEFAULT_BUCKET).is_empty());
    assert!(matches!(client.start_discard(store, &name).await, Err(StartError::NoCheckpoint(_))));
}

#[tokio::test]
async fn what_was_never_connected_was_never_sent_and_leaves_nothing_to_look_for() {
    // A port that was just closed refuses.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::with_file_of(6 * PART);
    let endpoint: Endpoint = format!("http://{closed}").parse().unwrap();
    let signer = ossup_core::sign::AnonymousSigner::new(endpoint.clone());
    let client = Client::with_signer(&endpoint, signer, HttpSettings::new().no_proxy());
    let patience = Patience::UntilNetworkIsBack;
    let retry = RetryPolicy { patience, base: FOR_EVER, cap: FOR_EVER, ..RetryPolicy::default() };
    let told = std::sync::Arc::new(tokio::sync::Notify::new());
    let tells = told.clone();
    let upload =
        place.upload("key").policy(Policy { retry, ..policy() }).on_notice(move |_| tells.notify_one());
    let handle = client.start(upload).await.unwrap();
    told.notified().await;
    handle.cancel(Cancel::Discard);
    let outcome = handle.wait().await;
    assert!(matches!(outcome.end, End::Discarded(_)), "{:?}", outcome.end);
    assert_eq!(outcome.report.orphan_risk, 0);
}

/// The futures can be spawned anywhere, and what makes them be shared.
#[test]
fn futures_are_send_and_static() {
    fn check<T: Send + 'static>(_: impl FnOnce(Client, FileUpload) -> T) {}
    fn can_be_shared<T: Send + Sync + 'static>() {}
    check(|client, upload| client.upload(upload));
    check(|client, upload| client.start(upload));
    check(|client, _| client.start_discard(std::sync::Arc::new(CheckpointFolder::open("x").unwrap()), "x"));
    check(|client, _| client.start_discard_id("oss://bucket/key".parse().unwrap(), "A1".parse().unwrap()));
    check(|client, _| client.unfinished(&DEFAULT_BUCKET.parse().unwrap(), None));
    check(|client, upload| async move { client.start(upload).await.unwrap().wait().await });
    can_be_shared::<Client>();
    can_be_shared::<UploadHandle>();
    can_be_shared::<UploadControl>();
    can_be_shared::<HttpSettings>();
    can_be_shared::<ProgressStream>();
}
