//! What went wrong with a file of the checkpoints, told to the person who can mend it.

use std::io;
use std::path::{Path, PathBuf};

use ossup_core::upload::effect::StoreError;

/// Something that could not be done to a file or folder of the checkpoints.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}{}", path.display(), hint(source))]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the operating system said.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// For `map_err`: `action` is a verb that goes before the path.
    pub(crate) fn when(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        Self::new(error.to_string())
    }
}

/// What can be done about it, where that is known.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or keep the checkpoints elsewhere"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; keep the checkpoints in a folder that you may write to"
        }
        _ => "",
    }
}
