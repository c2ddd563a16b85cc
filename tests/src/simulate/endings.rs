//! What must be true when a run is over, and when all is over.

use ossup_core::digest::Integrity;
use ossup_core::retry::meaning::{Meaning, TABLE};
use ossup_core::upload::{
    Cancel, Cause, Changed, End, Failed, NotResumable, Outcome, Recording, Unresumable, Visibility,
};

use super::process::Process;
use super::totals::Fault;
use super::world::{Violation, World};

/// How many runs an upload may need when nothing goes wrong any more: one that was under way when that began, one for
/// each thing that it may have to learn from a failure, and one that completes it.
const CALM_RUNS: u32 = 4;

impl World {
    /// A run has ended.
    pub(super) fn finished(&mut self, run: u32, outcome: &Outcome) -> Result<(), Violation> {
        let Some(process) = self.processes.remove(&run) else { return Ok(()) };
        self.note(|| {
            let report = &outcome.report;
            let counts = (report.restarts, report.orphan_risk, &report.left, &report.denied);
            format!("run {run} ends; restarts, orphan risk, left, denied: {counts:?}; {:?}", outcome.end)
        });
        if !process.under_way.is_empty() {
            return Err(format!("it ends while {:?} are under way", process.under_way));
        }
        self.ledger.orphan_risk += outcome.report.orphan_risk;
        self.ledger.excused.extend(outcome.report.left.iter().map(ToString::to_string));
        let name = match &outcome.end {
            End::Completed(completed) => format!("Completed {:?}", completed.evidence),
            End::Suspended { .. } => "Suspended".into(),
            End::Discarded(discarded) => format!("Discarded verified={}", discarded.verified),
            End::Failed(failed) => {
                let cause = format!("{:?}", failed.cause);
                format!("Failed {}", cause.split(['(', ' ']).next().unwrap_or_default())
            }
        };
        *self.totals.ends.entry(name).or_default() += 1;
        match &outcome.end {
            End::Completed(_) => self.check_completed(&process)?,
            End::Suspended { upload_id, .. } => {
                if process.cancelled != Some(Cancel::Keep) {
                    return Err("suspended, and nobody asked for it".into());
                }
                if self.setting.recording == Recording::Nowhere {
                    self.ledger.excused.extend(upload_id.as_ref().map(ToString::to_string));
                }
                self.run_again();
            }
            End::Discarded(discarded) => {
                if process.cancelled != Some(Cancel::Discard) {
                    return Err("discarded, and nobody asked for it".into());
                }
                // Verified is that of the last one; those of earlier attempts are named if they could not be deleted.
                let named: Vec<_> = outcome.report.left.iter().map(ToString::to_string).collect();
                let left = self.service.uploads().into_iter();
                let left: Vec<_> =
                    left.filter(|id| process.used.contains(id) && !named.contains(id)).collect();
                let told = outcome.report.orphan_risk as usize;
                if discarded.verified && left.len() > told && !self.ledger.doubled {
                    return Err(format!("discarded and verified, and {left:?} are there"));
                }
                self.ledger.excused.extend(left.into_iter().chain(named));
                if discarded.object == Visibility::Absent && self.has_made(&process) {
                    return Err("discarded, and said that there is no object, and it has made it".into());
                }
                self.over = true;
            }
            End::Failed(failed) => self.check_failed(&process, failed)?,
        }
        Ok(())
    }

