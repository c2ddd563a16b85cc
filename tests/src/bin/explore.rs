//! `explore [NAME]`: searches the large worlds, or those whose names contain NAME, and says what was found.

use std::process::ExitCode;

use ossup_tests::explore::explore;
use ossup_tests::worlds::{large, small};

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    let worlds: Vec<_> = match &wanted {
        None => large(),
        Some(name) => {
            small().into_iter().chain(large()).filter(|(other, _)| other.contains(name.as_str())).collect()
        }
    };
    if worlds.is_empty() {
        eprintln!("no world has that in its name");
        return ExitCode::FAILURE;
    }
    for (name, setting) in worlds {
        let found = explore(&setting, 5_000_000);
        println!(
            "{name}: {} states, {} edges, depth {}, {:.1?}: {:?}",
            found.states, found.edges, found.depth, found.time, found.ends
        );
        if let Some(violation) = found.violation {
            println!("VIOLATION: {violation}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
