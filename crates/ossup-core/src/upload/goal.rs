//! What the facts call for next. A pure function, and the only place where the order of things is decided.
//!
//! The ordering rules (docs/architecture.md) are named where they hold: an effect is not instructed to wait for
//! another, it is simply not called for before what it needs is durable.

use super::facts::{Abort, Confirmation, Doom, Facts, Health, Origin, PutDone, SearchFor};
use super::job::{Cancel, Resume, Unresumable};
use super::outcome::{Cause, Completed, Discarded, End, Failed, NotResumable, Visibility};

/// What an upload is working on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Goal {
    /// Put an unreadable checkpoint out of the way.
    SetAside,
    /// Send the whole source in one request.
    Put,
    /// Find an upload of this key on the server: to adopt it, or because the answer with its id was lost.
    Find,
    /// Note down what is about to be begun.
    Begin,
    /// Get an upload id.
    Initiate,
    /// Make the upload id durable.
    Anchor,
    /// Learn which parts the server has.
    Reconcile,
    /// Compare parts that are on the server with the source.
    Verify,
    /// Write the checkpoint anew, because what it says of the source is no longer true, or is true again.
    Rewrite,
    /// Ask whether parts have arrived whose answers were lost.
    Probe,
    /// Send the parts that are missing.
    Transfer,
    /// See whether the source is still what it was.
    Inspect,
    /// Make durable that Complete is about to be sent.
    Seal,
    /// Have the server make the object of the parts.
    Complete,
    /// Look whether the object is there: Complete was tried, and now the server does not know the upload.
    Confirm,
    /// Let everything end that is under way.
    Drain,
    /// Make durable that the upload is to be discarded.
    Intend,
    /// Have the server delete the upload.
    Abort,
    /// See that nothing is left of it.
    Sweep,
    /// Note down everything a later run can use.
    Flush,
    /// Remove the checkpoint.
    Forget,
    /// Nothing: all is done.
    Done,
}

impl Goal {
    /// Every goal.
    pub const ALL: [Self; 22] = [
        Self::SetAside,
        Self::Put,
        Self::Find,
        Self::Begin,
        Self::Initiate,
        Self::Anchor,
        Self::Reconcile,
        Self::Verify,
        Self::Rewrite,
        Self::Probe,
        Self::Transfer,
        Self::Inspect,
        Self::Seal,
        Self::Complete,
        Self::Confirm,
        Self::Drain,
        Self::Intend,
        Self::Abort,
        Self::Sweep,
        Self::Flush,
        Self::Forget,
        Self::Done,
    ];
}

/// What the facts call for: something to work on, or a conclusion.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// Work.
    For(Goal),
    /// The upload has come to this end; what is left is to clean up.
    End(End),
    /// The upload begins again.
    StartOver(Option<NotResumable>),
    /// The upload that was found on the server is not ours.
    Reject,
}

/// How often an upload begins again within one run. More than once or twice, and something is working against it.
pub(super) const MAX_RESTARTS: u32 = 3;

/// What is under way, as far as it decides what may be called for next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Activity {
    /// Nothing.
    Quiet,
    /// What serves this goal, and nothing else. A refresh serves any.
    Only(Option<Goal>),
    /// What serves several goals.
    Mixed,
}

impl Activity {
    /// This, and something that serves `goal`.
    pub(super) fn and(self, goal: Option<Goal>) -> Self {
        match (self, goal) {
            (Self::Quiet | Self::Only(None), goal) => Self::Only(goal),
            (Self::Only(Some(one)), Some(another)) if one != another => Self::Mixed,
            (other, _) => other,
        }
    }
}

/// What is called for once everything else has ended.
fn after_drain(call: Call, activity: Activity) -> Call {
    match (&call, activity) {
        (_, Activity::Quiet) => call,
        (Call::For(goal), Activity::Only(only))
            if *goal != Goal::Done && only.is_none_or(|only| only == *goal) =>
        {
            call
        }
        _ => Call::For(Goal::Drain),
    }
}

