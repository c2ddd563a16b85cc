//! What the documents say of the code is so: every name of ours that `docs/migrating.md` mentions exists, and the drivers of
//! `docs/embedding.md` are as short as it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The sources of the libraries, as one text.
fn sources() -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut folders: Vec<PathBuf> =
        ["ossup-core", "ossup-fs", "ossup-ureq"].iter().map(|name| crates.join(name).join("src")).collect();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

/// The names in code spans of the columns that are ours: the last but the explanation.
fn names(page: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut ours = 0;
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let Some(at) = cells.iter().position(|cell| *cell == "here") {
            ours = at;
        }
        if !line.starts_with('|') || ours == 0 {
            continue;
        }
        let spans = cells.get(ours).unwrap_or(&"").split('`').skip(1).step_by(2);
        names.extend(spans.map(str::to_owned));
    }
    names
}

#[test]
fn every_name_in_the_guide_for_migrating_exists() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/migrating.md");
    let (sources, names) = (sources(), names(&std::fs::read_to_string(guide).unwrap()));
    assert!(names.len() > 60, "the tables are somewhere else: {names:?}");
    let exists = |name: &str| {
        let (owner, member) = name.split_once("::").unwrap_or((name, ""));
        let is_type = ["struct", "enum", "trait"].iter().any(|kind| {
            [" ", "<", "(", ":", ";"].iter().any(|end| sources.contains(&format!("pub {kind} {owner}{end}")))
        });
        // A method, a field, or a variant.
        let is_member = member.is_empty()
            || ["pub fn ", "fn ", "pub const fn "]
                .iter()
                .any(|kind| sources.contains(&format!("{kind}{member}(")))
            || sources.contains(&format!("pub {member}: "))
            || ["    ", " "].iter().any(|indent| {
                [",", "(", " {"]
                    .iter()
                    .any(|end| sources.contains(&format!("\n{indent}{member}{end}").replace("\n ", "\n    ")))
            });
        is_type && is_member
    };
    let missing: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(!exists("Cancel::Drop") && !exists("Cancels::Keep"), "what does not exist is missed");
}

/// Lines of code that are a file's own: no comments, and not what it takes from elsewhere.
fn own_lines(file: &str) -> usize {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let mut taking = false;
    let is_own = |line: &&str| {
        let begins = line.starts_with("use ") || line.starts_with("mod ");
        let is_taken = taking || begins;
        taking = is_taken && !line.ends_with(';');
        !(is_taken || line.is_empty() || line.starts_with("//") || line.starts_with("#["))
    };
    text.lines().map(str::trim).filter(is_own).count()
}

#[test]
fn a_driver_is_short() {
    for driver in ["blocking_tcp.rs", "two_at_once.rs", "async_hyper.rs"] {
        let lines = own_lines(driver);
        assert!((30..=80).contains(&lines), "{driver} has {lines} lines of its own");
    }
}
