//! Whole uploads against the emulator: what arrives, what a later run sends again, and what faults cost.

mod common;

use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ossup_core::digest::{Crc64, Integrity};
use ossup_core::endpoint::{Endpoint, Region};
use ossup_core::retry::RetryPolicy;
use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, StaticCredentials};
use ossup_core::upload::{Cancel, End, Evidence, Outcome, Policy};
use ossup_emulator::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, DEFAULT_BUCKET, DEFAULT_REGION, Emulator, Operation, Rule,
};
use ossup_ureq::{Client, FileUpload, HttpSettings};

use self::common::Place;

const PART: usize = 100 << 10;

fn client_of(emulator: &Emulator) -> Client {
    let endpoint: Endpoint = emulator.endpoint().parse().unwrap();
    let region: Region = DEFAULT_REGION.parse().unwrap();
    let endpoint = endpoint.with_region(region);
    let keys = StaticCredentials::new(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET));
    let signer = LocalSigner::new(endpoint.clone(), keys, SignatureVersion::V4).unwrap();
    Client::with_signer(&endpoint, signer, HttpSettings::new().no_proxy())
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

fn upload_of(place: &Place, key: &str) -> FileUpload {
    let object = format!("oss://{DEFAULT_BUCKET}/{key}").parse().unwrap();
    FileUpload::new(place.file(), object).policy(policy()).checkpoint_folder(place.checkpoints())
}

fn assert_arrived(emulator: &Emulator, place: &Place, key: &str, outcome: &Outcome) {
    let End::Completed(completed) = &outcome.end else { panic!("{outcome:?}") };
    let object = emulator.model().object_bytes(DEFAULT_BUCKET, key).unwrap().unwrap();
    assert!(object == place.content, "the object is the source");
    assert_eq!(completed.crc64, Some(Crc64::of(&place.content)));
    let left = std::fs::read_dir(place.checkpoints()).unwrap().count();
    assert_eq!(left, 0, "nothing is left of the checkpoint");
}

#[test]
fn a_file_arrives_in_parts_several_at_a_time() {
    let place = Place::with_file_of(20 * PART + 5);
    for integrity in [Integrity::Md5AndCrc, Integrity::Crc, Integrity::None] {
        let emulator = Emulator::start().unwrap();
        let upload = upload_of(&place, "key").policy(Policy { integrity, ..policy() });
        let outcome = client_of(&emulator).upload(upload).unwrap();
        assert_arrived(&emulator, &place, "key", &outcome);
        let End::Completed(completed) = &outcome.end else { panic!("{outcome:?}") };
        let compared = integrity != Integrity::None;
        assert_eq!(completed.evidence == Evidence::AcknowledgedAndEqual, compared, "{integrity:?}");
        assert_eq!(emulator.journal().count(Operation::UploadPart), 21);
        assert!((2..=4).contains(&emulator.journal().peak(Operation::UploadPart)));
    }
}

#[test]
fn any_legal_key_is_the_key_of_the_object() {
    let place = Place::with_file_of(2 * PART);
    let emulator = Emulator::start().unwrap();
    let client = client_of(&emulator);
    for key in ["a b+c%2F/ü/中", "a/../b/./c", "..", "x?y#z&=;\"<>'", "a//b/", "\u{1}"] {
        for put_threshold in [0, u64::MAX] {
            let upload = upload_of(&place, key).policy(Policy { put_threshold, ..policy() });
            let outcome = client.upload(upload).unwrap();
            assert_arrived(&emulator, &place, key, &outcome);
        }
    }
}

#[test]
fn a_later_run_sends_what_the_earlier_ones_have_not() {
    const PARTS: usize = 30;
    let place = Place::with_file_of(PARTS * PART);
    let emulator = Emulator::start().unwrap();
    // Three runs, each cancelled when it has sent some more.
    for _ in 0..3 {
        let client = client_of(&emulator);
        let control = Arc::new(Mutex::new(None::<ossup_ureq::UploadControl>));
        let cancels = Arc::clone(&control);
        let mut seen = 0;
        let upload = upload_of(&place, "key").on_progress(move |just, _, _| {
            seen += just;
            if seen > 5 * PART as u64
                && let Some(control) = &*cancels.lock().unwrap()
            {
                control.cancel(Cancel::Keep);
            }
        });
        let mut slot = control.lock().unwrap();
        let handle = client.start(upload).unwrap();
        *slot = Some(handle.control());
        drop(slot);
        let outcome = handle.wait();
        assert!(matches!(outcome.end, End::Suspended { .. }), "{outcome:?}");
        // The server has still to see that the parts that were broken off will not come.
        while !emulator.journal().in_flight().is_empty() {
            std::thread::yield_now();
        }
    }
    let stored = emulator.model().uploads(DEFAULT_BUCKET).remove(0).parts.len();
    assert!((15..PARTS).contains(&stored), "{stored}");

    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let upload = upload_of(&place, "key")
        .on_progress(move |just, sent, _| listener.lock().unwrap().push((just, sent)));
    let outcome = client_of(&emulator).upload(upload).unwrap();
    assert_arrived(&emulator, &place, "key", &outcome);
    // One that was broken off may have been on its way in whole, and arrive as late as this.
    let (resumed, sent) = (usize::from(outcome.report.resumed_parts), outcome.report.sent_parts as usize);
    assert!(resumed >= stored && resumed + sent == PARTS, "{stored} {resumed} {sent}");
    let told = told.lock().unwrap();
    let resumed = (resumed * PART) as u64;
    assert_eq!(told.iter().map(|(just, _)| just).sum::<u64>(), place.content.len() as u64 - resumed);
    assert_eq!(told.last().unwrap().1, place.content.len() as u64);
}

#[test]
fn faults_cost_requests_and_nothing_else() {
    let place = Place::with_file_of(6 * PART + 1);
    let corrupt = Action::Corrupt { offset: 1000 };
    for (fault, operation) in [
        (Action::LoseAnswer, Operation::InitiateMultipartUpload),
        (Action::LoseAnswer, Operation::UploadPart),
        (Action::LoseAnswer, Operation::CompleteMultipartUpload),
        (Action::refuse(503, "ServiceUnavailable"), Operation::UploadPart),
        (Action::fail_after(500, "InternalError"), Operation::CompleteMultipartUpload),
        (Action::ErrorInOk { code: "InternalError".into() }, Operation::CompleteMultipartUpload),
        (Action::CutIn { after: 50_000 }, Operation::UploadPart),
        (Action::RefuseEarly { status: 503, code: "ServiceUnavailable".into() }, Operation::UploadPart),
        (Action::CutOut { after: 20 }, Operation::InitiateMultipartUpload),
        (corrupt, Operation::UploadPart),
    ] {
        let emulator = Emulator::start().unwrap();
        let rule = emulator.faults().add(Rule::on(operation, fault.clone()).nth(1));
        let outcome = client_of(&emulator).upload(upload_of(&place, "key")).unwrap();
        assert_arrived(&emulator, &place, "key", &outcome);
        assert_eq!(emulator.faults().hits(rule), Some(1), "{fault:?}");
    }
}
