//! The small worlds, searched whole: every order of everything that can happen in them.
//! Larger ones: `cargo run --release -p ossup-tests --bin explore`.

use std::collections::{BTreeMap, BTreeSet};

use ossup_core::upload::Goal;
use ossup_tests::explore::search;
use ossup_tests::product::{pairs, walk};
use ossup_tests::rendered;
use ossup_tests::world::Finished;
use ossup_tests::worlds::small;

#[test]
fn no_small_world_breaks_a_rule_and_every_end_and_goal_is_reached() {
    let mut ends: BTreeMap<Finished, usize> = BTreeMap::new();
    let mut followed = BTreeSet::new();
    let mut states = 0;
    for (name, found) in search(&small(), 100_000) {
        if let Some(violation) = &found.violation {
            panic!("in the world '{name}': {violation}");
        }
        states += found.states;
        for (end, count) in found.ends {
            *ends.entry(end).or_default() += count;
        }
        followed.extend(found.goals);
    }
    println!("{states} states: {ends:?}");
    let failed = |cause: &str| Finished::Failed(cause.to_owned());
    let expected = [
        Finished::Completed,
        Finished::Suspended,
        Finished::Discarded(true),
        Finished::Discarded(false),
        failed("Refused"),
        failed("Corrupted"),
        failed("Store"),
        failed("Network"),
        failed("ServerFailing"),
        failed("CannotResume"),
        failed("CredentialsRefused"),
        failed("NotDiscarded"),
        failed("ObjectExists"),
        failed("SourceChanged"),
        failed("OtherSource"),
        failed("Unconfirmed"),
    ];
    for end in expected {
        assert!(ends.contains_key(&end), "{end:?} was never reached: {ends:?}");
    }
    let goals: BTreeSet<_> = followed.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let unreached: Vec<_> = Goal::ALL.into_iter().filter(|goal| !goals.contains(goal)).collect();
    assert!(unreached.is_empty(), "goals that were never called for: {unreached:?}");
    rendered::check("docs/architecture.md", "goals", &rendered::goal_diagrams(&followed));
}

/// Walks through each world in which everything meets everything. More: `explore --walks N`.
const WALKS: u64 = 60;

#[test]
fn no_walk_through_a_world_in_which_everything_meets_everything_breaks_a_rule() {
    let worlds = pairs();
    println!("{} worlds", worlds.len());
    for (name, setting) in worlds {
        for seed in 0..WALKS {
            if let Err(violation) = walk(&setting, seed) {
                panic!("in the world '{name}', seed {seed}: {violation}");
            }
        }
    }
}
