//! What is written to the checkpoint: the lines that it lacks, or all of it anew.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::checkpoint::journal::Line;
use crate::checkpoint::{Checkpoint, Header, SourceIdentity};
use crate::part::PartNumber;

use super::Upload;
use super::effect::{Durability, Effect, StoreTicket, Write};
use super::emit::Task;
use super::facts::Stages;
use super::goal::{self, Goal};
use super::parts::PartFact;

/// The longest name of a source that is noted, in bytes: that of the longest path on most systems.
const MAX_SOURCE_NAME: usize = 4096;

impl Upload {
    /// What the checkpoint lacks, written to it. Nothing while the store is busy: what there is to write then is more each
    /// time it is asked, and to put it together would cost every turn a walk over all of it.
    pub(super) fn emit_save(&mut self, goal: Goal) -> Option<Effect> {
        if self.is_storing() {
            return None;
        }
        let f = &self.facts;
        let have = f.disk.durable;
        let replaces = f.disk.rewrite || goal::misleads(f);
        let stages = Stages {
            header: true,
            upload_id: f.attempt.ours().is_some(),
            sealed: have.sealed || goal == Goal::Seal,
            discarding: have.discarding || goal == Goal::Intend,
            doubted: if replaces { f.attempt.suspicious } else { have.doubted },
        };
        let parts: Vec<_> = f.attempt.parts.unrecorded().iter().copied().collect();
        let write = if replaces {
            Write::Replace(self.whole_record(stages).write().into())
        } else {
            let durability = if goal == Goal::Transfer { Durability::Written } else { Durability::Durable };
            Write::Append(self.news(stages, &parts), durability)
        };
        let id = self.issue(Task::Save { goal, stages, parts });
        Some(Effect::Save(StoreTicket(id), write))
    }

    /// The lines that the checkpoint lacks.
    fn news(&self, stages: Stages, parts: &[PartNumber]) -> Bytes {
        let (f, have) = (&self.facts, self.facts.disk.durable);
        let mut journal = Vec::new();
        if let (Some(id), false) = (f.attempt.ours(), have.upload_id) {
            Line::Upload(id.clone()).write_to(&mut journal);
        }
        for n in parts {
            if let Some(PartFact::Done(part)) = f.attempt.parts.get(*n) {
                #[cfg(test)]
                tests::LINES.with(|lines| lines.set(lines.get() + 1));
                Line::part(*n, &part.record()).write_to(&mut journal);
            }
        }
        // Sealed again after parts were sent again: the list that Complete will carry must be behind it.
        if stages.sealed && (!have.sealed || !parts.is_empty()) {
            Line::Sealed {}.write_to(&mut journal);
        }
        if stages.discarding && !have.discarding {
            Line::Discarding {}.write_to(&mut journal);
        }
        journal.into()
    }

    fn whole_record(&self, stages: Stages) -> Checkpoint {
        let (f, job) = (&self.facts, &self.facts.job);
        // Complete may have been sent by an earlier run whose record this one replaces.
        let sealed = stages.sealed || f.attempt.complete_tried;
        let parts: BTreeMap<_, _> =
            f.attempt.parts.done_parts().map(|(n, part)| (n, part.record())).collect();
        Checkpoint {
            header: Header {
                destination: job.destination.clone(),
                bucket: job.object.bucket.to_string(),
                key: job.object.key.to_string(),
                options: job.options.fingerprint(),
                attributes: job.options.fingerprints(),
                // The length alone is the identity of no file: whoever reads it compares the parts before they count.
                source: if stages.doubted { SourceIdentity::of_len(f.source.len) } else { f.source.clone() },
                source_name: job.source_name.clone().filter(|name| name.len() <= MAX_SOURCE_NAME),
                part_size: f.attempt.parts.plan().part_size(),
                begun: f.attempt.begun,
            },
            upload_id: f.attempt.ours().cloned(),
            parts,
            sealed,
            discarding: stages.discarding,
            damaged_lines: 0,
            torn: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::digest::{ContentDigest, Integrity};
    use crate::part::MIN_PART_SIZE;
    use crate::request::{Operation, Response};
    use crate::time::Timestamp;
    use crate::upload::{Answer, Job, Policy, Recording, Turn};

    thread_local! {
        /// How many lines for parts were put together.
        pub(super) static LINES: Cell<usize> = const { Cell::new(0) };
    }

    const PARTS: usize = 200;

    fn said(operation: Operation) -> Response {
        http::Response::new(Bytes::from_static(match operation {
            Operation::InitiateMultipartUpload => {
                b"<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>"
            }
            _ => b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>",
        }))
    }

    #[test]
    fn while_the_store_stands_still_no_line_is_put_together_twice() {
        let source = SourceIdentity::of_len(PARTS as u64 * MIN_PART_SIZE);
        let name = "oss://bucket/key".parse().unwrap();
        let mut job = Job::new(name, "host", source.clone(), Timestamp::from_unix(1_705_096_035));
        job.recording = Recording::Checkpoint;
        job.policy = Policy {
            put_threshold: 0,
            part_size: MIN_PART_SIZE,
            integrity: Integrity::None,
            ..Policy::default()
        };
        let mut upload = Upload::start(job, 1);
        let sent = ContentDigest { len: MIN_PART_SIZE, md5: None, crc64: None };
        let mut stored = http::Response::new(Bytes::new());
        stored
            .headers_mut()
            .insert("etag", http::HeaderValue::from_static("\"5EB63BBBE01EEED093CB22BB8F5ACDC3\""));
        let mut standing: Option<Answer> = None;
        loop {
            let answer = match upload.turn() {
                Turn::Do(Effect::Send(ticket, request)) => ticket.responded(said(request.operation())),
                Turn::Do(Effect::SendPart(ticket, _)) => ticket.responded(stored.clone(), sent),
                // Answered only when there is nothing else to do.
                Turn::Do(Effect::Save(ticket, Write::Append(_, Durability::Written))) => {
                    assert!(standing.replace(ticket.durable()).is_none(), "one at a time");
                    continue;
                }
                Turn::Do(Effect::Save(ticket, _) | Effect::Forget(ticket)) => ticket.durable(),
                Turn::Do(Effect::Inspect(ticket)) => ticket.found(source.clone()),
                Turn::Blocked => standing.take().unwrap(),
                Turn::Finished(_) => break,
                Turn::Do(other) => panic!("{other:?}"),
            };
            upload.answer(answer).unwrap();
        }
        assert_eq!(LINES.get(), PARTS);
    }
}