    fn check_completed(&mut self, process: &Process) -> Result<(), Violation> {
        self.over = true;
        let progress = process.upload.progress();
        if progress.sent != progress.total {
            return Err(format!("completed, and {progress:?}"));
        }
        let recording = self.setting.recording == Recording::Checkpoint && !self.ledger.doubled;
        if recording && self.disk.record().is_some() && !process.forget_failed {
            return Err("completed, and the record is still there".into());
        }
        // Nothing is compared, and the server takes whatever parts there are: so it was asked for.
        let unchecked = self.setting.policy.integrity == Integrity::None
            && self.setting.options.is_complete_all()
            && self.suffered(&[Fault::ForeignPart]);
        if unchecked {
            return Ok(());
        }
        let service = &self.service;
        // Others may have put something in its place, but it was there.
        let objects = if self.ledger.disturbed || self.ledger.doubled {
            service.visible.clone()
        } else {
            service.object().into_iter().collect()
        };
        if objects.is_empty() {
            return Err("completed, and there is no object".into());
        }
        // A discard that comes too late says that it is done: by an earlier run, of the source as it was then.
        let earlier =
            if process.cancelled == Some(Cancel::Discard) { &self.ledger.completing[..] } else { &[] };
        let explains =
            |inspected| objects.iter().any(|object| self.source.explains(inspected, || object.clone()));
        if !earlier.iter().chain([&process.inspected]).any(explains) {
            return Err("completed, and the object is not the source".into());
        }
        Ok(())
    }

    fn check_failed(&mut self, process: &Process, failed: &Failed) -> Result<(), Violation> {
        self.check_cause(&failed.cause)?;
        if failed.object == Visibility::Absent && self.has_made(process) {
            return Err(format!("failed ({failed}) and said that there is no object, and it has made it"));
        }
        // No record leads to it, but the user was told of it.
        let recorded = self.disk.written().and_then(|record| record.upload_id);
        let told = failed.upload_id.clone().filter(|id| Some(id) != recorded.as_ref());
        self.ledger.excused.extend(told.map(|id| id.to_string()));
        if self.is_final(failed) {
            self.ledger.excused.extend(failed.upload_id.as_ref().map(ToString::to_string));
            if matches!(failed.cause, Cause::CannotResume(NotResumable::Unreadable(_))) {
                // The record stays; what it knew is told of by whoever sets it aside.
                self.ledger.excused.extend(self.service.uploads());
            }
            self.over = true;
        } else if self.calm_runs > CALM_RUNS {
            return Err(format!("nothing goes wrong any more, and it fails again: {failed:?}"));
        } else {
            self.run_again();
        }
        Ok(())
    }

    /// Whether the object that is there was made by this run, as far as can be told.
    fn has_made(&self, process: &Process) -> bool {
        let made = process.used.iter().any(|id| self.service.completed.contains(id));
        let undisturbed = !self.ledger.disturbed && !self.ledger.doubled;
        made && undisturbed && self.service.object().is_some()
    }

