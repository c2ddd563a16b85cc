//! Content and records in a directory, so that they survive a restart and a killed process.
//!
//! ```text
//! emulator.json                            says that the directory is ours; locked while it is in use
//! blobs/<name>                             the bytes of a part or of a put object, as they are
//! buckets/<bucket>/bucket.json             what the bucket is
//! buckets/<bucket>/objects/<hash>.json     an object: its key, its attributes, its blobs in order
//! buckets/<bucket>/uploads/<id>/upload.json
//! buckets/<bucket>/uploads/<id>/<n>.json   a part
//! ```
//! No name comes from a client unchecked: buckets have a checked name, keys are hashed, upload ids are our own. A
//! record is written beside its place and renamed into it. Nothing is synced: what must survive is the process, not
//! the machine.

mod blob;
mod claim;
mod load;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Content, Sink, Storage};
use crate::model::world::{Bucket, Buckets, Object, ObjectMeta, Part, PartMeta, Upload, UploadMeta};
use blob::Growing;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Something failed on a path.
    #[error("the data directory cannot be used: {path}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// A metadata file is not one of ours.
    #[error("{path} is not a metadata file of the emulator; move it away, or use another data directory")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Content is not as long as its record says: something happened to the file.
    #[error(
        "{path} is damaged: it has {found} bytes instead of {expected}; restore it, or use another data directory"
    )]
    Damaged {
        /// The file of the record.
        path: PathBuf,
        /// How many bytes there are.
        found: u64,
        /// How many there were.
        expected: u64,
    },
    /// The directory has something in it, and is not marked as one of the emulator's, or as one of another version's.
    #[error(
        "{path} is not empty and is not a data directory of this emulator; use another one, or a new one"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Another emulator runs on the directory.
    #[error("another emulator is using the data directory {path}")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

/// Keeps content and records in a directory.
pub(crate) struct Directory {
    root: PathBuf,
    /// Distinguishes the names of this run from those of earlier ones.
    run: u64,
    next: AtomicU64,
    /// Set when blobs that nobody holds any more are to stay.
    closed: Arc<AtomicBool>,
    /// Locked as long as the directory is in use; the operating system frees it when the process dies.
    _mark: File,
}

#[derive(Serialize, Deserialize)]
struct ObjectRecord {
    key: String,
    blobs: Vec<String>,
    len: u64,
    #[serde(flatten)]
    meta: ObjectMeta,
}

#[derive(Serialize, Deserialize)]
struct UploadRecord {
    key: String,
    #[serde(flatten)]
    meta: UploadMeta,
}

#[derive(Serialize, Deserialize)]
struct PartRecord {
    blobs: Vec<String>,
    len: u64,
    #[serde(flatten)]
    meta: PartMeta,
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::Io { path: path.into(), source })
}

impl Directory {
    /// Opens or makes the directory, and reads what is there. One that has something else in it is left alone.
    pub(crate) fn open(root: &Path) -> Result<(Self, Buckets), OpenError> {
        let mark = claim::claim(root)?;
        for path in [root.join("blobs"), root.join("buckets"), root.join("tmp")] {
            at(&path, fs::create_dir_all(&path))?;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let directory = Self {
            root: root.into(),
            run: since.as_nanos() as u64,
            next: AtomicU64::new(0),
            closed: Arc::new(AtomicBool::new(false)),
            _mark: mark,
        };
        let buckets = directory.load()?;
        Ok((directory, buckets))
    }

    fn fresh_name(&self) -> String {
        format!("{:016x}-{:06x}", self.run, self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn bucket(&self, name: &str) -> PathBuf {
        self.root.join("buckets").join(name)
    }

    fn object(&self, bucket: &str, key: &str) -> PathBuf {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let (front, back) = hash.split_at(16);
        let half = |bytes: &[u8]| bytes.iter().fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
        let name = format!("{:032x}{:032x}.json", half(front), half(back));
        self.bucket(bucket).join("objects").join(name)
    }

    fn upload(&self, bucket: &str, id: &str) -> PathBuf {
        self.bucket(bucket).join("uploads").join(id)
    }

    fn part(&self, bucket: &str, id: &str, number: u16) -> PathBuf {
        self.upload(bucket, id).join(format!("{number}.json"))
    }

    fn write(&self, path: &Path, record: &impl Serialize) -> io::Result<()> {
        let beside = self.root.join("tmp").join(self.fresh_name());
        let bytes = serde_json::to_vec_pretty(record)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&beside, bytes)?;
        fs::rename(&beside, path)
    }

    /// Removes a folder: first out of sight in one step, then its files.
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let aside = self.root.join("tmp").join(self.fresh_name());
        fs::rename(path, &aside)?;
        fs::remove_dir_all(&aside)
    }
}

/// Whether a file may be called that by [`Directory::fresh_name`]. Whatever is called otherwise is somebody else's.
fn is_fresh_name(path: &Path) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let name = path.file_name().and_then(|name| name.to_str()?.split_once('-'));
    name.is_some_and(|(run, number)| run.len() == 16 && number.len() >= 6 && digits(run) && digits(number))
}

fn names(content: &Content) -> Vec<String> {
    content.blobs().iter().map(|blob| blob.name().to_owned()).collect()
}

impl Storage for Directory {
    fn create(&self) -> io::Result<Box<dyn Sink>> {
        let name = self.fresh_name();
        let path = self.root.join("blobs").join(&name);
        Ok(Box::new(Growing::create(path, name, self.closed.clone())?))
    }

    fn put_bucket(&self, name: &str, bucket: &Bucket) -> io::Result<()> {
        self.write(&self.bucket(name).join("bucket.json"), &bucket.meta)
    }

    fn remove_bucket(&self, name: &str) -> io::Result<()> {
        self.remove_folder(&self.bucket(name))
    }

    fn put_object(&self, bucket: &str, key: &str, object: &Object) -> io::Result<()> {
        let record = ObjectRecord {
            key: key.into(),
            blobs: names(&object.content),
            len: object.content.len(),
            meta: object.meta.clone(),
        };
        self.write(&self.object(bucket, key), &record)
    }

    fn remove_object(&self, bucket: &str, key: &str) -> io::Result<()> {
        fs::remove_file(self.object(bucket, key))
    }

    fn put_upload(&self, bucket: &str, key: &str, id: &str, upload: &Upload) -> io::Result<()> {
        let record = UploadRecord { key: key.into(), meta: upload.meta.clone() };
        self.write(&self.upload(bucket, id).join("upload.json"), &record)
    }

    fn remove_upload(&self, bucket: &str, id: &str) -> io::Result<()> {
        self.remove_folder(&self.upload(bucket, id))
    }

    fn put_part(&self, bucket: &str, id: &str, number: u16, part: &Part) -> io::Result<()> {
        let record =
            PartRecord { blobs: names(&part.content), len: part.content.len(), meta: part.meta.clone() };
        self.write(&self.part(bucket, id, number), &record)
    }

    fn remove_part(&self, bucket: &str, id: &str, number: u16) -> io::Result<()> {
        fs::remove_file(self.part(bucket, id, number))
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}
