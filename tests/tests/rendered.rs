//! The documentation says what the code does.

use ossup_tests::rendered;

#[test]
fn the_rendered_decision_table_is_that_of_the_code() {
    rendered::check("docs/architecture.md", "decisions", &rendered::decision_table());
}

#[test]
fn the_transcripts_tell_what_follows() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    assert!(ossup_tests::transcript::check_all(&folder) >= 8);
}
