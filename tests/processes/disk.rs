//! A disk that is full from some moment on: the upload goes on without its record, or ends and says why, and loses
//! nothing.

#![cfg(target_os = "linux")]

use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::common::Run;
use crate::scene::{OBJECT, Scene, seeds};

#[test]
fn a_disk_that_is_full_from_any_moment_on_costs_the_record_or_is_named() {
    let (mut done, mut failed) = (0, 0);
    for seed in seeds(8) {
        let mut random = fastrand::Rng::with_seed(seed);
        let scene = Scene::new(seed, 8);
        let moment = scene.moment(&mut random);
        let program = scene.upload();
        // A process that is refused its write is told so, and not killed for it.
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
            .arg(program.get_program())
            .args(program.get_args());
        scene.stage.set_up(&mut command);
        command.env("OSS_ENDPOINT", scene.proxy.endpoint());
        let (run, came) = scene.run(command, moment, fill_disk_of);
        scene.settle();
        match run.code {
            Some(0) => done += 1,
            Some(3) if came => {
                failed += 1;
                run.expect(3, &["checkpoint", "too large", "--checkpoint-dir", OBJECT]);
                let run = Run::of(scene.upload());
                assert_eq!(run.code, Some(0), "{run}\n{scene}");
            }
            _ => panic!("{run}\n{scene}"),
        }
        scene.assert_done();
        assert_eq!(scene.repeated(), 0, "what had arrived was sent again: {scene}");
    }
    println!("{done} uploads were done without their record, {failed} ended");
}

/// From now on no file of this process grows: what it writes is refused, as on a full disk.
fn fill_disk_of(process: Pid) {
    prlimit(Some(process), Resource::Fsize, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
}
