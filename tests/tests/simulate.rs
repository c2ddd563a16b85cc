//! Twenty thousand seeded ways through large worlds. One that fails prints how to replay it; more of them:
//! `cargo run --release -p ossup-tests --bin simulate -- --seeds 100000`.

use ossup_tests::simulate::many;

#[test]
fn no_seeded_world_breaks_a_rule_and_every_row_goal_and_fault_is_met() {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let (totals, failures) = many(0..20_000, threads);
    println!("{totals}");
    if let Some(first) = failures.first() {
        panic!("{} seeds fail; the first:\n{first}", failures.len());
    }
    assert_eq!(totals.worlds, 20_000);
    assert_eq!(totals.largest, 10_000, "the largest upload that there can be");
    // There is no row of the decision table and no goal that cannot come up here.
    assert_eq!(totals.missing_rows(), [""; 0]);
    assert_eq!(totals.missing_goals(), []);
    // And nothing that can go wrong, and did not.
    assert_eq!(totals.missing_faults(), []);
    assert_eq!(totals.missing_edits(), []);
    for end in ["Completed", "Suspended", "Discarded", "Failed"] {
        assert!(totals.ends.keys().any(|name| name.starts_with(end)), "no run ended {end}");
    }
}
