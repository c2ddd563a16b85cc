//! What the server says it has: parts of our upload, and uploads of our key.

use crate::digest::ContentDigest;
use crate::operation::list_parts::ListedPart;
use crate::operation::{Malformed, list_parts, list_uploads};
use crate::part::PartNumber;
use crate::plan::Plan;
use crate::request::Response;

use super::super::Upload;
use super::super::facts::{Doom, Listing, Origin, SearchFor, SlotState};
use super::super::goal::Goal;
use super::super::job::Recheck;
use super::super::outcome::{NotResumable, Notice};
use super::super::parts::{Claim, DonePart, PartTable};

/// How much earlier than this run, by the server's clock, an upload may seem to have begun, or an object to have been made,
/// and still be ours: OSS refuses signatures by clocks that are further off.
pub(super) const CLOCK_TOLERANCE_SECS: i64 = 15 * 60;

/// How many pages of uploads of one key are looked at. There is no reason for more than one.
const MAX_PAGES: u32 = 16;

impl Upload {
    pub(super) fn learn_parts(&mut self, response: &Response) -> Result<(), Malformed> {
        let Listing::Wanted { after, so_far } = &mut self.facts.attempt.listing else { return Ok(()) };
        let page = list_parts::parse(response)?.behind(*after)?;
        so_far.extend(page.parts);
        if page.next.is_some() && so_far.len() < usize::from(crate::part::MAX_PARTS) {
            let so_far = std::mem::take(so_far);
            self.facts.attempt.listing = Listing::Wanted { after: page.next, so_far };
            return Ok(());
        }
        let listed = std::mem::take(so_far);
        self.facts.attempt.listing = Listing::Settled;
        match self.facts.attempt.origin {
            // The upload whose id was lost has no parts: nobody could have sent one. Another may be adopted.
            Origin::Recovered if !listed.is_empty() && !self.facts.adopts() => self.reject(),
            Origin::Recovered if !listed.is_empty() => {
                self.facts.attempt.origin = Origin::Adopted;
                self.adopt_parts(&listed);
            }
            Origin::Adopted => self.adopt_parts(&listed),
            Origin::Recovered | Origin::Ours => {
                // Once it has been looked at it is ours like any other.
                self.facts.attempt.origin = Origin::Ours;
                self.compare_parts(&listed);
            }
        }
        Ok(())
    }

    /// The server's list against what we recorded, or have sent.
    fn compare_parts(&mut self, listed: &[ListedPart]) {
        let recorded = std::mem::take(&mut self.facts.attempt.recorded);
        let recheck = self.facts.attempt.doubted || self.facts.job.policy.recheck == Recheck::Always;
        let no_crc_needed = self.facts.job.policy.integrity == crate::digest::Integrity::None;
        let known: std::collections::BTreeMap<_, _> = self
            .facts
            .attempt
            .parts
            .done_parts()
            .map(|(n, part)| (n, part.record()))
            .chain(recorded)
            .collect();
        let unrecorded = self.facts.attempt.parts.unrecorded().clone();
        let attempt = &mut self.facts.attempt;
        let plan = attempt.parts.plan();
        let mut fresh = PartTable::new(plan);
        let mut kept = Vec::new();
        for part in listed {
            let Some(range) = plan.range(part.number) else {
                attempt.strangers = true;
                continue;
            };
            let Some(etag) = part.etag.clone().filter(|_| range.len() == part.size) else {
                if self.facts.job.options.is_sequential() {
                    // It is in the way for good.
                    attempt.doom = Some(Doom::StartOver(NotResumable::PartInTheWay(part.number)));
                }
                continue;
            };
            let ours = known.get(&part.number).filter(|ours| ours.etag == etag);
            let crc_agrees = |ours: &crate::checkpoint::RecordedPart| {
                part.crc64.zip(ours.crc64).is_none_or(|(theirs, ours)| theirs == ours)
                    && (ours.crc64.is_some() || no_crc_needed)
            };
            match ours {
                Some(ours) if !recheck && crc_agrees(ours) => {
                    kept.push((part.number, DonePart { etag, crc64: ours.crc64 }));
                }
                ours => {
                    let crc64 = part.crc64.or(ours.and_then(|ours| ours.crc64));
                    fresh.set_claimed(part.number, Claim { etag, crc64 });
                }
            }
        }
        attempt.parts = fresh;
        attempt.inspected = false;
        attempt.doubted = false;
        for (n, part) in kept {
            self.keep(n, part, !unrecorded.contains(&n));
        }
    }

