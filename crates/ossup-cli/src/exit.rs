//! What the program's exit code means. 0 to 5 are those of ossutil.

use std::fmt;
use std::process::ExitCode;

use crate::output::shown;

/// An exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Code {
    /// It worked.
    Ok = 0,
    /// The command line, or a setting, is wrong.
    BadParameter = 1,
    /// The server said no.
    Server = 2,
    /// Something failed on this side: a file, the network.
    Client = 3,
    /// Interrupted; everything is kept, or deleted, as asked.
    Interrupted = 5,
    /// The source changed while it was uploaded, and the policy is to end then.
    SourceChanged = 6,
    /// Bytes arrived as others than were sent. The object, if there is one, is not to be used.
    Corrupted = 7,
    /// Another process is uploading this file to this object.
    Locked = 8,
    /// An earlier run cannot be continued, and the policy is to end then.
    CannotResume = 9,
    /// The object is stored, and the callback failed.
    CallbackFailed = 10,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// The exit code when a second Ctrl-C ends the process at once: what shells have for a process that SIGINT ended.
pub(crate) const ENDED_AT_ONCE: i32 = 130;

/// Why a command failed: for the person who reads it, and for the script that checks the code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    message: String,
    /// What else there is to know, and what to do about it: one line each.
    notes: Vec<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: shown(&message.into()), notes: Vec::new() }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Adds what else there is to know, or to do about it.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(shown(&note.into()));
        self
    }
}

/// The message, and the notes below it, each on a line of its own.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.notes.iter().try_for_each(|note| write!(f, "\n       {note}"))
    }
}
