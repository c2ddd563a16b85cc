//! A network that fails: what it costs, and what is said when it costs the upload.

use std::thread;

use crate::common::Run;
use crate::proxy::{Fault, Moment, Weather};
use crate::scene::{Scene, long, seeds};

#[test]
fn a_bad_network_costs_time_and_nothing_else() {
    // Nearly all of the time is spent waiting.
    thread::scope(|scope| {
        for seed in seeds(4) {
            scope.spawn(move || in_a_bad_network(seed));
        }
    });
}

fn in_a_bad_network(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let scene = Scene::new(seed, 12);
    let mut faults = vec![Fault::Close, Fault::Reset, Fault::LoseAnswer, Fault::Pause(random.u64(1..200))];
    if long() {
        // Noticed after half a minute.
        faults.push(Fault::Silence);
    }
    scene.proxy.set(Weather { percent: random.u8(10..60), faults, slow: random.u64(0..3) });
    let run = Run::of(scene.upload());
    assert_eq!(run.code, Some(0), "{run}\n{scene}");
    scene.settle();
    scene.assert_done();
    let struck = scene.proxy.traffic().struck;
    assert!(scene.repeated() as u64 <= struck, "more was sent again than was lost: {scene}");
}

#[test]
fn a_network_that_goes_away_at_any_moment_is_named_and_the_next_run_goes_on() {
    for seed in seeds(4) {
        let mut random = fastrand::Rng::with_seed(seed);
        let scene = Scene::new(seed, 8);
        let moment = scene.moment(&mut random);
        let mut command = scene.upload();
        command.args(["--attempts", "2", "--patience", "1"]);
        let proxy = scene.proxy.clone();
        let (run, _) = scene.run(command, moment, move |_| proxy.fail_next(u64::MAX));
        match run.code {
            Some(0) => {}
            Some(3) => drop(run.expect(3, &["Check the network"])),
            Some(2) => drop(run.expect(2, &["Look at the object"])),
            _ => panic!("{run}\n{scene}"),
        }
        scene.settle();
        scene.proxy.fail_next(0);
        if run.code != Some(0) {
            let run = Run::of(scene.upload());
            assert_eq!(run.code, Some(0), "{run}\n{scene}");
        }
        scene.assert_done();
        assert_eq!(scene.repeated(), 0, "what had arrived was sent again: {scene}");
    }
}

#[test]
fn who_waits_for_the_network_is_there_when_it_is_back() {
    for seed in seeds(2) {
        let mut random = fastrand::Rng::with_seed(seed);
        let scene = Scene::new(seed, 8);
        let moment = Moment::Message(random.u64(0..20));
        let mut command = scene.upload();
        command.args(["--attempts", "2", "--wait-for-network"]);
        let proxy = scene.proxy.clone();
        let (run, came) = scene.run(command, moment, move |_| proxy.fail_next(5));
        assert!(came && run.code == Some(0), "{run}\n{scene}");
        scene.settle();
        scene.assert_done();
        assert!(scene.repeated() as u64 <= scene.proxy.traffic().struck, "{scene}");
    }
}
