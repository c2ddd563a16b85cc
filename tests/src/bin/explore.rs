//! `explore [NAME]`: searches the large worlds, or those whose names contain NAME, and says what was found.
//! `explore --walks N`: goes N times at random through each world in which everything meets everything.
//! `explore --product`: searches these worlds as far as 100,000 states.

use std::process::ExitCode;

use ossup_tests::explore::search_each;
use ossup_tests::product::{pairs, walk};
use ossup_tests::worlds::{Named, large, small};

/// How many states of a world are searched.
const ALL: usize = 5_000_000;
/// And of each of those that are many.
const SOME: usize = 100_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = |name: &str| -> Vec<Named> {
        small().into_iter().chain(large()).filter(|(other, _)| other.contains(name)).collect()
    };
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => searched(&large(), ALL, false),
        ["--product"] => searched(&pairs(), SOME, true),
        ["--walks", count] => match count.parse() {
            Ok(count) => walked(count),
            Err(_) => usage(),
        },
        [name] if !name.starts_with("--") => match named(name) {
            worlds if worlds.is_empty() => {
                eprintln!("no world has that in its name");
                ExitCode::FAILURE
            }
            worlds => searched(&worlds, ALL, false),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: explore [NAME] | explore --walks N | explore --product");
    ExitCode::FAILURE
}

/// Searches worlds; those with more states than this are violations, or known not to be searched whole.
fn searched(worlds: &[Named], limit: usize, in_part: bool) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    search_each(worlds, limit, in_part, |name, found| {
        println!(
            "{name}: {} states, {} edges, depth {}, {:.1?}: {:?}",
            found.states, found.edges, found.depth, found.time, found.ends
        );
        if let Some(violation) = &found.violation {
            println!("VIOLATION: {violation}");
            code = ExitCode::FAILURE;
        }
    });
    code
}

fn walked(count: u64) -> ExitCode {
    for (name, setting) in pairs() {
        for seed in 0..count {
            if let Err(violation) = walk(&setting, seed) {
                println!("{name}, seed {seed}\nVIOLATION: {violation}");
                return ExitCode::FAILURE;
            }
        }
        println!("{name}: {count} walks");
    }
    ExitCode::SUCCESS
}
