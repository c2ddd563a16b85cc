//! How an upload begins: anew, from a record, over again after something was lost, or only to be discarded.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::{Checkpoint, Unreadable, journal};
use crate::object::ObjectName;
use crate::operation::list_uploads::ListedUpload;
use crate::options::ObjectOptions;
use crate::part::UploadId;
use crate::plan::Plan;

use super::Upload;
use super::emit::Lane;
use super::facts::{Attempt, Doom, Facts, Listing, Origin, Search, SearchFor, Stages};
use super::goal::{MAX_RESTARTS, failed, visibility};
use super::job::{Cancel, Changed, Job, Policy, Resume, Unresumable};
use super::news::News;
use super::outcome::{Cause, NotResumable, Notice};
use super::tempo::{Auth, Retries, Window};

impl Upload {
    /// An upload that no record knows. `seed` decides the jitter of the waits, and marks the effects as this upload's.
    #[must_use]
    pub fn start(job: Job, seed: u64) -> Self {
        let (plan, invalid) = match plan(&job) {
            Ok(plan) => (plan, None),
            Err(invalid) => (nothing(), Some(invalid)),
        };
        let mut upload = Self {
            auth: Auth::default(),
            lane: Lane::default(),
            window: window(&job),
            retries: Retries::new(&job.policy.retry, most_in_flight(&job), seed),
            paused: false,
            machine: (seed ^ (seed >> 32)) as u32,
            next_seq: 0,
            news: News::default(),
            furthest: 0,
            outstanding: BTreeMap::new(),
            facts: Facts::new(job, plan),
        };
        if let Some(invalid) = invalid {
            upload.facts.end = Some(failed(&upload.facts, Cause::Plan(invalid), false));
        }
        if upload.facts.adopts() {
            upload.facts.search.wanted = Some(SearchFor::Adoptable);
        }
        upload
    }

    /// An upload that goes on where the run that wrote this record ended. What the record says is compared with the
    /// job, the source and the server; whatever does not fit is settled by the policies of the job and told in the
    /// outcome. What is in the record counts as durable, so whoever reads it has it on the disk first (fsync): the run
    /// that wrote it may have died between the two.
    #[must_use]
    pub fn resume(job: Job, record: &[u8], seed: u64) -> Self {
        let mut upload = Self::start(job, seed);
        upload.facts.disk.exists = true;
        match journal::read(record) {
            Ok(checkpoint) => upload.take_up(checkpoint),
            // The run that made it died before it had begun anything.
            Err(Unreadable::Empty) => {}
            Err(why) => upload.facts.disk.unreadable = Some(why.into()),
        }
        upload
    }

