//! Where checkpoints are kept: what a place must do that keeps them, be it a folder, a database or a server.
//!
//! The folder of files that most will use lives in `folder` and `record`.

use std::fmt::Debug;

use ossup_core::upload::{StoreError, Write};

use crate::{CheckpointFolder, LockError, Record};

/// Whatever went wrong with a store.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A place where checkpoints are kept.
///
/// [`CheckpointFolder`] is one. An implementation of one's own must see to it that a record is in one hand at a time:
/// of two uploads that write to one record, each would undo what the other noted.
pub trait CheckpointStore: Debug + Send + Sync {
    /// Takes the record of this name, which need not exist yet, until the answer is dropped. Names have 1 to 100
    /// lower-case letters and digits.
    ///
    /// # Errors
    /// Another upload has it ([`LockError::Held`]), or the store cannot be used.
    fn lock(&self, name: &str) -> Result<Box<dyn CheckpointRecord>, LockError>;
}

/// The record of one upload, which nobody else can use until this is dropped. Dropping it leaves the record as it is.
pub trait CheckpointRecord: Debug + Send {
    /// All that is in the record; `None` when there is none. What is longer than
    /// [`journal::MAX_LEN`](ossup_core::checkpoint::journal::MAX_LEN) may be cut off behind one byte more.
    ///
    /// # Errors
    /// It cannot be read.
    fn load(&mut self) -> Result<Option<Vec<u8>>, BoxError>;

    /// Does a write, as durably as it asks for.
    ///
    /// # Errors
    /// The store could not do it. The record is then what it was before; of an append, some first part may be there.
    fn apply(&mut self, write: &Write) -> Result<(), StoreError>;

    /// Removes the record. That there is none is a success.
    ///
    /// # Errors
    /// The store could not do it.
    fn forget(&mut self) -> Result<(), StoreError>;
}

impl CheckpointStore for CheckpointFolder {
    fn lock(&self, name: &str) -> Result<Box<dyn CheckpointRecord>, LockError> {
        Ok(Box::new(Self::lock(self, name)?))
    }
}

impl CheckpointRecord for Record {
    fn load(&mut self) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(Self::load(self)?)
    }

    fn apply(&mut self, write: &Write) -> Result<(), StoreError> {
        Self::apply(self, write)
    }

    fn forget(&mut self) -> Result<(), StoreError> {
        Self::forget(self)
    }
}
