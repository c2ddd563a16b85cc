//! What is known of each part: missing, being sent, said to be on the server, done.
//!
//! Sets of what is left to do are kept beside the table, so that no event costs a walk over all parts.

use std::collections::BTreeSet;

use crate::checkpoint::RecordedPart;
use crate::digest::{ContentDigest, Crc64, Integrity, Shift};
use crate::part::{ByteRange, ETag, PartNumber};
use crate::plan::Plan;

/// What is known of a part.
#[derive(Clone, Debug)]
pub(super) enum PartFact {
    /// It is to be sent.
    Missing,
    /// A slot is busy with it.
    Sending,
    /// It is said to be on the server; whether it is what the source has is not known.
    Unproven(Claim),
    /// It is on the server, and it is what the source has.
    Done(DonePart),
}

/// What the server, or our own record, says of a part.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) etag: ETag,
    pub(super) crc64: Option<Crc64>,
}

impl Claim {
    /// Which check values of the source prove or refute the claim; none if no check value can.
    pub(super) fn proof(&self) -> Option<Integrity> {
        match (self.crc64, self.etag.as_md5()) {
            (Some(_), _) => Some(Integrity::Crc),
            (None, Some(_)) => Some(Integrity::Md5AndCrc),
            (None, None) => None,
        }
    }

    /// Whether content with this digest is what the claim is about.
    pub(super) fn fits(&self, digest: &ContentDigest) -> bool {
        let crc64 = self.crc64.zip(digest.crc64).map(|(theirs, ours)| theirs == ours);
        let md5 = self.etag.as_md5().zip(digest.md5).map(|(theirs, ours)| theirs == ours);
        // Not every ETag that looks like an MD5 is one.
        crc64.or(md5).unwrap_or(false)
    }
}

/// A part that is on the server.
#[derive(Clone, Debug)]
pub(super) struct DonePart {
    pub(super) etag: ETag,
    /// The CRC-64 of the bytes of the source.
    pub(super) crc64: Option<Crc64>,
}

/// The parts of an upload.
#[derive(Clone, Debug)]
pub(super) struct PartTable {
    plan: Plan,
    facts: Vec<PartFact>,
    missing: BTreeSet<PartNumber>,
    unproven: BTreeSet<PartNumber>,
    /// Done, and not in the checkpoint yet.
    unrecorded: BTreeSet<PartNumber>,
    done: u16,
    done_bytes: u64,
}