/// What the facts call for while this is under way.
pub(super) fn goal(f: &Facts, activity: Activity) -> Call {
    if let Some(end) = &f.end {
        // P5: nothing else is under way when the checkpoint is removed.
        return after_drain(Call::For(closing(f, end)), activity);
    }
    if f.disk.unreadable.is_some() {
        return setting_aside(f);
    }
    // P8: what throws doubt on recorded parts is durable before anything else.
    if misleads(f) && f.disk.health == Health::Well {
        return Call::For(Goal::Rewrite);
    }
    if f.attempt.doom.is_some() || f.cancel == Some(Cancel::Discard) {
        // P4: nothing is in flight when Abort goes.
        return after_drain(discarding(f), activity);
    }
    if f.cancel == Some(Cancel::Keep) {
        return after_drain(suspending(f), activity);
    }
    // An object in the way that turned out to be ours is one that was put.
    if f.attempt.gone || (f.attempt.in_the_way.is_some() && f.attempt.put.is_none()) {
        return after_drain(settling(f), activity);
    }
    if f.attempt.id.is_none() && f.attempt.lost_initiates == 0 && f.is_small() {
        return putting(f);
    }
    transferring(f, activity)
}

/// On the way to the object.
fn transferring(f: &Facts, activity: Activity) -> Call {
    let attempt = &f.attempt;
    if attempt.id.is_none() {
        return Call::For(match f.search.wanted {
            Some(_) => Goal::Find,
            None if f.records() && !f.disk.durable.header => Goal::Begin,
            None => Goal::Initiate,
        });
    }
    let found = matches!(attempt.origin, Origin::Recovered | Origin::Adopted);
    // What was found on the server is looked at before it is noted down as ours.
    if found && !attempt.is_reconciled() {
        return Call::For(Goal::Reconcile);
    }
    // P1: the upload id is durable before the first part is offered.
    if f.records() && !f.disk.durable.upload_id {
        return Call::For(Goal::Anchor);
    }
    if !attempt.is_reconciled() {
        return Call::For(Goal::Reconcile);
    }
    if attempt.suspicious {
        return after_drain(Call::For(Goal::Inspect), activity);
    }
    if attempt.parts.has_unproven() {
        return Call::For(Goal::Verify);
    }
    if f.records() && f.disk.rewrite {
        return Call::For(Goal::Rewrite);
    }
    if attempt.doubtful_slots().next().is_some() {
        return Call::For(Goal::Probe);
    }
    // P7: parts 1..=n are all there, and the source is inspected after the last of them has arrived.
    if !attempt.parts.all_done() {
        return Call::For(Goal::Transfer);
    }
    if !attempt.inspected {
        return Call::For(Goal::Inspect);
    }
    // P2: sealed is durable before Complete.
    if f.records() && !(f.disk.durable.sealed && attempt.parts.unrecorded().is_empty()) {
        return Call::For(Goal::Seal);
    }
    Call::For(Goal::Complete)
}

/// A source small enough for one request.
fn putting(f: &Facts) -> Call {
    match &f.attempt.put {
        Some(PutDone { end }) if f.attempt.inspected => Call::End(End::Completed(end.clone())),
        Some(_) => Call::For(Goal::Inspect),
        None if f.attempt.suspicious => Call::For(Goal::Inspect),
        None => Call::For(Goal::Put),
    }
}

fn setting_aside(f: &Facts) -> Call {
    match (&f.disk.unreadable, f.job.policy.unresumable) {
        // It stays where it is: the next run under this policy is to find the same.
        (Some(why), Unresumable::Fail) => Call::End(failed(f, Cause::CannotResume(why.clone()), false)),
        (Some(_), _) if f.disk.exists => Call::For(Goal::SetAside),
        (Some(why), Unresumable::Restart) => Call::StartOver(Some(why.clone())),
        (None, _) => Call::For(Goal::SetAside),
    }
}

/// The upload id is gone.
fn settling(f: &Facts) -> Call {
    if f.attempt.complete_tried {
        // Only now, when the server says that the upload is gone, is the state of the object final: a Complete that
        // is still travelling can do nothing any more.
        return confirmed(f);
    }
    restart_or_fail(f)
}

/// What the state of the object says, once it is known.
fn confirmed(f: &Facts) -> Call {
    match &f.attempt.confirmation {
        // The source is not what the object would be compared with.
        None if f.attempt.suspicious && !f.attempt.blind => Call::For(Goal::Inspect),
        None => Call::For(Goal::Confirm),
        Some(Confirmation::Ours { completion, request_id }) => Call::End(End::Completed(
            Completed::confirmed(completion, request_id.clone(), f.job.callback.is_some()),
        )),
        // What was to be deleted is gone; that nobody can tell what was made of it is said, and holds nothing up.
        Some(_) if discards(f) => conclude_discard(f),
        Some(Confirmation::Unknown(why)) => Call::End(failed(f, Cause::Unconfirmed(why.clone()), true)),
        Some(Confirmation::Other | Confirmation::Absent | Confirmation::Older)
            if f.attempt.in_the_way.is_some() =>
        {
            let error = f.attempt.in_the_way.clone().unwrap_or_default();
            Call::End(failed(f, Cause::ObjectExists(error), true))
        }
        Some(Confirmation::Other | Confirmation::Absent | Confirmation::Older) => restart_or_fail(f),
    }
}