    /// ListParts is not allowed: what is recorded has to do.
    pub(super) fn listing_denied(&mut self) {
        match self.facts.attempt.origin {
            Origin::Ours => {}
            Origin::Recovered => {
                // It may well be ours; it cannot be looked at.
                self.facts.report.orphan_risk += 1;
                return self.reject();
            }
            Origin::Adopted => return self.reject(),
        }
        let attempt = &mut self.facts.attempt;
        // What else the server has cannot be seen.
        attempt.strangers = true;
        let plan = attempt.parts.plan();
        attempt.recorded.extend(attempt.parts.done_parts().map(|(n, part)| (n, part.record())));
        let listed: Vec<_> = attempt
            .recorded
            .iter()
            .filter_map(|(n, part)| {
                let size = plan.range(*n)?.len();
                Some(ListedPart { number: *n, size, etag: Some(part.etag.clone()), crc64: part.crc64 })
            })
            .collect();
        attempt.listing = Listing::Settled;
        self.compare_parts(&listed);
    }

    /// Parts that somebody else may have sent: what size they were cut to, and a claim for each.
    fn adopt_parts(&mut self, listed: &[ListedPart]) {
        // Without parts there is nothing to gain by it, and another one may have some. The last of all is taken up, so
        // that runs which are cut off early do not leave one each.
        if listed.is_empty() && self.has_others_to_adopt() {
            return self.reject();
        }
        // The last part may be all there is, and its size tells nothing of the others: our own plan comes first.
        let ours = self.facts.attempt.parts.plan();
        let largest = listed.iter().map(|part| part.size).max().unwrap_or(0);
        let theirs = Plan::exact(self.facts.source.len, largest);
        let fits = |plan: &Plan| {
            let fits =
                |part: &ListedPart| plan.range(part.number).is_some_and(|range| range.len() == part.size);
            listed.iter().all(fits)
        };
        let Some(plan) = [Some(ours), theirs].into_iter().flatten().find(fits) else { return self.reject() };
        let Some(id) = self.facts.attempt.id.clone() else { return };
        self.facts.attempt.parts = PartTable::new(plan);
        self.facts.attempt.doubted = true;
        self.facts.attempt.origin = Origin::Ours;
        self.compare_parts(listed);
        self.notice(Notice::Adopted(id));
        if self.facts.job.options.fixes_anything() {
            self.notice(Notice::AttributesUnknown);
        }
    }

    /// The parts around those whose answers were lost.
    pub(super) fn learn_probe(&mut self, response: &Response) -> Result<(), Malformed> {
        let before = self.facts.attempt.probed.first().and_then(|first| PartNumber::new(first.get() - 1));
        let page = list_parts::parse(response)?.behind(before)?;
        let seen_to = page.next;
        for n in std::mem::take(&mut self.facts.attempt.probed) {
            // What is behind the end of the page is asked about next.
            if seen_to.is_some_and(|last| n > last) {
                continue;
            }
            let there = page.parts.iter().find(|part| part.number == n);
            let Some(slot) = self.facts.attempt.slots.get_mut(&n) else { continue };
            if !matches!(slot.state, SlotState::Doubtful(..)) {
                continue;
            }
            let SlotState::Doubtful(sent, trouble) = std::mem::take(&mut slot.state) else { continue };
            let size = self.facts.attempt.parts.range(n).len();
            if let (true, Some(part)) = (self.facts.job.options.is_sequential(), there) {
                let etag = part.etag.clone().filter(|_| part.size == size);
                self.settle_for_good(n, etag.map(|etag| Claim { etag, crc64: part.crc64 }), sent);
                continue;
            }
            let arrived = there.zip(sent).and_then(|(part, sent)| {
                let claim = Claim { etag: part.etag.clone()?, crc64: part.crc64 };
                (part.size == size && claim.fits(&sent))
                    .then_some(DonePart { etag: claim.etag, crc64: sent.crc64 })
            });
            match arrived {
                Some(part) => self.part_arrived(n, part, true),
                None => self.retry_part(n, *trouble, None),
            }
        }
        Ok(())
    }

