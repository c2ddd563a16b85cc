//! The lock between processes: held while its process lives, and by no means longer.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use ossup_core::upload::effect::Write;
use ossup_fs::{CheckpointFolder, LockError};

const NAME: &str = "0123456789abcdef";
const FOLDER: &str = "OSSUP_TEST_FOLDER";

/// A child that holds the record until it is killed, or until its input ends; and its output, which it must be able to
/// write.
fn start_holder(folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_holds_the_record", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let holding = output.by_ref().lines().map_while(Result::ok).any(|line| line.ends_with("holding"));
    assert!(holding, "the child got the record");
    (child, output)
}

/// Not a test by itself: what the tests run in a child.
#[test]
fn helper_holds_the_record() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut record = CheckpointFolder::open(folder).unwrap().lock(NAME).unwrap();
    record.apply(&Write::Replace("by the child\n".into())).unwrap();
    println!("holding");
    std::io::stdin().lines().for_each(drop);
}

#[test]
fn another_process_is_refused_and_told_who_holds_the_record() {
    let place = tempfile::tempdir().unwrap();
    let (mut child, _output) = start_holder(place.path());
    let folder = CheckpointFolder::open(place.path()).unwrap();
    match folder.lock(NAME) {
        Err(LockError::Held { holder: Some(holder), .. }) => {
            assert_eq!(holder.pid, child.id());
            assert!(!holder.host.is_empty());
        }
        other => panic!("{other:?}"),
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    folder.lock(NAME).unwrap();
}

#[test]
fn the_lock_of_a_killed_process_is_free_and_its_record_is_there() {
    let place = tempfile::tempdir().unwrap();
    let (mut child, _output) = start_holder(place.path());
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = CheckpointFolder::open(place.path()).unwrap();
    assert!(place.path().join(format!("{NAME}.lock")).exists(), "a killed process cleans nothing up");
    let mut record = folder.lock(NAME).unwrap();
    assert_eq!(record.load().unwrap().as_deref(), Some(&b"by the child\n"[..]));
    record.forget().unwrap();
    drop(record);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
