//! Checkpoints in `SQLite`: an upload that failed, one that was killed, one that is under way already, one that cannot be
//! read.

mod common;

#[path = "../sqlite.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod sqlite;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ossup_core::checkpoint::record_name;
use ossup_core::upload::{Cancel, Durability, End, Notice, Write};
use ossup_emulator::{Action, DEFAULT_BUCKET, DEFAULT_REGION, Operation, Rule};
use ossup_fs::{CheckpointStore as _, FileSource, FileUpload, LockError};
use ossup_ureq::{Client, HttpSettings, StartError};

use self::common::{PART, Place, policy};
use self::sqlite::SqliteStore;

/// Longer than anything here takes; only a hang takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn client(place: &Place) -> Client {
    Client::with_signer(&place.endpoint(), place.signer(), HttpSettings::new().no_proxy())
}

fn database(place: &Place) -> PathBuf {
    place.folder.path().join("checkpoints.db")
}

fn upload(place: &Place) -> FileUpload {
    place.upload("key").checkpoint_store(Arc::new(SqliteStore::open(database(place)).unwrap()))
}

/// What the database holds: name and bytes of every row.
fn rows(place: &Place) -> Vec<(String, Vec<u8>)> {
    let connection = rusqlite::Connection::open(database(place)).unwrap();
    let mut statement = connection.prepare("SELECT name, bytes FROM piece ORDER BY seq").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn name(place: &Place) -> String {
    let source = FileSource::open(place.file()).unwrap().full_path();
    record_name(&place.endpoint().authority(), DEFAULT_BUCKET, "key", &source)
}

#[test]
fn an_upload_that_failed_goes_on_from_the_database_and_leaves_nothing_in_it() {
    let place = Place::new();
    place.refuse_parts_after(5);
    let outcome = client(&place).upload(upload(&place)).unwrap();
    assert!(matches!(&outcome.end, End::Failed(failed) if failed.resumable), "{outcome:?}");
    assert!(rows(&place).iter().all(|(stored, _)| *stored == name(&place)));
    assert!(rows(&place).len() > 1, "writes are rows");

    place.emulator.faults().clear();
    let outcome = client(&place).upload(upload(&place)).unwrap();
    place.assert_arrived("key", &outcome);
    assert_eq!(outcome.report.resumed_parts, 5);
    place.assert_each_part_was_stored_once("key");
    assert_eq!(rows(&place), []);
    let locks = std::fs::read_dir(database(&place).with_extension("locks")).unwrap().count();
    assert_eq!(locks, 0, "no lock is left");
}

/// Where the child finds what it is to upload.
const FOLDER: &str = "OSSUP_TEST_FOLDER";
const ENDPOINT: &str = "OSSUP_TEST_ENDPOINT";

/// Not a test by itself: the process that the next one kills.
#[test]
#[ignore = "run by the test that kills it"]
fn child() {
    use ossup_core::endpoint::Endpoint;
    use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, StaticCredentials};
    use ossup_emulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET};

    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let endpoint: Endpoint = std::env::var(ENDPOINT).unwrap().parse().unwrap();
    let endpoint = endpoint.with_region(DEFAULT_REGION.parse().unwrap());
    let keys = StaticCredentials::new(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET));
    let signer = LocalSigner::new(endpoint.clone(), keys, SignatureVersion::V4).unwrap();
    let store = SqliteStore::open(folder.join("checkpoints.db")).unwrap();
    let upload = FileUpload::new(folder.join("file"), format!("oss://{DEFAULT_BUCKET}/key").parse().unwrap())
        .policy(policy())
        .checkpoint_store(Arc::new(store));
    let _ = Client::with_signer(&endpoint, signer, HttpSettings::new().no_proxy()).upload(upload);
}

fn spawn(place: &Place, folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored"])
        .env(FOLDER, folder)
        .env(ENDPOINT, place.emulator.endpoint())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn an_upload_that_was_killed_goes_on_from_the_database() {
    let place = Place::new();
    // What comes after the fifth part never ends by itself.
    let stall = Action::Stall { millis: 2 * PATIENCE.as_millis() as u64 };
    place.emulator.faults().add(Rule::on(Operation::UploadPart, stall).after(5));
    let mut child = spawn(&place, place.folder.path());
    assert!(place.emulator.journal().wait_for(Operation::UploadPart, 5, PATIENCE));
    let Err(StartError::Lock(LockError::Held { holder: Some(holder), .. })) =
        client(&place).start(upload(&place))
    else {
        panic!("two uploads have one record");
    };
    assert_eq!(holder.pid, child.id());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was at work");

    place.emulator.faults().clear();
    let outcome = client(&place).upload(upload(&place)).unwrap();
    place.assert_arrived("key", &outcome);
    assert_eq!(outcome.report.resumed_parts, 5);
    assert_eq!(rows(&place), []);
}

#[test]
fn an_upload_that_is_discarded_needs_nothing_but_the_database() {
    let place = Place::new();
    place.refuse_parts_after(5);
    let _ = client(&place).upload(upload(&place)).unwrap();
    std::fs::remove_file(place.file()).unwrap();

    let store = SqliteStore::open(database(&place)).unwrap();
    let record = rows(&place).remove(0).0;
    let outcome = client(&place).start_discard(&store, &record).unwrap().wait();
    assert!(matches!(outcome.end, End::Discarded(discarded) if discarded.verified), "{outcome:?}");
    assert!(place.emulator.model().uploads(DEFAULT_BUCKET).is_empty());
    assert_eq!(rows(&place), []);
}

#[test]
fn a_record_that_cannot_be_read_is_set_aside_under_another_name() {
    let place = Place::new();
    let store = SqliteStore::open(database(&place)).unwrap();
    let mut record = store.lock(&name(&place)).unwrap();
    assert_eq!(record.load().unwrap(), None);
    record.apply(&Write::Replace("garbage\n".into())).unwrap();
    record.apply(&Write::Append("and more\n".into(), Durability::Written)).unwrap();
    assert_eq!(record.load().unwrap().unwrap(), b"garbage\nand more\n");
    assert!(matches!(store.lock(&name(&place)), Err(LockError::Held { .. })), "one at a time");
    assert!(store.lock("another").is_ok(), "and another beside it");
    drop(record);

    let outcome = client(&place).upload(upload(&place)).unwrap();
    place.assert_arrived("key", &outcome);
    assert!(matches!(outcome.report.notices[0], Notice::SetAside(_)), "{outcome:?}");
    let left: Vec<u8> = rows(&place).into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(left, b"garbage\nand more\n");
    assert!(rows(&place)[0].0.starts_with(&format!("{}.damaged-", name(&place))));
}

#[test]
fn a_cancel_keeps_what_a_later_run_goes_on_from() {
    let place = Place::new();
    let stall = Action::Stall { millis: 2 * PATIENCE.as_millis() as u64 };
    place.emulator.faults().add(Rule::on(Operation::UploadPart, stall).after(4));
    let handle = client(&place).start(upload(&place)).unwrap();
    assert!(place.emulator.journal().wait_for(Operation::UploadPart, 4, PATIENCE));
    handle.cancel(Cancel::Keep);
    let outcome = handle.wait();
    assert!(matches!(outcome.end, End::Suspended { upload_id: Some(_), .. }), "{outcome:?}");
    place.emulator.faults().clear();
    let outcome = client(&place).upload(upload(&place)).unwrap();
    place.assert_arrived("key", &outcome);
    assert!(outcome.report.resumed_bytes >= 4 * PART as u64);
}
