//! Retry: how often, how long, how many at once; and asking before sending again.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Duration;

use ossup_core::part::PartNumber;
use ossup_core::request::Operation::{InitiateMultipartUpload, ListParts, PutObject, UploadPart};
use ossup_core::retry::RetryPolicy;
use ossup_core::upload::{Cause, Denied, Effect, Notice, Patience, TransportKind, Turn};
use ossup_tests::story::bucket::answer;
use ossup_tests::story::{PART, Reply, Story, completed, failed};

fn throttled(headers: &[(&str, &str)]) -> Reply {
    Reply::Say(answer(503, headers, "<Error><Code>ServiceUnavailable</Code></Error>"))
}

#[test]
fn waits_are_jittered_by_the_seed_and_by_nothing_else() {
    let waits = |seed| {
        let mut story = Story::new();
        story.seed = seed;
        story.when_part(1, (0..5).map(|_| Reply::Refuse(500, "InternalError")));
        completed(&story.run());
        story.waits
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
    let limits = [200, 400, 800, 1600, 3200].map(Duration::from_millis);
    assert!(waits(3).iter().zip(limits).all(|(wait, limit)| *wait <= limit), "{:?}", waits(3));
}

#[test]
fn a_request_has_as_many_attempts_as_the_policy_says() {
    for attempts in [1, 3] {
        let mut story = Story::new();
        story.job.policy.retry = RetryPolicy { attempts, ..RetryPolicy::default() };
        story.when_part(2, (0..9).map(|_| Reply::Refuse(500, "InternalError")));
        let outcome = story.run();
        assert!(matches!(failed(&outcome).cause, Cause::ServerFailing(_)));
        assert_eq!(story.parts_sent().iter().filter(|n| **n == 2).count(), attempts as usize);
        assert!(failed(&outcome).resumable);
    }
}

#[test]
fn the_upload_has_a_budget_which_parts_that_arrive_refill() {
    let budget = |budget| RetryPolicy { budget, ..RetryPolicy::default() };
    let mut story = Story::of_len(6 * PART);
    story.job.policy.retry = budget(1);
    story.job.policy.parallel = NonZeroU16::MIN;
    for n in 1..=6 {
        story.when_part(n, [Reply::Refuse(500, "InternalError")]);
    }
    assert_eq!(
        {
            let outcome = story.run();
            completed(&outcome);
            outcome.report.retries
        },
        6
    );

    let mut story = Story::new();
    story.job.policy.retry = budget(1);
    story.job.policy.parallel = NonZeroU16::new(2).unwrap();
    story.when_part(1, (0..2).map(|_| Reply::Refuse(500, "InternalError")));
    story.when_part(2, (0..2).map(|_| Reply::Refuse(500, "InternalError")));
    assert!(matches!(failed(&story.run()).cause, Cause::ServerFailing(_)));
}

#[test]
fn a_server_that_says_when_is_given_that_time_within_reason() {
    for (asked, waited) in [("7", 7), ("100000", 300), ("99999999999999999999", 300)] {
        let mut story = Story::new();
        story.when_part(1, [throttled(&[("retry-after", asked)])]);
        completed(&story.run());
        assert!(story.waits.contains(&Duration::from_secs(waited)), "{:?}", story.waits);
    }
}

#[test]
fn throttling_halves_the_parts_in_flight_and_calm_brings_them_back_one_by_one() {
    let mut story = Story::of_len(40 * PART);
    story.when_part(4, [throttled(&[])]);
    let mut seen = Vec::new();
    story.watcher = Some(Box::new(move |upload, _| {
        let progress = upload.progress();
        if seen.last() != Some(&progress.in_flight) && progress.parts_done > 3 && progress.parts_done < 10 {
            seen.push(progress.in_flight);
            assert!(progress.in_flight <= 3, "{progress:?}");
        }
    }));
    let outcome = story.run();
    assert!(outcome.report.notices.contains(&Notice::Throttled { parallel: 2 }));
    assert_eq!(story.peak, 4);
    let late =
        story.progress.iter().filter(|progress| progress.parts_done > 20).map(|progress| progress.in_flight);
    assert_eq!(late.max(), Some(4), "it recovers");
}

#[test]
fn several_parts_that_are_throttled_at_once_count_as_one_throttling() {
    let mut story = Story::of_len(8 * PART);
    for n in 1..=4 {
        story.when_part(n, [throttled(&[])]);
    }
    let outcome = story.run();
    let throttlings: Vec<_> =
        outcome.report.notices.iter().filter(|n| matches!(n, Notice::Throttled { .. })).collect();
    assert_eq!(throttlings, [&Notice::Throttled { parallel: 2 }]);
}

#[test]
fn without_a_network_it_goes_on_for_the_time_that_the_policy_gives() {
    let mut story = Story::new();
    story.job.policy.retry.patience = Patience::Limited(Duration::from_secs(3));
    story.when(InitiateMultipartUpload, (0..100).map(|_| Reply::NoConnection));
    let outcome = story.run();
    assert!(matches!(&failed(&outcome).cause, Cause::Network(error) if error.kind == TransportKind::Connect));
    let waited = story.waits.iter().sum::<Duration>();
    assert!(waited > Duration::from_millis(2900) && waited <= Duration::from_secs(3), "{waited:?}");
    assert!(!failed(&outcome).resumable && story.world.record.is_none(), "nothing was begun");
}

#[test]
fn without_a_network_it_waits_until_the_network_is_back_if_that_is_the_policy() {
    let mut story = Story::new();
    story.job.policy.retry.patience = Patience::UntilNetworkIsBack;
    story.when(InitiateMultipartUpload, (0..500).map(|_| Reply::NoConnection));
    story.when_part(2, (0..500).map(|_| Reply::NoConnection));
    let outcome = story.run();
    completed(&outcome);
    assert_eq!(outcome.report.retries, 1000);
    assert!(story.waits.iter().all(|wait| *wait <= Duration::from_secs(20)));
    story.assert_done();
}

#[test]
fn by_default_it_goes_on_for_half_an_hour_without_a_network() {
    let mut story = Story::new();
    story.when_part(2, (0..10_000).map(|_| Reply::NoConnection));
    let outcome = story.run();
    assert!(matches!(&failed(&outcome).cause, Cause::Network(_)) && failed(&outcome).resumable);
    let waited = story.waits.iter().sum::<Duration>();
    assert!(waited > Duration::from_secs(1799) && waited <= Duration::from_secs(1800), "{waited:?}");
}

#[test]
fn what_the_network_fails_is_not_taken_from_the_attempts_that_the_server_has() {
    for patience in [Patience::UntilNetworkIsBack, RetryPolicy::default().patience] {
        let outage = || {
            let nothing = (0..30).map(|_| Reply::NoConnection);
            nothing.chain((0..7).map(|_| Reply::Refuse(503, "ServiceUnavailable")))
        };
        let mut story = Story::new();
        story.job.policy.retry.patience = patience;
        story.when(InitiateMultipartUpload, outage()).when_part(2, outage());
        let outcome = story.run();
        completed(&outcome);
        assert_eq!(outcome.report.retries, 2 * 37);
        story.assert_done();
    }
}

#[test]
fn an_answer_begins_the_patience_with_the_network_anew() {
    let mut story = Story::new();
    story.job.policy.retry =
        RetryPolicy { patience: Patience::Limited(Duration::from_secs(60)), ..RetryPolicy::default() };
    let nothing = || (0..6).map(|_| Reply::NoConnection);
    let failing = || [Reply::Refuse(500, "InternalError")];
    story.when_part(1, nothing().chain(failing()).chain(nothing()).chain(failing()).chain(nothing()));
    completed(&story.run());
    assert!(story.waits.iter().sum::<Duration>() > Duration::from_secs(60), "{:?}", story.waits);
}

fn asked_to_wait(seconds: &str) -> Reply {
    throttled(&[("retry-after", seconds)])
}

#[test]
fn parts_that_wait_at_the_same_time_wait_once() {
    let mut story = Story::of_len(32 * PART);
    story.job.policy.parallel = NonZeroU16::new(16).unwrap();
    story.job.policy.retry.overall = Duration::from_secs(150);
    for n in 1..=16 {
        story.when_part(n, [asked_to_wait("120")]);
    }
    completed(&story.run());
    assert_eq!(story.waits.len(), 16);
}

#[test]
fn while_the_server_asks_to_be_left_alone_no_other_part_is_sent() {
    let mut story = Story::of_len(12 * PART);
    story.when_part(1, [asked_to_wait("7")]);
    let mut upload = story.begin();
    let (mut under_way, mut waits) = (VecDeque::new(), VecDeque::new());
    loop {
        match upload.turn() {
            Turn::Do(effect @ Effect::Wait(..)) => waits.push_back(effect),
            Turn::Do(effect) => {
                let sends = matches!(effect, Effect::SendPart(..));
                assert!(!sends || waits.is_empty(), "{effect:?} is sent meanwhile");
                under_way.push_back(effect);
            }
            Turn::Blocked => {
                // The time has passed only when nothing else happens any more.
                let effect = under_way.pop_front().or_else(|| waits.pop_front()).unwrap();
                let answer = story.execute(effect, &mut upload);
                upload.answer(answer).unwrap();
            }
            Turn::Finished(outcome) => {
                completed(&outcome);
                break;
            }
        }
    }
    assert_eq!((story.waits.len(), story.parts_sent().len()), (1, 13));
}

#[test]
fn there_is_a_limit_for_all_waits_together_which_no_part_that_arrives_lifts() {
    let mut story = Story::of_len(10 * PART);
    story.job.policy.parallel = NonZeroU16::MIN;
    story.job.policy.retry.overall = Duration::from_secs(1000);
    for n in 1..=10 {
        story.when_part(n, [asked_to_wait("300")]);
    }
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::ServerFailing(_)) && failed(&outcome).resumable);
    assert_eq!((story.waits.len(), outcome.report.sent_parts), (3, 3), "{:?}", story.waits);
}

