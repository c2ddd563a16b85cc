//! Sources that change: between two runs, and while they are uploaded.

use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::SystemTime;

use ossup_core::upload::{Cause, Changed, End, Policy};

use crate::cancel::half;
use crate::scene::{PART, alike, policy};

/// Writes something else into the second part.
fn edit(path: &Path) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(PART as u64 + 10)).unwrap();
    file.write_all(b"changed").unwrap();
    // The file system may not have noticed a change within one tick of its clock.
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
}

/// Cuts it off in the middle of the fourth part.
fn truncate(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(3 * PART as u64 + 500).unwrap();
}

/// Puts another file, as long, in its place.
fn replace(path: &Path) {
    let other = path.with_extension("new");
    std::fs::write(&other, vec![7; 6 * PART]).unwrap();
    std::fs::rename(&other, path).unwrap();
}

const CHANGES: [fn(&Path); 3] = [edit, truncate, replace];

#[test]
fn parts_that_still_match_a_changed_source_are_kept() {
    alike(|scene| {
        scene.write(6 * PART);
        let _ = half(scene);
        edit(&scene.file());
        let outcome = scene.upload(scene.describe());
        scene.assert_arrived("key", &std::fs::read(scene.file()).unwrap(), &outcome);
        assert_eq!(outcome.report.sent_parts, 4, "parts 4 to 6, and part 2 anew");
        scene.seen(&outcome)
    });
}

#[test]
fn of_a_source_that_changes_while_it_is_uploaded_the_object_is_what_it_became() {
    for change in CHANGES {
        alike(|scene| {
            scene.write(6 * PART);
            let file = scene.file();
            // Initiate and two parts are signed before.
            scene.keys.before_signing(4, move || change(&file));
            let outcome = scene.upload(scene.describe());
            scene.assert_arrived("key", &std::fs::read(scene.file()).unwrap(), &outcome);
            scene.seen(&outcome)
        });
    }
}

#[test]
fn a_source_that_must_not_change_ends_the_upload_when_it_does() {
    for change in CHANGES {
        alike(|scene| {
            scene.write(6 * PART);
            let file = scene.file();
            scene.keys.before_signing(4, move || change(&file));
            let strict = Policy { changed: Changed::Fail, ..policy() };
            let outcome = scene.upload(scene.describe_as("key", strict));
            match &outcome.end {
                End::Failed(failed) => assert!(matches!(failed.cause, Cause::SourceChanged), "{failed:?}"),
                other => panic!("{other:?}"),
            }
            scene.seen(&outcome)
        });
    }
}
