//! `ossup emulator` and `ossup demo`.

mod common;

use common::{PART, Run, Stage, end, spawn};

#[test]
fn the_demo_proves_what_it_shows() {
    let stage = Stage::new();
    let file = stage.file("file", 24 * PART + 1);
    let mut command = stage.ossup(["demo"]);
    command.arg(&file);
    let run = Run::of(command);
    assert_eq!(run.code, Some(0), "{run}");
    for told in ["killed (SIGKILL)", "parts sent twice: 0", "The object is the file"] {
        assert!(run.stdout.contains(told), "'{told}' is missing: {run}");
    }
    let values = |who: &str| {
        let line = run.stdout.lines().rfind(|line| line.starts_with(who)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let crc64 = ossup_core::digest::Crc64::of(&std::fs::read(&file).unwrap()).to_string();
    assert_eq!(values("file").first(), Some(&crc64));
    assert_eq!(values("object"), values("file"));
    assert!(run.stderr.contains("are there already"), "{run}");
}

#[test]
fn a_file_of_one_part_is_no_demo() {
    let stage = Stage::new();
    let file = stage.file("file", PART);
    let mut command = stage.ossup(["demo"]);
    command.arg(&file);
    Run::of(command).expect(1, &["cannot be cut in the middle", "100.00 KiB"]);
}

#[cfg(unix)]
#[test]
fn what_the_emulator_prints_can_be_pasted() {
    use std::io::{BufRead as _, BufReader};

    use rustix::process::{Pid, Signal, kill_process};

    let stage = Stage::new();
    let file = stage.file("file", PART);
    let data = stage.path("data");
    let mut command = stage.ossup(["emulator", "--listen", "127.0.0.1:0", "--bucket", "mine", "--data"]);
    command.arg(&data);
    let mut child = spawn(command);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let exports: Vec<String> =
        lines.by_ref().filter(|line| line.starts_with("export OSS_")).take(4).collect();

    let mut paste = std::process::Command::new("sh");
    paste.env_clear().args(["-c", &format!("{}\nexec \"$@\"", exports.join("\n")), "sh"]);
    paste.args([env!("CARGO_BIN_EXE_ossup"), "upload", "--no-checkpoint"]).arg(&file).arg("oss://mine");
    Run::of(paste).expect(0, &["oss://mine/file: "]);

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    drop(lines);
    end(child).expect(0, &[]);
    assert!(data.join("buckets").join("mine").exists());
}

#[test]
fn an_address_in_use_is_told() {
    let stage = Stage::new();
    let taken = stage.emulator.address().to_string();
    Run::of(stage.ossup(["emulator", "--listen", &taken]))
        .expect(3, &["cannot listen on", &taken, "--listen"]);
}
