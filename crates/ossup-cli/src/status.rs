//! `ossup status` and `ossup abort`: what checkpoints say, and getting rid of what they lead to.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use indicatif::HumanBytes;
use ossup_core::checkpoint::{Checkpoint, journal};
use ossup_core::object::{BucketName, ObjectName};
use ossup_core::part::UploadId;
use ossup_core::plan::Plan;
use ossup_core::time::Timestamp;
use ossup_core::upload::{End, Outcome};
use ossup_fs::{CheckpointFolder, FileError};

use crate::args;
use crate::ending::{cause, counted, not_started, remains};
use crate::exit::{Code, Failure};
use crate::output::{print, shown};
use crate::settings;
use crate::strays;

pub(crate) fn run(args: &args::Status) -> Result<(), Failure> {
    let folder = settings::checkpoint_folder(&args.folder)?;
    let records = records(&folder)?;
    let Some(place) = &args.place else {
        if records.is_empty() {
            return print(format!(
                "no upload is cut off: there are no checkpoints in {}\n",
                shown(&folder.display().to_string())
            ));
        }
        return records.iter().try_for_each(|record| print(format!("{record}\n")));
    };
    strays::list(place, &settings::client(&args.server)?, &records)
}

pub(crate) fn abort(args: &args::Abort) -> Result<(), Failure> {
    let folder = settings::checkpoint_folder(&args.folder)?;
    let records = records(&folder)?;
    if let Some(age) = args.strays_older_than {
        return strays::abort(&args.upload, &settings::client(&args.server)?, &records, age);
    }
    let name = match &args.upload_id {
        None => pick(&args.upload, records)?,
        Some(id) => {
            let object = args.upload.parse::<ObjectName>();
            let object =
                object.map_err(|error| bad(format!("'{}' is not an object: {error}", args.upload)))?;
            match records.into_iter().find(|record| record.is_of(&object) && record.has(id)) {
                // Nothing is to be left of its checkpoint either.
                Some(record) => record.name,
                None => return strays::abort_one(&settings::client(&args.server)?, object, id.clone()),
            }
        }
    };
    let client = settings::client(&args.server)?;
    let folder = CheckpointFolder::open(folder).map_err(|error| client_side(&error))?;
    let handle = client.start_discard(&folder, &name).map_err(|error| not_started(&error))?;
    let outcome = handle.wait();
    match outcome.end {
        End::Discarded(discarded) if !discarded.existed => {
            print("the server has no such upload (any more); its checkpoint is deleted\n")
        }
        _ => judge(&outcome),
    }
}

/// How a deletion has ended.
pub(crate) fn judge(outcome: &Outcome) -> Result<(), Failure> {
    match &outcome.end {
        End::Discarded(discarded) if !discarded.existed => {
            Err(Failure::new(Code::Server, "there is no such upload (any more)"))
        }
        End::Discarded(discarded) => {
            print("deleted\n")?;
            remains(*discarded, &outcome.report).try_for_each(|line| print(format!("{line}\n")))
        }
        End::Completed(_) => {
            print("it was complete: the object is there, and only the checkpoint is deleted\n")
        }
        End::Failed(failed) => {
            let (code, hints) = cause(&failed.cause, failed.request.map(|request| request.operation));
            let failure = Failure::new(code, format!("what was sent is not deleted: {failed}"));
            Err(hints.into_iter().fold(failure, Failure::note))
        }
        End::Suspended { .. } => Err(Failure::new(Code::Interrupted, "interrupted; nothing is deleted")),
    }
}

/// A checkpoint, as far as it can be read.
pub(crate) struct Record {
    name: String,
    content: Result<Checkpoint, String>,
}

impl Record {
    /// Whether it leads to this upload.
    pub(crate) fn leads_to(&self, bucket: &BucketName, key: &str, id: &UploadId) -> bool {
        self.has(id)
            && self.content.as_ref().is_ok_and(|checkpoint| {
                checkpoint.header.bucket == bucket.as_str() && checkpoint.header.key == key
            })
    }

    fn has(&self, id: &UploadId) -> bool {
        self.content.as_ref().is_ok_and(|checkpoint| checkpoint.upload_id.as_ref() == Some(id))
    }

    fn is_of(&self, object: &ObjectName) -> bool {
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
            Err(why) => {
                return write!(f, "a checkpoint that cannot be read: {why}\n  checkpoint {}", self.name);
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
        write!(f, "\n  checkpoint {}", self.name)
    }
}

fn bad(message: String) -> Failure {
    Failure::new(Code::BadParameter, message)
}

fn client_side(error: &FileError) -> Failure {
    Failure::new(Code::Client, error.to_string())
}

/// The checkpoints of a folder. Whether an upload is under way is not asked: that would get in its way.
fn records(folder: &Path) -> Result<Vec<Record>, Failure> {
    let exists = folder.try_exists().map_err(|error| {
        Failure::new(Code::Client, format!("cannot look into the folder {}: {error}", folder.display()))
    })?;
    if !exists {
        return Ok(Vec::new());
    }
    let folder = CheckpointFolder::open(folder).map_err(|error| client_side(&error))?;
    let names = folder.list().map_err(|error| client_side(&error))?;
    let record = |name: String| {
        let content = read(&folder.path().join(&name));
        Record { name, content }
    };
    Ok(names.into_iter().map(record).collect())
}

fn read(path: &Path) -> Result<Checkpoint, String> {
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(journal::MAX_LEN as u64 + 1).read_to_end(&mut text));
    read.map_err(|error| error.to_string())?;
    journal::read(&text).map_err(|error| error.to_string())
}

/// The name of the one checkpoint that is meant.
fn pick(wanted: &str, records: Vec<Record>) -> Result<String, Failure> {
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
        (Some(record), 0) => Ok(record.name),
        (Some(last), more) => {
            let failure = bad(format!("there are {} checkpoints of {wanted}", more + 1))
                .note("They are of different files or endpoints. Name one of them:");
            let records: Vec<_> = fitting.iter().chain([&last]).map(ToString::to_string).collect();
            Err(records.iter().flat_map(|record| record.lines()).fold(failure, Failure::note))
        }
    }
}
