//! More than one process for one upload: one does it, the others say which.

use std::sync::mpsc::channel;
use std::thread;

use ossup_emulator::Operation;
use rustix::process::Pid;

use crate::common::{Run, end, spawn};
use crate::scene::{Scene, seeds};

#[test]
fn of_processes_that_begin_at_once_one_uploads_and_the_others_do_no_harm() {
    const RIVALS: usize = 4;
    let scene = Scene::new(0, 6);
    // Whoever gets that far stays there.
    scene.proxy.hold();
    let (sender, ended) = channel();
    let mut living: Vec<u32> = Vec::new();
    for _ in 0..RIVALS {
        let child = spawn(scene.upload());
        let id = child.id();
        living.push(id);
        let sender = sender.clone();
        thread::spawn(move || sender.send((id, end(child))));
    }
    let mut refused = Vec::new();
    for _ in 1..RIVALS {
        let (id, run) = ended.recv().unwrap();
        run.expect(8, &["already under way"]);
        living.retain(|other| *other != id);
        refused.push(run);
    }
    for run in refused {
        // One that came before the first had written its name cannot know it.
        let named = format!("process {} on ", living[0]);
        assert!(!run.stderr.contains("process ") || run.stderr.contains(&named), "not {named}: {run}");
    }
    scene.proxy.release();
    let (_, run) = ended.recv().unwrap();
    assert_eq!(run.code, Some(0), "{run}\n{scene}");
    scene.assert_done();
    assert_eq!((scene.count(Operation::InitiateMultipartUpload), scene.repeated()), (1, 0), "{scene}");
}

#[test]
fn a_process_that_comes_at_any_moment_is_told_who_is_at_it_and_does_no_harm() {
    for seed in seeds(4) {
        let mut random = fastrand::Rng::with_seed(seed);
        let scene = Scene::new(seed, 6);
        let moment = scene.moment(&mut random);
        let (proxy, rival) = (scene.proxy.clone(), scene.upload());
        let (sender, refused) = channel();
        let (run, came) = scene.run(scene.upload(), moment, move |first: Pid| {
            // The first cannot get any further while the other one looks.
            proxy.hold();
            sender.send((first, Run::of(rival))).unwrap();
            proxy.release();
        });
        assert_eq!(run.code, Some(0), "{run}\n{scene}");
        if came {
            let (first, rival) = refused.recv().unwrap();
            let named = format!("process {} on ", first.as_raw_nonzero());
            rival.expect(8, &["already under way", &named]);
        }
        scene.assert_done();
        assert_eq!((scene.count(Operation::InitiateMultipartUpload), scene.repeated()), (1, 0), "{scene}");
    }
}
