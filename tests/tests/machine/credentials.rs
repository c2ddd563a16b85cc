//! Credentials that expire, and clocks that are wrong.

use ossup_core::auth::AuthProblem;
use ossup_core::request::Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, PutObject,
};
use ossup_core::time::Timestamp;
use ossup_core::upload::{AuthTicket, Cancel, Cause, Effect, End, Evidence, Notice, Patience, Turn, Upload};
use ossup_tests::story::bucket::{NOW, answer};
use ossup_tests::story::{PART, Reply, Story, completed, failed};

fn skewed(time: &str) -> Reply {
    let body = format!("<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{time}</ServerTime></Error>");
    Reply::Say(answer(403, &[], &body))
}

#[test]
fn many_parts_that_see_the_credentials_expire_cost_one_refresh_and_no_attempt() {
    let mut story = Story::of_len(8 * PART);
    for n in 1..=4 {
        story.when_part(n, [Reply::Refuse(403, "SecurityTokenExpired")]);
    }
    let outcome = story.run();
    assert_eq!((story.refreshed.len(), outcome.report.refreshes), (1, 1));
    assert_eq!((outcome.report.retries, story.waits.len()), (0, 0));
    assert!(outcome.report.notices.contains(&Notice::Refreshed));
    story.assert_done();
}

#[test]
fn the_provider_is_told_what_the_server_said() {
    for code in ["SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId"] {
        let mut story = Story::new();
        story.when(InitiateMultipartUpload, [Reply::Refuse(403, code)]);
        completed(&story.run());
        let request_id = Some(format!("R-{code}"));
        assert_eq!(story.refreshed, [AuthProblem::Refused { code: code.to_owned(), request_id }]);
    }
}

#[test]
fn credentials_that_are_refused_again_after_a_refresh_are_final_and_everything_is_kept() {
    let mut story = Story::new();
    story.when_part(2, (0..2).map(|_| Reply::Refuse(403, "InvalidAccessKeyId")));
    let outcome = story.run();
    assert!(
        matches!(&failed(&outcome).cause, Cause::CredentialsRefused { error, .. } if error.status == 403)
    );
    assert!(failed(&outcome).resumable && story.world.record.is_some());
    assert_eq!((story.refreshed.len(), story.count(AbortMultipartUpload)), (1, 0));
    completed(&story.run());
    assert!(!story.parts_sent().contains(&1), "with other credentials it goes on");
}

#[test]
fn credentials_that_expire_during_a_pause_or_long_waits_after_a_refresh_are_refreshed_again() {
    let expired = || Reply::Refuse(403, "SecurityTokenExpired");
    let slow = || Reply::Say(answer(503, &[("retry-after", "300")], "<Error><Code>SlowDown</Code></Error>"));
    let mut story = Story::of_len(PART);
    story.when_part(1, [expired(), slow(), slow(), expired()]);
    completed(&story.run());
    assert_eq!(story.refreshed.len(), 2);

    let mut story = Story::of_len(PART);
    story.when_part(1, [expired(), expired()]);
    story.watcher = Some(Box::new(|upload, _| {
        upload.pause();
        upload.unpause();
    }));
    completed(&story.run());
    assert_eq!(story.refreshed.len(), 2);
}

#[test]
fn where_no_better_credentials_can_be_had_the_reason_is_told_and_everything_is_kept() {
    let mut story = Story::new();
    story.refreshes.push_back(Err("the role may not be assumed"));
    story.when_part(2, [Reply::Refuse(403, "SecurityTokenExpired")]);
    let outcome = story.run();
    let Cause::CredentialsRefused { reason, .. } = &failed(&outcome).cause else { panic!("{outcome:?}") };
    assert_eq!(reason.as_deref(), Some("the role may not be assumed"));
    assert!(failed(&outcome).resumable);
}

#[test]
fn credentials_may_expire_as_often_as_parts_arrive_between() {
    let mut story = Story::of_len(30 * PART);
    story.job.policy.parallel = std::num::NonZeroU16::MIN;
    for n in 1..=30 {
        story.when_part(n, [Reply::Refuse(403, "SecurityTokenExpired")]);
    }
    let outcome = story.run();
    assert_eq!(outcome.report.refreshes, 30);
    story.assert_done();
}

#[test]
fn credentials_that_are_known_to_have_expired_are_refreshed_as_if_the_server_had_refused_them() {
    let expired = || Reply::NotSigned("the token has expired");
    let mut story = Story::of_len(8 * PART);
    for n in 1..=4 {
        story.when_part(n, [expired()]);
    }
    story.when(InitiateMultipartUpload, [expired()]);
    let outcome = story.run();
    let unsigned = AuthProblem::Unsigned { reason: "the token has expired".into() };
    assert_eq!(story.refreshed, [unsigned.clone(), unsigned.clone()]);
    assert_eq!((outcome.report.retries, story.waits.len()), (0, 0));
    story.assert_done();

    let mut story = Story::of_len(1000);
    story.job.policy.put_threshold = 5000;
    story.when(PutObject, [expired()]);
    completed(&story.run());
    assert_eq!(story.refreshed, [unsigned]);
}

