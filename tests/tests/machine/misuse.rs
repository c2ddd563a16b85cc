//! What an embedder may do wrong, and what it comes to.

use ossup_core::upload::{Answer, Effect, End, Misuse, SourceError, TransportError, Turn, Upload};
use ossup_tests::story::{Reply, Story, completed, id};

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
    let lost = id(&effect);
    assert_eq!(upload.outstanding().collect::<Vec<_>>(), [lost]);
    drop(effect);
    assert_eq!(upload.abandon(lost), Ok(()));
    assert_eq!(upload.abandon(lost), Err(Misuse::NotUnderWay));
    assert_eq!(Story::new().begin().abandon(lost), Err(Misuse::NotUnderWay), "the same seed marks the same");
    let _ = story.drive(upload);
}

/// Loses the ticket of the nth effect.
fn loses(nth: usize) -> (Story, Option<(String, ossup_core::upload::Outcome)>) {
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
                    upload.abandon(id(&effect)).unwrap();
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

#[test]
fn progress_of_an_effect_that_is_not_under_way_or_of_more_bytes_than_there_are_does_no_harm() {
    let mut story = Story::new();
    let mut upload = story.begin();
    let effect = first_effect(&mut upload);
    upload.sent(id(&effect), u64::MAX);
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
