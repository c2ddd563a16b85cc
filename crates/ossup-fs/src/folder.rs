//! The folder where checkpoints are kept: one file per upload, named by the upload.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use ossup_core::checkpoint::record_name;
use ossup_core::object::ObjectName;

use crate::lock::{Holder, Lock, LockError};
use crate::platform;
use crate::{FileError, FileSource, Record};

/// A folder of records.
///
/// ```
/// use ossup_core::upload::effect::Write;
/// use ossup_fs::CheckpointFolder;
///
/// # let home = tempfile::tempdir()?;
/// let folder = CheckpointFolder::open(home.path().join("checkpoints"))?;
/// let mut record = folder.lock("0123abcd")?;
/// assert_eq!(record.load()?, None);
/// record.apply(&Write::Replace("first line\n".into()))?;
/// assert_eq!(record.load()?.as_deref(), Some(&b"first line\n"[..]));
/// assert!(folder.lock("0123abcd").is_err(), "one at a time");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
}

impl CheckpointFolder {
    /// The folder at this path. It is made if there is none, for its owner alone.
    ///
    /// # Errors
    /// There is none and it cannot be made, or there is something else at the path.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        create(&path).map_err(FileError::when("make the checkpoint folder", &path))?;
        Ok(Self { path })
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the record of this name, which need not exist yet, for ourselves alone. Those of uploads are made by
    /// [`lock_for`](Self::lock_for).
    ///
    /// # Errors
    /// Another process (or another upload of this one) has it, or its lock cannot be made.
    pub fn lock(&self, name: &str) -> Result<Record, LockError> {
        if !is_record_name(name) {
            return Err(LockError::Name);
        }
        let lock = Lock::take(&self.path.join(format!("{name}.lock")))?;
        Ok(Record::new(self.path.clone(), name.to_owned(), lock))
    }

    /// Takes the record of the upload of this file to this object at this destination (host and port).
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn lock_for(
        &self,
        destination: &str,
        object: &ObjectName,
        source: &FileSource,
    ) -> Result<Record, LockError> {
        let (bucket, key) = (object.bucket.as_str(), object.key.as_str());
        self.lock(&record_name(destination, bucket, key, &source.full_path()))
    }

    /// Who has taken the record of this name, in its own words. Nothing is locked to find out, so nobody is kept out
    /// meanwhile; but what a process that was killed has left behind looks the same: see [`Holder::may_be_alive`].
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<Holder> {
        let path = self.path.join(format!("{name}.lock"));
        if !is_record_name(name) {
            return None;
        }
        Holder::read(&mut platform::open_plain(OpenOptions::new().read(true), &path).ok()?)
    }

    /// The names of the records in the folder, in order. What was set aside and whatever else lies there is left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<String>, FileError> {
        self.names(is_record_name)
    }

    /// The names of the records that were set aside because they could not be read, in order.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list_damaged(&self) -> Result<Vec<String>, FileError> {
        self.names(is_damaged_name)
    }

    /// Removes a record that was set aside. That there is none is a success.
    ///
    /// # Errors
    /// The system could not do it, or the name is not one of [`list_damaged`](Self::list_damaged).
    pub fn remove_damaged(&self, name: &str) -> Result<(), FileError> {
        let path = self.path.join(name);
        let removed = if is_damaged_name(name) {
            std::fs::remove_file(&path)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it was not set aside"))
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::when("remove the damaged checkpoint", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn names(&self, is_wanted: fn(&str) -> bool) -> Result<Vec<String>, FileError> {
        let names = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&self.path)? {
                let entry = entry?;
                if let Ok(name) = entry.file_name().into_string()
                    && is_wanted(&name)
                    && entry.file_type()?.is_file()
                {
                    names.push(name);
                }
            }
            names.sort_unstable();
            Ok(names)
        };
        names().map_err(FileError::when("list", &self.path))
    }
}

/// Safe as a file name everywhere, and never the name of a lock or of a record set aside, which have a dot.
fn is_record_name(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_damaged_name(name: &str) -> bool {
    name.split_once(".damaged-").is_some_and(|(name, n)| {
        is_record_name(name) && !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())
    })
}

fn create(path: &Path) -> io::Result<()> {
    // Those that will be made, the outermost last; their names have to be made durable too.
    let missing: Vec<&Path> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    for folder in missing {
        let parent =
            folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        platform::sync_folder(parent)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_lead_elsewhere_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::open(place.path()).unwrap();
        for name in ["", ".", "..", "a/b", "../a", "a.lock", "A", "a\0", "ä", &"a".repeat(101)] {
            assert!(matches!(folder.lock(name), Err(LockError::Name)), "{name:?}");
        }
    }

    #[test]
    fn the_list_has_records_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::open(place.path()).unwrap();
        let name = record_name("host", "bucket", "key", "/data");
        for file in [name.as_str(), "ab.lock", "ab.new", "ab.damaged-1", "README.md"] {
            std::fs::write(place.path().join(file), "").unwrap();
        }
        std::fs::create_dir(place.path().join("folder")).unwrap();
        assert_eq!(folder.list().unwrap(), [name]);
        assert_eq!(folder.list_damaged().unwrap(), ["ab.damaged-1"]);
        assert!(
            folder.remove_damaged("README.md").is_err() && folder.remove_damaged("../ab.damaged-1").is_err()
        );
        folder.remove_damaged("ab.damaged-1").unwrap();
        folder.remove_damaged("ab.damaged-1").unwrap();
        assert_eq!(folder.list_damaged().unwrap(), [""; 0]);
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_named() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = CheckpointFolder::open(&path).unwrap_err();
        assert_eq!(error.path(), path);
    }
}
