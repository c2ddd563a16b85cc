//! The documentation says what the code does.

use ossup_tests::rendered;

#[test]
fn the_rendered_decision_table_is_that_of_the_code() {
    rendered::check("docs/architecture.md", "decisions", &rendered::decision_table());
}
