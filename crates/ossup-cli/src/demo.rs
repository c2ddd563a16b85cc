//! `ossup demo`: an upload that is killed half way and resumed, with the proof, on this machine alone.
//!
//! Both runs are this very program in processes of their own. What they sent is told by the server's journal, not by
//! them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use indicatif::HumanBytes;
use ossup_core::digest::{ContentDigest, Hasher, Integrity};
use ossup_core::part::{ByteRange, MAX_PART_SIZE, MIN_PART_SIZE};
use ossup_core::plan::Plan;
use ossup_emulator::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, DEFAULT_BUCKET, DEFAULT_REGION, Emulator, Entry, Operation,
    Rule,
};
use ossup_fs::{CheckpointFolder, FileSource};
use tempfile::TempDir;

use crate::args;
use crate::emulator;
use crate::ending::{counted, not_started};
use crate::exit::{Code, Failure};
use crate::interrupt;
use crate::output::{print, tell};

const KEY: &str = "demo";
/// The size of the file that is made, in bytes.
const SIZE: u64 = 256 * 1024 * 1024;
/// How many parts a file has, if it is large enough.
const PARTS: u64 = 32;
/// How long sending all of the file takes, so that one can watch it, in seconds.
const TIME: u64 = 3;
/// How often the server's journal is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

pub(crate) fn run(args: &args::Demo) -> Result<(), Failure> {
    let (ask, interrupted) = channel();
    interrupt::on_first(move || {
        let _ = ask.send(());
    })?;
    let folder = tempfile::tempdir().map_err(failed("make a folder for the demo"))?;
    print("An upload is killed half way, resumed, and proved. Nothing leaves this machine.\n\n")?;

    let demo = Demo::prepare(folder, args.file.as_deref(), interrupted)?;
    let half = usize::from(demo.plan.count() / 2);
    print(format!(
        "file    {}, {} in {}\nserver  an emulator of OSS at {}\n\nrun 1   killed (SIGKILL) as soon as {} there\n",
        demo.file.display(),
        HumanBytes(demo.plan.len()),
        counted(demo.plan.count().into(), "part"),
        demo.emulator.endpoint(),
        are(half),
    ))?;
    demo.first_run(half)?;
    print("run 2   the same command again, in a new process\n")?;
    demo.second_run()?;
    demo.verdict()
}

struct Demo {
    file: PathBuf,
    plan: Plan,
    parallel: u16,
    interrupted: Receiver<()>,
    emulator: Emulator,
    // Dropped last: the emulator keeps its data there.
    folder: TempDir,
}

impl Demo {
    fn prepare(folder: TempDir, file: Option<&Path>, interrupted: Receiver<()>) -> Result<Self, Failure> {
        let file = match file {
            Some(file) => file.to_owned(),
            None => {
                let path = folder.path().join("random-bytes");
                make(&path).map_err(failed("make a file of random bytes"))?;
                path
            }
        };
        let source = open(&file)?;
        let len = source.identity().len;
        let part_size = len.div_ceil(PARTS).clamp(MIN_PART_SIZE, MAX_PART_SIZE);
        let plan =
            Plan::new(len, part_size).map_err(|error| Failure::new(Code::BadParameter, error.to_string()))?;
        if plan.count() < 2 {
            let needed = HumanBytes(MIN_PART_SIZE);
            return Err(Failure::new(
                Code::BadParameter,
                format!("{} has a single part and cannot be cut in the middle", file.display()),
            )
            .note(format!("Take one of more than {needed}, or none: then one is made.")));
        }
        // Few parts at a time where there are few parts, or all of them would be finished at once.
        let parallel = (plan.count() / 4).clamp(1, 4);
        let emulator = Emulator::builder().data(folder.path().join("server")).bucket(DEFAULT_BUCKET).start();
        let emulator = emulator.map_err(|error| emulator::not_started(&error))?;
        let bytes_per_second = (len / TIME / u64::from(parallel)).max(1);
        emulator.faults().add(Rule::on(Operation::UploadPart, Action::Pace { bytes_per_second }));
        Ok(Self { file, plan, parallel, interrupted, emulator, folder })
    }

    fn first_run(&self, half: usize) -> Result<(), Failure> {
        let ended = self.run(|| self.finished().count() >= half)?;
        // The bar, if there was one, ends where it was cut.
        if io::stderr().is_terminal() {
            tell("");
        }
        match ended {
            None => Ok(()),
            Some(status) => {
                Err(Failure::new(Code::Client, format!("the first run was not to be killed: {status}")))
            }
        }
    }

