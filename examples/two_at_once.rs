//! Two uploads, or more, driven by one thread: their requests are on the wire at the same time, without threads and
//! without a runtime.
//!
//! A request is written, and its answer read when there is nothing else to do. That is enough to show how little a
//! driver is; one that waits for whichever socket is ready first (`mio`, `polling`) has the same loop.
//!
//! ```sh
//! OSS_REGION=cn-hangzhou OSS_ACCESS_KEY_ID=… OSS_ACCESS_KEY_SECRET=… \
//!     cargo run -p ossup-examples --example two_at_once -- http://127.0.0.1:9000 a oss://bucket/a b oss://bucket/b
//! ```

mod hands;
mod http1;
mod settings;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use ossup_core::digest::ContentDigest;
use ossup_core::sign::Signer;
use ossup_core::upload::{
    Answer, Cancel, Effect, EffectId, Misuse, Outcome, PartTicket, SendTicket, TransportError, Turn, Upload,
    WaitTicket,
};
use ossup_fs::{Begun, Listeners};

use self::hands::{Hands, part_answer, part_trouble};
use self::http1::Sent;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings::from_arguments()?;
    for outcome in upload_all(settings.begun, &settings.signer, &Arc::default())? {
        println!("{:?}", outcome.end);
    }
    Ok(())
}

/// Uploads all of them until their ends, or until `cancelled` says to leave the rest to a later run.
pub(crate) fn upload_all(
    begun: Vec<Begun>,
    signer: &dyn Signer,
    cancelled: &Arc<AtomicBool>,
) -> Result<Vec<Outcome>, Misuse> {
    let mut uploads: Vec<One<'_>> =
        begun.into_iter().map(|begun| One::new(begun, signer, cancelled)).collect();
    loop {
        let mut moved = false;
        for one in &mut uploads {
            moved |= one.turn()?;
        }
        if moved {
            continue;
        }
        // Everybody waits: for the answer that was asked for first, in the upload whose turn it is, or for time to pass.
        let oldest = uploads.iter_mut().filter(|one| !one.sent.is_empty()).min_by_key(|one| one.sent[0].at);
        if let Some(one) = oldest {
            one.receive()?;
        } else if uploads.iter().all(|one| one.outcome.is_some()) {
            return Ok(uploads.into_iter().filter_map(|one| one.outcome).collect());
        } else {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// One upload and what of it is under way.
struct One<'a> {
    upload: Upload,
    hands: Hands<'a>,
    listeners: Listeners,
    sent: VecDeque<OnTheWire>,
    waits: Vec<(Instant, Duration, WaitTicket)>,
    outcome: Option<Outcome>,
}

struct OnTheWire {
    at: Instant,
    id: EffectId,
    whose: Whose,
    sent: Sent,
}

enum Whose {
    Request(SendTicket),
    Part(PartTicket, ContentDigest),
}

impl<'a> One<'a> {
    fn new(begun: Begun, signer: &'a dyn Signer, cancelled: &Arc<AtomicBool>) -> Self {
        let Begun { upload, source, record, listeners, .. } = begun;
        let hands = Hands { source, record, signer, cancelled: Arc::clone(cancelled) };
        Self { upload, hands, listeners, sent: VecDeque::new(), waits: Vec::new(), outcome: None }
    }

    /// Does what comes next, if there is something to be done at once.
    fn turn(&mut self) -> Result<bool, Misuse> {
        if self.outcome.is_some() {
            return Ok(false);
        }
        if self.hands.is_cancelled() {
            self.upload.cancel(Cancel::Keep);
        }
        if let Some(over) = self.waits.iter().position(|(since, time, _)| since.elapsed() >= *time) {
            let (_, _, ticket) = self.waits.swap_remove(over);
            self.upload.answer(ticket.elapsed())?;
        }
        let answer = match self.upload.turn() {
            Turn::Do(Effect::Stop(id)) => self.stop(id),
            Turn::Do(effect) => self.begin(effect),
            Turn::Blocked => return Ok(false),
            Turn::Finished(outcome) => {
                self.listeners.tell_end(&outcome);
                self.outcome = Some(*outcome);
                return Ok(true);
            }
        };
        answer.map_or(Ok(()), |answer| self.upload.answer(answer))?;
        self.listeners.tell(&mut self.upload);
        Ok(true)
    }

    /// The answer to an effect, unless it is under way now.
    fn begin(&mut self, effect: Effect) -> Option<Answer> {
        let (at, id) = (Instant::now(), effect.id());
        Some(match effect {
            Effect::Send(ticket, request) => match self.hands.send(&request) {
                Ok(sent) => {
                    self.sent.push_back(OnTheWire { at, id, whose: Whose::Request(ticket), sent });
                    return None;
                }
                Err(trouble) => ticket.failed(trouble.into()),
            },
            Effect::SendPart(ticket, part) => match self.hands.send_part(&part) {
                Ok((sent, digest)) => {
                    self.sent.push_back(OnTheWire { at, id, whose: Whose::Part(ticket, digest), sent });
                    return None;
                }
                Err(trouble) => part_trouble(ticket, trouble),
            },
            Effect::Wait(ticket, time) => {
                self.waits.push((at, time, ticket));
                return None;
            }
            Effect::Save(ticket, write) => self.hands.save(ticket, &write),
            Effect::Forget(ticket) => self.hands.forget(ticket),
            Effect::Inspect(ticket) => self.hands.inspect(ticket),
            Effect::Hash(ticket, range, what) => self.hands.hash(ticket, range, what),
            Effect::Refresh(ticket, problem) => self.hands.refresh(ticket, &problem),
            Effect::Stop(id) => return self.stop(id),
        })
    }

    /// Ends what is under way: a request by closing its socket.
    fn stop(&mut self, id: EffectId) -> Option<Answer> {
        if let Some(at) = self.sent.iter().position(|sent| sent.id == id) {
            return Some(match self.sent.remove(at)?.whose {
                Whose::Request(ticket) => ticket.failed(TransportError::stopped()),
                Whose::Part(ticket, digest) => ticket.failed(TransportError::stopped(), Some(digest)),
            });
        }
        let at = self.waits.iter().position(|(_, _, ticket)| ticket.id() == id)?;
        Some(self.waits.swap_remove(at).2.elapsed())
    }

    /// Reads the answer that has been waited for the longest.
    fn receive(&mut self) -> Result<(), Misuse> {
        let Some(OnTheWire { whose, sent, .. }) = self.sent.pop_front() else { return Ok(()) };
        let is_whole = sent.is_whole();
        let answer = match (whose, sent.receive()) {
            (Whose::Request(ticket), Ok(response)) => ticket.responded(response),
            (Whose::Request(ticket), Err(error)) => ticket.failed(error),
            (Whose::Part(ticket, digest), answer) => part_answer(ticket, is_whole, answer, digest),
        };
        self.upload.answer(answer)
    }
}
