//! Large worlds, one seeded way through each: the machine, the emulator's model, a disk and a file, in virtual time.
//!
//! Everything in a world follows from its seed: how many parts there are, which policies hold, what goes wrong and
//! when, in which order things happen. For some hundred steps it goes wrong; then nothing fails any more, and the upload
//! must come to its end. What must never happen is checked as it happens.
//!
//! * [`setting`] — what a seed decides at the beginning
//! * [`source`] — a file that is made by formula, and edited
//! * [`disk`] — the record of the upload, and what a crash leaves of it
//! * [`keys`] — credentials that expire and are renewed
//! * [`service`] — the emulator's model, and what arrives there
//! * [`network`] — what becomes of a request on its way
//! * [`process`] — a run of the machine and what it has under way
//! * [`world`] — the scheduler
//! * [`incidents`] — what befalls a world from outside
//! * [`effects`] — how effects begin and end, and those that need no network
//! * [`journeys`] — how a request departs, arrives and is answered
//! * [`rules`] — what the machine may ask for, and when
//! * [`endings`] — what must be true when a run is over, and when all is over
//! * [`totals`] — what many worlds came to
//! * `words` — what happens, for traces

pub mod disk;
pub mod effects;
pub mod endings;
pub mod incidents;
pub mod journeys;
pub mod keys;
pub mod network;
pub mod process;
pub mod rules;
pub mod service;
pub mod setting;
pub mod source;
pub mod totals;
mod words;
pub mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use self::setting::Setting;
pub use self::totals::Totals;
pub use self::world::World;

/// How many failures are looked for.
const ENOUGH: usize = 20;

/// What must not happen and did, in the world of a seed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What happened.
    pub what: String,
    /// The steps that lead there.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for step in &self.trace {
            writeln!(f, "{step}")?;
        }
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        write!(f, "replay: cargo run --release -p ossup-tests --bin simulate -- --seed {}", self.seed)
    }
}

/// Runs the world of a seed to its end, and says what it came to.
///
/// # Errors
/// Something happened that must not, with all steps that lead there.
pub fn simulate(seed: u64) -> Result<Totals, Box<Failure>> {
    // The trace costs more than the world: it is written only when somebody will read it.
    match attempt(seed, false) {
        Ok((totals, _)) => Ok(totals),
        Err(_) => Err(Box::new(match attempt(seed, true) {
            Err(failure) => failure,
            Ok((_, trace)) => Failure { seed, what: "it failed once, and not again".into(), trace },
        })),
    }
}

/// Runs the world of a seed and writes down its steps, however it ends.
///
/// # Errors
/// Something happened that must not.
pub fn replay(seed: u64) -> Result<(Totals, Vec<String>), Box<Failure>> {
    attempt(seed, true).map_err(Box::new)
}

fn attempt(seed: u64, traced: bool) -> Result<(Totals, Vec<String>), Failure> {
    let mut world = World::new(Setting::of(seed), traced);
    let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
    let what = match ran {
        Ok(Ok(())) => return Ok(world.into_totals()),
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            format!("a panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default())
        }
    };
    Err(Failure { seed, what, trace: world.into_totals().1 })
}

/// Runs the worlds of many seeds on so many threads; the first few that fail are kept, in the order of their seeds.
#[must_use]
pub fn many(seeds: std::ops::Range<u64>, threads: usize) -> (Totals, Vec<Failure>) {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new((Totals::default(), Vec::new()));
    let work = || {
        let mut totals = Totals::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            match simulate(seed) {
                Ok(world) => totals.add(&world),
                Err(failure) => {
                    let failures = &mut found.lock().unwrap_or_else(PoisonError::into_inner).1;
                    failures.push(*failure);
                    if failures.len() >= ENOUGH {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            }
        }
        found.lock().unwrap_or_else(PoisonError::into_inner).0.add(&totals);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let (totals, mut failures) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|failure| failure.seed);
    (totals, failures)
}
