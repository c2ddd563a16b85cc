//! Uploads that nothing stands in the way of, and those that take long.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Duration;

use ossup_core::digest::{Crc64, Hasher, Integrity};
use ossup_core::upload::{Cancel, End, Policy};
use ossup_emulator::{Action, DEFAULT_BUCKET, Emulator, Operation, Rule};

use crate::scene::{FOR_EVER, PART, Scene, alike, parallel, policy, silence};

#[test]
fn a_file_arrives_in_parts() {
    for integrity in [Integrity::Md5AndCrc, Integrity::Crc, Integrity::None] {
        alike(|scene| {
            let content = scene.write(5 * PART + 1);
            let outcome = scene.upload(scene.describe_as("key", Policy { integrity, ..policy() }));
            scene.assert_arrived("key", &content, &outcome);
            assert_eq!(scene.count(Operation::UploadPart), 6);
            scene.seen(&outcome)
        });
    }
}

#[test]
fn several_parts_are_in_flight_at_once() {
    alike(|scene| {
        let content = scene.write(20 * PART + 5);
        let outcome = scene.upload(scene.describe_as("key", parallel(4)));
        scene.assert_arrived("key", &content, &outcome);
        assert!((2..=4).contains(&scene.emulator.journal().peak(Operation::UploadPart)));
        scene.seen(&outcome).in_any_order()
    });
}

/// The first part stands still until all others have been hashed and sent: whoever hashes waits for nobody who sends.
#[test]
fn parts_are_hashed_while_another_is_being_sent() {
    alike(|scene| {
        scene.emulator.faults().add(Rule::on(Operation::UploadPart, silence()).part(1));
        // A part is more than a connection takes in that nobody reads.
        File::create(scene.file()).unwrap().set_len(64 << 20).unwrap();
        let policy = Policy { part_size: 16 << 20, ..parallel(2) };
        assert_eq!(policy.integrity, Integrity::Md5AndCrc, "what needs the digest before the bytes");
        let outcome = scene.upload_and(scene.describe_as("key", policy), |control| {
            assert!(scene.emulator.journal().wait_for(Operation::UploadPart, 3, FOR_EVER));
            control.cancel(Cancel::Keep);
        });
        assert!(matches!(outcome.end, End::Suspended { .. }), "{outcome:?}");
        let uploads = scene.emulator.model().uploads(DEFAULT_BUCKET);
        assert_eq!(uploads[0].parts.iter().map(|part| part.number).collect::<Vec<_>>(), [2, 3, 4]);
        // Whether the last answer is heard before the cancel is a matter of luck.
    });
}

#[test]
fn a_small_file_arrives_in_one_request_and_so_does_one_without_bytes() {
    for len in [PART, 0] {
        for integrity in [Integrity::Md5AndCrc, Integrity::Crc, Integrity::None] {
            alike(|scene| {
                let content = scene.write(len);
                let policy = Policy { integrity, put_threshold: u64::MAX, ..policy() };
                let outcome = scene.upload(scene.describe_as("key", policy));
                scene.assert_arrived("key", &content, &outcome);
                assert_eq!(scene.count(Operation::PutObject), 1);
                scene.seen(&outcome)
            });
        }
    }
}

#[test]
fn a_slow_link_takes_its_time() {
    alike(|scene| {
        // What limits a connection that stands still does not limit one that moves: the part takes four times as long. The
        // system lets more be written once a third of what it holds has gone, which takes most of a second here.
        scene.stall_timeout = Duration::from_secs(2);
        let slow = Action::Pace { bytes_per_second: 2 << 20 };
        scene.emulator.faults().add(Rule::on(Operation::UploadPart, slow));
        let content = scene.write(16 << 20);
        let outcome = scene.upload(scene.describe_as("key", Policy { part_size: 16 << 20, ..policy() }));
        scene.assert_arrived("key", &content, &outcome);
        assert_eq!(outcome.report.retries, 0, "{:?}", outcome.report.troubles);
        scene.seen(&outcome)
    });
}

/// A gigabyte, the smallest object with as many parts as there can be.
#[test]
fn ten_thousand_parts_arrive() {
    alike(|scene| {
        let data = tempfile::tempdir().unwrap();
        let emulator = Emulator::builder().bucket(DEFAULT_BUCKET).data(data.path()).start().unwrap();
        let scene = Scene::with(scene.adapter, emulator);
        // No two parts are alike.
        let mut file = BufWriter::new(File::create(scene.file()).unwrap());
        let (mut part, mut crc) = (vec![0; PART], Hasher::new(Integrity::Crc));
        for n in 0..10_000_u32 {
            part[..4].copy_from_slice(&n.to_le_bytes());
            part[PART / 2..][..4].copy_from_slice(&n.to_be_bytes());
            crc.update(&part);
            file.write_all(&part).unwrap();
        }
        file.flush().unwrap();
        let outcome = scene.upload(scene.describe_as("key", parallel(8)));
        let End::Completed(completed) = &outcome.end else { panic!("{outcome:?}") };
        let crc = crc.finish().crc64;
        assert_eq!(completed.crc64, crc);
        let object = scene.emulator.model().object(DEFAULT_BUCKET, "key").unwrap();
        assert_eq!((object.size, object.crc64), (10_000 * PART as u64, crc.map(Crc64::value)));
        assert_eq!(outcome.report.sent_parts, 10_000);
        assert_eq!(scene.count(Operation::UploadPart), 10_000);
        scene.seen(&outcome).in_any_order()
    });
}