fn restart_or_fail(f: &Facts) -> Call {
    let why = f.attempt.id.clone().map(NotResumable::UploadGone);
    match (f.job.policy.unresumable, why) {
        (Unresumable::Fail, Some(why)) => Call::End(failed(f, Cause::CannotResume(why), false)),
        (_, why) => Call::StartOver(why),
    }
}

fn discards(f: &Facts) -> bool {
    f.cancel == Some(Cancel::Discard) || f.attempt.doom.is_some()
}

/// The upload is to be deleted on the server.
fn discarding(f: &Facts) -> Call {
    let attempt = &f.attempt;
    if attempt.put.is_some() && !attempt.blind {
        return putting(f);
    }
    // An object that is in the way says nothing of the upload, which is still there.
    let is_settled = attempt.gone || attempt.id.is_none();
    match attempt.confirmation {
        Some(Confirmation::Ours { .. }) => return confirmed(f),
        Some(_) if is_settled => return confirmed(f),
        _ => {}
    }
    if attempt.id.is_none() {
        return match f.search.wanted {
            Some(SearchFor::Lost) if attempt.lost_initiates > 0 => Call::For(Goal::Find),
            _ if attempt.complete_tried => confirmed(f),
            _ => conclude_discard(f),
        };
    }
    if attempt.gone {
        return if attempt.complete_tried && attempt.aborts == 0 {
            confirmed(f)
        } else {
            conclude_discard(f)
        };
    }
    match attempt.origin {
        Origin::Recovered if !attempt.is_reconciled() => return Call::For(Goal::Reconcile),
        // Looking at it has not made it ours.
        Origin::Adopted if !f.disk.durable.upload_id && !attempt.is_reconciled() => return Call::Reject,
        _ => {}
    }
    match attempt.abort {
        Abort::Wanted => {}
        Abort::Unverified => return Call::For(Goal::Sweep),
        Abort::Ended { .. } => return conclude_discard(f),
    }
    // P3: discarding is durable before Abort.
    if f.records() && !f.disk.durable.discarding {
        return Call::For(Goal::Intend);
    }
    Call::For(Goal::Abort)
}

fn conclude_discard(f: &Facts) -> Call {
    match &f.attempt.doom {
        _ if f.cancel == Some(Cancel::Discard) => Call::End(discarded(f)),
        Some(Doom::StartOver(why)) => Call::StartOver(Some(why.clone())),
        Some(Doom::SourceChanged | Doom::Unwanted) => Call::StartOver(None),
        None => Call::End(discarded(f)),
    }
}

/// Everything is to be kept for a later run.
fn suspending(f: &Facts) -> Call {
    let attempt = &f.attempt;
    if attempt.put.is_some() {
        return putting(f);
    }
    // A PutObject that was stopped may have been stored all the same. The next run puts the same bytes again.
    Call::End(End::Suspended { upload_id: attempt.ours().cloned(), recorded: false })
}

/// The end is known; what is left is to clean up.
fn closing(f: &Facts, end: &End) -> Goal {
    match end {
        // P3: nothing is lost if this run dies meanwhile; the next finds the same object, whether the upload is gone or not.
        End::Completed(_) if leaves_parts(f) => deleting(f),
        End::Completed(_) | End::Discarded(_) if f.disk.exists => Goal::Forget,
        End::Failed(Failed { cause: Cause::CannotResume(NotResumable::UploadGone(_)), .. })
            if f.disk.exists && f.job.policy.unresumable == Unresumable::Restart =>
        {
            // There is nothing left that the checkpoint could lead to. Where that is to end each run, it stays: the
            // same command must not do something else the next time.
            Goal::Forget
        }
        // P8: rather no record than one that misleads.
        End::Failed(_) | End::Suspended { .. } if misleads(f) => {
            if f.disk.health == Health::GivenUp {
                Goal::Forget
            } else {
                Goal::Flush
            }
        }
        // A record of nothing: no upload was begun, and none can have been.
        End::Failed(_) | End::Suspended { .. } if leads_nowhere(f) => Goal::Forget,
        End::Failed(_) if cleans_up(f) => deleting(f),
        End::Failed(_) | End::Suspended { .. } if needs_flush(f) => Goal::Flush,
        _ => Goal::Done,
    }
}

