//! `ossup status` and `ossup abort`: what checkpoints say, and getting rid of what they lead to.

use ossup_core::object::ObjectName;
use ossup_core::upload::{End, Outcome};
use ossup_fs::CheckpointFolder;

use crate::args;
use crate::ending::{cause, not_started, remains};
use crate::exit::{Code, Failure};
use crate::output::{print, shown};
use crate::records::{Record, bad, client_side, pick, records};
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
    let record = match &args.upload_id {
        None => pick(&args.upload, records)?,
        Some(id) => {
            let object = args.upload.parse::<ObjectName>();
            let object =
                object.map_err(|error| bad(format!("'{}' is not an object: {error}", args.upload)))?;
            match records.into_iter().find(|record| record.is_of(&object) && record.has(id)) {
                // Nothing is to be left of its checkpoint either.
                Some(record) => record,
                None => return strays::abort_one(&settings::client(&args.server)?, object, id.clone()),
            }
        }
    };
    let folder = CheckpointFolder::open(folder).map_err(|error| client_side(&error))?;
    if record.is_aside() {
        folder.remove_damaged(&record.name).map_err(|error| client_side(&error))?;
        return print("the damaged checkpoint is deleted; what it led to on the server is not\n");
    }
    let client = settings::client(&server_of(&record, &args.server))?;
    let handle = client.start_discard(&folder, &record.name).map_err(|error| not_started(&error))?;
    let outcome = handle.wait();
    match outcome.end {
        End::Discarded(discarded) if !discarded.existed => {
            print("the server has no such upload (any more); its checkpoint is deleted\n")
        }
        _ => judge(&outcome),
    }
}

/// The server that is named, or else the one that the upload goes to.
fn server_of(record: &Record, named: &args::Server) -> args::Server {
    let endpoint = named.endpoint.clone().filter(|endpoint| !endpoint.trim().is_empty());
    args::Server { endpoint: endpoint.or_else(|| record.destination().map(str::to_owned)), ..named.clone() }
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
