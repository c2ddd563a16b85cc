//! What users of the machine found and no world showed.

use bytes::Bytes;
use ossup_core::callback::Callback;
use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Crc64, Md5};
use ossup_core::request::Operation::{
    CompleteMultipartUpload, InitiateMultipartUpload, ListMultipartUploads, ListParts, PutObject,
};
use ossup_core::time::Timestamp;
use ossup_core::upload::{
    Cancel, Cause, Changed, Corruption, Durability, Effect, End, Goal, Job, Outcome, Policy, Recording,
    StoreError, Turn, Upload, Visibility, Write,
};
use ossup_tests::service::error;
use ossup_tests::story::bucket::{NOW, answer};
use ossup_tests::story::{PART, Reply, Story, completed};

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

// What follows was found by the simulator. Each test tells the end of the trace that showed it.

#[test]
fn every_lost_answer_to_initiate_is_told_of_also_when_nobody_may_search_for_its_upload() {
    let mut story = Story::new();
    story.when(InitiateMultipartUpload, [Reply::LoseAnswer, Reply::LoseAnswer]);
    story.when(ListMultipartUploads, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    completed(&outcome);
    assert_eq!((outcome.report.orphan_risk, story.world.bucket.uploads.len()), (2, 2));
}

#[test]
fn an_upload_that_was_found_and_cannot_be_looked_at_is_told_of() {
    let mut story = Story::new();
    story.when(InitiateMultipartUpload, [Reply::LoseAnswer]);
    story.when(ListParts, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    completed(&outcome);
    assert_eq!((outcome.report.orphan_risk, story.world.bucket.uploads.len()), (1, 1));
}

#[test]
fn an_upload_is_recovered_though_the_local_clock_is_an_hour_ahead() {
    let mut story = Story::new();
    story.job.now = Timestamp::from_unix(NOW + 3600);
    let skewed =
        "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2024-01-12T21:47:15.000Z</ServerTime></Error>";
    story.when(InitiateMultipartUpload, [Reply::Say(answer(403, &[], skewed)), Reply::LoseAnswer]);
    let outcome = story.run();
    completed(&outcome);
    assert_eq!((outcome.report.orphan_risk, story.count(InitiateMultipartUpload)), (0, 2));
    story.assert_done();
}

#[test]
fn a_keep_is_strengthened_while_the_last_parts_are_noted() {
    let mut story = Story::new();
    story.job.policy.parallel = std::num::NonZeroU16::MIN;
    story.watcher = Some(Box::new(|upload, _| match upload.goal() {
        Goal::Transfer if upload.progress().parts_done == 1 => upload.cancel(Cancel::Keep),
        Goal::Flush => upload.cancel(Cancel::Discard),
        _ => {}
    }));
    let outcome = story.run();
    assert!(matches!(outcome.end, End::Discarded(_)), "{outcome:?}");
    assert!(story.world.bucket.uploads.is_empty() && story.world.record.is_none());
}

fn sequential(len: u64) -> Story {
    let mut story = Story::of_len(len);
    story.job.options = story.job.options.clone().sequential(true);
    story
}

/// What the server says of a part that it has: it takes it only once.
fn there(story: &Story, n: u16) -> http::Response<Bytes> {
    let md5 = story.world.part(n).md5.unwrap();
    answer(409, &[], &format!("<Error><Code>PartAlreadyExist</Code><PartEtag>\"{md5}\"</PartEtag></Error>"))
}

#[test]
fn in_sequential_mode_a_part_that_is_refused_before_it_is_read_is_compared() {
    let mut story = sequential(2 * PART);
    let refused = there(&story, 1);
    story.when_part(1, [Reply::DoAndSay(error(500, "InternalError")), Reply::SayEarly(refused)]);
    completed(&story.run());
    assert_eq!(story.hashed.len(), 1);
    story.assert_done();
}

#[test]
fn in_sequential_mode_a_part_is_known_by_the_refusal_where_nobody_may_list() {
    let mut story = sequential(2 * PART);
    let refused = there(&story, 1);
    story.when_part(1, [Reply::LoseAnswer, Reply::SayEarly(refused)]);
    story.when(ListParts, [Reply::Refuse(403, "AccessDenied")]);
    completed(&story.run());
    assert_eq!(story.hashed.len(), 1);
    story.assert_done();
}

#[test]
fn in_sequential_mode_a_part_of_another_size_begins_the_upload_again() {
    let mut story = sequential(PART + PART / 2);
    story.crash_when(|_, world| world.recorded().len() == 2);
    story.world.source.resize(2 * PART);
    let outcome = story.run();
    completed(&outcome);
    assert_eq!(outcome.report.restarts, 1);
    story.assert_done();
}

#[test]
fn a_success_of_somebody_in_between_is_none() {
    let page = || http::Response::new(Bytes::from_static(b"<html>Log in</html>"));
    let mut story = Story::of_len(10);
    story.job.policy.put_threshold = PART;
    story.when(PutObject, [Reply::Say(page())]);
    completed(&story.run());
    story.assert_done();

    let mut story = Story::new();
    story.job.callback = Some(Callback::new("http://app.example.com", "${object}").unwrap());
    story.when(CompleteMultipartUpload, [Reply::Say(page())]);
    completed(&story.run());
    story.assert_done();
}

#[test]
fn a_record_that_cannot_be_read_and_cannot_be_put_aside_stays_where_it_is() {
    let mut upload = Upload::resume(job(), b"what somebody may still want to look at", 1);
    let Turn::Do(Effect::Save(ticket, _)) = upload.turn() else { panic!("it is put aside first") };
    upload.answer(ticket.failed(StoreError::new("read-only"))).unwrap();
    let Turn::Finished(outcome) = upload.turn() else { panic!("nothing can be done") };
    assert!(matches!(&outcome.end, End::Failed(failed) if matches!(failed.cause, Cause::Store(_))));
}

// Found by the explorer: the end of its trace.

#[test]
fn a_record_becomes_that_of_the_changed_source_though_a_part_was_being_noted_when_the_change_was_seen() {
    let mut story = Story::of_len(2 * PART);
    story.job.policy.parallel = std::num::NonZeroU16::MIN;
    let mut upload = story.begin();
    // The write that notes the first part is slow.
    let (mut noting, mut under_way) = (None, std::collections::VecDeque::new());
    loop {
        match upload.turn() {
            Turn::Do(effect @ Effect::Save(_, Write::Append(_, Durability::Written))) => {
                noting = Some(effect);
            }
            Turn::Do(effect) => {
                let inspects = matches!(effect, Effect::Inspect(_));
                under_way.push_back(effect);
                if inspects {
                    break;
                }
            }
            Turn::Blocked => {
                let effect = under_way.pop_front().unwrap();
                let answer = story.execute(effect, &mut upload);
                upload.answer(answer).unwrap();
            }
            Turn::Finished(outcome) => panic!("{outcome:?}"),
        }
    }
    story.world.source.edit(PART);
    let inspect = under_way.pop_front().unwrap();
    for effect in [inspect, noting.expect("a part was being noted")] {
        let answer = story.execute(effect, &mut upload);
        upload.answer(answer).unwrap();
    }
    story.watcher = Some(Box::new(|upload, world| {
        if upload.goal() == Goal::Complete {
            assert_eq!(
                world.checkpoint().header.source,
                world.source.identity,
                "it has stayed the old one's"
            );
        }
    }));
    completed(&story.drive(upload));
    story.assert_done();
}

#[test]
fn an_object_in_the_way_that_may_be_what_was_put_of_an_edited_source_is_not_said_to_be_absent() {
    let mut story = Story::of_len(PART);
    story.job.policy.put_threshold = u64::MAX;
    story.job.options = story.job.options.clone().forbid_overwrite(true);
    // The edit comes when the object is about to be compared.
    story.when(PutObject, [Reply::LoseAnswer, Reply::Then(Box::new(|world| world.source.edit(0)))]);
    let outcome = story.run();
    let End::Failed(failed) = &outcome.end else { panic!("{outcome:?}") };
    assert!(matches!(failed.cause, Cause::ObjectExists(_)), "{failed:?}");
    assert_eq!(failed.object, Visibility::Unknown);
}

#[test]
fn an_object_in_the_way_is_compared_with_the_parts_and_not_with_what_the_source_has_become() {
    let mut story = Story::new();
    story.job.options = story.job.options.clone().forbid_overwrite(true);
    let exists = error(409, "FileAlreadyExists");
    story.when(CompleteMultipartUpload, [Reply::LoseAnswer, Reply::Say(exists)]);
    let mut edited = false;
    story.watcher = Some(Box::new(move |upload, world| {
        if upload.goal() == Goal::Confirm && !std::mem::replace(&mut edited, true) {
            world.source.edit(0);
        }
    }));
    let outcome = story.run();
    completed(&outcome);
    assert!(story.hashed.is_empty(), "it was known");
}

#[test]
fn parts_of_a_source_that_has_changed_are_not_noted_as_those_of_what_it_is_now() {
    let mut story = Story::new();
    story.job.policy.changed = Changed::Restart;
    let mut upload = story.begin();
    let mut under_way = std::collections::VecDeque::new();
    let outcome = loop {
        match upload.turn() {
            // That it is to be begun again cannot be noted; after that the disk is well.
            Turn::Do(Effect::Save(ticket, Write::Append(bytes, _)))
                if String::from_utf8_lossy(&bytes).contains("discarding") =>
            {
                upload.answer(ticket.failed(StoreError::new("disk full"))).unwrap();
            }
            Turn::Do(effect) => {
                if matches!(effect, Effect::Inspect(_)) {
                    story.world.source.edit(0);
                }
                under_way.push_back(effect);
            }
            Turn::Blocked => {
                let effect = under_way.pop_front().unwrap();
                let answer = story.execute(effect, &mut upload);
                upload.answer(answer).unwrap();
            }
            Turn::Finished(outcome) => break *outcome,
        }
    };
    assert!(
        matches!(&outcome.end, End::Failed(failed) if matches!(failed.cause, Cause::Store(_))),
        "{outcome:?}"
    );
    completed(&story.run());
    story.assert_done();
}
