//! The checkpoints of a folder, as far as they can be read: to list them, and to find the one that is meant.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use indicatif::HumanBytes;
use ossup_core::checkpoint::{Checkpoint, Header, Unreadable, journal};
use ossup_core::object::{BucketName, ObjectName};
use ossup_core::part::UploadId;
use ossup_core::plan::Plan;
use ossup_core::time::Timestamp;
use ossup_fs::{CheckpointFolder, FileError, Holder};

use crate::ending::counted;
use crate::exit::{Code, Failure};
use crate::output::shown;

/// More than the first line of any checkpoint, in bytes.
const MAX_HEADER: u64 = 128 * 1024;

/// A checkpoint, as far as it can be read.
pub(crate) struct Record {
    pub(crate) name: String,
    content: Result<Checkpoint, Damaged>,
    /// Who is likely to be at work on it.
    holder: Option<Holder>,
}

/// A checkpoint that cannot be read: why, and what could be saved of it.
struct Damaged {
    why: String,
    upload_id: Option<UploadId>,
}

impl Record {
    /// The one in this file.
    pub(crate) fn at(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, content: read(path), holder: None }
    }

    /// Host and port of the server that the upload goes to.
    pub(crate) fn destination(&self) -> Option<&str> {
        self.content.as_ref().ok().map(|checkpoint| &*checkpoint.header.destination)
    }

    /// Whether it was set aside, because it cannot be read.
    pub(crate) fn is_aside(&self) -> bool {
        self.name.contains('.')
    }

    /// Whether it leads to this upload.
    pub(crate) fn leads_to(&self, bucket: &BucketName, key: &str, id: &UploadId) -> bool {
        self.has(id)
            && self.content.as_ref().is_ok_and(|checkpoint| {
                checkpoint.header.bucket == bucket.as_str() && checkpoint.header.key == key
            })
    }

    pub(crate) fn has(&self, id: &UploadId) -> bool {
        self.content.as_ref().is_ok_and(|checkpoint| checkpoint.upload_id.as_ref() == Some(id))
    }

    pub(crate) fn is_of(&self, object: &ObjectName) -> bool {
        self.content.as_ref().is_ok_and(|checkpoint| {
            let header = &checkpoint.header;
            header.bucket == object.bucket.as_str() && header.key == object.key.as_str()
        })
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let checkpoint = match &self.content {
            Ok(checkpoint) => checkpoint,
            Err(Damaged { why, upload_id }) => {
                write!(f, "a checkpoint that cannot be read: {why}")?;
                if let Some(id) = upload_id {
                    write!(f, "\n  upload id {id}, which may be left on the server")?;
                }
                return write!(f, "\n  checkpoint {}", self.name);
            }
        };
        let header = &checkpoint.header;
        write!(f, "oss://{}/{}: ", shown(&header.bucket), shown(&header.key))?;
        match Plan::exact(header.source.len, header.part_size) {
            Some(plan) => {
                let parts = checkpoint.parts.keys().filter_map(|n| plan.range(*n));
                let (done, sent) = parts.fold((0_u32, 0), |(done, sent), part| (done + 1, sent + part.len()));
                let (sent, total) = (HumanBytes(sent), HumanBytes(header.source.len));
                write!(f, "{done} of {}, {sent} of {total}", counted(plan.count().into(), "part"))?;
            }
            None => write!(
                f,
                "{} of {}",
                counted(checkpoint.parts.len() as u32, "part"),
                HumanBytes(header.source.len)
            )?,
        }
        if checkpoint.discarding {
            f.write_str(", being deleted")?;
        } else if checkpoint.sealed {
            f.write_str(", perhaps completed")?;
        }
        if let Some(name) = &header.source_name {
            write!(f, "\n  file {}", shown(name))?;
        }
        let begun = Timestamp::from_unix(header.begun);
        write!(f, "\n  begun {begun} at {}", shown(&header.destination))?;
        match &checkpoint.upload_id {
            Some(id) => write!(f, ", upload id {id}")?,
            None => f.write_str(", upload id unknown")?,
        }
        if let Some(holder) = &self.holder {
            write!(f, "\n  under way: {holder}")?;
        }
        write!(f, "\n  checkpoint {}", self.name)
    }
}

