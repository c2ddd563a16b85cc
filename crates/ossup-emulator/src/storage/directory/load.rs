//! Reading back what earlier processes left, and clearing away what they had not finished.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ossup_core::object::BucketName;
use serde::de::DeserializeOwned;

use super::blob::FileBlob;
use super::{Directory, ObjectRecord, OpenError, PartRecord, UploadRecord, at, is_fresh_name};
use crate::model::world::{Bucket, BucketMeta, Buckets, Object, Part, Upload};
use crate::storage::Content;

/// The files that records name, by name: one handle to each, however many records share it.
type Files = HashMap<String, Arc<FileBlob>>;

impl Directory {
    pub(super) fn load(&self) -> Result<Buckets, OpenError> {
        for path in entries(&self.root.join("tmp"))?.iter().filter(|path| is_fresh_name(path)) {
            at(path, if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) })?;
        }
        let mut buckets = Buckets::new();
        let mut files = Files::new();
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
                let content = self.content(&path, &record.blobs, record.len, &mut files)?;
                bucket.objects.insert(record.key, Arc::new(Object::new(content, record.meta)));
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
                    let content = self.content(&path, &record.blobs, record.len, &mut files)?;
                    upload.parts.insert(number, Part::new(content, record.meta));
                }
                bucket.uploads.insert((record.key, id), upload);
            }
            buckets.insert(name.to_owned(), bucket);
        }
        // What no record names was being written when the process ended.
        for path in entries(&self.root.join("blobs"))?.iter().filter(|path| is_fresh_name(path)) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !files.contains_key(name) {
                at(path, fs::remove_file(path))?;
            }
        }
        Ok(buckets)
    }

    /// The content that a record names. Records share files where one was made from the other, by copying or by
    /// completing: the file goes with the last of them.
    fn content(
        &self,
        record: &Path,
        names: &[String],
        expected: u64,
        files: &mut Files,
    ) -> Result<Content, OpenError> {
        let mut content = Content::default();
        for name in names {
            let file = match files.get(name) {
                Some(file) => file.clone(),
                None => {
                    let path = self.root.join("blobs").join(name);
                    let plain = name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
                    let found =
                        if plain { fs::metadata(&path) } else { Err(io::ErrorKind::InvalidInput.into()) };
                    let len = at(&path, found)?.len();
                    let file = FileBlob::found(path, name.clone(), len, self.closed.clone());
                    files.insert(name.clone(), file.clone());
                    file
                }
            };
            content.push(file);
        }
        match content.len() {
            found if found == expected => Ok(content),
            found => Err(OpenError::Damaged { path: record.into(), found, expected }),
        }
    }
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
