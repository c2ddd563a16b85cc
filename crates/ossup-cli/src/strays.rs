//! Uploads that are unfinished on the server, and the checkpoints that lead to them, or do not.

use std::time::{SystemTime, UNIX_EPOCH};

use ossup_core::object::{BucketName, ObjectName};
use ossup_core::operation::list_uploads::ListedUpload;
use ossup_core::part::UploadId;
use ossup_core::request::Operation;
use ossup_core::upload::survey::Found;
use ossup_ureq::Client;

use crate::args::Age;
use crate::ending::{cause, counted, not_started};
use crate::exit::Failure;
use crate::output::{print, shown};
use crate::records::Record;
use crate::settings;
use crate::status::judge;

/// Lists what is unfinished at a place.
pub(crate) fn list(place: &str, client: &Client, records: &[Record]) -> Result<(), Failure> {
    let (bucket, prefix) = settings::place(place)?;
    let found = unfinished(client, &bucket, prefix.as_deref())?;
    if found.uploads.is_empty() {
        print(format!("no upload is unfinished on the server under {}\n", shown(place)))?;
    }
    for upload in &found.uploads {
        match leading_to(records, &bucket, upload) {
            Some(record) => print(format!("{record}\n"))?,
            None => print(stray(&bucket, upload))?,
        }
    }
    if !found.all {
        print("there are more, which are not listed; name a longer prefix\n")?;
    }
    Ok(())
}

/// Deletes what no checkpoint leads to and nobody is likely to be at work on.
pub(crate) fn abort(place: &str, client: &Client, records: &[Record], age: Age) -> Result<(), Failure> {
    let (bucket, prefix) = settings::place(place)?;
    let found = unfinished(client, &bucket, prefix.as_deref())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let latest = i64::try_from(now.saturating_sub(age.0).as_secs()).unwrap_or(i64::MAX);
    let is_old = |upload: &ListedUpload| upload.initiated.is_some_and(|initiated| initiated.unix() <= latest);
    let (mut deleted, mut result) = (0, Ok(()));
    for upload in &found.uploads {
        let (Ok(key), true) = (upload.key.parse(), is_old(upload)) else { continue };
        if leading_to(records, &bucket, upload).is_some() {
            continue;
        }
        print(format!("oss://{bucket}/{}, upload id {}: ", shown(&upload.key), upload.upload_id))?;
        match abort_one(client, ObjectName { bucket: bucket.clone(), key }, upload.upload_id.clone()) {
            Ok(()) => deleted += 1,
            Err(failure) => {
                print("not deleted\n")?;
                // The others may still be.
                result = result.and(Err(failure));
            }
        }
    }
    print(format!("{} deleted\n", counted(deleted, "stray upload")))?;
    if !found.all {
        print("there are more, which were not looked at; run it again, or name a longer prefix\n")?;
    }
    result
}

/// Deletes an upload of which only the id is known.
pub(crate) fn abort_one(client: &Client, object: ObjectName, id: UploadId) -> Result<(), Failure> {
    let handle = client.start_discard_id(object, id).map_err(|error| not_started(&error))?;
    judge(&handle.wait())
}

fn unfinished(client: &Client, bucket: &BucketName, prefix: Option<&str>) -> Result<Found, Failure> {
    client.unfinished(bucket, prefix).map_err(|error| {
        let (code, hints) = cause(&error, Some(Operation::ListMultipartUploads));
        let failure = Failure::new(code, format!("the server does not say what is unfinished: {error}"));
        hints.into_iter().fold(failure, Failure::note)
    })
}

/// The checkpoint that leads to an upload on the server.
fn leading_to<'a>(records: &'a [Record], bucket: &BucketName, upload: &ListedUpload) -> Option<&'a Record> {
    records.iter().find(|record| record.leads_to(bucket, &upload.key, &upload.upload_id))
}

fn stray(bucket: &BucketName, upload: &ListedUpload) -> String {
    let begun = upload.initiated.map_or_else(|| "at an unknown time".to_owned(), |time| time.to_string());
    let (key, id) = (shown(&upload.key), &upload.upload_id);
    format!("oss://{bucket}/{key}: no checkpoint here leads to it\n  begun {begun}, upload id {id}\n")
}