#[test]
fn a_server_that_fails_all_parts_in_flight_has_as_many_attempts_as_with_one_in_flight() {
    for parallel in [1, 4, 16] {
        let mut story = Story::of_len(64 * PART);
        story.job.policy.parallel = NonZeroU16::new(parallel).unwrap();
        for n in 1..=parallel {
            story.when_part(n, (0..7).map(|_| Reply::Refuse(500, "InternalError")));
        }
        let outcome = story.run();
        completed(&outcome);
        assert_eq!(outcome.report.retries, 7 * u32::from(parallel));
    }
}

#[test]
fn a_part_whose_answer_was_lost_is_asked_for_and_not_sent_again() {
    let mut story = Story::new();
    story.when_part(1, [Reply::LoseAnswer]);
    let outcome = story.run();
    assert_eq!((story.parts_sent(), story.count(ListParts)), (vec![1, 2, 3], 1));
    assert_eq!((outcome.report.retries, outcome.report.sent_parts), (0, 3));
    story.assert_done();
}

#[test]
fn a_part_whose_body_was_cut_off_is_asked_for_and_then_sent_expecting_leave() {
    let mut story = Story::new();
    story.when_part(1, [Reply::BreakBody]);
    completed(&story.run());
    assert_eq!(story.count(ListParts), 1);
    let first: Vec<_> =
        story.seen.iter().filter(|seen| seen.part == 1).map(|seen| seen.request.expects_continue()).collect();
    assert!(
        first.len() == 2 && first[1],
        "a server that refuses early is heard before the bytes go: {first:?}"
    );
    story.assert_done();
}

