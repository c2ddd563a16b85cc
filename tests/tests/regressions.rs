//! What users of the machine found and no world showed.

use bytes::Bytes;
use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Crc64, Md5};
use ossup_core::time::Timestamp;
use ossup_core::upload::{Cause, Corruption, Effect, End, Job, Outcome, Policy, Recording, Turn, Upload};
use ossup_tests::service::error;

/// Runs an upload of one part, whose requests are answered by `answer` (by the name of their operation), and says
/// whether a record was left.
fn run(job: Job, answer: impl Fn(&str) -> http::Response<Bytes>) -> (Outcome, bool) {
    let mut upload = Upload::start(job, 1);
    let mut record = false;
    loop {
        let said = match upload.turn() {
            Turn::Do(Effect::Send(ticket, request)) => ticket.responded(answer(request.operation().name())),
            Turn::Do(Effect::SendPart(ticket, part)) => {
                let (md5, crc64) = (Some(Md5::of(b"sent")), Some(Crc64::of(b"sent")));
                let sent = ContentDigest { len: part.range().len(), md5, crc64 };
                ticket.responded(answer(part.operation().name()), sent)
            }
            Turn::Do(Effect::Save(ticket, _)) => {
                record = true;
                ticket.durable()
            }
            Turn::Do(Effect::Forget(ticket)) => {
                record = false;
                ticket.durable()
            }
            Turn::Do(Effect::Wait(ticket, _)) => ticket.elapsed(),
            Turn::Do(other) => panic!("not expected here: {other:?}"),
            Turn::Blocked => panic!("every effect was answered"),
            Turn::Finished(outcome) => return (*outcome, record),
        };
        upload.answer(said).unwrap();
    }
}

fn job() -> Job {
    let object = "oss://bucket/key".parse().unwrap();
    let mut job = Job::new(object, "host", SourceIdentity::of_len(1000), Timestamp::from_unix(1_705_096_035));
    job.recording = Recording::Checkpoint;
    job.policy = Policy { put_threshold: 0, ..Policy::default() };
    job
}

#[test]
fn a_refused_initiate_leaves_no_record_to_search_by() {
    let (outcome, record) = run(job(), |_| error(403, "SignatureDoesNotMatch"));
    assert!(
        matches!(&outcome.end, End::Failed(failed) if matches!(failed.cause, Cause::Refused(_))),
        "{outcome:?}"
    );
    assert!(!record);
}

#[test]
fn a_part_that_is_corrupted_until_the_attempts_are_used_up_is_corrupted_and_not_malformed() {
    let mut job = job();
    job.policy.retry.attempts = 2;
    let (outcome, record) = run(job, |operation| match operation {
        "InitiateMultipartUpload" => http::Response::new(Bytes::from_static(
            b"<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>",
        )),
        _ => {
            let other = format!("\"{}\"", Md5::of(b"stored"));
            http::Response::builder().header("etag", other).body(Bytes::new()).unwrap()
        }
    });
    let End::Failed(failed) = &outcome.end else { panic!("{outcome:?}") };
    assert!(matches!(failed.cause, Cause::Corrupted(Corruption::Part(_))), "{failed:?}");
    assert!(failed.resumable && record, "what is there stays");
}
