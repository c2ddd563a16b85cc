//! The two streams a command writes to: results and data go to standard output, all talk to standard error.

use std::io::Write as _;

use crate::exit::{Code, Failure};

/// Prints a result. That nobody can read it is a failure: it was asked for.
pub(crate) fn print(result: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(result.as_ref()).and_then(|()| out.flush());
    printed.map_err(|error| Failure::new(Code::Client, format!("cannot write to standard output: {error}")))
}

/// Tells something in a line of its own. That nobody can read it ends nothing: an upload is worth more than its log.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", shown(line));
}

/// As it may go to a terminal. A key or the name of a file may hold anything: what would steer the terminal, begin a
/// line that looks like ours, or turn the text around.
pub(crate) fn shown(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { '?' } else { c }).collect()
}
