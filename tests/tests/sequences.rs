//! Whatever may be done with an upload, one after the other: runs that end, that die, that are cancelled, edits and lost
//! answers between them, in every order of answers. The object is always one state of the source as a whole, what was
//! noted is not sent again, and what is learnt twice is learnt once.

use std::collections::{BTreeSet, VecDeque};

use ossup_core::checkpoint::journal;
use ossup_core::request::Operation;
use ossup_core::upload::{Cancel, Effect, End, Outcome, Turn, Upload};
use ossup_tests::story::bucket::Object;
use ossup_tests::story::{PART, Reply, Story, stop};
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// Parts of the source; the last one is short.
const PARTS: u64 = 4;

/// In which order answers come, and when more is asked for before one does.
type Order = Vec<u8>;

/// Something that is done.
#[derive(Clone, Debug)]
enum Step {
    /// A run to its end.
    Run(Order),
    /// A run that dies after so many answers.
    Kill(usize, Order),
    /// A run that is ended after so many answers.
    Cancel(usize, Cancel, Order),
    /// Somebody looks at the record, twice, and does nothing.
    Look,
    /// Everything that the record says is said once more.
    Repeat,
    /// A byte of the source changes.
    Edit(u64),
    /// The next answer to a request of this kind is lost.
    Lose(Operation),
}

/// What must be so, as far as it follows from the steps alone.
#[derive(Clone, Debug)]
struct Expected {
    /// How often the source was edited.
    edits: usize,
    /// Which state of the source the object must be; none where that depends on how far a run came.
    object: Option<usize>,
}

struct Steps;

impl ReferenceStateMachine for Steps {
    type State = Expected;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Expected> {
        Just(Expected { edits: 0, object: None }).boxed()
    }

    fn transitions(_: &Expected) -> BoxedStrategy<Step> {
        let order = || prop::collection::vec(any::<u8>(), 1..24);
        let how = select(vec![Cancel::Keep, Cancel::Discard]);
        let lost = select(vec![
            Operation::UploadPart,
            Operation::ListParts,
            Operation::CompleteMultipartUpload,
            Operation::AbortMultipartUpload,
        ]);
        prop_oneof![
            2 => order().prop_map(Step::Run),
            5 => (0..24_usize, order()).prop_map(|(after, order)| Step::Kill(after, order)),
            3 => (0..24_usize, how, order()).prop_map(|(after, how, order)| Step::Cancel(after, how, order)),
            1 => Just(Step::Look),
            1 => Just(Step::Repeat),
            1 => (0..PARTS * PART - PART / 2).prop_map(Step::Edit),
            2 => lost.prop_map(Step::Lose),
        ]
        .boxed()
    }

    fn apply(mut expected: Expected, step: &Step) -> Expected {
        match step {
            Step::Run(_) => expected.object = Some(expected.edits),
            Step::Kill(..) | Step::Cancel(..) => expected.object = None,
            Step::Edit(_) => expected.edits += 1,
            Step::Look | Step::Repeat | Step::Lose(_) => {}
        }
        expected
    }
}

/// The upload, and every state its source ever had.
struct Uploads {
    story: Story,
    states: Vec<Object>,
    /// The parts on the server are of the source as it is now.
    unedited: bool,
}

impl Uploads {
    fn note_state(&mut self) {
        let whole = self.story.world.source.whole();
        self.states.push(Object { len: whole.len, crc64: whole.crc64.unwrap() });
    }

