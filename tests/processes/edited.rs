//! A file that somebody writes to while it is uploaded: the object is the file as it was or as it is, never a mix.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::SystemTime;

use crate::common::{PART, Run};
use crate::proxy::{Moment, Weather};
use crate::scene::{KEY, Scene, seeds};

const PARTS: usize = 6;

/// What somebody does to the file.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Byte,
    Append,
    Truncate,
    /// Another file takes its name.
    Replace,
    /// Nothing but its time.
    Touch,
}

impl Edit {
    fn apply(self, path: &Path, at: usize) {
        let file = OpenOptions::new().write(true).append(matches!(self, Self::Append)).open(path).unwrap();
        match self {
            Self::Byte => {
                let before = std::fs::read(path).unwrap()[at];
                file.write_all_at(&[!before], at as u64).unwrap();
            }
            Self::Append => (&file).write_all(&vec![7; PART]).unwrap(),
            Self::Truncate => file.set_len(at as u64).unwrap(),
            Self::Replace => {
                let other = path.with_extension("other");
                let mut content = std::fs::read(path).unwrap();
                content[at] ^= 1;
                File::create(&other).unwrap().write_all(&content).unwrap();
                std::fs::rename(other, path).unwrap();
            }
            Self::Touch => file.set_modified(SystemTime::now()).unwrap(),
        }
    }
}

#[test]
fn a_file_that_is_edited_at_any_moment_makes_the_object_of_one_moment_or_none() {
    for seed in seeds(12) {
        let mut random = fastrand::Rng::with_seed(seed);
        let scene = Scene::new(seed, PARTS);
        scene.proxy.set(Weather { slow: random.u64(0..2), ..Weather::default() });
        let before = scene.content();
        let edit = [Edit::Byte, Edit::Append, Edit::Truncate, Edit::Replace, Edit::Touch][random.usize(0..5)];
        let policy = ["keep", "restart", "fail"][random.usize(0..3)];
        let at = random.usize(1..before.len());
        let moment = scene.moment(&mut random);
        let mut command = scene.upload();
        command.args(["--if-changed", policy]);
        let path = scene.file.clone();
        let (run, came) = scene.run(command, moment, move |_| edit.apply(&path, at));
        let told = format!("{edit:?} at {at} at {moment:?}, {policy}: {run}\n{scene}");
        scene.settle();

        let object = scene.stage.object(KEY);
        match run.code {
            // Whether it was seen depends on when it happened: before the last look, or after.
            Some(0) if object == Some(scene.content()) => {}
            Some(0) => assert!(came && object == Some(before), "a mix: {told}"),
            Some(6) => {
                assert!(came && policy == "fail" && object.is_none(), "{told}");
                run.expect(6, &["the source changed", "--if-changed keep"]);
                let run = Run::of(scene.upload());
                assert_eq!(run.code, Some(0), "{run}\n{told}");
                scene.assert_done();
            }
            _ => panic!("{told}"),
        }
        scene.assert_nothing_left();
    }
}

#[test]
fn an_edit_before_the_last_part_was_sent_is_never_missed() {
    for seed in seeds(6) {
        let mut random = fastrand::Rng::with_seed(seed);
        let scene = Scene::new(seed, PARTS);
        let edit = [Edit::Byte, Edit::Append, Edit::Truncate, Edit::Replace][random.usize(0..4)];
        let policy = ["keep", "restart", "fail"][random.usize(0..3)];
        let at = random.usize(1..PARTS * PART - PART);
        // Less than all parts but one.
        let moment = Moment::Bytes(random.u64(0..(PART * (PARTS - 2)) as u64));
        let mut command = scene.upload();
        command.args(["--if-changed", policy]);
        let path = scene.file.clone();
        let (run, came) = scene.run(command, moment, move |_| edit.apply(&path, at));
        let told = format!("{edit:?} at {at} at {moment:?}, {policy}: {run}\n{scene}");
        assert!(came, "{told}");
        if policy == "fail" {
            run.expect(6, &["the source changed"]);
            assert_eq!(scene.stage.object(KEY), None, "{told}");
        } else {
            assert_eq!(run.code, Some(0), "{told}");
            scene.settle();
            scene.assert_done();
        }
    }
}
