//! `simulate [--seeds N] [--from SEED] [--threads N]`: runs worlds and says what they came to.
//! `simulate --seed SEED`: runs one and shows its steps.

use std::process::ExitCode;
use std::time::Instant;

use ossup_tests::simulate::{many, replay};

/// So many worlds meet everything that can come up.
const ENOUGH: u64 = 20_000;

fn main() -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let (mut seeds, mut from, mut threads, mut only) = (1000, 0, threads, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.replace('_', "").parse::<u64>().ok());
        match (name.as_str(), value) {
            ("--seeds", Some(value)) => seeds = value,
            ("--from", Some(value)) => from = value,
            ("--threads", Some(value)) => threads = value as usize,
            ("--seed", Some(value)) => only = Some(value),
            _ => {
                eprintln!("usage: simulate [--seeds N] [--from SEED] [--threads N] | simulate --seed SEED");
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(seed) = only {
        return match replay(seed) {
            Ok((totals, trace)) => {
                println!("{}\n{totals}", trace.join("\n"));
                ExitCode::SUCCESS
            }
            Err(failure) => {
                println!("{failure}");
                ExitCode::FAILURE
            }
        };
    }
    let start = Instant::now();
    let (totals, failures) = many(from..from.saturating_add(seeds), threads);
    let time = start.elapsed();
    println!("{totals}");
    let rate = u128::from(totals.worlds) * 1000 / time.as_millis().max(1);
    println!("{time:.1?}, {rate} worlds a second on {threads} threads");
    match failures.first() {
        None if totals.worlds >= ENOUGH && !totals.is_complete() => {
            println!("so many worlds should have met everything");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
        Some(first) => {
            println!(
                "\n{} seeds fail: {:?}",
                failures.len(),
                failures.iter().map(|f| f.seed).collect::<Vec<_>>()
            );
            println!("{first}");
            ExitCode::FAILURE
        }
    }
}
