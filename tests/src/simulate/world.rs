//! The scheduler: one thing happens after the other, in an order that the seed decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ossup_core::endpoint::Endpoint;
use ossup_core::sign::LocalSigner;
use ossup_core::time::Timestamp;
use ossup_core::upload::{Cancel, EffectId, Job, Recording, Turn, Upload};

use super::disk::Disk;
use super::journeys::{Journey, Reply};
use super::keys::Keys;
use super::process::Process;
use super::service::{BEGINNING, BUCKET, KEY, PartName, Service};
use super::setting::Setting;
use super::source::{Content, Source};
use super::totals::{Fault, Totals};
use super::words::lines;

/// Something has happened that must not.
pub type Violation = String;

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A request of this run is sent.
    Depart(u32, EffectId),
    /// A request arrives.
    Arrive(Box<Journey>),
    /// An answer arrives.
    Answer(u32, EffectId, Reply),
    /// An effect that needs no network is done.
    Due(u32, EffectId),
    /// The user runs the upload.
    Start,
    /// The user lets it go on.
    Unpause(u32),
}

/// A world, somewhere on its way.
#[derive(Debug)]
pub struct World {
    pub(super) setting: Setting,
    pub(super) rng: Rng,
    /// Milliseconds since the beginning.
    pub(super) now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    events: u64,
    pub(super) service: Service,
    pub(super) source: Source,
    pub(super) disk: Disk,
    pub(super) keys: Arc<Keys>,
    pub(super) processes: BTreeMap<u32, Process>,
    pub(super) next_process: u32,
    /// Steps for which things go wrong yet.
    pub(super) trouble: u32,
    /// How many seconds the local clock is ahead.
    pub(super) skew: i64,
    /// The upload has come to an end that no further run changes.
    pub(super) over: bool,
    /// Runs since nothing goes wrong any more.
    pub(super) calm_runs: u32,
    pub(super) ledger: Ledger,
    pub(super) totals: Totals,
    trace: Option<Vec<String>>,
}

/// What the world knows and no client can.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Parts that were acknowledged and are as they were then, with their CRC-64.
    pub(super) acknowledged: BTreeMap<PartName, u64>,
    /// How many parts were acknowledged.
    pub(super) acknowledgements: u64,
    /// The list of parts was refused: what is not noted may be sent again.
    pub(super) unlisted: bool,
    /// Uploads that nobody can be blamed for.
    pub(super) excused: BTreeSet<String>,
    /// Uploads that outcomes said may be left.
    pub(super) orphan_risk: u32,
    /// A PutObject has arrived that nobody waited for, or somebody else has put an object.
    pub(super) disturbed: bool,
    /// What the source was whenever Complete was asked for.
    pub(super) completing: Vec<Content>,
    /// Two runs have been at work at once.
    pub(super) doubled: bool,
}

impl World {
    /// The world before anything has happened.
    #[must_use]
    pub fn new(setting: Setting, traced: bool) -> Self {
        let mut rng = Rng::with_seed(setting.seed);
        let service = Service::new(&setting);
        let source = Source::new(setting.len, setting.tells, &mut rng);
        let keys = Arc::new(Keys::new(service.model.clone(), setting.sts));
        let mut world = Self {
            rng,
            now: 0,
            queue: BTreeMap::new(),
            events: 0,
            service,
            source,
            disk: Disk::default(),
            keys,
            processes: BTreeMap::new(),
            next_process: 1,
            trouble: setting.trouble,
            skew: 0,
            over: false,
            calm_runs: 0,
            ledger: Ledger::default(),
            totals: Totals { worlds: 1, ..Totals::default() },
            trace: traced.then(Vec::new),
            setting,
        };
        world.totals.largest = world.setting.len.div_ceil(world.setting.policy.part_size);
        let shown = world.setting.clone();
        world.note(|| format!("{shown:?}"));
        world
    }

    /// Lets everything happen until nothing is left to happen.
    ///
    /// # Errors
    /// Something happened that must not.
    pub fn run(&mut self) -> Result<(), Violation> {
        self.after(0, Event::Start);
        let limit = 50_000 + 100 * self.totals.largest;
        loop {
            self.take_turns()?;
            if self.over && self.processes.is_empty() {
                break;
            }
            self.incident();
            if self.trouble > 0 {
                self.trouble -= 1;
                if self.trouble == 0 {
                    self.calm_down();
                }
            }
            let Some(((time, _), event)) = self.queue.pop_first() else {
                return Err(self.dead_end());
            };
            self.now = self.now.max(time);
            self.totals.steps += 1;
            self.happen(event)?;
            if self.totals.steps > limit {
                return Err(format!("no end after {limit} steps; {}", self.dead_end()));
            }
        }
        self.totals.time = Duration::from_millis(self.now);
        self.check_the_end()
    }

    /// What the world came to, and its steps.
    #[must_use]
    pub fn into_totals(self) -> (Totals, Vec<String>) {
        (self.totals, self.trace.unwrap_or_default())
    }