    /// Deletes what an earlier run has sent, knowing nothing but its record. Of the options only those count that belong on
    /// such requests: who pays for them.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn discard(
        record: &[u8],
        options: &ObjectOptions,
        policy: Policy,
        seed: u64,
    ) -> Result<Self, Unreadable> {
        let checkpoint = journal::read(record)?;
        let header = &checkpoint.header;
        let (Ok(bucket), Ok(key)) = (header.bucket.parse(), header.key.parse()) else {
            return Err(Unreadable::Damaged);
        };
        let plan = Plan::exact(header.source.len, header.part_size).filter(|plan| plan.count() > 0);
        let now = crate::time::Timestamp::from_unix(header.begun);
        let mut job =
            Job::new(ObjectName { bucket, key }, header.destination.clone(), header.source.clone(), now);
        job.options = options.clone();
        job.source_name.clone_from(&header.source_name);
        job.policy = Policy { put_threshold: 0, resume: Resume::FromCheckpoint, ..policy };
        job.recording = super::job::Recording::Checkpoint;
        let mut upload = Self::start(job, seed);
        upload.facts.end = None;
        upload.facts.disk.exists = true;
        upload.adopt_record(checkpoint, plan);
        upload.cancel(Cancel::Discard);
        Ok(upload)
    }

    /// Deletes an upload of which nothing is known but its id, such as one that a
    /// [`Survey`](super::survey::Survey) has found. Whoever is still sending parts of it will find it gone. Of the options
    /// only those count that belong on such requests: who pays for them.
    #[must_use]
    pub fn discard_id(
        object: ObjectName,
        upload_id: UploadId,
        options: &ObjectOptions,
        policy: Policy,
        seed: u64,
    ) -> Self {
        let nothing = crate::checkpoint::SourceIdentity::of_len(0);
        let mut job = Job::new(object, "", nothing, crate::time::Timestamp::from_unix(0));
        job.options = options.clone();
        job.policy = policy;
        let mut upload = Self::start(job, seed);
        upload.facts.end = None;
        upload.facts.attempt.id = Some(upload_id);
        upload.cancel(Cancel::Discard);
        upload
    }

    fn take_up(&mut self, checkpoint: Checkpoint) {
        let (header, job) = (&checkpoint.header, &self.facts.job);
        let same_object =
            header.bucket == job.object.bucket.as_str() && header.key == job.object.key.as_str();
        if !same_object || header.destination != job.destination {
            let other = format!("oss://{}/{} at {}", header.bucket, header.key, header.destination);
            self.facts.disk.unreadable = Some(NotResumable::OtherDestination(other));
            return;
        }
        // The record has a part size of its own. That of the job is only needed to begin again.
        let invalid = plan(job).err();
        let unanswered = checkpoint.upload_id.is_none();
        let was_discarding = checkpoint.discarding;
        let same_options = header.options == job.options.fingerprint();
        let other_options = differing(&header.attributes, &job.options.fingerprints());
        let source_is_same = header.source == job.source;
        let may_differ = !source_is_same || !job.source.betrays_every_edit();
        let plan = Plan::exact(job.source.len, header.part_size).filter(|plan| plan.count() > 0);
        let policy = job.policy.clone();
        self.facts.end = None;
        self.adopt_record(checkpoint, plan);
        let doom = if was_discarding || policy.resume == Resume::Never {
            Some(Doom::Unwanted)
        } else if !same_options {
            Some(Doom::StartOver(NotResumable::OtherOptions(other_options)))
        } else if plan.is_none() {
            Some(Doom::StartOver(NotResumable::OtherPlan))
        } else {
            None
        };
        // What the record says of the source is not to be compared with the object, should it be there.
        self.facts.attempt.doubted |= may_differ;
        self.facts.disk.durable.doubted = !source_is_same;
        // Where a change is to end the upload, nothing else comes before it.
        let ends = !source_is_same && policy.changed == Changed::Fail;
        if ends && !matches!(doom, Some(Doom::Unwanted)) {
            return self.source_differs();
        }
        match (doom, policy.unresumable, invalid) {
            (Some(Doom::StartOver(why)), Unresumable::Fail, _) if !unanswered => {
                self.facts.end = Some(failed(&self.facts, Cause::CannotResume(why), true));
            }
            // It is not deleted for another that could not begin.
            (Some(_), _, Some(invalid)) => {
                self.facts.end = Some(failed(&self.facts, Cause::Plan(invalid), true));
            }
            (Some(doom), ..) => self.facts.attempt.doom = Some(doom),
            (None, ..) if !source_is_same => self.source_differs(),
            (None, ..) => {}
        }
    }

    /// Takes the facts of a record for those of the present attempt.
    fn adopt_record(&mut self, checkpoint: Checkpoint, plan: Option<Plan>) {
        let rewrite = checkpoint.torn || checkpoint.damaged_lines > 0;
        // The run that wrote it asked for an upload id and did not live to note the answer, if there was one.
        let unanswered = checkpoint.upload_id.is_none();
        let f = &mut self.facts;
        f.search.wanted = unanswered.then_some(SearchFor::Lost);
        f.attempt = Attempt {
            id: checkpoint.upload_id,
            origin: Origin::Ours,
            lost_initiates: u32::from(unanswered),
            id_was_damaged: unanswered && rewrite,
            recorded: checkpoint.parts,
            listing: Listing::FROM_THE_START,
            complete_tried: checkpoint.sealed,
            sealed_before: checkpoint.sealed,
            ..Attempt::new(plan.unwrap_or_else(|| f.attempt.parts.plan()), checkpoint.header.begun)
        };
        f.disk.rewrite = rewrite;
        f.disk.durable = Stages {
            header: true,
            upload_id: f.attempt.id.is_some(),
            // What was sealed by an earlier run is sealed again once its parts are known to be there.
            sealed: false,
            discarding: checkpoint.discarding,
            doubted: false,
        };
    }

    /// The source is not what it was when the record was written.
    fn source_differs(&mut self) {
        match self.facts.job.policy.changed {
            Changed::Fail => self.facts.end = Some(failed(&self.facts, Cause::OtherSource, true)),
            Changed::Restart => {
                self.notice(Notice::SourceReplaced);
                self.facts.attempt.doom = Some(Doom::SourceChanged);
            }
            Changed::KeepMatching => {
                self.notice(Notice::SourceChanged);
                self.facts.disk.rewrite = true;
            }
        }
    }

    /// Begins again from the first byte.
    pub(super) fn start_over(&mut self, why: Option<NotResumable>) {
        let unreadable = self.facts.disk.unreadable.take();
        if unreadable.is_none() && self.facts.report.restarts >= MAX_RESTARTS {
            let why = why.unwrap_or(NotResumable::TooOften);
            self.facts.end = Some(failed(&self.facts, Cause::CannotResume(why), false));
            return;
        }
        match (&unreadable, why) {
            (Some(why), _) => self.notice(Notice::SetAside(why.clone())),
            (None, Some(why)) => {
                self.facts.report.restarts += 1;
                self.notice(Notice::Restarted(why));
            }
            (None, None) => self.facts.report.restarts += 1,
        }
        self.begin_again();
    }

    /// Another attempt, with the source as it is now.
    pub(super) fn begin_again(&mut self) {
        let f = &mut self.facts;
        f.report.orphan_risk += f.attempt.unaccounted();
        // To begin again from the first byte is not to go on with another.
        let adopts = f.attempt.doom.is_none();
        let given_up = f.attempt.id.take();
        f.before = visibility(f);
        f.report.resumed_bytes = 0;
        f.report.resumed_parts = 0;
        f.report.total = f.source.len;
        f.job.source = f.source.clone();
        match plan(&f.job) {
            Ok(plan) => f.attempt = Attempt::new(plan, f.job.now.unix()),
            Err(invalid) => f.end = Some(failed(f, Cause::Plan(invalid), false)),
        }
        f.disk.durable = Stages::default();
        f.disk.rewrite = true;
        // What was to be deleted may still be there, and is not what is looked for.
        let mut rejected = std::mem::take(&mut f.search.rejected);
        rejected.extend(given_up);
        f.search = Search { rejected, ..Search::default() };
        if adopts && f.adopts() {
            f.search.wanted = Some(SearchFor::Adoptable);
        }
        self.lane = Lane::default();
    }

    /// The upload that was found on the server is not the one that was looked for.
    pub(super) fn reject(&mut self) {
        let f = &mut self.facts;
        let adopting = f.attempt.origin == Origin::Adopted;
        if let Some(id) = f.attempt.id.take() {
            f.search.rejected.insert(id);
        }
        let lost = f.attempt.lost_initiates;
        // It has parts, and so may have the one whose id was noted where now nothing can be read.
        f.report.orphan_risk += u32::from(!adopting && f.attempt.id_was_damaged);
        f.attempt = Attempt { lost_initiates: lost, ..Attempt::new(f.attempt.parts.plan(), f.attempt.begun) };
        if let Ok(plan) = plan(&f.job) {
            f.attempt.parts = super::parts::PartTable::new(plan);
        }
        f.search.wanted = None;
        if !adopting {
            // The one whose answer was lost cannot be told; it stays where it is.
            f.report.orphan_risk += std::mem::take(&mut f.attempt.lost_initiates);
        }
        self.adopt_next();
    }

    /// Takes up the next of the uploads that were found, the newest first, where that is asked for.
    pub(super) fn adopt_next(&mut self) {
        if !self.facts.adopts() {
            return;
        }
        let next = self.adoptable().max_by_key(|upload| upload.initiated);
        if let Some(id) = next.map(|upload| upload.upload_id.clone()) {
            self.take_over(id, Origin::Adopted);
        }
    }

    /// Whether another upload was found than the one that was taken up, and not rejected yet.
    pub(super) fn has_others_to_adopt(&self) -> bool {
        let current = self.facts.attempt.id.as_ref();
        self.adoptable().any(|upload| Some(&upload.upload_id) != current)
    }

    fn adoptable(&self) -> impl Iterator<Item = &ListedUpload> {
        let search = &self.facts.search;
        search.found.iter().filter(|upload| !search.rejected.contains(&upload.upload_id))
    }

    pub(super) fn take_over(&mut self, id: UploadId, origin: Origin) {
        self.facts.attempt.id = Some(id);
        self.facts.attempt.origin = origin;
        self.facts.attempt.listing = Listing::FROM_THE_START;
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        let report = &mut self.facts.report;
        if report.notices.len() < super::outcome::MAX_NOTICES {
            report.notices.push(notice.clone());
        } else {
            report.more_notices += 1;
        }
        self.news.add(notice);
    }
}