/// The checkpoints of a folder. None is locked: that would get in the way of an upload.
pub(crate) fn records(folder: &Path) -> Result<Vec<Record>, Failure> {
    let exists = folder.try_exists().map_err(|error| {
        Failure::new(Code::Client, format!("cannot look into the folder {}: {error}", folder.display()))
    })?;
    if !exists {
        return Ok(Vec::new());
    }
    let folder = CheckpointFolder::open(folder).map_err(|error| client_side(&error))?;
    let mut names = folder.list().map_err(|error| client_side(&error))?;
    names.extend(folder.list_damaged().map_err(|error| client_side(&error))?);
    let record = |name: String| {
        let content = read(&folder.path().join(&name));
        let holder = folder.holder(&name).filter(Holder::may_be_alive);
        Record { name, content, holder }
    };
    Ok(names.into_iter().map(record).collect())
}

fn read(path: &Path) -> Result<Checkpoint, Damaged> {
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(journal::MAX_LEN as u64 + 1).read_to_end(&mut text));
    read.map_err(|error| Damaged { why: error.to_string(), upload_id: None })?;
    let saved = |error: Unreadable| Damaged { why: error.to_string(), upload_id: journal::salvage(&text) };
    journal::read(&text).map_err(saved)
}

/// The one checkpoint that is meant.
pub(crate) fn pick(wanted: &str, records: Vec<Record>) -> Result<Record, Failure> {
    let mut fitting = match wanted.parse::<ObjectName>() {
        Ok(object) => records.into_iter().filter(|record| record.is_of(&object)).collect::<Vec<_>>(),
        Err(error) if wanted.starts_with("oss://") => {
            return Err(bad(format!("'{wanted}' is not an object: {error}")));
        }
        Err(_) => records.into_iter().filter(|record| record.name == wanted).collect(),
    };
    match (fitting.pop(), fitting.len()) {
        (None, _) => {
            Err(bad(format!("there is no checkpoint of {wanted}"))
                .note("ossup status lists those there are."))
        }
        (Some(record), 0) => Ok(record),
        (Some(last), more) => {
            let failure = bad(format!("there are {} checkpoints of {wanted}", more + 1))
                .note("They are of different files or endpoints. Name one of them:");
            let records: Vec<_> = fitting.iter().chain([&last]).map(ToString::to_string).collect();
            Err(records.iter().flat_map(|record| record.lines()).fold(failure, Failure::note))
        }
    }
}

/// Where else an unfinished upload of this file to this object goes to, by the checkpoints of the folder: the same bucket
/// may have several names. Only for a word: what cannot be read is passed over.
pub(crate) fn elsewhere(folder: &Path, destination: &str, object: &ObjectName, file: &str) -> Option<String> {
    let names = if folder.exists() {
        CheckpointFolder::open(folder).and_then(|folder| folder.list())
    } else {
        return None;
    };
    let headers = names.ok()?.into_iter().filter_map(|name| header(&folder.join(name)));
    let mut others = headers.filter(|header| {
        header.bucket == object.bucket.as_str()
            && header.key == object.key.as_str()
            && header.source_name.as_deref() == Some(file)
            && header.destination != destination
    });
    others.next().map(|header| header.destination)
}

fn header(path: &Path) -> Option<Header> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_HEADER).read_to_end(&mut text).ok()?;
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some(journal::read(&text[..=end]).ok()?.header)
}

pub(crate) fn bad(message: String) -> Failure {
    Failure::new(Code::BadParameter, message)
}

pub(crate) fn client_side(error: &FileError) -> Failure {
    Failure::new(Code::Client, error.to_string())
}
