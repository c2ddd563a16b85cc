//! Checkpoints in `SQLite` instead of a folder, by way of [`CheckpointStore`].
//!
//! A checkpoint is a journal, and so is its table: a row for each write, put together when it is read. Every commit is
//! on the disk when it returns (write-ahead log, fully synchronous), which is more than some writes ask for and never
//! less.
//!
//! A record must be in one hand at a time, and must be free again when that hand dies. No row can promise that; a lock of
//! the operating system can, so the locks are files beside the database. A database on a server has its own: a lock
//! that ends with the session (`PostgreSQL`'s advisory locks), or a lease that every write checks.
//!
//! ```sh
//! OSS_REGION=cn-hangzhou OSS_ACCESS_KEY_ID=… OSS_ACCESS_KEY_SECRET=… \
//!     cargo run -p ossup-examples --example sqlite -- https://oss-cn-hangzhou.aliyuncs.com film.mp4 oss://bucket/film.mp4
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ossup_core::checkpoint::journal;
use ossup_core::endpoint::Endpoint;
use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, StaticCredentials};
use ossup_core::upload::{StoreError, Write};
use ossup_fs::{BoxError, CheckpointFolder, CheckpointRecord, CheckpointStore, LockError, Record};
use ossup_ureq::{Client, FileUpload, HttpSettings};
use rusqlite::{Connection, params};

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, file, object] = arguments.as_slice() else {
        return Err("usage: ENDPOINT FILE oss://BUCKET/KEY".into());
    };
    let endpoint = endpoint.parse::<Endpoint>()?.with_region(std::env::var("OSS_REGION")?.parse()?);
    let keys = Credentials::new(std::env::var("OSS_ACCESS_KEY_ID")?, std::env::var("OSS_ACCESS_KEY_SECRET")?);
    let signer = LocalSigner::new(endpoint.clone(), StaticCredentials::new(keys), SignatureVersion::V4)?;
    let store = SqliteStore::open("checkpoints.db")?;
    let upload = FileUpload::new(file, object.parse()?).checkpoint_store(Arc::new(store));
    let client = Client::with_signer(&endpoint, signer, HttpSettings::default());
    println!("{:?}", client.upload(upload)?.end);
    Ok(())
}

/// Checkpoints in a database.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    database: PathBuf,
    locks: CheckpointFolder,
}

impl SqliteStore {
    /// The database at this path, which is made if there is none. Beside it goes a folder for the locks.
    pub(crate) fn open(database: impl Into<PathBuf>) -> Result<Self, BoxError> {
        let database = database.into();
        let locks = CheckpointFolder::open(database.with_extension("locks"))?;
        connect(&database)?.execute_batch(
            "CREATE TABLE IF NOT EXISTS piece (
                 seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, bytes BLOB NOT NULL
             );
             CREATE INDEX IF NOT EXISTS piece_by_name ON piece (name, seq);",
        )?;
        Ok(Self { database, locks })
    }
}

/// A connection for each upload, which are on threads of their own.
fn connect(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

impl CheckpointStore for SqliteStore {
    fn lock(&self, name: &str) -> Result<Box<dyn CheckpointRecord>, LockError> {
        let lock = self.locks.lock(name)?;
        let connection = connect(&self.database).map_err(|error| LockError::Store(error.into()))?;
        Ok(Box::new(Rows { connection, name: name.to_owned(), _lock: lock }))
    }
}

/// The rows of one checkpoint.
#[derive(Debug)]
struct Rows {
    connection: Connection,
    name: String,
    /// Held, and never written to. It is dropped last: behind the connection.
    _lock: Record,
}

impl CheckpointRecord for Rows {
    fn load(&mut self) -> Result<Option<Vec<u8>>, BoxError> {
        let mut statement = self.connection.prepare("SELECT bytes FROM piece WHERE name = ? ORDER BY seq")?;
        let mut rows = statement.query([&self.name])?;
        let mut record = None;
        while let Some(row) = rows.next()? {
            let record: &mut Vec<u8> = record.get_or_insert_default();
            record.extend(row.get_ref(0)?.as_blob()?);
            // More than any checkpoint has is more than anybody wants to hold.
            if record.len() > journal::MAX_LEN {
                record.truncate(journal::MAX_LEN + 1);
                break;
            }
        }
        Ok(record)
    }

    fn apply(&mut self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Replace(bytes) => self.transaction(|it, name| {
                it.execute("DELETE FROM piece WHERE name = ?", [name])?;
                it.execute("INSERT INTO piece (name, bytes) VALUES (?, ?)", params![name, &bytes[..]])
            }),
            Write::Append(bytes, _) => self.transaction(|it, name| {
                it.execute("INSERT INTO piece (name, bytes) VALUES (?, ?)", params![name, &bytes[..]])
            }),
            Write::SetAside => self.transaction(|it, name| {
                let last: i64 =
                    it.query_row("SELECT max(seq) FROM piece WHERE name = ?", [name], |row| row.get(0))?;
                let aside = format!("{name}.damaged-{last}");
                it.execute("UPDATE piece SET name = ? WHERE name = ?", [&aside, name])
            }),
            // What a later version of the core may ask for.
            other => Err(StoreError::new(format!("this store cannot do {other:?}"))),
        }
    }

    fn forget(&mut self) -> Result<(), StoreError> {
        self.transaction(|it, name| it.execute("DELETE FROM piece WHERE name = ?", [name]))
    }
}

impl Rows {
    /// All of it or nothing, and on the disk when it is done.
    fn transaction(
        &mut self,
        act: impl FnOnce(&Connection, &String) -> rusqlite::Result<usize>,
    ) -> Result<(), StoreError> {
        let commit = || {
            let transaction = self.connection.transaction()?;
            act(&transaction, &self.name)?;
            transaction.commit()
        };
        commit().map_err(|error: rusqlite::Error| StoreError::new(error.to_string()))
    }
}