    /// Sequential mode takes no part twice: what is there has to do, or the upload begins again.
    pub(super) fn settle_for_good(
        &mut self,
        n: PartNumber,
        claim: Option<Claim>,
        sent: Option<ContentDigest>,
    ) {
        let attempt = &mut self.facts.attempt;
        match (claim, sent) {
            (Some(claim), Some(sent)) if claim.fits(&sent) => {
                self.part_arrived(n, DonePart { etag: claim.etag, crc64: sent.crc64 }, true);
            }
            // It may have been refused before it was read.
            (Some(claim), _) if claim.proof().is_some() => {
                attempt.slots.remove(&n);
                attempt.parts.set_claimed(n, claim);
            }
            _ => attempt.doom = Some(Doom::StartOver(NotResumable::PartInTheWay(n))),
        }
    }

    /// ListParts is not allowed: parts whose answers were lost are sent again.
    pub(super) fn probe_failed(&mut self) {
        let doubtful: Vec<_> = self.facts.attempt.slots.keys().copied().collect();
        for n in doubtful {
            let Some(slot) = self.facts.attempt.slots.get_mut(&n) else { continue };
            if matches!(slot.state, SlotState::Doubtful(..))
                && let SlotState::Doubtful(_, trouble) = std::mem::take(&mut slot.state)
            {
                self.retry_part(n, *trouble, None);
            }
        }
    }

    pub(super) fn learn_uploads(&mut self, response: &Response) -> Result<(), Malformed> {
        let page = list_uploads::parse(response)?;
        let key = self.facts.job.object.key.as_str();
        let past_ours = page.uploads.iter().any(|upload| upload.key.as_str() > key);
        let search = &mut self.facts.search;
        // A prefix is not an exact match.
        search.found.extend(page.uploads.into_iter().filter(|upload| upload.key == key));
        search.pages += 1;
        // Uploads are listed by key, so ours come first among those that begin with it.
        if page.next.is_some() && !past_ours && search.pages < MAX_PAGES {
            search.after = page.next;
            return Ok(());
        }
        match search.wanted.take() {
            Some(SearchFor::Adoptable) => self.adopt_next(),
            Some(SearchFor::Lost) | None => self.recover(),
        }
        Ok(())
    }

    /// The upload whose id was lost, if there is exactly one that can be it.
    fn recover(&mut self) {
        let earliest = self.facts.attempt.begun.saturating_sub(CLOCK_TOLERANCE_SECS);
        let search = &self.facts.search;
        let mut candidates = search.found.iter().filter(|upload| {
            !search.rejected.contains(&upload.upload_id)
                && upload.initiated.is_some_and(|initiated| initiated.unix() >= earliest)
        });
        let (one, another) = (candidates.next().map(|upload| upload.upload_id.clone()), candidates.next());
        match (one, another) {
            (Some(id), None) => {
                self.facts.attempt.lost_initiates = self.facts.attempt.lost_initiates.saturating_sub(1);
                self.take_over(id, Origin::Recovered);
            }
            // The request never arrived.
            (None, _) => {
                self.facts.attempt.lost_initiates = 0;
                self.adopt_next();
            }
            (Some(_), Some(_)) => {
                self.forget_lost_initiates();
                self.adopt_next();
            }
        }
    }

    /// Uploads whose ids were lost cannot be told from others; they stay where they are.
    fn forget_lost_initiates(&mut self) {
        self.facts.report.orphan_risk += std::mem::take(&mut self.facts.attempt.lost_initiates);
    }

    pub(super) fn search_failed(&mut self) {
        if self.facts.search.wanted.take() == Some(SearchFor::Lost) {
            self.forget_lost_initiates();
        }
        // How often Initiate has failed is not forgotten with it: the two would take turns for ever.
        self.settled(Goal::Find);
    }
}
