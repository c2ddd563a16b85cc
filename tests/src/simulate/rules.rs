//! The ordering rules, at the moment an effect is offered. Their names are those of `docs/architecture.md`.

use std::collections::BTreeSet;

use ossup_core::part::ETag;
use ossup_core::request::{Body, Operation};
use ossup_core::upload::{Effect, Recording};

use super::journeys::names;
use super::process::Doing;
use super::totals::Fault;
use super::world::{Violation, World};

impl World {
    /// Whether the machine may ask for this now.
    pub(super) fn check_effect(&mut self, run: u32, effect: &Effect) -> Result<(), Violation> {
        let damaged = self.ledger.doubled || self.suffered(&[Fault::Rot]);
        let recording = self.setting.recording == Recording::Checkpoint && !damaged;
        let Some(process) = self.processes.get_mut(&run) else { return Ok(()) };
        let stores = matches!(effect, Effect::Save(..) | Effect::Forget(_));
        if stores && process.under_way.values().any(Doing::stores) {
            return Err("P5: two store effects at a time".into());
        }
        let quiet = process.under_way.is_empty();
        let (operation, upload_id) = match effect {
            Effect::Send(_, request) => (request.operation(), names(request).0),
            Effect::SendPart(_, part) if part.operation() == Operation::PutObject => return Ok(()),
            Effect::SendPart(..) => (Operation::UploadPart, None),
            Effect::Forget(_) if !quiet => {
                return Err("P5: the checkpoint is removed while effects are under way".into());
            }
            _ => return Ok(()),
        };
        if operation != Operation::ListParts {
            process.used.extend(upload_id);
        }
        match operation {
            Operation::UploadPart if recording => {
                // Reading the record for every part of many would cost more than everything else.
                let seen = process.anchored.as_ref().is_some_and(|(at, _)| *at == self.disk.generation());
                if !seen {
                    let known = self.disk.durable().and_then(|record| record.upload_id);
                    let Some(known) = known else {
                        return Err("P1: a part before its upload id is durable".into());
                    };
                    process.anchored = Some((self.disk.generation(), known.to_string()));
                }
            }
            Operation::CompleteMultipartUpload => {
                let listed = listed(effect);
                let has = |etag: &ETag| listed.is_empty() || listed.contains(etag.as_str().trim_matches('"'));
                if recording
                    && !self.disk.durable().is_some_and(|record| {
                        record.sealed && record.parts.values().all(|part| has(&part.etag))
                    })
                {
                    return Err("P2: Complete before sealed, and all that it lists, is durable".into());
                }
                if !process.inspected_since {
                    return Err("P7: Complete before the source was inspected".into());
                }
                self.ledger.completing.push(process.inspected.clone());
            }
            Operation::AbortMultipartUpload => {
                // An equal object was in the way of Complete: there is nothing that the next run could resume.
                let known =
                    || self.ledger.completing.iter().chain([&process.inspected, self.source.content()]);
                let is_source =
                    |object: Vec<_>| known().any(|content| content.equals(object.iter().cloned()));
                let is_done = || self.service.object().is_some_and(is_source);
                let discarding = self.disk.durable().is_some_and(|record| record.discarding);
                if recording && !discarding && !self.ledger.disturbed && !is_done() {
                    return Err("P3: Abort before discarding is durable".into());
                }
                if !quiet {
                    return Err("P4: Abort while effects are under way".into());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The ETags that a request lists, without quotes; none if it leaves the list to the service.
fn listed(effect: &Effect) -> BTreeSet<String> {
    let Effect::Send(_, request) = effect else { return BTreeSet::new() };
    let Body::Inline(body) = request.body() else { return BTreeSet::new() };
    let body = String::from_utf8_lossy(body);
    let etags = body.split("<ETag>").skip(1).filter_map(|rest| rest.split_once('<'));
    etags.map(|(etag, _)| etag.replace("&quot;", "").replace('"', "")).collect()
}
