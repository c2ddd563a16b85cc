//! Parts of the documentation that are rendered from the code, and the check that they have not drifted from it.
//!
//! A rendered part stands between `<!-- rendered: NAME -->` and `<!-- end: NAME -->`. To render all of them anew:
//! `OSSUP_RENDER=1 cargo test -p ossup-tests rendered`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use ossup_core::retry::meaning::TABLE;
use ossup_core::upload::Goal;

/// Compares a part of a document (a path from the root of the repository) with what the code says.
///
/// # Panics
/// They differ, and were not asked to be rendered anew; or the document has no such part.
pub fn check(document: &str, name: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let (begin, end) = (format!("<!-- rendered: {name} -->\n"), format!("<!-- end: {name} -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| {
        let (found, after) = rest.split_once(&end)?;
        Some((before, found, after))
    });
    let Some((before, found, after)) = parts else { panic!("{document} has no part '{name}'") };
    if found == rendered {
        return;
    }
    assert!(
        std::env::var_os("OSSUP_RENDER").is_some(),
        "the part '{name}' of {document} is not what the code says; render it anew with OSSUP_RENDER=1"
    );
    std::fs::write(&path, format!("{before}{begin}{rendered}{end}{after}"))
        .unwrap_or_else(|error| panic!("{document}: {error}"));
}

/// What an error answer means, as a table.
#[must_use]
pub fn decision_table() -> String {
    let mut table = String::from(
        "| # | operation | status | code | means | what follows | source |\n|---|---|---|---|---|---|---|\n",
    );
    for (index, row) in TABLE.iter().enumerate() {
        let operations: Vec<_> = row.operations.iter().map(|operation| operation.name()).collect();
        let mut codes = row.codes.join(", ");
        if !row.ecs.is_empty() {
            let _ = write!(codes, "; without a code EC {}", row.ecs.join(", "));
        }
        if let Some(message) = row.message {
            let _ = write!(codes, "; \"{message}\"");
        }
        let any = |list: Vec<&str>| if list.is_empty() { "any".to_owned() } else { list.join(", ") };
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {:?} | {} | {} |",
            index + 1,
            any(operations),
            row.status,
            any(if row.codes.is_empty() { Vec::new() } else { vec![&codes] }),
            row.meaning,
            row.meaning.consequence(),
            row.source,
        );
    }
    table
}

/// Which goal follows which, as two diagrams: on the way to the object, and on the way out.
#[must_use]
pub fn goal_diagrams(followed: &BTreeSet<(Goal, Goal)>) -> String {
    const OUT: [Goal; 6] = [Goal::Drain, Goal::Intend, Goal::Abort, Goal::Sweep, Goal::Flush, Goal::Forget];
    let mut text = String::new();
    let mut diagram = |title: &str, shown: &dyn Fn(Goal, Goal) -> bool| {
        let _ = writeln!(text, "{title}\n\n```mermaid\nflowchart LR");
        for (from, to) in followed.iter().filter(|(from, to)| from != to && shown(*from, *to)) {
            let _ = writeln!(text, "    {from:?} --> {to:?}");
        }
        text.push_str("```\n");
    };
    diagram("On the way to the object:", &|from, to| {
        !OUT.contains(&from) && (!OUT.contains(&to) || to == Goal::Forget) && to != Goal::Done
    });
    diagram("\nOn the way out (from any goal to `Drain`, or at once to what follows it):", &|from, _| {
        OUT.contains(&from)
    });
    text
}
