//! What an embedder may do wrong, and what it comes to.

use ossup_core::upload::{
    Answer, Cancel, Effect, End, Misuse, Outcome, SourceError, TransportError, Turn, Upload,
};
use ossup_tests::story::{PART, Reply, Story, completed};

fn first_effect(upload: &mut Upload) -> Effect {
    match upload.turn() {
        Turn::Do(effect) => effect,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_to_another_upload_is_refused_and_changes_nothing() {
    let (mut one, mut another) = (Story::new(), Story::new());
    another.seed = 2;
    let (mut ours, mut theirs) = (one.begin(), another.begin());
    let (effect, foreign) = (first_effect(&mut ours), first_effect(&mut theirs));
    let answer = another.execute(foreign, &mut theirs);
    assert_eq!(ours.answer(answer), Err(Misuse::OtherUpload));
    let answer = one.execute(effect, &mut ours);
    assert_eq!(ours.answer(answer), Ok(()));
    completed(&one.drive(ours));
    one.assert_done();
}

#[test]
fn an_effect_is_given_up_once_and_only_while_it_is_under_way() {
    let mut story = Story::new();
    let mut upload = story.begin();
    let effect = first_effect(&mut upload);
    let lost = effect.id();
    assert_eq!(upload.outstanding().collect::<Vec<_>>(), [lost]);
    drop(effect);
    assert_eq!(upload.abandon(lost), Ok(()));
    assert_eq!(upload.abandon(lost), Err(Misuse::NotUnderWay));
    assert_eq!(Story::new().begin().abandon(lost), Err(Misuse::NotUnderWay), "the same seed marks the same");
    let _ = story.drive(upload);
}

/// Loses the ticket of the nth effect.
fn loses(nth: usize) -> (Story, Option<(String, Outcome)>) {
    let mut story = Story::new();
    let mut upload = story.begin();
    let mut count = 0;
    let mut queue: Vec<Effect> = Vec::new();
    let mut lost = None;
    loop {
        match upload.turn() {
            Turn::Do(Effect::Stop(_)) => {}
            Turn::Do(effect) => queue.push(effect),
            Turn::Blocked => {
                let effect = queue.remove(0);
                count += 1;
                if count == nth {
                    lost = Some(format!("{effect:?}"));
                    upload.abandon(effect.id()).unwrap();
                } else {
                    let answer: Answer = story.execute(effect, &mut upload);
                    upload.answer(answer).unwrap();
                }
            }
            Turn::Finished(outcome) => return (story, lost.map(|lost| (lost, *outcome))),
        }
    }
}

#[test]
fn whatever_ticket_is_lost_the_upload_ends_and_never_with_a_wrong_object() {
    let mut nth = 1;
    while let (mut story, Some((lost, outcome))) = loses(nth) {
        match &outcome.end {
            End::Completed(_) => story.assert_object(),
            End::Failed(failed) => {
                assert!(lost.starts_with("Save") || lost.starts_with("Inspect"), "{lost}: {failed}");
                completed(&story.run());
                story.assert_done();
            }
            other => panic!("{lost}: {other:?}"),
        }
        nth += 1;
    }
    assert!(nth > 10, "an upload has more effects than {nth}");
}

/// A run that is cancelled at its first effect that `is_it`, which is then aborted, and its ticket lost with it.
fn cancelled_at(mut story: Story, is_it: impl Fn(&Effect) -> bool) -> (Story, Outcome) {
    let (mut upload, mut is_cancelled) = (story.begin(), false);
    loop {
        match upload.turn() {
            Turn::Do(Effect::Stop(id)) => upload.abandon(id).unwrap(),
            Turn::Do(effect) if !is_cancelled && is_it(&effect) => {
                is_cancelled = true;
                upload.cancel(Cancel::Keep);
                drop(effect);
            }
            Turn::Do(effect) => {
                let answer = story.execute(effect, &mut upload);
                upload.answer(answer).unwrap();
            }
            Turn::Blocked => panic!("all that is under way was to be stopped"),
            Turn::Finished(outcome) => return (story, *outcome),
        }
    }
}

#[test]
fn an_effect_that_is_given_up_because_it_was_to_be_stopped_is_no_failure() {
    let edited = || {
        let mut story = Story::new();
        story.crash_with(2);
        story.world.source.edit(PART + 1);
        story
    };
    let is_part = |effect: &Effect| matches!(effect, Effect::SendPart(..));
    let is_hash = |effect: &Effect| matches!(effect, Effect::Hash(..));
    for (mut story, outcome) in [cancelled_at(Story::new(), is_part), cancelled_at(edited(), is_hash)] {
        assert!(matches!(outcome.end, End::Suspended { .. }), "{outcome:?}");
        assert_eq!((outcome.report.retries, outcome.report.troubles.len()), (0, 0));
        completed(&story.run());
        story.assert_object();
    }
}

#[test]
fn progress_of_an_effect_that_is_not_under_way_or_of_more_bytes_than_there_are_does_no_harm() {
    let mut story = Story::new();
    let mut upload = story.begin();
    let effect = first_effect(&mut upload);
    upload.sent(effect.id(), u64::MAX);
    assert_eq!(upload.progress().sent, 0);
    let answer = story.execute(effect, &mut upload);
    upload.answer(answer).unwrap();
    completed(&story.drive(upload));
    story.assert_done();
}

#[test]
fn an_answer_that_nothing_was_stopped_for_is_taken_as_it_is() {
    let mut story = Story::new();
    story.when_part(1, [Reply::Serve]);
    let mut upload = story.begin();
    // Everything is answered as if it had been stopped, once.
    let mut budget = 40;
    let outcome = loop {
        match upload.turn() {
            Turn::Do(Effect::SendPart(ticket, _)) if budget > 0 => {
                budget -= 1;
                upload.answer(ticket.failed(TransportError::stopped(), None)).unwrap();
            }
            Turn::Do(Effect::Hash(ticket, ..)) if budget > 0 => {
                budget -= 1;
                upload.answer(ticket.unreadable(SourceError::Stopped)).unwrap();
            }
            Turn::Do(effect) => {
                let answer = story.execute(effect, &mut upload);
                upload.answer(answer).unwrap();
            }
            Turn::Blocked => panic!("nothing is under way"),
            Turn::Finished(outcome) => break outcome,
        }
    };
    completed(&outcome);
    assert_eq!(outcome.report.retries, 0, "what was stopped was not an attempt");
    story.assert_done();
}