#[test]
fn where_parts_may_not_be_listed_a_part_whose_answer_was_lost_is_sent_again() {
    let mut story = Story::new();
    story
        .when_part(1, [Reply::LoseAnswer, Reply::LoseAnswer])
        .when(ListParts, [Reply::Refuse(403, "AccessDenied")]);
    let outcome = story.run();
    assert_eq!(outcome.report.denied, [Denied::ListParts]);
    assert_eq!((story.parts_sent(), story.count(ListParts)), (vec![1, 2, 3, 1, 1], 1));
    story.assert_done();
}

#[test]
fn a_refusal_before_the_body_was_sent_is_final_at_once() {
    let mut story = Story::new();
    let refusal = ossup_tests::story::bucket::refusal(403, "AccessDenied");
    story.when_part(1, [Reply::SayEarly(refusal)]);
    let outcome = story.run();
    let Cause::Refused(error) = &failed(&outcome).cause else { panic!("{outcome:?}") };
    assert_eq!((error.status, error.code.as_deref()), (403, Some("AccessDenied")));
    assert_eq!((outcome.report.retries, story.waits.len()), (0, 0));
}

#[test]
fn the_report_tells_what_trouble_each_part_had() {
    let mut story = Story::new();
    story.when_part(
        2,
        [Reply::Refuse(500, "InternalError"), Reply::NoConnection, Reply::Refuse(400, "RequestTimeout")],
    );
    let outcome = story.run();
    completed(&outcome);
    let troubles: Vec<_> = outcome.report.troubles.iter().collect();
    let [(n, trouble)] = troubles[..] else { panic!("{troubles:?}") };
    assert_eq!((n.get(), trouble.failures, trouble.status), (2, 3, Some(400)));
    assert_eq!(trouble.code.as_deref(), Some("RequestTimeout"));
    assert_eq!(trouble.request_id.as_deref(), Some("R-RequestTimeout"));
    assert_eq!(trouble.attempts, 4);
    assert_eq!(story.count(UploadPart), 5, "an attempt without a connection has not arrived");
}

