//! The record of one upload on the disk: read back, replaced, added to, set aside, removed.
//!
//! What is in it lives in `ossup_core::checkpoint`; here it is bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use ossup_core::checkpoint::journal::MAX_LEN;
use ossup_core::upload::effect::{Durability, StoreError, Write};

use crate::FileError;
use crate::lock::Lock;
use crate::platform;

/// How many damaged records of one upload are kept.
const MAX_DAMAGED: u32 = 1000;

/// The record of one upload, which nobody else can use until this is dropped.
///
/// Dropping it leaves the record where it is and removes the lock.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    name: String,
    // Held, not used.
    _lock: Lock,
}

impl Record {
    pub(crate) fn new(folder: PathBuf, name: String, lock: Lock) -> Self {
        Self { folder, name, _lock: lock }
    }

    /// The file of the record, whether there is one or not.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// What is in the record; `None` when there is none. Of one that is longer than any checkpoint, as much as shows it.
    ///
    /// # Errors
    /// It cannot be read, or there is something else under its name, such as a link.
    pub fn load(&self) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.path();
        let read = || -> io::Result<Vec<u8>> {
            let file = platform::open_plain(OpenOptions::new().read(true), &path)?;
            // Where this needs the right to write (Windows), the system's cache has to do.
            let _ = file.sync_data();
            let mut record = Vec::new();
            file.take(MAX_LEN as u64 + 1).read_to_end(&mut record)?;
            Ok(record)
        };
        match read() {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::when("read the checkpoint", &path)(error)),
        }
    }

    /// Does a write, as durably as it asks for.
    ///
    /// # Errors
    /// The system could not do it. A failed [`Write::Replace`] leaves the record as it was; a failed [`Write::Append`]
    /// does too, unless the disk does not even let us take back what it had already taken.
    pub fn apply(&mut self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Replace(bytes) => Ok(self.replace(bytes)?),
            Write::Append(bytes, durability) => Ok(self.append(bytes, *durability)?),
            Write::SetAside => Ok(self.set_aside().map(|_| ())?),
            _ => Err(StoreError::new("this version cannot do what it is asked to do")),
        }
    }

    /// Removes the record. That there is none is a success.
    ///
    /// # Errors
    /// The system could not do it.
    pub fn forget(&mut self) -> Result<(), StoreError> {
        let path = self.path();
        remove_if_there(&self.draft())?;
        remove_if_there(&path)?;
        Ok(self.sync_names()?)
    }

    /// Where a replacement is written before it takes the record's name. Nobody else can be writing there, for we hold
    /// the lock; what an earlier run has left there is of no use to anyone.
    fn draft(&self) -> PathBuf {
        self.folder.join(format!("{}.new", self.name))
    }

    fn replace(&self, bytes: &[u8]) -> Result<(), FileError> {
        let (draft, path) = (self.draft(), self.path());
        remove_if_there(&draft)?;
        let written =
            write_new(&draft, bytes).map_err(FileError::when("write the checkpoint", &draft)).and_then(
                |()| std::fs::rename(&draft, &path).map_err(FileError::when("replace the checkpoint", &path)),
            );
        if written.is_err() {
            // A full disk is the likeliest reason: give back what was taken of it.
            let _ = std::fs::remove_file(&draft);
            return written;
        }
        self.sync_names()
    }

    fn append(&self, bytes: &[u8], durability: Durability) -> Result<(), FileError> {
        let path = self.path();
        let append = || {
            // Opened anew each time: a record that was removed behind our back must not swallow what it is told.
            let mut file = platform::open_plain(OpenOptions::new().append(true), &path)?;
            let before = file.metadata()?.len();
            let written = file.write_all(bytes).and_then(|()| match durability {
                Durability::Written => Ok(()),
                Durability::Durable => file.sync_data(),
            });
            if written.is_err() {
                let _ = file.set_len(before);
            }
            written
        };
        append().map_err(FileError::when("add to the checkpoint", &path))
    }

    /// Renames the record out of the way and says where it is now.
    fn set_aside(&self) -> Result<PathBuf, FileError> {
        let path = self.path();
        for n in 1..=MAX_DAMAGED {
            let aside = self.folder.join(format!("{}.damaged-{n}", self.name));
            // A new file reserves the name, and is then what the rename replaces.
            match platform::open_plain(OpenOptions::new().write(true).create_new(true), &aside) {
                Ok(_) => {}
                Err(_) if aside.symlink_metadata().is_ok() => continue,
                Err(error) => {
                    return Err(FileError::when("set a damaged checkpoint aside as", &aside)(error));
                }
            }
            if let Err(error) = std::fs::rename(&path, &aside) {
                let _ = std::fs::remove_file(&aside);
                return Err(FileError::when("set aside the damaged checkpoint", &path)(error));
            }
            self.sync_names()?;
            return Ok(aside);
        }
        let error = io::Error::other("too many damaged ones are kept; move them away");
        Err(FileError::when("set aside the damaged checkpoint", &path)(error))
    }

    fn sync_names(&self) -> Result<(), FileError> {
        platform::sync_folder(&self.folder).map_err(FileError::when("write to", &self.folder))
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File = platform::open_plain(OpenOptions::new().write(true).create_new(true), path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::when("remove", path)(error)),
        _ => Ok(()),
    }
}
