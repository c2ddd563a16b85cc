//! What comes of an effect: done, or lost on its way.

use ossup_core::digest::ContentDigest;
use ossup_core::part::ByteRange;
use ossup_core::request::{Operation, PartRequest, Request, Response};
use ossup_core::upload::{
    Answer, Durability, Effect, EffectId, Misuse, TransportError, TransportKind, Write,
};

use crate::service::{PART, Piece};

use super::source::identity;
use super::{Betrayal, Setting, Violation, World, failing};

impl World {
    /// Executes and answers an effect. The answer, as nobody should give it again.
    pub(super) fn carry_out(&mut self, setting: &Setting, id: EffectId) -> Result<Answer, Violation> {
        let is_stale = self.stale.contains(&id);
        let effect = self.remove(id)?;
        if let Some(request) = failing(&effect) {
            self.failures.remove(&request);
        }
        if matches!(&effect, Effect::Send(_, request) if request.operation() == Operation::InitiateMultipartUpload)
        {
            // What was searched for before was not found; who searches later searches for something else.
            self.failures.retain(|request, _| !request.starts_with(Operation::ListMultipartUploads.name()));
        }
        let answer = match effect {
            Effect::Send(ticket, _) if is_stale => ticket.responded(expired(setting)),
            Effect::SendPart(ticket, part) if is_stale => {
                let digest = self.digest(part.range());
                ticket.responded(expired(setting), digest)
            }
            Effect::Refresh(..) => {
                self.expired = false;
                self.execute(effect)?
            }
            effect => self.execute(effect)?,
        };
        let again = answer.clone();
        self.answer(answer)?;
        Ok(again)
    }

    /// An answer that is none changes nothing.
    pub(super) fn refuse(&mut self, answer: Answer, why: Misuse) -> Result<(), Violation> {
        let before = self.upload.fingerprint();
        match self.upload.answer(answer) {
            Err(misuse) if misuse == why && self.upload.fingerprint() == before => Ok(()),
            other => Err(format!("misuse: {other:?} for {why:?}, or something has changed")),
        }
    }

    pub(super) fn remove(&mut self, id: EffectId) -> Result<Effect, Violation> {
        self.stopped.retain(|other| *other != id);
        self.stale.retain(|other| *other != id);
        let effect = self.under_way.remove(&id).ok_or_else(|| format!("{id} is not under way"))?;
        if matches!(effect, Effect::SendPart(..) | Effect::Hash(..)) {
            self.inspected_since = false;
        }
        if let Effect::SendPart(_, part) = &effect {
            self.unnoted.insert((part.range().offset() / PART) as u16 + 1);
        }
        Ok(effect)
    }

    pub(super) fn answer(&mut self, answer: Answer) -> Result<(), Violation> {
        self.upload.answer(answer).map_err(|misuse| misuse.to_string())
    }

    pub(super) fn execute(&mut self, effect: Effect) -> Result<Answer, Violation> {
        Ok(match effect {
            Effect::Send(ticket, request) => ticket.responded(self.service.handle(&request, &[])?),
            Effect::SendPart(ticket, part) => {
                let digest = self.digest(part.range());
                let (request, pieces) = self.part(&part)?;
                let response = self.service.handle(&request, &pieces)?;
                self.tell(&pieces, !response.status().is_success());
                ticket.responded(response, digest)
            }
            Effect::Save(ticket, write) => {
                match write {
                    Write::Replace(bytes) => {
                        self.disk.durable = bytes.len();
                        self.disk.record = Some(bytes.to_vec());
                        if self.betrayal == Betrayal::Read {
                            self.betrayal = Betrayal::Noted;
                        }
                    }
                    Write::Append(bytes, durability) => {
                        let record = self.disk.record.get_or_insert_default();
                        record.extend_from_slice(&bytes);
                        if durability == Durability::Durable {
                            self.disk.durable = record.len();
                        }
                    }
                    Write::SetAside => {
                        self.disk.record = None;
                        self.disk.set_aside = true;
                    }
                    other => return Err(format!("a write of an unknown kind: {other:?}")),
                }
                ticket.durable()
            }
            Effect::Forget(ticket) => {
                self.disk.record = None;
                self.disk.durable = 0;
                ticket.durable()
            }
            Effect::Inspect(ticket) => {
                self.inspected = self.source.clone();
                self.inspected_since = true;
                ticket.found(identity(&self.source))
            }
            Effect::Hash(ticket, range, _) => {
                let digest = self.digest(range);
                ticket.hashed(digest)
            }
            Effect::Wait(ticket, _) => ticket.elapsed(),
            Effect::Refresh(ticket, _) => ticket.refreshed(),
            Effect::Stop(id) => return Err(format!("{id} is not an effect to execute")),
        })
    }

    pub(super) fn lose(&mut self, effect: Effect, kind: TransportKind) -> Result<(), Violation> {
        let error = TransportError::new(kind, "lost");
        let answer = match effect {
            Effect::Send(ticket, _) => ticket.failed(error),
            Effect::SendPart(ticket, part) => {
                if matches!(kind, TransportKind::Broken | TransportKind::Stalled) {
                    self.tell(&self.pieces(part.range()), true);
                }
                ticket.failed(error, Some(self.digest(part.range())))
            }
            other => return Err(format!("not a request: {other:?}")),
        };
        self.answer(answer)
    }

    /// The run is told what it has read of a part, and may have to read it again.
    fn tell(&mut self, pieces: &[Piece], again: bool) {
        for piece in pieces {
            let earlier = self.read.remove(&piece.part);
            let now = (piece.state, self.source.told);
            let betrays = |(state, told)| state != now.0 && told == now.1;
            if earlier.is_some_and(betrays) && self.betrayal == Betrayal::None {
                self.betrayal = Betrayal::Read;
            }
            if again {
                self.read.insert(piece.part, now);
            }
        }
    }

    /// What a request carries when it is read now.
    pub(super) fn sent(&self, effect: &Effect) -> Result<(Request, Vec<Piece>), Violation> {
        match effect {
            Effect::Send(_, request) => Ok((request.clone(), Vec::new())),
            Effect::SendPart(_, part) => self.part(part),
            other => Err(format!("not a request: {other:?}")),
        }
    }

    fn part(&self, part: &PartRequest) -> Result<(Request, Vec<Piece>), Violation> {
        let digest = self.digest(part.range());
        let request = part.with_digest(&digest).map_err(|error| error.to_string())?;
        Ok((request, self.pieces(part.range())))
    }

    fn pieces(&self, range: ByteRange) -> Vec<Piece> {
        let first = range.offset() / PART;
        let count = range.len().div_ceil(PART);
        (first..first + count).filter_map(|index| self.source.piece(index as u16 + 1)).collect()
    }

    pub(super) fn digest(&self, range: ByteRange) -> ContentDigest {
        let pieces = self.pieces(range);
        match pieces.as_slice() {
            [one] => one.digest(),
            several => ContentDigest {
                len: several.iter().map(|piece| piece.len).sum(),
                md5: None,
                crc64: Some(crate::service::joined(several)),
            },
        }
    }
}

/// What the service says of a signature that has been good.
fn expired(setting: &Setting) -> Response {
    if setting.skewed {
        crate::service::error(
            403,
            "RequestTimeTooSkewed</Code><ServerTime>2024-01-12T21:47:15.000Z</ServerTime><Code>",
        )
    } else {
        crate::service::error(403, "SecurityTokenExpired")
    }
}
