//! A stage for the program: an emulator, a folder that vanishes, and commands that know of nothing else.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ossup_emulator::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, DEFAULT_BUCKET, DEFAULT_REGION, Emulator, Entry, Operation,
    Rule, RuleId,
};
use tempfile::TempDir;

/// The size of the parts of all uploads here, in bytes.
pub(crate) const PART: usize = 100 * 1024;

/// After so long, what is waited for will not come any more: a bound for broken builds, not a measure.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    folder: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Emulator::start().unwrap())
    }

    pub(crate) fn with(emulator: Emulator) -> Self {
        Self { emulator, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of `len` bytes, different for different names.
    pub(crate) fn file(&self, name: &str, len: usize) -> PathBuf {
        let path = self.path(name);
        let mut random = fastrand::Rng::with_seed(name.bytes().map(u64::from).sum());
        let mut content = vec![0; len];
        random.fill(&mut content);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program, with the emulator's keys and nothing else in its environment but where the home is.
    pub(crate) fn ossup<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ossup"));
        self.set_up(&mut command);
        command.args(args);
        command
    }

    /// The environment of the program, for a command that will run it.
    pub(crate) fn set_up(&self, command: &mut Command) {
        command.env_clear().env("HOME", self.folder.path()).env("PATH", std::env::var_os("PATH").unwrap());
        command.env("OSS_ENDPOINT", self.emulator.endpoint()).env("OSS_REGION", DEFAULT_REGION);
        command.env("OSS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("OSS_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
    }

    /// `ossup upload` in parts of [`PART`], whatever the size of the file.
    pub(crate) fn upload(&self, file: impl AsRef<OsStr>, object: &str) -> Command {
        let mut command = self.ossup(["upload"]);
        command.arg(file).arg(object).args(["--part-size", &PART.to_string(), "--put-threshold", "0"]);
        command
    }

    /// The records in the folder that is used when none is named.
    pub(crate) fn checkpoints(&self) -> Vec<String> {
        let folder = self.path(".local/state/ossup/checkpoints");
        ossup_fs::CheckpointFolder::open(folder).unwrap().list().unwrap()
    }

    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.emulator.model().object_bytes(DEFAULT_BUCKET, key).unwrap().map(|bytes| bytes.to_vec())
    }

    pub(crate) fn uploads(&self) -> usize {
        self.emulator.model().uploads(DEFAULT_BUCKET).len()
    }

    /// From now on the server takes so many parts of this object, and keeps whoever sends another one waiting.
    pub(crate) fn hold_after(&self, parts: u64, key: &str) {
        let held = Action::Stall { millis: 3_600_000 };
        self.emulator.faults().add(Rule::on(Operation::UploadPart, held).key(key).after(parts));
    }

    /// From now on nothing goes wrong.
    pub(crate) fn release(&self) {
        self.emulator.faults().clear();
    }

    pub(crate) fn fail(&self, operation: Operation, action: Action) -> RuleId {
        self.emulator.faults().add(Rule::on(operation, action))
    }

    /// The parts that the server has taken.
    pub(crate) fn taken(&self) -> Vec<Entry> {
        self.emulator.journal().of(Operation::UploadPart).into_iter().filter(Entry::is_success).collect()
    }

    /// Waits until the server has taken so many parts and holds another one, which the program is still sending.
    pub(crate) fn wait_until_held(&self, child: &mut Child, parts: usize) {
        let journal = self.emulator.journal();
        let is_part = |entry: &Entry| entry.operation == Some(Operation::UploadPart);
        wait(child, || {
            self.taken().len() == parts && journal.in_flight().iter().any(|flying| is_part(&flying.entry))
        });
    }

    /// No part was taken twice.
    pub(crate) fn assert_nothing_twice(&self) {
        let mut numbers: Vec<_> = self.taken().iter().map(|entry| entry.part_number).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "a part that was finished was sent again");
    }
}

/// Waits until `is_so`, as long as the process lives.
pub(crate) fn wait(child: &mut Child, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        if let Some(status) = child.try_wait().unwrap() {
            let mut said = String::new();
            if let Some(stderr) = &mut child.stderr {
                std::io::Read::read_to_string(stderr, &mut said).unwrap();
            }
            panic!("it ended too early, with {status}: {said}");
        }
        assert!(begun.elapsed() < PATIENCE, "it never came to pass");
        thread::yield_now();
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(mut command: Command) -> Self {
        command.output().unwrap().into()
    }

    /// The exit code is this one, and all these words are in what was said.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        for word in words {
            assert!(self.stderr.contains(word), "'{word}' is missing: {self}");
        }
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let run =
            Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        // Whatever happens, no secret is told.
        for secret in [ACCESS_KEY_SECRET, WRONG_SECRET, TOKEN] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run}");
        }
        run
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n-- stdout\n{}\n-- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

pub(crate) const WRONG_SECRET: &str = "neither-this-nor-that";
pub(crate) const TOKEN: &str = "CAISnotatokenofanyaccount";

/// A run under way, whose output is kept.
pub(crate) fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of a run.
pub(crate) fn end(child: Child) -> Run {
    child.wait_with_output().unwrap().into()
}
