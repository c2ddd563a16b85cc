//! An upload that goes on elsewhere: with its record under another path, or without any record.

mod common;

use std::path::PathBuf;

use ossup_core::upload::{Changed, End, Notice, Policy, Resume, Write};
use ossup_emulator::DEFAULT_BUCKET;
use ossup_fs::{CheckpointFolder, FileSource, FileUpload, OpenError};
use ossup_ureq::{Client, HttpSettings};

use self::common::{Place, policy};

fn client(place: &Place) -> Client {
    Client::with_signer(&place.endpoint(), place.signer(), HttpSettings::new().no_proxy())
}

/// A first machine has sent five parts; a second has a copy of the file, by another name.
fn moved() -> (Place, PathBuf) {
    let place = Place::new();
    place.refuse_parts_after(5);
    let outcome = client(&place).upload(place.upload("key")).unwrap();
    assert!(matches!(&outcome.end, End::Failed(failed) if failed.resumable), "{outcome:?}");
    place.emulator.faults().clear();
    let elsewhere = place.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(place.file(), elsewhere.join("copy")).unwrap();
    (place, elsewhere)
}

fn upload(elsewhere: &std::path::Path) -> FileUpload {
    let object = format!("oss://{DEFAULT_BUCKET}/key").parse().unwrap();
    FileUpload::new(elsewhere.join("copy"), object).checkpoint_folder(elsewhere.join("checkpoints"))
}

/// Puts the only record of the first machine where the second looks for it.
fn copy_record(place: &Place, elsewhere: &std::path::Path) -> Result<(), OpenError> {
    let from = CheckpointFolder::open(place.checkpoints()).unwrap();
    let name = from.list().unwrap().remove(0);
    let record = from.lock(&name).unwrap().load().unwrap().unwrap();

    let to = CheckpointFolder::open(elsewhere.join("checkpoints")).unwrap();
    let object = format!("oss://{DEFAULT_BUCKET}/key").parse().unwrap();
    let source = FileSource::open(elsewhere.join("copy"))?;
    let mut there = to.lock_for(&place.endpoint().authority(), &object, &source).unwrap();
    there.apply(&Write::Replace(record.into())).unwrap();
    Ok(())
}

#[test]
fn with_its_record_an_upload_goes_on_elsewhere_and_compares_what_was_sent_with_the_file_there() {
    let (place, elsewhere) = moved();
    copy_record(&place, &elsewhere).unwrap();
    let policy = Policy { changed: Changed::KeepMatching, ..policy() };
    let outcome = client(&place).upload(upload(&elsewhere).policy(policy)).unwrap();
    place.assert_arrived("key", &outcome);
    assert!(outcome.report.notices.contains(&Notice::SourceChanged), "it is another file: {outcome:?}");
    assert_eq!(outcome.report.resumed_parts, 5);
    place.assert_each_part_was_stored_once("key");
}

#[test]
fn a_copy_that_differs_is_what_is_uploaded() {
    let (mut place, elsewhere) = moved();
    copy_record(&place, &elsewhere).unwrap();
    place.content[0] ^= 1;
    std::fs::write(elsewhere.join("copy"), &place.content).unwrap();
    let outcome = client(&place).upload(upload(&elsewhere).policy(policy())).unwrap();
    place.assert_arrived("key", &outcome);
    assert_eq!(outcome.report.resumed_parts, 4);
    assert_eq!(place.stored("key")[&1], 2);
}

#[test]
fn without_any_record_an_unfinished_upload_of_the_key_is_adopted_if_the_policy_says_so() {
    let (place, elsewhere) = moved();
    let policy = Policy { resume: Resume::Adopt, ..policy() };
    let outcome = client(&place).upload(upload(&elsewhere).policy(policy)).unwrap();
    place.assert_arrived("key", &outcome);
    assert!(matches!(&outcome.report.notices[..], [Notice::Adopted(_), ..]), "{outcome:?}");
    assert_eq!(outcome.report.resumed_parts, 5);
    place.assert_each_part_was_stored_once("key");
}
