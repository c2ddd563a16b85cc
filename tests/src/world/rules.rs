//! What must never happen: the ordering rules whenever an effect is offered, and what an outcome promises.

use ossup_core::checkpoint::journal;
use ossup_core::request::Operation;
use ossup_core::upload::{Effect, End, Recording};

use crate::service::Piece;

use super::{Betrayal, Setting, Violation, World};

impl World {
    /// The ordering rules, at the moment an effect is offered.
    pub(super) fn check_effect(&self, setting: &Setting, effect: &Effect) -> Result<(), Violation> {
        let record =
            self.disk.record.as_ref().map(|record| record.get(..self.disk.durable).unwrap_or(record));
        let durable = record.and_then(|record| journal::read(record).ok());
        let recording = setting.recording == Recording::Checkpoint;
        let stores = |effect: &Effect| matches!(effect, Effect::Save(..) | Effect::Forget(_));
        if stores(effect) && self.under_way.values().any(stores) {
            return Err("P5: two store effects at a time".into());
        }
        let operation = match effect {
            Effect::Send(_, request) => request.operation(),
            Effect::SendPart(_, request) => request.operation(),
            Effect::Forget(_) if !self.under_way.is_empty() => {
                return Err("P5: the checkpoint is removed while effects are under way".into());
            }
            _ => return Ok(()),
        };
        let (request, _) = self.sent(effect)?;
        let id = request.query().iter().find(|(name, _)| *name == "uploadId").and_then(|(_, id)| id.clone());
        let recorded = durable.as_ref().and_then(|record| record.upload_id.as_ref()).map(ToString::to_string);
        // The object that was in the way was the source when it was looked at.
        let others = setting.foreign.len() > self.budget.foreign.len();
        match operation {
            Operation::UploadPart if recording && recorded != id => {
                Err("P1: a part before its upload id is durable".into())
            }
            Operation::CompleteMultipartUpload
                if recording && !durable.as_ref().is_some_and(|record| record.sealed) =>
            {
                Err("P2: Complete before sealed is durable".into())
            }
            Operation::AbortMultipartUpload
                if recording
                    && !durable.as_ref().is_some_and(|record| record.discarding)
                    && !(setting.forbid_overwrite && (self.is_done(setting) || others)) =>
            {
                Err("P3: Abort before discarding is durable".into())
            }
            Operation::AbortMultipartUpload if !self.under_way.is_empty() => {
                Err("P4: Abort while effects are under way".into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the object is the source.
    fn is_done(&self, setting: &Setting) -> bool {
        let all: Vec<Piece> = (1..=setting.parts).filter_map(|part| self.piece(part)).collect();
        self.service.object.as_ref() == Some(&all)
    }

    /// What must be true at the end.
    pub(super) fn check_end(&self, setting: &Setting, end: &End) -> Result<(), Violation> {
        let ours = self.is_done(setting);
        match end {
            End::Completed(_) => {
                // Others may have changed the object since; and the source may have been edited since it was inspected.
                let disturbed = setting.foreign.len() > self.budget.foreign.len() || self.stale_put;
                // What nothing betrays nobody can know.
                let unknown =
                    setting.unseen_edits > self.budget.unseen_edits && self.betrayal == Betrayal::None;
                if !ours && self.inspected == self.source.state && !disturbed && !unknown {
                    return Err(format!("completed, and the object is {:?}", self.service.object));
                }
                let calm = self.lost == 0 && self.budget.crashes == setting.crashes;
                if calm && !self.service.uploads.is_empty() {
                    return Err(format!("completed, and there is {:?}", self.service.uploads));
                }
                if self.disk.record.is_some() && self.budget.faults == setting.faults {
                    return Err("completed, and the checkpoint is still there".into());
                }
            }
            End::Discarded(discarded) => {
                let left = !self.service.uploads.is_empty();
                if discarded.verified && left && self.lost == 0 && setting.crashes == self.budget.crashes {
                    return Err(format!("discarded and verified, and there is {:?}", self.service.uploads));
                }
                if ours
                    && discarded.object == ossup_core::upload::Visibility::Absent
                    && setting.foreign.is_empty()
                    && self.lost == 0
                    && setting.crashes == self.budget.crashes
                {
                    return Err("discarded and said absent, and the object is visible".into());
                }
            }
            End::Failed(failed) => {
                if ours
                    && failed.object == ossup_core::upload::Visibility::Absent
                    && self.inspected == self.source.state
                    && self.budget.reruns == setting.reruns
                    && self.budget.crashes == setting.crashes
                {
                    return Err(format!("failed ({failed}) and said absent, and the object is ours"));
                }
            }
            End::Suspended { .. } => {}
        }
        let crashes = u32::from(setting.crashes - self.budget.crashes);
        // Without the server's list, what was not noted yet is sent again, too.
        let unlisted = if setting.quirks.list_denied { u32::from(setting.parts) * crashes } else { 0 };
        let chances =
            self.lost + crashes * u32::from(setting.parallel) + u32::from(setting.faults) + unlisted;
        if self.service.resent > chances {
            return Err(format!(
                "{} parts were sent again, {} could be called for",
                self.service.resent, chances
            ));
        }
        Ok(())
    }
}