/// An upload of which a refresh is under way and nothing else, and the ticket of it.
fn refreshing(story: &mut Story) -> (Upload, AuthTicket) {
    story.when(InitiateMultipartUpload, [Reply::Refuse(403, "SecurityTokenExpired")]);
    let mut upload = story.begin();
    loop {
        match upload.turn() {
            Turn::Do(Effect::Refresh(ticket, _)) => return (upload, ticket),
            Turn::Do(effect) => {
                let answer = story.execute(effect, &mut upload);
                upload.answer(answer).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refresh_that_does_not_end_holds_no_cancel_up() {
    let mut story = Story::new();
    let (mut upload, ticket) = refreshing(&mut story);
    upload.cancel(Cancel::Keep);
    assert!(matches!(upload.turn(), Turn::Do(Effect::Stop(id)) if id == ticket.id()));
    upload.answer(ticket.refused("ended on request")).unwrap();
    assert!(matches!(story.drive(upload).end, End::Suspended { upload_id: None, .. }));

    let mut story = Story::new();
    let (mut upload, ticket) = refreshing(&mut story);
    upload.cancel(Cancel::Keep);
    assert!(matches!(upload.turn(), Turn::Do(Effect::Stop(_))));
    upload.abandon(ticket.id()).unwrap();
    assert!(matches!(story.drive(upload).end, End::Suspended { .. }), "given up is stopped, too");
}

#[test]
fn a_refresh_that_is_refused_while_everything_is_to_be_kept_is_no_failure() {
    let mut story = Story::new();
    let (mut upload, ticket) = refreshing(&mut story);
    upload.cancel(Cancel::Keep);
    upload.answer(ticket.refused("there are no others")).unwrap();
    assert!(matches!(story.drive(upload).end, End::Suspended { .. }));
}

#[test]
fn what_can_never_be_signed_is_told_as_that_and_no_network_is_waited_for() {
    let expired = || (0..100).map(|_| Reply::NotSigned("the token has expired"));
    let mut story = Story::new();
    story.job.policy.retry.patience = Patience::UntilNetworkIsBack;
    story.when_part(2, expired());
    let outcome = story.run();
    let Cause::Unsigned { error, reason: None } = &failed(&outcome).cause else { panic!("{outcome:?}") };
    assert_eq!(error.message, "the token has expired");
    assert_eq!((story.refreshed.len(), story.waits.len()), (1, 7));
    assert!(failed(&outcome).resumable);

    let mut story = Story::new();
    story.refreshes.push_back(Err("they are fixed"));
    story.when(InitiateMultipartUpload, expired());
    let outcome = story.run();
    let said = failed(&outcome).to_string();
    assert_eq!(said, "the request could not be signed: the token has expired (they are fixed)");
    assert_eq!((story.refreshed.len(), story.waits.len()), (1, 0));
}

#[test]
fn a_skewed_clock_is_set_once_by_the_servers_time() {
    let mut story = Story::new();
    story.when(InitiateMultipartUpload, [skewed("2024-01-12T21:47:15.000Z")]);
    let outcome = story.run();
    assert_eq!(story.refreshed, [AuthProblem::ClockSkew { server_time: Timestamp::from_unix(NOW) }]);
    assert!(outcome.report.notices.contains(&Notice::ClockSet));
    story.assert_done();
}

#[test]
fn the_date_of_the_answer_will_do_where_the_error_tells_no_time() {
    let mut story = Story::new();
    let said = answer(
        403,
        &[("date", "Fri, 12 Jan 2024 21:47:15 GMT")],
        "<Error><Code>RequestTimeTooSkewed</Code></Error>",
    );
    story.when(InitiateMultipartUpload, [Reply::Say(said)]);
    completed(&story.run());
    assert_eq!(story.refreshed, [AuthProblem::ClockSkew { server_time: Timestamp::from_unix(NOW) }]);
}

#[test]
fn a_signing_date_that_the_server_calls_invalid_is_a_clock_that_is_wrong() {
    let mut story = Story::new();
    let said = answer(
        400,
        &[("date", "Fri, 12 Jan 2024 21:47:15 GMT")],
        "<Error><Code>InvalidArgument</Code><Message>Invalid signing date in Authorization header.</Message></Error>",
    );
    story.when(InitiateMultipartUpload, [Reply::Say(said)]);
    completed(&story.run());
    assert_eq!(story.refreshed, [AuthProblem::ClockSkew { server_time: Timestamp::from_unix(NOW) }]);
}

#[test]
fn an_answer_without_a_document_tells_by_its_finer_code_that_the_credentials_have_expired() {
    let mut story = Story::new();
    story.when(CompleteMultipartUpload, [Reply::LoseAnswer]);
    story.when(HeadObject, [Reply::Say(answer(403, &[("x-oss-ec", "0002-00000007")], ""))]);
    let outcome = story.run();
    assert_eq!(completed(&outcome).evidence, Evidence::ContentMatch);
    assert!(
        matches!(&story.refreshed[..], [AuthProblem::Refused { code, .. }] if code == "0002-00000007"),
        "{:?}",
        story.refreshed
    );
    assert!(outcome.report.denied.is_empty());
}

#[test]
fn an_absurd_time_is_not_believed_and_a_clock_that_stays_skewed_is_not_set_for_ever() {
    let mut story = Story::new();
    story.when(InitiateMultipartUpload, [skewed("1970-01-01T00:00:00.000Z")]);
    assert!(matches!(failed(&story.run()).cause, Cause::Refused(_)));
    assert!(story.refreshed.is_empty());

    let mut story = Story::new();
    story.when(InitiateMultipartUpload, (0..9).map(|_| skewed("2024-01-12T21:47:15.000Z")));
    let outcome = story.run();
    assert!(matches!(failed(&outcome).cause, Cause::ClockSkewed { reason: None, .. }));
    assert!(failed(&outcome).to_string().contains("the clock is wrong, and could not be set: 403 "));
    assert_eq!(story.refreshed.len(), 1);

    let mut story = Story::new();
    story.refreshes.push_back(Err("it is not ours to set"));
    story.when(InitiateMultipartUpload, [skewed("2024-01-12T21:47:15.000Z")]);
    let outcome = story.run();
    assert!(
        matches!(&failed(&outcome).cause, Cause::ClockSkewed { reason: Some(why), .. } if why.contains("ours"))
    );
}
