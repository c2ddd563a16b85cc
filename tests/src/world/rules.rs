//! The ordering rules, whenever an effect is offered. Their names are those of `docs/architecture.md`.

use ossup_core::checkpoint::{Checkpoint, journal};
use ossup_core::request::{Body, Operation, Request};
use ossup_core::upload::{Durability, Effect, Goal, Recording, Write};

use super::{Betrayal, Setting, Violation, World, failing};

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
        if recording && self.betrayal == Betrayal::Read && !stores(effect) {
            return Err("P8: something else before doubt is durable".into());
        }
        let operation = match effect {
            Effect::Send(_, request) => request.operation(),
            Effect::SendPart(_, request) => request.operation(),
            Effect::Forget(_) if !self.under_way.is_empty() => {
                return Err("P5: the checkpoint is removed while effects are under way".into());
            }
            Effect::Save(_, Write::Append(bytes, durability)) => {
                return self.check_append(bytes, *durability);
            }
            _ => return Ok(()),
        };
        let failures = failing(effect).and_then(|request| self.failures.get(&request).copied()).unwrap_or(0);
        if failures >= setting.policy.retry.attempts {
            return Err(format!("{operation} is sent again after {failures} failures"));
        }
        let (request, _) = self.sent(effect)?;
        let id = request.query().iter().find(|(name, _)| *name == "uploadId").and_then(|(_, id)| id.clone());
        let strangers = |id: &String| self.service.strangers.iter().any(|other| *id == format!("U{other}"));
        if operation != Operation::ListParts && id.as_ref().is_some_and(strangers) {
            return Err(format!("{operation} to somebody else's upload"));
        }
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
            Operation::CompleteMultipartUpload => {
                self.check_complete(setting, &request, durable.filter(|_| recording))
            }
            Operation::AbortMultipartUpload
                if recording
                    && !durable.as_ref().is_some_and(|record| record.discarding)
                    && !(setting.forbid_overwrite && (self.is_done() || others)) =>
            {
                Err("P3: Abort before discarding is durable".into())
            }
            Operation::AbortMultipartUpload if !self.under_way.is_empty() => {
                Err("P4: Abort while effects are under way".into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the object is the source, or what it was when it was inspected.
    fn is_done(&self) -> bool {
        self.service.object.as_ref().is_some_and(|object| {
            let is = |source: &super::Source| object.iter().copied().eq(source.pieces());
            is(&self.source) || is(&self.inspected)
        })
    }

    /// P7, and the rest of P2: the list that Complete carries is that of the source as it was inspected behind the last
    /// part, and all of it is durable.
    fn check_complete(
        &self,
        setting: &Setting,
        request: &Request,
        durable: Option<Checkpoint>,
    ) -> Result<(), Violation> {
        if !self.inspected_since {
            return Err("P7: Complete before the source was inspected behind the last part".into());
        }
        let Body::Inline(body) = request.body() else { return Err("P7: Complete lists no parts".into()) };
        let body = String::from_utf8_lossy(body);
        let named = |tag: &str| -> Vec<String> {
            body.split(&format!("<{tag}>"))
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('<')?.0.replace("&quot;", "").replace('"', "")))
                .collect()
        };
        let (numbers, etags) = (named("PartNumber"), named("ETag"));
        if numbers != (1..=self.source.parts.len()).map(|n| n.to_string()).collect::<Vec<_>>() {
            return Err(format!("P7: Complete lists the parts {numbers:?}"));
        }
        let listed = |(piece, etag): (_, &String)| self.service.is_etag_of(etag, piece);
        if !self.inspected.pieces().zip(&etags).all(listed) && !self.is_unknown(setting) {
            return Err(format!("P7: Complete lists parts of another source than was inspected: {body}"));
        }
        if let Some(record) = durable {
            let recorded = record
                .parts
                .iter()
                .map(|(n, part)| (n.get().to_string(), part.etag.as_str().trim_matches('"').to_owned()));
            if !recorded.eq(numbers.into_iter().zip(etags)) {
                return Err(format!("P2: {:?} is durable, and Complete lists {body}", record.parts));
            }
        }
        Ok(())
    }

    /// P6: nothing waits for the record of a part, and no part is recorded twice for having been sent once.
    fn check_append(&self, bytes: &[u8], durability: Durability) -> Result<(), Violation> {
        let record = String::from_utf8_lossy(self.disk.record.as_deref().unwrap_or_default());
        let text = String::from_utf8_lossy(bytes);
        for part in (1..=self.source.parts.len() as u16).filter(|part| !self.unnoted.contains(part)) {
            let again = |line: &str| notes(line.as_bytes(), part) && record.lines().any(|old| old == line);
            if text.lines().any(again) {
                return Err(format!("P6: part {part} is recorded twice"));
            }
        }
        let only_parts = text.lines().all(|line| line.contains("{\"part\":"));
        if only_parts && durability == Durability::Durable && self.upload.goal() != Goal::Flush {
            return Err(format!("P6: parts are made durable before they have to be: {text}"));
        }
        Ok(())
    }
}

/// Whether these lines note this part.
pub(super) fn notes(lines: &[u8], part: u16) -> bool {
    String::from_utf8_lossy(lines).contains(&format!("{{\"part\":{{\"n\":{part},"))
}