    fn second_run(&self) -> Result<(), Failure> {
        match self.run(|| false)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Failure::new(Code::Client, format!("the second run failed: {status}"))),
            None => unreachable!("it is not killed"),
        }
    }

    /// Runs the upload until it ends or is to be killed: then there is no status.
    fn run(&self, is_time: impl Fn() -> bool) -> Result<Option<ExitStatus>, Failure> {
        let mut child = self.command()?.spawn().map_err(failed("start a process"))?;
        let ended = loop {
            if let Some(status) = child.try_wait().map_err(failed("wait for a process"))? {
                break Some(status);
            }
            if is_time() {
                kill(&mut child)?;
                break None;
            }
            match self.interrupted.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    kill(&mut child)?;
                    return Err(Failure::new(Code::Interrupted, "interrupted"));
                }
            }
        };
        Ok(ended)
    }

    fn command(&self) -> Result<Command, Failure> {
        let program = std::env::current_exe().map_err(failed("find this program"))?;
        let mut command = Command::new(program);
        command.arg("upload").arg(&self.file).arg(format!("oss://{DEFAULT_BUCKET}/{KEY}"));
        command.args(["--endpoint", &self.emulator.endpoint(), "--region", DEFAULT_REGION]);
        command.arg("--checkpoint-dir").arg(self.checkpoints());
        command.args(["--part-size", &self.plan.part_size().to_string(), "--put-threshold", "0"]);
        command.args(["--parallel", &self.parallel.to_string()]);
        // So that it can be read back without a signature.
        command.args(["--acl", "public-read"]);
        command.env("OSS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("OSS_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET);
        command.env_remove("OSS_SESSION_TOKEN");
        for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        command.stdin(Stdio::null());
        Ok(command)
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    /// The parts that the server has taken, in order.
    fn finished(&self) -> impl Iterator<Item = Entry> {
        self.emulator.journal().of(Operation::UploadPart).into_iter().filter(Entry::is_success)
    }

    /// Tells what was sent and what became of it.
    fn verdict(&self) -> Result<(), Failure> {
        // The second run begins by asking what is there; the first had no reason to.
        let journal = self.emulator.journal();
        let resumed_at = journal.of(Operation::ListParts).iter().map(|entry| entry.number).min();
        let (second, first): (Vec<_>, Vec<_>) = (journal.of(Operation::UploadPart).into_iter())
            .partition(|entry| resumed_at.is_some_and(|resumed| entry.number > resumed));
        let mut times: BTreeMap<Option<u16>, u32> = BTreeMap::new();
        for part in self.finished() {
            *times.entry(part.part_number).or_default() += 1;
        }
        let twice = times.values().filter(|times| **times > 1).count();

        print(format!(
            "\n        finished                 cut off in flight\nrun 1   {}\nrun 2   {}\nparts sent twice: {twice}\n",
            sent(&first),
            sent(&second),
        ))?;

        let source = open(&self.file)?;
        let whole = ByteRange::new(0, source.identity().len).unwrap_or_else(|| self.plan.whole());
        let of_file = source.digest(whole, Integrity::Md5AndCrc, || false);
        let of_file = of_file.map_err(|error| Failure::new(Code::Client, error.to_string()))?;
        let of_object = self.read_back().map_err(failed("read the object back"))?;
        print(format!(
            "\n        CRC-64                MD5\nfile    {}\nobject  {}\n\n",
            check_values(Some(&of_file)),
            check_values(of_object.as_ref()),
        ))?;

        let left = CheckpointFolder::open(self.checkpoints()).and_then(|folder| folder.list());
        let left = left.map_err(|error| Failure::new(Code::Client, error.to_string()))?;
        if of_object.as_ref() != Some(&of_file) {
            return Err(Failure::new(Code::Corrupted, "the object is not the file"));
        }
        if twice > 0 || resumed_at.is_none() {
            return Err(Failure::new(
                Code::CannotResume,
                "the second run sent again what the first had finished",
            ));
        }
        if !left.is_empty() {
            return Err(Failure::new(Code::Client, "the checkpoint is still there"));
        }
        print("The object is the file, no finished part was sent twice, and the checkpoint is gone.\n")
    }

    /// The digest of the object as the server hands it out; nothing if it does not.
    fn read_back(&self) -> io::Result<Option<ContentDigest>> {
        let request =
            http::Request::get(format!("/{DEFAULT_BUCKET}/{KEY}")).body(()).map_err(io::Error::other)?;
        let (head, ()) = request.into_parts();
        let model = self.emulator.model();
        let response = model.finish(model.begin(&head));
        if response.status() != http::StatusCode::OK {
            return Ok(None);
        }
        let (mut body, mut hasher) = (response.into_body(), Hasher::new(Integrity::Md5AndCrc));
        while let Some(piece) = body.next_piece()? {
            hasher.update(&piece);
        }
        Ok(Some(hasher.finish()))
    }
}

fn make(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut piece = vec![0; 1 << 20];
    for _ in 0..SIZE / piece.len() as u64 {
        fastrand::fill(&mut piece);
        file.write_all(&piece)?;
    }
    Ok(())
}

fn open(file: &Path) -> Result<FileSource, Failure> {
    FileSource::open(file).map_err(|error| not_started(&error.into()))
}

fn kill(child: &mut Child) -> Result<(), Failure> {
    child.kill().and_then(|()| child.wait()).map(|_| ()).map_err(failed("kill a process"))
}

fn are(parts: usize) -> String {
    if parts == 1 { "1 part is".to_owned() } else { format!("{parts} parts are") }
}

/// `16 parts, 128.00 MiB      4 parts, 9.31 MiB`
fn sent(attempts: &[Entry]) -> String {
    let (finished, cut): (Vec<_>, Vec<_>) = attempts.iter().partition(|entry| entry.is_success());
    let told = |entries: &[&Entry]| {
        let bytes: u64 = entries.iter().map(|entry| entry.received).sum();
        let parts = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        if parts == 0 {
            "nothing".to_owned()
        } else {
            format!("{}, {}", counted(parts, "part"), HumanBytes(bytes))
        }
    };
    format!("{:23}  {}", told(&finished), told(&cut))
}

fn check_values(digest: Option<&ContentDigest>) -> String {
    let value = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let crc64 = value(digest.and_then(|digest| digest.crc64).map(|crc64| crc64.to_string()));
    let md5 = value(digest.and_then(|digest| digest.md5).map(|md5| md5.to_string().to_lowercase()));
    format!("{crc64:20}  {md5}")
}

fn failed(to: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::new(Code::Client, format!("cannot {to}: {error}"))
}