#[test]
fn a_list_that_goes_round_in_circles_is_trouble_like_any_other() {
    let page = "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>\
                <Part><PartNumber>1</PartNumber><Size>102400</Size></Part></ListPartsResult>";
    let circle = || (0..500).map(move |_| Reply::Say(answer(200, &[], page)));
    let mut probing = Story::new();
    probing.job.policy.parallel = NonZeroU16::MIN;
    probing.when_part(2, [Reply::LoseAnswer]);
    let mut resuming = Story::new();
    resuming.crash_with(2);
    for mut story in [probing, resuming] {
        story.when(ListParts, circle());
        let outcome = story.run();
        assert!(matches!(failed(&outcome).cause, Cause::Malformed { .. }), "{outcome:?}");
        assert!(failed(&outcome).resumable);
        assert!(
            story.count(ListParts) <= 10 && story.waits.len() >= 7,
            "each but the first comes after a wait"
        );
    }
}

#[test]
fn what_the_server_said_of_a_part_is_not_forgotten_for_what_the_network_failed_behind_it() {
    let mut story = Story::new();
    story.when_part(2, [Reply::Refuse(500, "InternalError"), Reply::NoConnection]);
    let outcome = story.run();
    let trouble = &outcome.report.troubles[&2.try_into().unwrap()];
    assert_eq!((trouble.attempts, trouble.failures, trouble.status), (3, 2, Some(500)));
    assert_eq!(trouble.request_id.as_deref(), Some("R-InternalError"));
    assert!(trouble.last.contains("no connection"), "{trouble:?}");
}

#[test]
fn a_source_in_one_request_that_had_trouble_is_reported_as_a_part_is() {
    let put = |replies: Vec<Reply>| {
        let mut story = Story::of_len(1000);
        story.job.policy.put_threshold = 5000;
        story.when(PutObject, replies);
        let outcome = story.run();
        let trouble = outcome.report.troubles[&PartNumber::FIRST].clone();
        (trouble.attempts, trouble.failures, trouble.status, trouble.code)
    };
    let trouble = put(vec![Reply::Refuse(500, "InternalError"), Reply::NoConnection]);
    assert_eq!(trouble, (3, 2, Some(500), Some("InternalError".into())));
    let trouble = put(vec![Reply::Refuse(400, "InvalidDigest")]);
    assert_eq!(trouble, (2, 1, Some(400), Some("InvalidDigest".into())));
    let trouble = put(vec![Reply::Refuse(403, "AccessDenied")]);
    assert_eq!(trouble, (1, 1, Some(403), Some("AccessDenied".into())));
}

/// Each of 200 parts is refused a dozen times.
fn stormy() -> Story {
    let mut story = Story::of_len(200 * PART);
    story.job.policy.retry = RetryPolicy { attempts: 20, budget: 9999, ..RetryPolicy::default() };
    for n in 1..=200 {
        story.when_part(n, (0..12).map(|_| throttled(&[])));
    }
    story
}

fn is_of_the_last_part(notice: &Notice) -> bool {
    matches!(notice, Notice::Retrying { what, .. } if what.starts_with("part 200"))
}

#[test]
fn in_a_long_storm_the_last_notices_are_told_like_the_first() {
    let mut story = stormy();
    let outcome = story.run();
    completed(&outcome);
    assert_eq!(story.notices.iter().filter(|notice| is_of_the_last_part(notice)).count(), 12);
    assert!(story.notices.len() > 2400);
    assert_eq!(outcome.report.notices, story.notices[..256]);
    assert_eq!(outcome.report.more_notices, story.notices.len() as u64 - 256);
}

#[test]
fn of_notices_that_nobody_asks_about_the_latest_wait_and_the_others_are_counted() {
    let mut story = stormy();
    let mut upload = story.begin();
    let mut queue = VecDeque::new();
    let outcome = loop {
        match upload.turn() {
            Turn::Do(effect) => queue.push_back(effect),
            Turn::Blocked => {
                let answer = story.execute(queue.pop_front().unwrap(), &mut upload);
                upload.answer(answer).unwrap();
            }
            Turn::Finished(outcome) => break outcome,
        }
    };
    let (told, all) = (upload.notices(), 256 + outcome.report.more_notices);
    assert_eq!((told.len(), &told[0]), (257, &Notice::Missed { notices: all - 256 }));
    assert_eq!(told.iter().filter(|notice| is_of_the_last_part(notice)).count(), 12);
    assert_eq!(upload.notices(), []);
}
