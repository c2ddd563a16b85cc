//! The callback: whom OSS calls, and what became of it.

use ossup_core::callback::{BodyType, Callback};
use ossup_core::request::Operation::{self, CompleteMultipartUpload, PutObject};
use ossup_core::upload::CallbackEnd;
use ossup_tests::story::bucket::{APPLICATION, refusal};
use ossup_tests::story::{Reply, Story, completed};

fn calling(len: u64, put_threshold: u64) -> Story {
    let mut story = Story::of_len(len);
    story.job.policy.put_threshold = put_threshold;
    let callback = Callback::new("http://app.example.com/uploaded", "object=${object}&who=${x:who}")
        .unwrap()
        .host("app.example.com")
        .unwrap()
        .body_type(BodyType::Form)
        .sni(true)
        .variable("x:who", "me")
        .unwrap();
    story.job.callback = Some(callback);
    story
}

fn operations_that_call(story: &Story) -> Vec<Operation> {
    let calls = |request: &&ossup_core::request::Request| {
        request.headers().contains_key("x-oss-callback")
            && request.headers().contains_key("x-oss-callback-var")
    };
    story
        .seen
        .iter()
        .map(|seen| &seen.request)
        .filter(calls)
        .map(ossup_core::request::Request::operation)
        .collect()
}

#[test]
fn the_answer_of_the_application_is_handed_on_as_it_is() {
    for (threshold, operation) in [(0, CompleteMultipartUpload), (u64::MAX, PutObject)] {
        let mut story = calling(3000, threshold);
        let outcome = story.run();
        let CallbackEnd::Answered(answered) = &completed(&outcome).callback else { panic!("{outcome:?}") };
        assert_eq!(answered.body, APPLICATION);
        assert_eq!(answered.content_type.as_deref(), Some("application/json"));
        assert_eq!(operations_that_call(&story), [operation], "and nothing else calls");
        story.assert_done();
    }
}

#[test]
fn an_object_that_is_stored_while_its_callback_failed_is_complete_and_the_failure_is_told() {
    for (threshold, operation) in [(0, CompleteMultipartUpload), (u64::MAX, PutObject)] {
        let mut story = calling(3000, threshold);
        story.when(operation, [Reply::DoAndSay(refusal(203, "CallbackFailed"))]);
        let outcome = story.run();
        let CallbackEnd::Failed(error) = &completed(&outcome).callback else { panic!("{outcome:?}") };
        assert_eq!(error.request_id.as_deref(), Some("R-CallbackFailed"));
        assert_eq!(story.count(operation), 1, "nothing is sent again");
        story.assert_done();
    }
}

#[test]
fn an_answer_that_was_lost_is_told_as_lost_for_oss_does_not_call_twice() {
    let mut story = calling(3000, 0);
    story.when(CompleteMultipartUpload, [Reply::LoseAnswer]);
    assert_eq!(completed(&story.run()).callback, CallbackEnd::Lost);
    story.assert_done();
}

#[test]
fn a_complete_that_is_repeated_asks_for_the_callback_again() {
    let mut story = calling(3000, 0);
    story.when(CompleteMultipartUpload, [Reply::LoseRequest]);
    assert!(matches!(completed(&story.run()).callback, CallbackEnd::Answered(_)));
    assert_eq!(operations_that_call(&story), [CompleteMultipartUpload; 2]);
}

#[test]
fn an_object_that_is_put_again_after_a_lost_answer_calls_the_application_again() {
    let mut story = calling(1000, 1000);
    story.when(PutObject, [Reply::LoseAnswer]);
    assert!(matches!(completed(&story.run()).callback, CallbackEnd::Answered(_)));
    assert_eq!(operations_that_call(&story), [PutObject; 2]);
}
