//! What the documents say guards the ordering rules is there, and what takes a guard away still takes away something.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The texts of all files below a folder.
fn texts(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(
            |path| if path.is_dir() { texts(&path) } else { fs::read_to_string(path).into_iter().collect() },
        )
        .collect()
}

/// What stands between backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_ordering_rule_names_what_guards_it_and_that_is_there() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let tests = texts(&root().join("tests/tests"));
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| P") && line.contains(" | `")).collect();
    assert_eq!(rows.len(), 8, "the rules");
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [rule, _, _, mutants, stories] = cells[..] else { panic!("not five cells: {row}") };
        assert!(names(mutants).next().is_some(), "nothing takes it away: {rule}");
        for mutant in names(mutants) {
            assert!(
                root().join(format!("tests/mutants/{mutant}.diff")).exists(),
                "{rule}: there is no {mutant}"
            );
        }
        for story in names(stories) {
            let defined = format!("fn {story}()");
            assert!(tests.iter().any(|text| text.contains(&defined)), "{rule}: there is no {story}");
        }
        let rule = rule.split(' ').next().unwrap();
        for checks in ["tests/src/world/rules.rs", "tests/src/simulate/rules.rs"] {
            let text = fs::read_to_string(root().join(checks)).unwrap();
            // P6 is one of sums there, and P8 one of ends.
            let elsewhere = rule == "P8" || (rule == "P6" && checks.contains("simulate"));
            assert!(text.contains(&format!("\"{rule}: ")) || elsewhere, "{rule} is not checked in {checks}");
        }
    }
    // The sections that the page names.
    for path in names(&page).filter(|name| name.starts_with("tests/") && !name.contains('*')) {
        assert!(root().join(path).exists(), "there is no {path}");
    }
}

#[test]
fn every_change_by_hand_says_what_it_takes_away_and_the_page_lists_those_that_nobody_can_notice() {
    let mut table =
        vec!["| change | what it does | why nobody can notice |\n| --- | --- | --- |\n".to_owned()];
    let mut files: Vec<_> =
        fs::read_dir(root().join("tests/mutants")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.ends_with('.') && text.contains("\n--- a/crates/ossup-core/src/"),
            "{}",
            file.display()
        );
        if let Some(why) = text.lines().find_map(|line| line.strip_prefix("Equivalent: ")) {
            let name = file.file_stem().unwrap().to_string_lossy();
            table.push(format!("| `{name}` | {first} | {why} |\n"));
        }
    }
    ossup_tests::rendered::check("docs/testing.md", "equivalents", &table.concat());
}

#[test]
fn every_change_by_hand_is_one_of_the_code_as_it_is() {
    for entry in fs::read_dir(root().join("tests/mutants")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let target = text.lines().find_map(|line| line.strip_prefix("--- a/")).unwrap();
        let code = fs::read_to_string(root().join(target)).unwrap();
        let hunks: Vec<_> = text.split("\n@@ ").skip(1).collect();
        assert!(!hunks.is_empty(), "{target}: no change in {text}");
        for hunk in hunks {
            // What is there before: all but the line of the numbers, and what is added.
            let before: String = hunk
                .lines()
                .skip(1)
                .filter_map(|line| line.strip_prefix([' ', '-']).or(line.is_empty().then_some("")))
                .flat_map(|line| [line, "\n"])
                .collect();
            assert!(code.contains(&before), "{target} has no longer:\n{before}");
        }
    }
}
