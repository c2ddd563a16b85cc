//! Making sure that a directory is ours before anything in it is touched: it is empty, or has our mark.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{OpenError, at};

const NAME: &str = "emulator.json";
/// Changes when older emulators would misread a directory.
const FORMAT: u32 = 1;
/// No mark is longer, in bytes.
const MAX_MARK: u64 = 1024;

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Mark {
    program: String,
    format: u32,
}

impl Mark {
    fn ours() -> Self {
        Self { program: "ossup-emulator".into(), format: FORMAT }
    }
}

/// Marks the directory as ours, which is made if need be, and locks the mark.
pub(super) fn claim(root: &Path) -> Result<File, OpenError> {
    at(root, fs::create_dir_all(root))?;
    let foreign = || OpenError::Foreign { path: root.into() };
    let path = root.join(NAME);
    let others =
        at(root, fs::read_dir(root))?.filter(|entry| !matches!(entry, Ok(e) if e.file_name() == NAME));
    let is_empty = others.count() == 0;
    if !is_empty && !path.is_file() {
        return Err(foreign());
    }
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut mark = at(&path, opened)?;
    match mark.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: root.into() }),
        Err(TryLockError::Error(error)) => return at(&path, Err(error)),
    }
    let mut text = Vec::new();
    at(&path, (&mut mark).take(MAX_MARK).read_to_end(&mut text))?;
    if text.is_empty() && is_empty {
        // New, or left by a process that was killed at this very place.
        let text = serde_json::to_vec(&Mark::ours()).unwrap_or_default();
        at(&path, mark.write_all(&text))?;
        return Ok(mark);
    }
    match serde_json::from_slice::<Mark>(&text) {
        Ok(found) if found == Mark::ours() => Ok(mark),
        _ => Err(foreign()),
    }
}