fn plan(job: &Job) -> Result<Plan, crate::plan::InvalidPlan> {
    Plan::new(job.source.len, job.policy.part_size)
}

/// How many requests there can be in flight at the most.
fn most_in_flight(job: &Job) -> u16 {
    let Policy { parallel, most_parallel, .. } = &job.policy;
    if job.options.is_sequential() { 1 } else { parallel.max(&most_parallel.unwrap_or(*parallel)).get() }
}

/// The names under which the two have not the same; none if there are no earlier ones to compare with.
fn differing(earlier: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    if earlier.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<_> = earlier.keys().chain(now.keys()).collect();
    names.into_iter().filter(|name| earlier.get(*name) != now.get(*name)).cloned().collect()
}

/// The plan of an upload that ends before it begins.
fn nothing() -> Plan {
    Plan::exact(0, crate::plan::DEFAULT_PART_SIZE)
        .unwrap_or_else(|| unreachable!("the default part size is legal"))
}

fn window(job: &Job) -> Window {
    let parallel = job.policy.parallel.get();
    match (job.policy.most_parallel, plan(job)) {
        _ if job.options.is_sequential() => Window::new(1),
        (Some(most), Ok(plan)) => Window::adaptive(parallel, most.get(), plan.count(), plan.part_size()),
        _ => Window::new(parallel),
    }
}
