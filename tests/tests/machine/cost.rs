//! What an upload costs: no more for a part, however many are finished, and little in all.

use ossup_core::checkpoint::SourceIdentity;
use ossup_core::digest::{ContentDigest, Crc64, Md5};
use ossup_core::request::Operation;
use ossup_core::upload::{Effect, Job, Policy, Recording, Turn, Upload, Write};
use ossup_tests::story::bucket::{answer, stored};
use ossup_tests::story::{PART, Story, completed};

/// What an upload of so many equal parts came to.
#[derive(Debug)]
struct Cost {
    effects: usize,
    /// Bytes written to the checkpoint, what was replaced included.
    journal: usize,
    /// Bytes of the longest write.
    longest: usize,
}

fn cost(parts: u16) -> Cost {
    let Job { object, destination, now, .. } = Story::new().job;
    let source = SourceIdentity::of_len(u64::from(parts) * PART);
    let mut job = Job::new(object, destination, source.clone(), now);
    job.recording = Recording::Checkpoint;
    job.policy = Policy { put_threshold: 0, part_size: PART, ..Policy::default() };
    let part = ContentDigest { len: PART, md5: Some(Md5::of(b"part")), crc64: Some(Crc64::of(b"part")) };
    let begun = "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>";
    let made = "<CompleteMultipartUploadResult><ETag>\"E-1\"</ETag></CompleteMultipartUploadResult>";
    let mut upload = Upload::start(job, 1);
    let mut cost = Cost { effects: 0, journal: 0, longest: 0 };
    loop {
        cost.effects += 1;
        let said = match upload.turn() {
            Turn::Do(Effect::SendPart(ticket, _)) => ticket.responded(stored(&part), part),
            Turn::Do(Effect::Send(ticket, request)) => {
                let begins = request.operation() == Operation::InitiateMultipartUpload;
                ticket.responded(answer(200, &[], if begins { begun } else { made }))
            }
            Turn::Do(Effect::Save(ticket, Write::Replace(bytes) | Write::Append(bytes, _))) => {
                cost.journal += bytes.len();
                cost.longest = cost.longest.max(bytes.len());
                ticket.durable()
            }
            Turn::Do(Effect::Forget(ticket)) => ticket.durable(),
            Turn::Do(Effect::Inspect(ticket)) => ticket.found(source.clone()),
            Turn::Finished(outcome) => {
                completed(&outcome);
                return cost;
            }
            other => panic!("{other:?}"),
        };
        upload.answer(said).unwrap();
    }
}

#[test]
fn a_part_costs_the_same_however_many_are_finished() {
    // The numbers of these parts have equally many digits.
    let [two, three, four] = [2000, 3000, 4000].map(cost);
    assert_eq!(four.effects - three.effects, three.effects - two.effects);
    assert_eq!(four.journal - three.journal, three.journal - two.journal);
    assert_eq!(four.longest, two.longest, "nothing that was written is written again");
}

#[test]
fn the_checkpoint_of_ten_thousand_parts_takes_less_than_two_mebibytes_of_writing() {
    let cost = cost(10_000);
    assert!(cost.journal < 2 << 20, "{cost:?}");
}
