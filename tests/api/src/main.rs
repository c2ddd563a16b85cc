//! Lists the public items of a crate, one a line: `ossup-api FILE`, where the file is what rustdoc says as JSON.
//!
//! Of what is derived, the line that says so is listed; the methods go without saying.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use public_api::{Builder, PublicApi};

fn read(file: &Path, derived: bool) -> public_api::Result<PublicApi> {
    Builder::from_rustdoc_json(file)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(!derived)
        .build()
}

fn list(file: &Path) -> public_api::Result<String> {
    let written: HashSet<String> = read(file, false)?.items().map(ToString::to_string).collect();
    let lines = read(file, true)?.into_items().map(|item| item.to_string());
    let lines = lines.filter(|line| {
        // That a type can be matched on is derived along with `PartialEq`.
        written.contains(line) || (line.starts_with("impl") && !line.contains("::StructuralPartialEq "))
    });
    Ok(lines.map(|line| line + "\n").collect())
}

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: ossup-api FILE");
        return ExitCode::FAILURE;
    };
    match list(Path::new(&file)) {
        Ok(lines) => {
            print!("{lines}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ossup-api: {error}");
            ExitCode::FAILURE
        }
    }
}
