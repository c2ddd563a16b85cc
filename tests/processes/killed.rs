//! Killed at any moment, any number of times: what arrives is the file, and nothing that had arrived is sent again.

use ossup_emulator::Operation;
use rustix::process::{Signal, kill_process};

use crate::common::Run;
use crate::proxy::{Moment, Weather};
use crate::scene::{OBJECT, Scene, long, seeds};

/// How often the program is killed at least.
const KILLS: usize = 10;

/// How an upload is to be done.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// In parts, with a checkpoint.
    Checkpoint,
    /// In parts, without a checkpoint, by what the server has.
    Adopt,
    /// In one request.
    Whole,
}

#[test]
fn an_upload_that_is_killed_at_any_moment_arrives_whole_and_what_had_arrived_is_not_sent_again() {
    let wanted = if long() { KILLS * 20 } else { KILLS };
    let one = std::env::var_os("OSSUP_SEED").is_some();
    let (mut kills, mut scenes) = (0, 0);
    for seed in seeds(1000) {
        kills += killed_again_and_again(seed);
        scenes += 1;
        if kills >= wanted {
            break;
        }
    }
    println!("killed {kills} times in {scenes} uploads");
    assert!(kills >= wanted || one);
}

/// One upload, killed until it is done; how often it was.
fn killed_again_and_again(seed: u64) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let way = [Way::Checkpoint, Way::Checkpoint, Way::Checkpoint, Way::Adopt, Way::Whole][random.usize(0..5)];
    let mut scene = Scene::new(random.u64(..) ^ seed, random.usize(1..=16));
    scene.seed = seed;
    let parallel = random.usize(1..=6);
    // Whether the next run begins only when all that the killed one has sent has arrived.
    let patient = random.bool();
    scene.proxy.set(Weather { slow: random.u64(0..3), ..Weather::default() });
    let upload = || {
        let mut command = match way {
            Way::Whole => {
                let mut command = scene.stage.ossup(["upload"]);
                command.arg(&scene.file).arg(OBJECT).env("OSS_ENDPOINT", scene.proxy.endpoint());
                command
            }
            Way::Checkpoint | Way::Adopt => scene.upload(),
        };
        command.args(["--parallel", &parallel.to_string()]);
        if matches!(way, Way::Adopt) {
            command.args(["--no-checkpoint", "--resume", "adopt"]);
        }
        command
    };

    let (mut kills, mut in_flight) = (0, 0);
    for _ in 0..12 {
        let moment = scene.moment(&mut random);
        let (run, _) = scene.run(upload(), moment, |pid| kill_process(pid, Signal::KILL).unwrap());
        if run.code == Some(0) {
            break;
        }
        assert_eq!(run.code, None, "{run}\n{scene}");
        kills += 1;
        // Nobody can find an upload that is begun after everybody has looked.
        if patient || scene.stage.uploads() == 0 {
            scene.settle();
        } else {
            in_flight += parallel;
        }
    }
    let run = Run::of(upload());
    assert_eq!(run.code, Some(0), "{run}\n{scene}");
    scene.settle();
    scene.assert_done();
    let repeated = scene.repeated();
    assert!(repeated <= in_flight, "{repeated} parts were sent again, {in_flight} were in flight: {scene}");
    kills
}

#[test]
fn an_upload_whose_id_was_never_heard_is_found_again() {
    let scene = Scene::new(1, 3);
    // When the answer to the first request begins.
    let begun = Moment::Message(1);
    let (run, came) = scene.run(scene.upload(), begun, |pid| kill_process(pid, Signal::KILL).unwrap());
    assert!(run.code.is_none() && came, "{run}");
    scene.settle();
    assert_eq!(scene.stage.uploads(), 1, "{scene}");
    Run::of(scene.upload()).expect(0, &[]);
    assert_eq!(scene.count(Operation::InitiateMultipartUpload), 1, "{scene}");
    scene.assert_done();
}
