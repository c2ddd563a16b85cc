//! Records on a real disk: what they hold after each write, after a failed one, and after whatever a crash has left.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ossup_core::checkpoint::journal::MAX_LEN;
use ossup_core::checkpoint::{Unreadable, journal};
use ossup_core::upload::effect::{Durability, Write};
use ossup_fs::{CheckpointFolder, Record};

const NAME: &str = "0123456789abcdef";

struct Place {
    _root: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state").join("checkpoints");
        Self { _root: root, path }
    }

    fn lock(&self) -> Record {
        CheckpointFolder::open(&self.path).unwrap().lock(NAME).unwrap()
    }

    /// The files in the folder but for the lock, in order.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| *name != format!("{NAME}.lock"))
            .collect();
        names.sort();
        names
    }
}

fn replace(text: &'static str) -> Write {
    Write::Replace(text.into())
}

fn append(text: &'static str) -> Write {
    Write::Append(text.into(), Durability::Durable)
}

fn content(record: &Record) -> Option<String> {
    record.load().unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_record_is_what_was_written_last_and_all_that_was_added() {
    let place = Place::new();
    let mut record = place.lock();
    assert_eq!(content(&record), None);
    record.apply(&replace("a long first version\n")).unwrap();
    record.apply(&replace("one\n")).unwrap();
    record.apply(&append("two\n")).unwrap();
    record.apply(&Write::Append("three\n".into(), Durability::Written)).unwrap();
    assert_eq!(content(&record).as_deref(), Some("one\ntwo\nthree\n"));
    assert_eq!(place.files(), [NAME]);
}

#[test]
fn a_record_outlives_its_lock_and_is_found_by_the_next_run() {
    let place = Place::new();
    place.lock().apply(&replace("kept\n")).unwrap();
    assert_eq!(fs::read_dir(&place.path).unwrap().count(), 1, "the lock is gone");
    assert_eq!(content(&place.lock()).as_deref(), Some("kept\n"));
}

#[test]
fn nothing_is_left_of_a_forgotten_record() {
    let place = Place::new();
    let mut record = place.lock();
    record.forget().unwrap();
    record.apply(&replace("one\n")).unwrap();
    fs::write(place.path.join(format!("{NAME}.new")), "draft of a run that died").unwrap();
    record.forget().unwrap();
    assert_eq!(content(&record), None);
    drop(record);
    assert_eq!(fs::read_dir(&place.path).unwrap().count(), 0);
}

#[test]
fn what_a_run_left_that_died_while_replacing_is_no_obstacle() {
    let place = Place::new();
    let mut record = place.lock();
    record.apply(&replace("whole\n")).unwrap();
    fs::write(place.path.join(format!("{NAME}.new")), "half a rec").unwrap();
    assert_eq!(content(&record).as_deref(), Some("whole\n"));
    record.apply(&replace("next\n")).unwrap();
    assert_eq!(content(&record).as_deref(), Some("next\n"));
    assert_eq!(place.files(), [NAME]);
}

#[test]
fn a_torn_append_is_read_as_it_is() {
    let place = Place::new();
    let mut record = place.lock();
    record.apply(&replace("one\n")).unwrap();
    OpenOptions::new().append(true).open(record.path()).unwrap().write_all(b"tw").unwrap();
    assert_eq!(content(&record).as_deref(), Some("one\ntw"));
}

#[test]
fn appending_to_a_record_that_was_removed_by_hand_fails_and_makes_none() {
    let place = Place::new();
    let mut record = place.lock();
    assert!(record.apply(&append("lost\n")).is_err());
    record.apply(&replace("one\n")).unwrap();
    fs::remove_file(record.path()).unwrap();
    let error = record.apply(&append("two\n")).unwrap_err();
    assert!(error.message.contains(NAME), "{error}");
    assert_eq!(content(&record), None);
}

#[test]
fn records_set_aside_are_all_kept() {
    let place = Place::new();
    let mut record = place.lock();
    for text in ["first", "second"] {
        fs::write(record.path(), text).unwrap();
        record.apply(&Write::SetAside).unwrap();
        assert_eq!(content(&record), None);
    }
    let kept = |n: u32| fs::read_to_string(place.path.join(format!("{NAME}.damaged-{n}"))).unwrap();
    assert_eq!((kept(1), kept(2)), ("first".into(), "second".into()));
    assert!(record.apply(&Write::SetAside).is_err(), "there is none to set aside");
    assert_eq!(place.files().len(), 2);
}

#[test]
fn of_a_record_longer_than_any_only_as_much_is_read_as_shows_it() {
    let place = Place::new();
    let record = place.lock();
    let file = fs::File::create(record.path()).unwrap();
    file.set_len(100 * MAX_LEN as u64).unwrap();
    let read = record.load().unwrap().unwrap();
    assert_eq!(read.len(), MAX_LEN + 1);
    assert_eq!(journal::read(&read).unwrap_err(), Unreadable::TooLong);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_can_look_into_the_folder_and_its_files() {
        let place = Place::new();
        let mut record = place.lock();
        record.apply(&replace("one\n")).unwrap();
        record.apply(&append("two\n")).unwrap();
        assert_eq!(mode(&place.path), 0o700);
        assert_eq!(mode(place.path.parent().unwrap()), 0o700);
        assert_eq!(mode(&record.path()), 0o600);
        assert_eq!(mode(&place.path.join(format!("{NAME}.lock"))), 0o600);
    }

    #[test]
    fn a_link_in_place_of_a_record_is_neither_read_nor_written_through() {
        let place = Place::new();
        let mut record = place.lock();
        let elsewhere = place.path.parent().unwrap().join("elsewhere");
        fs::write(&elsewhere, "precious").unwrap();
        symlink(&elsewhere, record.path()).unwrap();
        let error = record.load().unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert!(record.apply(&append("two\n")).is_err());
        symlink(&elsewhere, place.path.join(format!("{NAME}.new"))).unwrap();
        record.apply(&replace("one\n")).unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
        assert_eq!(content(&record).as_deref(), Some("one\n"));
        symlink("/nowhere", place.path.join(format!("{NAME}.damaged-1"))).unwrap();
        record.apply(&Write::SetAside).unwrap();
        assert_eq!(fs::read_to_string(place.path.join(format!("{NAME}.damaged-2"))).unwrap(), "one\n");
    }

    /// A child in which no file can grow beyond half a KiB: to a program it looks as a full disk does.
    #[test]
    fn a_write_that_does_not_fit_leaves_the_record_as_it_was() {
        let place = Place::new();
        let status = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact unix::helper_on_a_full_disk"])
            .arg(std::env::current_exe().unwrap())
            .env("OSSUP_TEST_FOLDER", &place.path)
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
        let record = place.lock();
        assert_eq!(content(&record).as_deref(), Some("fits\n"));
        assert_eq!(place.files(), [NAME]);
    }

    /// Not a test by itself: what the test above runs in its child.
    #[test]
    fn helper_on_a_full_disk() {
        let Some(path) = std::env::var_os("OSSUP_TEST_FOLDER") else { return };
        let mut record = CheckpointFolder::open(path).unwrap().lock(NAME).unwrap();
        record.apply(&replace("fits\n")).unwrap();
        let too_long = "x".repeat(4096);
        for write in
            [Write::Replace(too_long.clone().into()), Write::Append(too_long.into(), Durability::Written)]
        {
            let error = record.apply(&write).unwrap_err();
            assert!(error.message.contains(NAME), "{error}");
            assert_eq!(content(&record).as_deref(), Some("fits\n"));
        }
    }
}