    /// A failure has a reason.
    fn check_cause(&self, cause: &Cause) -> Result<(), Violation> {
        use Fault::{
            AnswerLost, AnswerTruncated, BrokenMidBody, ClockJump, Corrupted, DiskFull, EarlyRefusal, Edit,
            ErrorAfterWork, ErrorInOk, FinalError, ForeignAbort, ForeignComplete, ForeignPart, ForeignPut,
            Late, Lifecycle, NoConnection, NoCredentials, OtherOptions, Proxy, RequestLost, Revoked, Rot,
            ServerError, Throttled, Unauthorized, Unreadable,
        };
        const NETWORK: &[Fault] = &[NoConnection, RequestLost, BrokenMidBody, AnswerLost, Late];
        const SERVER: &[Fault] = &[
            ServerError,
            ErrorAfterWork,
            ErrorInOk,
            Throttled,
            EarlyRefusal,
            Proxy,
            Corrupted,
            BrokenMidBody,
            Edit,
        ];
        const OTHERS: &[Fault] = &[Lifecycle, ForeignAbort, ForeignComplete, ForeignPart, ForeignPut];
        // What two runs take from each other.
        let doubled = self.ledger.doubled
            && matches!(
                cause,
                Cause::CannotResume(_)
                    | Cause::ObjectExists(_)
                    | Cause::Unconfirmed(_)
                    | Cause::NotDiscarded(_)
                    | Cause::Store(_)
                    | Cause::Refused(_)
            );
        if doubled {
            return Ok(());
        }
        let quirks = self.setting.quirks;
        let explained = match cause {
            Cause::Refused(_) => self.suffered(&[
                FinalError,
                Proxy,
                ServerError,
                EarlyRefusal,
                Unauthorized,
                ForeignPart,
                AnswerTruncated,
            ]),
            Cause::CredentialsRefused { .. } => {
                self.suffered(&[Unauthorized, Revoked, NoCredentials, ClockJump])
            }
            Cause::ClockSkewed { .. } => self.suffered(&[Unauthorized, ClockJump]),
            Cause::Unsigned { .. } => self.suffered(&[NoCredentials]),
            Cause::ServerFailing(_) => self.suffered(SERVER),
            Cause::Network(_) => self.suffered(NETWORK),
            Cause::Malformed { .. } => self.suffered(&[AnswerTruncated, Proxy]),
            Cause::Corrupted(_) => self.suffered(&[Corrupted, Edit, ForeignPart]),
            Cause::CannotResume(why) => match why {
                NotResumable::OtherOptions(_) => self.suffered(&[OtherOptions]),
                NotResumable::OtherPlan => self.suffered(&[Edit]),
                // Where ETags are made up they prove nothing, and no part can be told from another.
                NotResumable::PartInTheWay(_) => {
                    self.suffered(&[Edit, Corrupted, ForeignPart])
                        || self.setting.service_integrity == Integrity::Crc
                }
                NotResumable::Unreadable(_) => self.suffered(&[Rot, DiskFull, Fault::PowerCut, Fault::Crash]),
                // An upload that an earlier run, or a request that came late, has completed or deleted.
                _ => {
                    self.suffered(OTHERS)
                        || self.suffered(NETWORK)
                        || self.suffered(SERVER)
                        || self.suffered(&[Fault::Duplicated, Fault::Crash, Fault::PowerCut, AnswerTruncated])
                }
            },
            Cause::OtherSource | Cause::SourceChanged => self.suffered(&[Edit]),
            Cause::Source(_) => self.suffered(&[Unreadable, Edit]),
            Cause::Store(_) => self.suffered(&[DiskFull]),
            Cause::Unconfirmed(_) => {
                quirks.head_denied
                    || quirks.head_without_crc
                    || self.suffered(NETWORK)
                    || self.suffered(SERVER)
                    || self.suffered(&[FinalError, AnswerTruncated])
            }
            Cause::ObjectExists(_) => {
                self.totals.rows.keys().any(|row| TABLE[*row].meaning == Meaning::ObjectExists)
            }
            Cause::NotDiscarded(_) => {
                quirks.abort_denied
                    || self.suffered(NETWORK)
                    || self.suffered(SERVER)
                    || self.suffered(&[FinalError, AnswerTruncated])
            }
            _ => false,
        };
        if explained { Ok(()) } else { Err(format!("nothing that happened explains: {cause:?}")) }
    }

    /// Whether the user has decided that the upload ends here.
    fn is_final(&self, failed: &Failed) -> bool {
        let policy = &self.setting.policy;
        match &failed.cause {
            Cause::OtherSource | Cause::SourceChanged => policy.changed == Changed::Fail,
            Cause::ObjectExists(_) | Cause::NotDiscarded(_) => true,
            Cause::CannotResume(_) => policy.unresumable == Unresumable::Fail,
            Cause::Unconfirmed(_) => self.setting.quirks.head_denied || self.setting.quirks.head_without_crc,
            _ => false,
        }
    }

    /// What must be true when no run will follow.
    pub(super) fn check_the_end(&mut self) -> Result<(), Violation> {
        let left = self.service.uploads();
        let unknown: Vec<_> = left.iter().filter(|id| !self.ledger.excused.contains(*id)).collect();
        if unknown.len() > self.ledger.orphan_risk as usize && !self.ledger.doubled {
            return Err(format!(
                "{unknown:?} are left, and the outcomes told of {}",
                self.ledger.orphan_risk
            ));
        }
        let lines = self.ledger.acknowledgements + self.totals.runs * (200 + 2 * self.totals.largest);
        if self.disk.appended > lines * 200 {
            return Err(format!("P6: {} bytes were appended to the record", self.disk.appended));
        }
        Ok(())
    }
}
