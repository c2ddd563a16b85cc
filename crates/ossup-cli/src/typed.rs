//! The command that was run, as one would type it into a shell, and those that one may want to type next.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};

use crate::output::shown;

/// The options that say where the server and the checkpoints are.
const PLACES: [&str; 7] = [
    "-e",
    "--endpoint",
    "--region",
    "--addressing-style",
    "--sign-version",
    "--ca-bundle",
    "--checkpoint-dir",
];

/// The words of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Typed {
    words: Vec<OsString>,
}

impl Typed {
    /// The command of this process.
    pub(crate) fn of_this_process() -> Self {
        Self { words: std::env::args_os().collect() }
    }

    /// The same with this option, whatever was said for it.
    pub(crate) fn with(&self, option: &str, value: &str) -> Self {
        let mut typed = self.without(option);
        let new = [option, value].map(OsString::from);
        // What is behind a -- is no option.
        let end = if typed.words.iter().any(|word| word == "--") { 2 } else { typed.words.len() };
        typed.words.splice(end..end, new);
        typed
    }

    /// Another command of this program, for the same server and the same folder of checkpoints.
    pub(crate) fn sibling(&self, command: &[&str]) -> Self {
        let mut words: Vec<_> = self.words.iter().take(1).cloned().collect();
        words.extend(command.iter().map(OsString::from));
        let mut from = self.words.iter();
        while let Some(word) = from.next() {
            let text = word.to_string_lossy();
            if PLACES.contains(&&*text) {
                words.push(word.clone());
                words.extend(from.next().cloned());
            } else if PLACES.iter().any(|place| text.starts_with(&format!("{place}="))) {
                words.push(word.clone());
            }
        }
        Self { words }
    }

    fn without(&self, option: &str) -> Self {
        let assigned = format!("{option}=");
        let (mut words, mut from) = (Vec::new(), self.words.iter());
        while let Some(word) = from.next() {
            if word == option {
                from.next();
            } else if !word.to_string_lossy().starts_with(&assigned) {
                words.push(word.clone());
            }
        }
        Self { words }
    }

    /// Whether this value was given for the option.
    pub(crate) fn says(&self, option: &str, value: &str) -> bool {
        let assigned = format!("{option}={value}");
        self.words.windows(2).any(|pair| pair[0] == option && pair[1] == value)
            || self.words.iter().any(|word| *word == *assigned)
    }
}

/// With each word quoted where a shell needs it.
impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, word) in self.words.iter().enumerate() {
            if n > 0 {
                f.write_char(' ')?;
            }
            f.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

fn quoted(word: &OsStr) -> String {
    let plain = word.to_str().filter(|text| shown(text) == **text);
    if let Some(quoted) = plain.and_then(|text| shlex::try_quote(text).ok()) {
        return quoted.into_owned();
    }
    // What no terminal shows as it is; bash, zsh and ksh read it back.
    let mut text = "$'".to_owned();
    for byte in word.as_encoded_bytes() {
        match byte {
            b'\'' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> Typed {
        Typed { words: words.iter().map(OsString::from).collect() }
    }

    #[test]
    fn an_option_takes_the_place_of_what_was_said_for_it() {
        for words in [
            &["ossup", "upload", "--if-changed", "fail", "a file"][..],
            &["ossup", "upload", "a file", "--if-changed=fail"],
            &["ossup", "upload", "a file"],
        ] {
            let other = typed(words).with("--if-changed", "keep");
            assert_eq!(other.to_string(), "ossup upload 'a file' --if-changed keep");
        }
        let behind = typed(&["ossup", "upload", "--", "-file"]).with("--resume", "adopt");
        assert_eq!(behind.to_string(), "ossup upload --resume adopt -- -file");
        assert!(typed(&["ossup", "--if-changed=fail"]).says("--if-changed", "fail"));
        assert!(!typed(&["ossup", "--if-changed", "keep"]).says("--if-changed", "fail"));
    }

    #[test]
    fn another_command_goes_to_the_same_place() {
        let upload =
            typed(&["ossup", "upload", "-e", "http://h", "--recheck", "f", "--region=r", "oss://b/k"]);
        let status = upload.sibling(&["status", "oss://b"]);
        assert_eq!(status.to_string(), "ossup status oss://b -e http://h '--region=r'");
    }

    #[test]
    fn what_no_terminal_shows_is_typed_by_its_bytes() {
        assert_eq!(typed(&["a\u{1b}[2Jb'c\\"]).to_string(), r"$'a\x1b[2Jb\'c\\'");
        assert_eq!(typed(&["it's"]).to_string(), "\"it's\"");
    }
}
