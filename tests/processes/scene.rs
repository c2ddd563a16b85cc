//! The program, a file, and a proxy between the program and the emulator; and what is true whenever an upload is over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use ossup_emulator::Operation;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::common::{PART, Run, Stage, end, spawn};
use crate::proxy::{Moment, Proxy};

/// Longer than anything here takes; only a hang takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The key of the object that all uploads here are to.
pub(crate) const KEY: &str = "key";
pub(crate) const OBJECT: &str = "oss://ossup-test/key";

/// Whether this is the long run.
pub(crate) fn long() -> bool {
    std::env::var_os("OSSUP_LONG").is_some_and(|value| value != "0")
}

/// The seeds of a test: so many, ten times as many in the long run, or the one that was asked for.
pub(crate) fn seeds(short: u64) -> impl Iterator<Item = u64> {
    match std::env::var("OSSUP_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("OSSUP_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..if long() { short * 10 } else { short },
    }
}

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) file: PathBuf,
    pub(crate) parts: usize,
    pub(crate) seed: u64,
}

impl Scene {
    /// A file of so many parts, the last of them shorter.
    pub(crate) fn new(seed: u64, parts: usize) -> Self {
        let stage = Stage::new();
        let server = stage.emulator.endpoint().strip_prefix("http://").unwrap().parse().unwrap();
        let mut random = Rng::with_seed(seed);
        let file = stage.file("file", parts * PART - random.usize(1..PART));
        let proxy = Arc::new(Proxy::start(server, random.u64(..)));
        Self { stage, proxy, file, parts, seed }
    }

    /// The upload through the proxy.
    pub(crate) fn upload(&self) -> Command {
        let mut command = self.stage.upload(&self.file, OBJECT);
        command.env("OSS_ENDPOINT", self.proxy.endpoint());
        command
    }

    /// A moment in a run that has about this share of the parts still to send: among its requests and answers, or
    /// among its bytes. It may lie beyond the end.
    pub(crate) fn moment(&self, random: &mut Rng) -> Moment {
        let missing = self.parts.saturating_sub(self.arrived().len());
        if random.bool() {
            Moment::Message(random.u64(0..2 * missing as u64 + 10))
        } else {
            Moment::Bytes(random.u64(0..(missing * PART + 8192) as u64))
        }
    }

    /// Runs this, and does something to the process when the moment has come, if it still lives then. What has become
    /// of it, and whether it came to that.
    pub(crate) fn run(
        &self,
        command: Command,
        moment: Moment,
        then: impl FnOnce(Pid) + Send + 'static,
    ) -> (Run, bool) {
        let living: Arc<Mutex<Option<Pid>>> = Arc::default();
        // Held until there is a process: what it sends is seen after that.
        let mut pid = living.lock().unwrap();
        let target = Arc::clone(&living);
        self.proxy.at(moment, move || {
            // While this is locked, the process is not reaped: nobody else gets its number.
            let pid = target.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(pid) = *pid {
                then(pid);
            }
        });
        let child = spawn(command);
        let id = Pid::from_child(&child);
        *pid = Some(id);
        drop(pid);
        waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        *living.lock().unwrap_or_else(PoisonError::into_inner) = None;
        (end(child), !self.proxy.disarm())
    }

    /// The parts of the upload that is under way on the server, or nothing if there is none.
    pub(crate) fn arrived(&self) -> Vec<u16> {
        let uploads = self.stage.emulator.model().uploads("ossup-test");
        uploads
            .first()
            .map(|upload| upload.parts.iter().map(|part| part.number).collect())
            .unwrap_or_default()
    }

    /// Waits until everything that a run has sent has arrived or is lost.
    pub(crate) fn settle(&self) {
        self.proxy.wait_until_quiet();
        assert!(self.stage.emulator.journal().wait_until_idle(PATIENCE), "{self}");
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        std::fs::read(&self.file).unwrap()
    }

    pub(crate) fn count(&self, operation: Operation) -> usize {
        let entries = self.stage.emulator.journal().of(operation);
        entries.iter().filter(|entry| entry.is_success()).count()
    }

    /// How many parts were taken again after they had been taken.
    pub(crate) fn repeated(&self) -> usize {
        let mut times: BTreeMap<_, usize> = BTreeMap::new();
        for entry in self.stage.taken() {
            *times.entry((entry.upload_id, entry.part_number)).or_default() += 1;
        }
        times.values().map(|times| times - 1).sum()
    }

    /// The object is the file, and neither an upload nor a checkpoint is left.
    #[track_caller]
    pub(crate) fn assert_done(&self) {
        assert!(self.stage.object(KEY) == Some(self.content()), "the object is not the file: {self}");
        self.assert_nothing_left();
    }

    /// Neither an upload nor a checkpoint is left.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.stage.uploads(), 0, "an orphan is left: {self}");
        let folder = self.checkpoints();
        let left: Vec<_> =
            folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?} are left: {self}");
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.stage.path(Path::new(".local/state/ossup/checkpoints"))
    }
}

/// How to see it again.
impl std::fmt::Display for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "again with OSSUP_SEED={}; {:?}", self.seed, self.proxy.traffic())?;
        self.stage.emulator.journal().entries().iter().try_for_each(|entry| {
            let operation = entry.operation.map_or_else(|| entry.method.clone(), |o| format!("{o:?}"));
            let part = entry.part_number.map(|n| format!(" {n}")).unwrap_or_default();
            writeln!(f, "  {:3} {operation}{part}: {:?} {:?}", entry.number, entry.status, entry.fate)
        })
    }
}
