//! The core performs no I/O, told mechanically: by the crates it is built of, and by its source. Of the other crates, by how
//! many they are built of, and by what is not among those.
//!
//! Lints ban the same (`crates/ossup-core/clippy.toml`); an `allow` would silence them, and they do not see dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every crate that the core may be built of, on any platform, and what it is there for.
const ALLOWED: &[(&str, &str)] = &[
    ("ossup-core", "itself"),
    ("base64", "text from bytes and back"),
    ("block-buffer", "hashing"),
    ("bytes", "memory"),
    ("cfg-if", "a macro"),
    ("cmov", "comparison in constant time"),
    ("cpufeatures", "asks the processor, not the system, which instructions it has"),
    ("crc-fast", "hashing"),
    ("crypto-common", "hashing"),
    ("ctutils", "comparison in constant time"),
    ("digest", "hashing"),
    ("generic-array", "hashing"),
    ("hmac", "hashing"),
    ("http", "types"),
    ("hybrid-array", "hashing"),
    ("itoa", "numbers as text"),
    ("jiff", "dates, without its features that read clocks and zones"),
    ("jiff-core", "dates"),
    ("jiff-static", "dates, when it is compiled"),
    ("libc", "cpufeatures, where an instruction tells it nothing"),
    ("memchr", "searching memory"),
    ("mime", "types"),
    ("mime_guess", "a table"),
    ("ossup-md5", "hashing"),
    ("percent-encoding", "text from bytes and back"),
    ("portable-atomic", "memory"),
    ("portable-atomic-util", "memory"),
    ("proc-macro2", "macros"),
    ("quick-xml", "text; it has a reader of files, which takes a std::io reader that nobody has here"),
    ("quote", "macros"),
    ("serde", "text"),
    ("serde_core", "text"),
    ("serde_derive", "macros"),
    ("serde_json", "text"),
    ("sha1", "hashing"),
    ("sha2", "hashing"),
    ("spin", "a lock of memory, for a table that crc-fast computes once"),
    ("syn", "macros"),
    ("thiserror", "macros"),
    ("thiserror-impl", "macros"),
    ("typenum", "types"),
    ("unicase", "text"),
    ("unicode-ident", "macros"),
    ("zeroize", "memory"),
    ("zmij", "numbers as text"),
];

/// The crates that a package is built of, as cargo sees it, each with its version.
fn crates_of(package: &str, more: &[&str]) -> BTreeSet<(String, String)> {
    let cargo = std::env::var_os("CARGO").expect("cargo sets it for tests");
    let output = Command::new(cargo)
        .args(["tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let words = text.lines().map(str::split_whitespace);
    words.filter_map(|mut line| Some((line.next()?.to_owned(), line.next()?.to_owned()))).collect()
}

/// The names of the crates that `ossup-core` is built of, with all its features, on any platform.
fn crates() -> BTreeSet<String> {
    let all = crates_of("ossup-core", &["--all-features", "--target", "all"]);
    all.into_iter().map(|(name, _)| name).collect()
}

/// The rows of the table in `docs/performance.md`: how many crates each of ours is built of.
fn counts_that_are_told() -> BTreeMap<String, usize> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
    let text = fs::read_to_string(page).unwrap();
    let (_, table) = text.split_once("| crate | crates it is built of").expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].parse().unwrap())
    })
    .collect()
}

#[test]
fn each_crate_is_built_of_as_many_crates_as_is_told() {
    let told = counts_that_are_told();
    assert_eq!(told.len(), 7, "a crate is missing: {told:?}");
    // What it is on one platform, whichever this is.
    let counted = |name: &String| crates_of(name, &["--target", "x86_64-unknown-linux-gnu"]).len();
    let counted: BTreeMap<_, _> = told.keys().map(|name| (name.clone(), counted(name))).collect();
    assert_eq!(counted, told, "what is built (left) and what docs/performance.md says (right)");
}

#[test]
fn an_embedder_gets_no_runtime_that_was_not_asked_for_and_no_command_line() {
    const BANNED: &[(&str, &[&str])] = &[
        ("ossup-md5", &["tokio", "rustls", "clap"]),
        ("ossup-core", &["tokio", "rustls", "clap"]),
        ("ossup-fs", &["tokio", "rustls", "clap"]),
        ("ossup-ureq", &["tokio", "clap"]),
        ("ossup-reqwest", &["clap"]),
        ("ossup-emulator", &["clap"]),
    ];
    for (package, banned) in BANNED {
        let found = crates_of(package, &["--all-features", "--target", "all"]);
        assert!(found.iter().any(|(name, _)| name == package), "cargo tree has answered something else");
        let strange: Vec<_> = found.iter().filter(|(name, _)| banned.contains(&name.as_str())).collect();
        assert!(strange.is_empty(), "{package} is built of {strange:?}");
    }
}

#[test]
fn the_core_is_built_of_crates_that_are_known_to_do_no_io() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    assert_eq!(allowed.len(), ALLOWED.len(), "a crate is listed twice");
    let found = crates();
    assert!(found.contains("ossup-core") && found.len() > 10, "cargo tree has answered something else");
    let strange: Vec<_> = found.iter().filter(|name| !allowed.contains_key(name.as_str())).collect();
    assert!(strange.is_empty(), "look at what {strange:?} can do, and list it with a reason");
    let gone: Vec<_> = allowed.keys().filter(|name| !found.contains(**name)).collect();
    assert!(gone.is_empty(), "no longer needed: {gone:?}");
}

/// What no code of the core says.
const BANNED: &[&str] = &[
    "std::fs",
    // Addresses as mere values are in `core::net`.
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "std::io",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "println!",
    "dbg!",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// A line without its comment. A slash within a text does not begin one, but for `//`, of which URLs have a colon first.
fn code(line: &str) -> &str {
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

#[test]
fn no_code_of_the_core_speaks_of_files_sockets_threads_clocks_or_the_environment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/ossup-core/src");
    let sources = sources(&root);
    assert!(sources.len() > 30, "the source is somewhere else");
    let mut found = Vec::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let banned = BANNED.iter().filter(|word| code(line).contains(**word));
            found.extend(banned.map(|word| format!("{}:{}: {word}", path.display(), number + 1)));
        }
        // Imports that are nested name what they import piece by piece.
        for line in text.lines().filter(|line| line.trim_start().starts_with("use std::{")) {
            found.push(format!(
                "{}: one `use` for each module, so that this test can read them: {line}",
                path.display()
            ));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn comments_are_told_from_code() {
    assert_eq!(code("let a = 1; // std::fs"), "let a = 1; ");
    assert_eq!(code("//! std::fs"), "");
    assert_eq!(code("\"https://host\".parse() // x"), "\"https://host\".parse() ");
}
