//! Stories of single uploads: what the machine does about one thing at a time.

use ossup_core::callback::Callback;
use ossup_core::upload::{
    CallbackEnd, Cancel, Cause, End, Evidence, Policy, TransportError, TransportKind, Turn, Upload,
    Visibility,
};
use ossup_tests::script::{Story, answer, job, run, well};
use ossup_tests::service::error;

fn completed(story: &Story) -> &ossup_core::upload::Completed {
    match &story.outcome.end {
        End::Completed(completed) => completed,
        other => panic!("{other:?}"),
    }
}

fn failure(story: &Story) -> &ossup_core::upload::Failed {
    match &story.outcome.end {
        End::Failed(failed) => failed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn progress_never_goes_back_and_ends_at_the_total() {
    let mut failures = 5;
    let story = run(Upload::start(job(6), 1), None, |request| {
        if request.operation().name() == "UploadPart" && failures > 0 {
            failures -= 1;
            return Ok(error(500, "InternalError"));
        }
        Ok(well(request))
    });
    completed(&story);
    assert!(story.progress.is_sorted());
    assert_eq!(story.progress.last(), Some(&(6 * 102_400)));
    assert_eq!(story.outcome.report.retries, 5);
}

#[test]
fn many_parts_that_see_the_credentials_expire_cost_one_refresh_and_no_attempt() {
    let mut expired = 4;
    let story = run(Upload::start(job(8), 1), None, |request| {
        if request.operation().name() == "UploadPart" && expired > 0 {
            expired -= 1;
            return Ok(error(403, "SecurityTokenExpired"));
        }
        Ok(well(request))
    });
    completed(&story);
    assert_eq!((story.refreshes, story.outcome.report.retries, story.waits.len()), (1, 0, 0));
}

#[test]
fn credentials_that_are_refused_again_after_a_refresh_are_final_and_everything_is_kept() {
    let story = run(Upload::start(job(2), 1), None, |request| {
        Ok(if request.operation().name() == "UploadPart" {
            error(403, "InvalidAccessKeyId")
        } else {
            well(request)
        })
    });
    assert!(matches!(failure(&story).cause, Cause::CredentialsRefused { .. }));
    assert!(failure(&story).resumable && story.record.is_some());
    assert_eq!((story.refreshes, story.count("AbortMultipartUpload")), (1, 0));
}

#[test]
fn a_skewed_clock_is_set_once_and_an_absurd_time_is_not_believed() {
    let skewed = |time: &str| {
        let body = format!("<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{time}</ServerTime></Error>");
        answer(403, &[], &body)
    };
    let mut first = true;
    let story = run(Upload::start(job(1), 1), None, |request| {
        Ok(if std::mem::take(&mut first) { skewed("2024-01-12T21:47:15.000Z") } else { well(request) })
    });
    completed(&story);
    assert_eq!(story.refreshes, 1);
    let story = run(Upload::start(job(1), 1), None, |_| Ok(skewed("1970-01-01T00:00:00.000Z")));
    assert!(matches!(failure(&story).cause, Cause::Refused(_)));
    assert_eq!(story.refreshes, 0);
    let story = run(Upload::start(job(1), 1), None, |_| Ok(skewed("2024-01-12T21:47:15.000Z")));
    assert_eq!(story.refreshes, 1, "a clock that stays skewed is not set for ever");
}

#[test]
fn throttling_halves_the_parts_in_flight_and_waits_as_long_as_the_server_asks() {
    let mut throttled = true;
    let story = run(Upload::start(job(12), 1), None, |request| {
        if request.operation().name() == "UploadPart" && std::mem::take(&mut throttled) {
            return Ok(answer(
                503,
                &[("retry-after", "7")],
                "<Error><Code>ServiceUnavailable</Code></Error>",
            ));
        }
        Ok(well(request))
    });
    completed(&story);
    assert_eq!(story.peak, 4);
    assert!(story.waits.contains(&7000), "{:?}", story.waits);
    let notices = &story.outcome.report.notices;
    assert!(notices.contains(&ossup_core::upload::Notice::Throttled { parallel: 2 }), "{notices:?}");
}

#[test]
fn a_part_whose_answer_was_lost_is_asked_for_and_not_sent_again() {
    let mut lost = true;
    let etag = ossup_core::digest::Md5::of(b"part");
    let crc = ossup_core::digest::Crc64::of(b"part");
    let story = run(Upload::start(job(2), 1), None, |request| match request.operation().name() {
        "UploadPart" if std::mem::take(&mut lost) => Err(TransportError::new(TransportKind::Broken, "reset")),
        "ListParts" => Ok(answer(
            200,
            &[],
            &format!(
                "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>\"{etag}\"</ETag><Size>102400</Size>\
                 <HashCrc64ecma>{crc}</HashCrc64ecma></Part></ListPartsResult>"
            ),
        )),
        _ => Ok(well(request)),
    });
    completed(&story);
    assert_eq!((story.count("UploadPart"), story.count("ListParts")), (2, 1));
}

#[test]
fn an_error_document_in_a_success_is_an_error() {
    let mut first = true;
    let story = run(Upload::start(job(1), 1), None, |request| {
        let complete = request.operation().name() == "CompleteMultipartUpload";
        Ok(if complete && std::mem::take(&mut first) { error(200, "InternalError") } else { well(request) })
    });
    completed(&story);
    assert_eq!(story.count("CompleteMultipartUpload"), 2);
}

#[test]
fn the_answer_to_the_callback_is_handed_on_as_it_is_and_its_failure_is_told() {
    let mut with_callback = job(1);
    with_callback.callback = Some(Callback::new("http://app.example.com/", "o=${object}").unwrap());
    let story = run(Upload::start(with_callback.clone(), 1), None, |request| {
        let complete = request.operation().name() == "CompleteMultipartUpload";
        Ok(if complete {
            answer(200, &[("content-type", "application/json")], "{\"ok\": 1}")
        } else {
            well(request)
        })
    });
    let CallbackEnd::Answered(answered) = &completed(&story).callback else { panic!("{story:?}") };
    assert_eq!(
        (answered.content_type.as_deref(), &answered.body[..]),
        (Some("application/json"), &b"{\"ok\": 1}"[..])
    );
    let carries = |request: &&ossup_core::request::Request| request.headers().contains_key("x-oss-callback");
    let with: Vec<_> = story.sent.iter().filter(carries).map(|request| request.operation().name()).collect();
    assert_eq!(with, ["CompleteMultipartUpload"]);

    let story = run(Upload::start(with_callback, 1), None, |request| {
        let complete = request.operation().name() == "CompleteMultipartUpload";
        Ok(if complete { error(203, "CallbackFailed") } else { well(request) })
    });
    assert!(matches!(completed(&story).callback, CallbackEnd::Failed(_)));
    assert!(story.record.is_none(), "the object is stored: nothing is to be resumed");
}

#[test]
fn an_object_with_other_bytes_is_never_reported_as_good() {
    let story = run(Upload::start(job(2), 1), None, |request| {
        let complete = request.operation().name() == "CompleteMultipartUpload";
        let body = "<CompleteMultipartUploadResult/>";
        Ok(if complete { answer(200, &[("x-oss-hash-crc64ecma", "1")], body) } else { well(request) })
    });
    assert!(matches!(failure(&story).cause, Cause::Corrupted(_)));
    assert_eq!(failure(&story).object, Visibility::Wrong);
    assert!(story.record.is_some());
}

#[test]
fn a_small_source_goes_up_in_one_request_and_an_empty_one_always_does() {
    for (parts, put_threshold) in [(2, u64::MAX), (0, 0)] {
        let mut small = job(parts);
        small.policy = Policy { put_threshold, ..small.policy };
        let story = run(Upload::start(small, 1), None, |request| Ok(well(request)));
        assert_eq!(completed(&story).evidence, Evidence::Acknowledged);
        assert_eq!(story.operations(), ["PutObject"]);
        assert!(story.record.is_none());
    }
}

#[test]
fn an_upload_is_discarded_from_its_record_alone() {
    let story = run(Upload::start(job(3), 1), None, |request| {
        Ok(if request.operation().name() == "CompleteMultipartUpload" {
            error(403, "AccessDenied")
        } else {
            well(request)
        })
    });
    let record = story.record.expect("a failure keeps the record");
    let discard = Upload::discard(&record, Policy::default(), 2).unwrap();
    // Complete was tried, so the object is looked at when the server says that the upload is gone.
    let story = run(discard, Some(record), |request| Ok(well(request)));
    assert_eq!(story.operations(), ["AbortMultipartUpload", "ListParts"]);
    assert!(matches!(story.outcome.end, End::Discarded(discarded) if discarded.verified));
    assert!(story.record.is_none());
}

#[test]
fn a_cancel_can_be_strengthened_and_not_weakened_and_comes_too_late_after_the_end() {
    let mut upload = Upload::start(job(1), 1);
    upload.cancel(Cancel::Discard);
    upload.cancel(Cancel::Keep);
    let Turn::Finished(outcome) = upload.turn() else { panic!("nothing was begun") };
    assert!(matches!(outcome.end, End::Discarded(_)));
    upload.cancel(Cancel::Keep);
    assert!(matches!(upload.turn(), Turn::Finished(outcome) if matches!(outcome.end, End::Discarded(_))));
}
