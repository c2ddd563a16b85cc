//! One process at a time: a lock of the operating system on a file beside the record.
//!
//! The system releases the lock when its process ends, however it ends. The file of the lock is removed with it, and
//! that is where care is needed: whoever opened the file just before can still lock it, while others lock a new file
//! of the same name. So a lock counts only if, once it is held, its file is still the one the name leads to; and only
//! the holder removes the file, before it lets go.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ossup_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::platform;
use crate::{BoxError, FileError};

/// How often the file may be removed under our hands before something else must be wrong. Each time means that another
/// holder has come and gone.
const MAX_RACES: usize = 1000;

/// How much is read of what the holder has written about itself, in bytes.
const MAX_HOLDER: u64 = 4096;

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock whose file is `path`, or says who holds it.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        for _ in 0..MAX_RACES {
            let file = open(path)?;
            if let Some(lock) = Self::claim(file, path)? {
                return Ok(lock);
            }
        }
        let error = io::Error::other("its file is replaced again and again");
        Err(FileError::when("lock", path)(error).into())
    }

    /// Takes the lock on a file that was opened at `path`; `None` if that file has been removed since.
    fn claim(mut file: File, path: &Path) -> Result<Option<Self>, LockError> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: path.to_owned(), holder: Holder::read(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(FileError::when("lock", path)(error).into()),
        }
        if !leads_to(path, &file) {
            return Ok(None);
        }
        let mut lock = Self { path: path.to_owned(), file };
        // What is written is for people; the lock holds without it.
        let _ = Holder::ourselves().write(&mut lock.file);
        Ok(Some(lock))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not if somebody has removed our file by hand: the one there now may be another's.
        if leads_to(&self.path, &self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
        // Closing the file, which comes next, releases the lock.
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
    platform::open_plain(&options, path).map_err(FileError::when("lock", path))
}

/// Whether `path` is a name of `file`.
fn leads_to(path: &Path, file: &File) -> bool {
    let identity = |file: File| same_file::Handle::from_file(file);
    match (file.try_clone().and_then(identity), same_file::Handle::from_path(path)) {
        (Ok(ours), Ok(there)) => ours == there,
        _ => false,
    }
}

/// Who holds a lock, in its own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The number of the process on its host.
    pub pid: u32,
    /// The name of its host.
    pub host: String,
    /// Since when, by its clock.
    pub since: Timestamp,
}

/// What is written into the file of the lock.
#[derive(Serialize, Deserialize)]
struct Written {
    pid: u32,
    host: String,
    since: i64,
}

impl Holder {
    /// Whether it is this process.
    pub(crate) fn is_this_process(&self) -> bool {
        self.pid == std::process::id() && self.host == platform::host_name()
    }

    /// Whether there is a process of this number, where that can be found out: on this host, on Unix. Another process
    /// may have come by the number since.
    #[must_use]
    pub fn may_be_alive(&self) -> bool {
        self.host != platform::host_name() || platform::is_process(self.pid)
    }

    fn ourselves() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            pid: std::process::id(),
            host: platform::host_name(),
            since: Timestamp::from_unix(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)),
        }
    }

    fn write(&self, file: &mut File) -> io::Result<()> {
        let written = Written { pid: self.pid, host: self.host.clone(), since: self.since.unix() };
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(&written)?)
    }

    /// What the holder has written; nothing when it has only just come, and on systems where a locked file cannot be
    /// read.
    pub(crate) fn read(file: &mut File) -> Option<Self> {
        let mut text = Vec::new();
        file.rewind().ok()?;
        file.take(MAX_HOLDER).read_to_end(&mut text).ok()?;
        let written: Written = serde_json::from_slice(&text).ok()?;
        // It is shown to people: nothing that could steer their terminal.
        let host = written.host.chars().filter(|c| !c.is_control()).collect();
        Some(Self { pid: written.pid, host, since: Timestamp::from_unix(written.since) })
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}, since {}", self.pid, self.host, self.since)
    }
}

/// Why a record could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another upload of the same file to the same object is under way.
    #[error(
        "this upload is already under way{}; wait for it to end, or end it",
        holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default()
    )]
    Held {
        /// The file of the lock; in another kind of store, whatever names its place.
        path: PathBuf,
        /// Who holds it, where that could be read.
        holder: Option<Holder>,
    },
    /// The name is not one under which records are kept.
    #[error("a record is named by 1 to 100 lower-case letters and digits")]
    Name,
    /// The file of the lock cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A store that is no folder cannot be used.
    #[error(transparent)]
    Store(BoxError),
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.lock");
        (folder, path)
    }

    #[test]
    fn the_second_is_told_who_is_the_first() {
        let (_folder, path) = place();
        let first = Lock::take(&path).unwrap();
        let Err(LockError::Held { holder: Some(holder), .. }) = Lock::take(&path) else {
            panic!("two hold the lock");
        };
        assert_eq!((holder.pid, holder.host), (std::process::id(), platform::host_name()));
        drop(first);
        Lock::take(&path).unwrap();
    }

    #[test]
    fn nothing_is_left_of_a_lock_that_was_released() {
        let (folder, path) = place();
        drop(Lock::take(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_was_removed_between_opening_and_locking_is_no_lock() {
        let (_folder, path) = place();
        let first = Lock::take(&path).unwrap();
        let late = open(&path).unwrap();
        drop(first);
        let second = Lock::take(&path).unwrap();
        assert!(Lock::claim(late, &path).unwrap().is_none());
        // And its end does not take the file from under the second.
        assert!(matches!(Lock::take(&path), Err(LockError::Held { .. })));
        drop(second);
    }

    #[test]
    fn a_holder_whose_file_was_removed_by_hand_leaves_the_next_ones_alone() {
        let (_folder, path) = place();
        let first = Lock::take(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = Lock::take(&path).unwrap();
        drop(first);
        assert!(matches!(Lock::take(&path), Err(LockError::Held { .. })));
        drop(second);
    }

    #[test]
    fn however_many_come_and_go_only_one_holds_it() {
        let (folder, path) = place();
        let (inside, held) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        match Lock::take(&path) {
                            Ok(lock) => {
                                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold the lock");
                                held.fetch_add(1, Ordering::SeqCst);
                                inside.fetch_sub(1, Ordering::SeqCst);
                                drop(lock);
                            }
                            Err(LockError::Held { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
        });
        assert!(held.into_inner() > 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_the_holder_wrote_is_not_trusted() {
        let (_folder, path) = place();
        for written in ["", "{", "[]", "{\"pid\":-1}", &"x".repeat(10_000)] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(Holder::read(&mut File::open(&path).unwrap()), None);
        }
        std::fs::write(&path, r#"{"pid":7,"host":"a\u001b[2Jb","since":9223372036854775807}"#).unwrap();
        let holder = Holder::read(&mut File::open(&path).unwrap()).unwrap();
        assert_eq!((holder.pid, holder.host.as_str()), (7, "a[2Jb"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_the_file_is_refused() {
        let (folder, path) = place();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "precious").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(matches!(Lock::take(&path), Err(LockError::File(_))));
        assert_eq!(std::fs::read_to_string(elsewhere).unwrap(), "precious");
    }
}