/// How an upload is deleted whose end is known.
fn deleting(f: &Facts) -> Goal {
    if f.attempt.abort == Abort::Unverified { Goal::Sweep } else { Goal::Abort }
}

/// Whether an equal object was in the way of Complete, and is not made of the parts that we have sent.
fn leaves_parts(f: &Facts) -> bool {
    f.attempt.in_the_way.is_some() && f.attempt.ours().is_some() && can_be_deleted(f)
}

fn can_be_deleted(f: &Facts) -> bool {
    !f.attempt.gone && !f.cleanup_failed && !matches!(f.attempt.abort, Abort::Ended { .. })
}

/// Whether a failed upload is deleted on the server: nobody could find it again.
fn cleans_up(f: &Facts) -> bool {
    !f.records()
        && f.job.policy.resume != Resume::Adopt
        && f.cancel != Some(Cancel::Keep)
        && f.attempt.ours().is_some()
        && can_be_deleted(f)
        && (!f.attempt.complete_tried
            || matches!(f.attempt.confirmation, Some(Confirmation::Absent | Confirmation::Older)))
}

/// Whether a later run would take the checkpoint's word for parts that are of another state of the source, or may be.
/// Nothing but what this run has read betrays them.
pub(super) fn misleads(f: &Facts) -> bool {
    f.records()
        && f.disk.exists
        && f.disk.durable.header
        && !f.disk.durable.doubted
        && f.attempt.ours().is_some()
        && f.attempt.suspicious
}

/// Whether the checkpoint knows no upload, and there is none that it should know.
fn leads_nowhere(f: &Facts) -> bool {
    f.records()
        && f.disk.exists
        && f.disk.unreadable.is_none()
        && f.disk.health == Health::Well
        && f.attempt.ours().is_none()
        && f.attempt.unaccounted() == 0
}

fn needs_flush(f: &Facts) -> bool {
    // Parts that are not proven yet, or that are of another state of the source, must not be noted under the identity
    // that it has now.
    let untrue = f.attempt.doubted || (f.disk.rewrite && f.attempt.parts.has_unproven());
    f.records()
        && f.disk.health != Health::GivenUp
        && f.attempt.ours().is_some()
        && !f.attempt.gone
        && !(is_recorded(f) || untrue)
}

/// Whether the checkpoint knows all that a later run can use.
pub(super) fn is_recorded(f: &Facts) -> bool {
    let knows_upload = f.disk.durable.upload_id || f.attempt.ours().is_none();
    f.records() && f.disk.exists && knows_upload && f.attempt.parts.unrecorded().is_empty()
}

/// The end of a discarded upload.
fn discarded(f: &Facts) -> End {
    let verified = match f.attempt.abort {
        Abort::Wanted | Abort::Unverified => true,
        Abort::Ended { verified } => verified,
    };
    let existed = f.attempt.aborts > 0 || f.attempt.abort_unsure;
    End::Discarded(Discarded { existed, verified, object: visibility(f) })
}

/// The end of a failed upload.
pub(super) fn failed(f: &Facts, cause: Cause, resumable: bool) -> End {
    let left = f.attempt.ours().filter(|_| !f.attempt.gone).cloned();
    End::Failed(Failed { cause, request: None, object: visibility(f), resumable, upload_id: left })
}

/// What is under the key, as far as this upload has to do with it.
pub(super) fn visibility(f: &Facts) -> Visibility {
    let attempt = &f.attempt;
    match &attempt.confirmation {
        Some(Confirmation::Absent) => Visibility::Absent,
        // It is what an earlier attempt has made of the source as it was then, or somebody else's.
        Some(Confirmation::Other) if attempt.in_the_way.is_none() || f.before != Visibility::Absent => {
            Visibility::Wrong
        }
        // It may be what was put, of the source as it was then.
        Some(Confirmation::Other) if attempt.id.is_none() => Visibility::Unknown,
        Some(Confirmation::Unknown(_)) => Visibility::Unknown,
        // What the server has deleted it has not completed.
        None if attempt.complete_tried && attempt.aborts == 0 => Visibility::Unknown,
        // Whether the source has changed since it was read could not be seen.
        None if attempt.put.is_some() => Visibility::Unknown,
        _ => f.before,
    }
}