    fn dead_end(&self) -> Violation {
        let goals: Vec<_> = self
            .processes
            .iter()
            .map(|(run, process)| (run, process.upload.goal(), &process.under_way))
            .collect();
        format!("liveness: nothing will ever happen: {goals:?}")
    }

    /// Every machine is asked for what it wants.
    fn take_turns(&mut self) -> Result<(), Violation> {
        for run in self.processes.keys().copied().collect::<Vec<_>>() {
            for turn in 0.. {
                let Some(process) = self.processes.get_mut(&run) else { break };
                *self.totals.goals.entry(process.upload.goal()).or_default() += 1;
                match process.upload.turn() {
                    Turn::Do(effect) => self.offer(run, effect)?,
                    Turn::Blocked => break,
                    Turn::Finished(outcome) => self.finished(run, &outcome)?,
                }
                if turn > 100_000 {
                    return Err("liveness: a machine that is never blocked".into());
                }
                // Some worlds answer before the machine has asked for all that it wants.
                if self.trouble > 0 && !self.queue.is_empty() && self.rng.u8(..10) == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Depart(run, id) => self.depart(run, id),
            Event::Arrive(journey) => {
                self.arrive(*journey);
                Ok(())
            }
            Event::Answer(run, id, reply) => self.answer(run, id, reply),
            Event::Due(run, id) => self.due(run, id),
            Event::Start => {
                if self.processes.is_empty() && !self.over {
                    self.start();
                }
                Ok(())
            }
            Event::Unpause(run) => {
                if let Some(process) = self.processes.get_mut(&run) {
                    process.upload.unpause();
                }
                Ok(())
            }
        }
    }

    /// Nothing goes wrong any more.
    fn calm_down(&mut self) {
        self.note(|| "--- from here on nothing goes wrong".into());
        self.keys.set_broken(false);
        for process in self.processes.values_mut() {
            process.upload.unpause();
        }
    }

    /// Something is going to happen so many milliseconds from now.
    pub(super) fn after(&mut self, delay: u64, event: Event) {
        self.events += 1;
        self.queue.insert((self.now.saturating_add(delay), self.events), event);
    }

    /// The user runs the upload.
    pub(super) fn start(&mut self) {
        let run = self.next_process;
        self.next_process += 1;
        self.totals.runs += 1;
        if self.trouble == 0 {
            self.calm_runs += 1;
        }
        let record = if self.setting.recording == Recording::Checkpoint { self.disk.load() } else { None };
        let seed = self.rng.u64(..);
        let discards = self.trouble > 0 && self.setting.perils.user && self.rng.u8(..20) == 0;
        let (upload, cancelled) = match &record {
            Some(record) if discards => {
                match Upload::discard(record, &self.setting.options, self.setting.policy.clone(), seed) {
                    Ok(upload) => (upload, Some(Cancel::Discard)),
                    Err(_) => (Upload::resume(self.job(), record, seed), None),
                }
            }
            Some(record) => (Upload::resume(self.job(), record, seed), None),
            None => (Upload::start(self.job(), seed), None),
        };
        self.note(|| {
            let record = record.as_deref().map(lines);
            format!("run {run} begins, cancelled {cancelled:?}; the record is {record:?}")
        });
        let endpoint: Endpoint =
            "oss-cn-hangzhou.aliyuncs.com".parse().unwrap_or_else(|_| unreachable!("a legal endpoint"));
        let signer = LocalSigner::new(endpoint, self.keys.clone(), self.setting.version)
            .unwrap_or_else(|_| unreachable!("the endpoint has a region"));
        let mut process = Process::new(upload, signer, self.source.content().clone());
        process.cancelled = cancelled;
        self.processes.insert(run, process);
    }

    fn job(&self) -> Job {
        let object = format!("oss://{BUCKET}/{KEY}").parse().unwrap_or_else(|_| unreachable!("a legal name"));
        let mut job =
            Job::new(object, "oss-cn-hangzhou.aliyuncs.com", self.source.identity(), self.local_time());
        job.options = self.setting.options.clone();
        job.callback.clone_from(&self.setting.callback);
        job.recording = self.setting.recording;
        job.policy = self.setting.policy.clone();
        job
    }

    /// What time it is by the clock of the machine.
    pub(super) fn local_time(&self) -> Timestamp {
        Timestamp::from_unix(BEGINNING + (self.now / 1000).cast_signed() + self.skew)
    }

    /// Counts something that goes wrong.
    pub(super) fn befell(&mut self, fault: Fault) {
        *self.totals.faults.entry(fault).or_default() += 1;
    }

    /// Whether any of these ever happened in this world.
    pub(super) fn suffered(&self, faults: &[Fault]) -> bool {
        faults.iter().any(|fault| self.totals.faults.contains_key(fault))
    }

    /// Writes a step down, where anybody wants to know.
    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let (seconds, millis) = (self.now / 1000, self.now % 1000);
            trace.push(format!("{seconds:>7}.{millis:03} {}", what()));
        }
    }
}
