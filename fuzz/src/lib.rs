//! How a target is run: by the fuzzer, or, built without it, on the files and folders that the program is given.

#[cfg(fuzzing)]
pub use libfuzzer_sys;

use std::io;
use std::path::{Path, PathBuf};

/// Makes a program of a function of bytes that must not panic.
#[macro_export]
macro_rules! target {
    ($function:path) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $function(data));

        #[cfg(not(fuzzing))]
        fn main() -> ::std::io::Result<()> {
            $crate::replay($function)
        }
    };
}

/// Runs the inputs that the program was given as files or folders of files, at least one.
///
/// # Errors
/// A file cannot be read, or there is none.
pub fn replay(target: fn(&[u8])) -> io::Result<()> {
    let mut inputs = Vec::new();
    for argument in std::env::args_os().skip(1) {
        collect(Path::new(&argument), &mut inputs)?;
    }
    if inputs.is_empty() {
        return Err(io::Error::other("no inputs: name files, or folders of files"));
    }
    let mut largest = Vec::new();
    for input in &inputs {
        let bytes = std::fs::read(input)?;
        if std::panic::catch_unwind(|| target(&bytes)).is_err() {
            return Err(io::Error::other(format!("the target fails on {}", input.display())));
        }
        if bytes.len() > largest.len() {
            largest = bytes;
        }
    }
    let grown = grow(&largest);
    if std::panic::catch_unwind(|| target(&grown)).is_err() {
        return Err(io::Error::other("the target fails on its largest input, grown to 8 MiB"));
    }
    println!("{} inputs, and one of {} bytes", inputs.len(), grown.len());
    Ok(())
}

/// The longest answer that the core reads, in bytes. Fuzzers rarely come there.
const LARGEST: usize = 8 << 20;

/// An input as large as can be: what is in the middle of this one comes again and again.
fn grow(input: &[u8]) -> Vec<u8> {
    let (begin, end) = (input.len() / 3, input.len() - input.len() / 3);
    let (head, middle, tail) = (&input[..begin], &input[begin..end], &input[end..]);
    let times = LARGEST.saturating_sub(head.len() + tail.len()) / middle.len().max(1);
    [head, &middle.repeat(times), tail].concat()
}

fn collect(path: &Path, inputs: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), inputs)?;
        }
    } else {
        inputs.push(path.to_owned());
    }
    Ok(())
}