impl PartTable {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            facts: vec![PartFact::Missing; usize::from(plan.count())],
            missing: plan.numbers().collect(),
            unproven: BTreeSet::new(),
            unrecorded: BTreeSet::new(),
            done: 0,
            done_bytes: 0,
        }
    }

    pub(super) fn plan(&self) -> Plan {
        self.plan
    }

    pub(super) fn get(&self, n: PartNumber) -> Option<&PartFact> {
        self.facts.get(n.index())
    }

    /// The bytes of a part of this table.
    pub(super) fn range(&self, n: PartNumber) -> ByteRange {
        self.plan.range(n).unwrap_or_else(|| self.plan.whole())
    }

    pub(super) fn first_missing(&self) -> Option<PartNumber> {
        self.missing.first().copied()
    }

    pub(super) fn first_unproven_from(&self, from: PartNumber) -> Option<(PartNumber, &Claim)> {
        let n = self.unproven.range(from..).next().copied()?;
        match self.get(n)? {
            PartFact::Unproven(claim) => Some((n, claim)),
            _ => None,
        }
    }

    pub(super) fn has_unproven(&self) -> bool {
        !self.unproven.is_empty()
    }

    pub(super) fn all_done(&self) -> bool {
        self.done == self.plan.count()
    }

    pub(super) fn done_count(&self) -> u16 {
        self.done
    }

    pub(super) fn unproven_count(&self) -> usize {
        self.unproven.len()
    }

    pub(super) fn done_bytes(&self) -> u64 {
        self.done_bytes
    }

    pub(super) fn unrecorded(&self) -> &BTreeSet<PartNumber> {
        &self.unrecorded
    }

    /// All parts that are done, in order.
    pub(super) fn done_parts(&self) -> impl Iterator<Item = (PartNumber, &DonePart)> {
        self.plan.numbers().zip(&self.facts).filter_map(|(n, fact)| match fact {
            PartFact::Done(part) => Some((n, part)),
            _ => None,
        })
    }

    /// The CRC-64 of the whole source, joined from that of its parts. Walks over all parts.
    pub(super) fn whole_crc64(&self) -> Option<Crc64> {
        if !self.all_done() {
            return None;
        }
        let shift = Shift::by_bytes(self.plan.part_size());
        self.done_parts().try_fold(Crc64::EMPTY, |whole, (n, part)| {
            let len = self.range(n).len();
            let shift = if len == self.plan.part_size() { shift } else { Shift::by_bytes(len) };
            Some(shift.join(whole, part.crc64?))
        })
    }

    pub(super) fn set_missing(&mut self, n: PartNumber) {
        if self.replace(n, PartFact::Missing) {
            self.missing.insert(n);
        }
    }

    pub(super) fn set_sending(&mut self, n: PartNumber) {
        self.replace(n, PartFact::Sending);
    }

    /// Notes a claim, or that the part is missing if nothing could prove the claim.
    pub(super) fn set_claimed(&mut self, n: PartNumber, claim: Claim) {
        if claim.proof().is_none() {
            self.set_missing(n);
        } else if self.replace(n, PartFact::Unproven(claim)) {
            self.unproven.insert(n);
        }
    }

    pub(super) fn set_done(&mut self, n: PartNumber, part: DonePart, recorded: bool) {
        if self.replace(n, PartFact::Done(part)) {
            self.done += 1;
            self.done_bytes += self.range(n).len();
            if !recorded {
                self.unrecorded.insert(n);
            }
        }
    }

    pub(super) fn set_recorded(&mut self, numbers: &[PartNumber]) {
        for n in numbers {
            self.unrecorded.remove(n);
        }
    }

    /// Doubts every part that is done: the source may not be what it was.
    pub(super) fn doubt_all(&mut self) {
        let claims: Vec<_> = self.done_parts().map(|(n, part)| (n, part.claim())).collect();
        for (n, claim) in claims {
            self.set_claimed(n, claim);
        }
    }

    /// The table for a source of another length: parts with the same bytes in both keep what is claimed of them.
    pub(super) fn replanned(&self, plan: Plan) -> Self {
        let mut table = Self::new(plan);
        for (n, fact) in self.plan.numbers().zip(&self.facts) {
            let claim = match fact {
                PartFact::Done(part) => part.claim(),
                PartFact::Unproven(claim) => claim.clone(),
                PartFact::Missing | PartFact::Sending => continue,
            };
            if plan.range(n) == self.plan.range(n) {
                table.set_claimed(n, claim);
            }
        }
        table
    }

    fn replace(&mut self, n: PartNumber, fact: PartFact) -> bool {
        let range = self.range(n);
        let Some(entry) = self.facts.get_mut(n.index()) else { return false };
        match std::mem::replace(entry, fact) {
            PartFact::Missing => drop(self.missing.remove(&n)),
            PartFact::Unproven(_) => drop(self.unproven.remove(&n)),
            PartFact::Done(_) => {
                self.done -= 1;
                self.done_bytes -= range.len();
                self.unrecorded.remove(&n);
            }
            PartFact::Sending => {}
        }
        true
    }
}

impl DonePart {
    pub(super) fn claim(&self) -> Claim {
        Claim { etag: self.etag.clone(), crc64: self.crc64 }
    }

    pub(super) fn record(&self) -> RecordedPart {
        RecordedPart { etag: self.etag.clone(), crc64: self.crc64 }
    }
}