    /// A run, at which `before` looks before every answer and says when it dies.
    fn run(&mut self, order: &[u8], mut before: impl FnMut(usize, &mut Upload) -> bool) -> Option<Outcome> {
        let noted: BTreeSet<u16> = self.story.world.record.as_deref().map_or_else(BTreeSet::new, |record| {
            journal::read(record).map(|read| read.parts.keys().map(|n| n.get()).collect()).unwrap_or_default()
        });
        self.story.seen.clear();
        let mut upload = self.story.begin();
        let (mut under_way, mut stopped) = (VecDeque::new(), BTreeSet::new());
        let mut answers = 0;
        let outcome = loop {
            assert!(answers < 1000, "it goes on for ever, at {:?}", upload.goal());
            let choice = order[answers % order.len()];
            let turn = if choice >= 128 && !under_way.is_empty() { Turn::Blocked } else { upload.turn() };
            match turn {
                Turn::Do(Effect::Stop(id)) => {
                    stopped.insert(id);
                }
                Turn::Do(effect) => under_way.push_back(effect),
                Turn::Blocked => {
                    if before(answers, &mut upload) {
                        return None;
                    }
                    let at = usize::from(choice) % under_way.len();
                    let effect = under_way.remove(at).unwrap();
                    let answer = if stopped.contains(&effect.id()) {
                        stop(effect)
                    } else {
                        self.story.execute(effect, &mut upload)
                    };
                    upload.answer(answer).unwrap();
                    answers += 1;
                }
                Turn::Finished(outcome) => break *outcome,
            }
        };
        assert!(under_way.is_empty(), "it ended with effects under way");
        let again = self.story.parts_sent().into_iter().filter(|n| noted.contains(n)).count();
        assert!(again == 0 || !self.unedited || outcome.report.restarts > 0, "what was noted was sent again");
        Some(outcome)
    }
}

impl StateMachineTest for Uploads {
    type SystemUnderTest = Self;
    type Reference = Steps;

    fn init_test(_: &Expected) -> Self {
        let story = Story::of_len(PARTS * PART - PART / 2);
        let mut uploads = Self { story, states: Vec::new(), unedited: true };
        uploads.note_state();
        uploads
    }

    fn apply(mut uploads: Self, _: &Expected, step: Step) -> Self {
        match step {
            Step::Run(order) => {
                let outcome = uploads.run(&order, |_, _| false).unwrap();
                assert!(matches!(outcome.end, End::Completed(_)), "{outcome:?}");
                assert!(uploads.story.world.record.is_none(), "the record is still there");
                uploads.unedited = true;
            }
            Step::Kill(after, order) => {
                if uploads.run(&order, |answers, _| answers >= after).is_some() {
                    uploads.unedited = true;
                }
            }
            Step::Cancel(after, how, order) => {
                let outcome = uploads.run(&order, |answers, upload| {
                    if answers >= after {
                        upload.cancel(how);
                    }
                    false
                });
                let world = &mut uploads.story.world;
                match (outcome.unwrap().end, how) {
                    (End::Completed(_), _) => uploads.unedited = true,
                    (End::Suspended { upload_id: Some(id), .. }, Cancel::Keep) => {
                        // It may be completed already, by a run that did not live to hear of it.
                        let sealed = world.checkpoint().sealed;
                        assert!(
                            sealed || world.bucket.uploads.contains_key(id.as_str()),
                            "{id} was to be kept"
                        );
                    }
                    (End::Suspended { upload_id: None, .. }, Cancel::Keep) => {}
                    (End::Discarded(_), Cancel::Discard) => {
                        assert!(world.record.is_none(), "the record of what was discarded is still there");
                        uploads.unedited = true;
                    }
                    (end, how) => panic!("{how:?} ended in {end:?}"),
                }
            }
            Step::Look => {
                let looked = (uploads.story.begin().fingerprint(), uploads.story.begin().fingerprint());
                assert_eq!(looked.0, looked.1);
            }
            Step::Repeat => {
                let before = uploads.story.begin().fingerprint();
                if let Some(record) = &mut uploads.story.world.record {
                    record.extend(record.clone());
                }
                assert_eq!(uploads.story.begin().fingerprint(), before, "what is said twice is said once");
            }
            Step::Edit(at) => {
                uploads.story.world.source.edit(at);
                uploads.note_state();
                uploads.unedited = false;
            }
            Step::Lose(operation) => {
                uploads.story.when(operation, [Reply::LoseAnswer]);
            }
        }
        uploads
    }

    fn check_invariants(uploads: &Self, expected: &Expected) {
        let object = uploads.story.world.bucket.object;
        match expected.object {
            Some(state) => assert_eq!(object, Some(uploads.states[state])),
            None => assert!(
                object.is_none_or(|object| uploads.states.contains(&object)),
                "the object is no state of the source"
            ),
        }
        if let Some(record) = &uploads.story.world.record {
            assert!(journal::read(record).is_ok(), "nothing here damages the record");
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_runs_makes_the_object_of_one_state_of_the_source(sequential 1..16 => Uploads);
}
