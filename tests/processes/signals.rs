//! Ctrl-C, SIGTERM and SIGHUP at any moment: all is kept, or nothing is left, as asked.

use ossup_emulator::Operation;
use rustix::process::{Signal, kill_process};

use crate::common::Run;
use crate::proxy::{Moment, Weather};
use crate::scene::{KEY, OBJECT, Scene, seeds};

#[test]
fn an_upload_that_is_interrupted_at_any_moment_goes_on_from_there() {
    for seed in seeds(6) {
        let (scene, run) = interrupted(seed, &[]);
        match run.code {
            Some(0) => {}
            Some(5) => {
                scene.settle();
                let again = Run::of(scene.upload());
                assert_eq!(again.code, Some(0), "{again}\n{scene}");
            }
            _ => panic!("{run}\n{scene}"),
        }
        scene.assert_done();
        assert_eq!(scene.repeated(), 0, "what had arrived was sent again: {scene}");
        assert_eq!(scene.count(Operation::InitiateMultipartUpload), 1, "{scene}");
    }
}

#[test]
fn an_upload_that_is_interrupted_at_any_moment_leaves_nothing_if_that_is_asked() {
    for seed in seeds(6) {
        let (scene, run) = interrupted(seed, &["--abort-on-interrupt"]);
        match run.code {
            Some(0) => scene.assert_done(),
            Some(5) => {
                assert!(run.stderr.contains("interrupted; "), "{run}\n{scene}");
                assert_eq!(scene.stage.object(KEY), None, "{run}\n{scene}");
                scene.settle();
                scene.assert_nothing_left();
            }
            _ => panic!("{run}\n{scene}"),
        }
    }
}

/// An upload that is sent a signal at some moment, and what has become of it.
fn interrupted(seed: u64, options: &[&str]) -> (Scene, Run) {
    let mut random = fastrand::Rng::with_seed(seed);
    let scene = Scene::new(seed, 8);
    scene.proxy.set(Weather { slow: random.u64(0..3), ..Weather::default() });
    let signal = [Signal::INT, Signal::TERM, Signal::HUP][random.usize(0..3)];
    let moment = scene.moment(&mut random);
    let mut command = scene.upload();
    command.args(options);
    let (run, _) = scene.run(command, moment, move |pid| kill_process(pid, signal).unwrap());
    (scene, run)
}

#[test]
fn what_cannot_be_deleted_for_want_of_a_network_is_told_and_can_be_deleted_later() {
    let scene = Scene::new(0, 8);
    let mut command = scene.upload();
    command.args(["--abort-on-interrupt", "--attempts", "2", "--patience", "1"]);
    let proxy = scene.proxy.clone();
    let (run, came) = scene.run(command, Moment::Message(9), move |pid| {
        proxy.fail_next(u64::MAX);
        kill_process(pid, Signal::INT).unwrap();
    });
    assert!(came, "{scene}");
    let id = scene.stage.emulator.model().uploads("ossup-test")[0].upload_id.clone();
    run.expect(3, &["Check the network", &id]);
    scene.settle();
    scene.proxy.fail_next(0);
    let mut abort = scene.stage.ossup(["abort", OBJECT]);
    abort.env("OSS_ENDPOINT", scene.proxy.endpoint());
    let abort = Run::of(abort);
    assert_eq!(abort.code, Some(0), "{abort}\n{scene}");
    scene.assert_nothing_left();
}
