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
    Run::of(stage.ossup(["demo", "missing"])).expect(3, &["there is no file missing"]);
}

/// An emulator in a process of its own, and the lines that it printed for a shell.
#[cfg(unix)]
struct Pasted {
    child: std::process::Child,
    exports: Vec<String>,
    /// Kept open: who prints must not fail.
    _lines: Box<dyn Iterator<Item = String>>,
}

#[cfg(unix)]
impl Pasted {
    fn start(stage: &Stage, arguments: &[&std::ffi::OsStr], exports: usize) -> Self {
        use std::io::{BufRead as _, BufReader};

        let mut command = stage.ossup(["emulator", "--listen", "127.0.0.1:0", "--bucket", "mine"]);
        command.args(arguments);
        let mut child = spawn(command);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let exports = lines.by_ref().filter(|line| line.starts_with("export ")).take(exports).collect();
        Self { child, exports, _lines: Box::new(lines) }
    }

    /// Uploads in a shell that knows nothing but the lines that start with one of these.
    fn upload(&self, file: &std::path::Path, pasted: &[&str]) -> Run {
        let lines: Vec<&str> = self.exports.iter().map(String::as_str).collect();
        let lines: Vec<&str> =
            lines.into_iter().filter(|line| pasted.iter().any(|name| line[7..].starts_with(name))).collect();
        let mut paste = std::process::Command::new("sh");
        paste.env_clear().args(["-c", &format!("{}\nexec \"$@\"", lines.join("\n")), "sh"]);
        paste.args([
            env!("CARGO_BIN_EXE_ossup"),
            "upload",
            "--no-checkpoint",
            "--attempts",
            "1",
            "--patience",
            "0",
        ]);
        paste.arg(file).arg("oss://mine");
        Run::of(paste)
    }

    fn end(self) -> Run {
        use rustix::process::{Pid, Signal, kill_process};

        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        end(self.child)
    }
}

#[cfg(unix)]
#[test]
fn what_the_emulator_prints_can_be_pasted() {
    let stage = Stage::new();
    let file = stage.file("file", PART);
    let data = stage.path("data");
    let emulator = Pasted::start(&stage, &["--data".as_ref(), data.as_os_str()], 4);
    emulator.upload(&file, &["OSS_"]).expect(0, &["oss://mine/file: "]);
    emulator.end().expect(0, &[]);
    assert!(data.join("buckets").join("mine").exists());
}

#[cfg(unix)]
#[test]
fn an_emulator_that_speaks_https_is_trusted_by_those_who_have_its_certificate() {
    let stage = Stage::new();
    let file = stage.file("file", PART);
    let certificate = stage.path("it's a certificate.pem");
    let arguments = ["--region", "eu-central-1", "--https"].map(std::ffi::OsStr::new);
    let emulator = Pasted::start(&stage, &[&arguments[..], &[certificate.as_os_str()]].concat(), 7);
    emulator.upload(&file, &["OSS_"]).expect(0, &["oss://mine/file: "]);
    let names = ["OSS_ENDPOINT", "OSS_REGION", "OSS_ACCESS_KEY"];
    emulator.upload(&file, &names).expect(3, &["certificate"]);
    emulator.end().expect(0, &[]);

    std::fs::write(&certificate, "no certificate").unwrap();
    let mut command = stage.ossup(["upload", "--no-checkpoint", "--ca-bundle"]);
    command.arg(&certificate).arg(&file).arg("oss://mine");
    Run::of(command).expect(1, &["it's a certificate.pem", "--ca-bundle"]);
}

#[test]
fn an_address_in_use_is_told() {
    let stage = Stage::new();
    let taken = stage.emulator.address().to_string();
    Run::of(stage.ossup(["emulator", "--listen", &taken]))
        .expect(3, &["cannot listen on", &taken, "--listen"]);
    let by_name = taken.replace("127.0.0.1", "localhost");
    Run::of(stage.ossup(["emulator", "--listen", &by_name])).expect(3, &["cannot listen on", &taken]);
}
