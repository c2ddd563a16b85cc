//! What an outcome promises.

use ossup_core::upload::{Cause, End, Outcome, Visibility};

use crate::service::Piece;

use super::{Betrayal, Setting, Violation, World, named, number};

impl World {
    /// What must be true at the end.
    pub(super) fn check_end(&self, setting: &Setting, outcome: &Outcome) -> Result<(), Violation> {
        let sealed: Vec<Piece> = self.inspected.pieces().collect();
        let object = &self.service.object;
        // Others may have changed the object since; or a PutObject that nobody waited for has.
        let disturbed = setting.foreign.len() > self.budget.foreign.len() || self.stale_put;
        match &outcome.end {
            End::Completed(_) => {
                let is_there = object.as_ref() == Some(&sealed);
                let was_there = disturbed && self.service.visible.contains(&sealed);
                if !(is_there || was_there || self.is_unknown(setting)) {
                    return Err(format!(
                        "completed, the source was {sealed:?}, and the object is {object:?}"
                    ));
                }
                if self.disk.record.is_some() && !self.forget_failed {
                    return Err("completed, and the checkpoint is still there".into());
                }
            }
            End::Discarded(discarded)
                if self.made_object() && discarded.object == Visibility::Absent && !disturbed =>
            {
                return Err(format!("discarded and said absent, and {object:?} is visible"));
            }
            End::Failed(failed)
                if self.made_object() && failed.object == Visibility::Absent && !disturbed =>
            {
                return Err(format!("failed ({failed}) and said absent, and {object:?} is visible"));
            }
            // The second time in a row is once too often.
            End::Failed(failed)
                if matches!(failed.cause, Cause::CredentialsRefused { .. } | Cause::ClockSkewed { .. })
                    && setting.expiries - self.budget.expiries < 2 =>
            {
                return Err(format!("failed ({failed}), and others were to be had"));
            }
            End::Discarded(_) | End::Failed(_) | End::Suspended { .. } => {}
        }
        self.check_left(outcome)?;
        self.check_resent(setting)
    }

    /// Whether there was an edit that nothing betrays: of that nobody can know.
    pub(super) fn is_unknown(&self, setting: &Setting) -> bool {
        setting.unseen_edits > self.budget.unseen_edits && self.betrayal == Betrayal::None
    }

    /// Whether the object is one that this upload has made, as far as anybody can know.
    fn made_object(&self) -> bool {
        let ours = |object: &Vec<Piece>| object.iter().all(|piece| piece.state < 200);
        !self.forgotten && self.service.object.as_ref().is_some_and(ours)
    }

    /// Every upload that is left has been told of, or a record leads to it.
    fn check_left(&self, outcome: &Outcome) -> Result<(), Violation> {
        let mut known = vec![named(&outcome.end), self.recorded_id()];
        known.extend(outcome.report.left.iter().map(number));
        if let Some(id) = known.iter().flatten().find(|id| self.service.strangers.contains(id)) {
            return Err(format!("U{id} is somebody else's, and is named or noted as ours"));
        }
        let left = self.service.uploads.keys();
        let left: Vec<_> =
            left.filter(|id| !known.contains(&Some(**id)) && !self.excused.contains(id)).collect();
        let told = self.told + outcome.report.orphan_risk;
        if left.len() > told as usize {
            return Err(format!("{left:?} are left, and {told} were told of: {:?}", outcome.end));
        }
        Ok(())
    }

    /// No more is sent again than had to be.
    fn check_resent(&self, setting: &Setting) -> Result<(), Violation> {
        let crashes = u32::from(setting.crashes - self.budget.crashes);
        // Without the server's list, what was not noted yet is sent again, too.
        // And all of them, where the service does not say which part somebody has replaced.
        let others = u32::from(setting.foreign.len() > self.budget.foreign.len());
        let runs = crashes + u32::from(setting.reruns - self.budget.reruns) + others;
        let unlisted = if setting.quirks.list_denied { u32::from(setting.parts) * runs } else { 0 };
        let faults = u32::from(setting.faults - self.budget.faults);
        let chances = self.lost + crashes * u32::from(setting.parallel) + faults + unlisted;
        if self.service.resent > chances {
            return Err(format!(
                "{} parts were sent again, {chances} could be called for",
                self.service.resent
            ));
        }
        Ok(())
    }
}
