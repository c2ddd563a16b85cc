//! Content and records in a directory, so that they survive a restart and a killed process.
//!
//! ```text
//! blobs/<name>                             the bytes of a part or of a put object, as they are
//! buckets/<bucket>/bucket.json             what the bucket is
//! buckets/<bucket>/objects/<hash>.json     an object: its key, its attributes, its blobs in order
//! buckets/<bucket>/uploads/<id>/upload.json
//! buckets/<bucket>/uploads/<id>/<n>.json   a part
//! ```
//! No name comes from a client unchecked: buckets have a checked name, keys are hashed, upload ids are our own. A
//! record is written beside its place and renamed into it. Nothing is synced: what must survive is the process, not
//! the machine.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ossup_core::object::BucketName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Blob, Content, Sink, Storage, Stored};
use crate::model::world::{
    Bucket, BucketMeta, Buckets, Object, ObjectMeta, Part, PartMeta, Upload, UploadMeta,
};

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
    /// Held as long as the directory is in use; the operating system frees it when the process dies.
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct ObjectRecord {
    key: String,
    blobs: Vec<String>,
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
    #[serde(flatten)]
    meta: PartMeta,
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::Io { path: path.into(), source })
}

fn read_record<T: DeserializeOwned>(path: &Path) -> Result<T, OpenError> {
    let bytes = at(path, fs::read(path))?;
    serde_json::from_slice(&bytes).map_err(|source| OpenError::Record { path: path.into(), source })
}

/// The entries of a directory; none where it is not there.
fn entries(path: &Path) -> Result<Vec<PathBuf>, OpenError> {
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| at(path, entry.map(|entry| entry.path()))).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => at(path, Err(error)),
    }
}

impl Directory {
    /// Opens or makes the directory, and reads what is there.
    pub(crate) fn open(root: &Path) -> Result<(Self, Buckets), OpenError> {
        for path in [root.to_path_buf(), root.join("blobs"), root.join("buckets"), root.join("tmp")] {
            at(&path, fs::create_dir_all(&path))?;
        }
        let lock_path = root.join("lock");
        let lock = at(&lock_path, File::create(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(OpenError::InUse { path: root.into() }),
            Err(fs::TryLockError::Error(error)) => return at(&lock_path, Err(error)),
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let directory = Self {
            root: root.into(),
            run: since.as_nanos() as u64,
            next: AtomicU64::new(0),
            closed: Arc::new(AtomicBool::new(false)),
            _lock: lock,
        };
        let buckets = directory.load()?;
        Ok((directory, buckets))
    }

    fn load(&self) -> Result<Buckets, OpenError> {
        for path in entries(&self.root.join("tmp"))? {
            at(&path, if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) })?;
        }
        let mut buckets = Buckets::new();
        let mut used = HashSet::new();
        for path in entries(&self.root.join("buckets"))? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            // Without its record the bucket was not finished being made, or being removed.
            if name.parse::<BucketName>().is_err() || !path.join("bucket.json").exists() {
                continue;
            }
            let meta: BucketMeta = read_record(&path.join("bucket.json"))?;
            let mut bucket = Bucket::new(meta);
            for path in entries(&path.join("objects"))? {
                let record: ObjectRecord = read_record(&path)?;
                let content = self.content(&record.blobs, &mut used)?;
                bucket.objects.insert(record.key, Arc::new(Object { content, meta: record.meta }));
            }
            for path in entries(&path.join("uploads"))? {
                if !path.join("upload.json").exists() {
                    continue;
                }
                let id = path.file_name().map(|id| id.to_string_lossy().into_owned()).unwrap_or_default();
                let record: UploadRecord = read_record(&path.join("upload.json"))?;
                let mut upload = Upload::new(record.meta);
                for path in entries(&path)? {
                    let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u16>().ok());
                    let Some(number) = number else { continue };
                    let record: PartRecord = read_record(&path)?;
                    let content = self.content(&record.blobs, &mut used)?;
                    upload.parts.insert(number, Part { content, meta: record.meta });
                }
                bucket.uploads.insert((record.key, id), upload);
            }
            buckets.insert(name.to_owned(), bucket);
        }
        // What no record names was being written when the process ended.
        for path in entries(&self.root.join("blobs"))? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !used.contains(&name) {
                at(&path, fs::remove_file(&path))?;
            }
        }
        Ok(buckets)
    }

    fn content(&self, names: &[String], used: &mut HashSet<String>) -> Result<Content, OpenError> {
        let mut content = Content::default();
        for name in names {
            let path = self.root.join("blobs").join(name);
            let plain = name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
            let found = if plain { fs::metadata(&path) } else { Err(io::ErrorKind::InvalidInput.into()) };
            let len = at(&path, found)?.len();
            used.insert(name.clone());
            content.push(Arc::new(FileBlob { path, name: name.clone(), len, closed: self.closed.clone() }));
        }
        Ok(content)
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

fn names(content: &Content) -> Vec<String> {
    content.blobs().iter().map(|blob| blob.name().to_owned()).collect()
}

impl Storage for Directory {
    fn create(&self) -> io::Result<Box<dyn Sink>> {
        let name = self.fresh_name();
        let path = self.root.join("blobs").join(&name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let blob = FileBlob { path, name, len: 0, closed: self.closed.clone() };
        Ok(Box::new(Growing { file, blob }))
    }

    fn put_bucket(&self, name: &str, bucket: &Bucket) -> io::Result<()> {
        self.write(&self.bucket(name).join("bucket.json"), &bucket.meta)
    }

    fn remove_bucket(&self, name: &str) -> io::Result<()> {
        self.remove_folder(&self.bucket(name))
    }

    fn put_object(&self, bucket: &str, key: &str, object: &Object) -> io::Result<()> {
        let record =
            ObjectRecord { key: key.into(), blobs: names(&object.content), meta: object.meta.clone() };
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
        let record = PartRecord { blobs: names(&part.content), meta: part.meta.clone() };
        self.write(&self.upload(bucket, id).join(format!("{number}.json")), &record)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// A file that goes with the last handle to it.
struct FileBlob {
    path: PathBuf,
    name: String,
    len: u64,
    closed: Arc<AtomicBool>,
}

impl Drop for FileBlob {
    fn drop(&mut self) {
        if !self.closed.load(Ordering::SeqCst) {
            // A file that cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

struct Growing {
    file: File,
    blob: FileBlob,
}

impl Sink for Growing {
    fn write(&mut self, piece: Bytes) -> io::Result<()> {
        self.blob.len += piece.len() as u64;
        self.file.write_all(&piece)
    }

    fn finish(self: Box<Self>) -> io::Result<Blob> {
        Ok(Arc::new(self.blob))
    }
}

impl Stored for FileBlob {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut piece = Vec::with_capacity(max.min(self.len.saturating_sub(offset) as usize));
        file.take(max as u64).read_to_end(&mut piece)?;
        Ok(piece.into())
    }

    fn name(&self) -> &str {
        &self.name
    }
}
