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

use ossup_core::sign::Signer;
use ossup_core::upload::{Cancel, Effect, EffectId, Misuse, Outcome, Turn, Upload, WaitTicket};
use ossup_fs::{Begun, Listeners};

use self::hands::{Hands, OnTheWire};

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
        let oldest = uploads.iter_mut().filter(|one| !one.sent.is_empty()).min_by_key(|one| one.sent[0].0);
        if let Some((request, one)) = oldest.and_then(|one| Some((one.sent.pop_front()?.1, one))) {
            one.upload.answer(request.receive())?;
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
    sent: VecDeque<(Instant, OnTheWire)>,
    waits: Vec<(Instant, Duration, WaitTicket)>,
    outcome: Option<Outcome>,
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
            self.upload.answer(self.waits.swap_remove(over).2.elapsed())?;
        }
        match self.upload.turn() {
            Turn::Do(Effect::Stop(id)) => self.stop(id)?,
            Turn::Do(effect) => match self.hands.begin(effect) {
                hands::Begun::Answered(answer) => self.upload.answer(answer)?,
                hands::Begun::Sent(request) => self.sent.push_back((Instant::now(), request)),
                hands::Begun::Waits(ticket, time) => self.waits.push((Instant::now(), time, ticket)),
            },
            Turn::Blocked => return Ok(false),
            Turn::Finished(outcome) => {
                self.listeners.tell_end(&outcome);
                self.outcome = Some(*outcome);
            }
        }
        self.listeners.tell(&mut self.upload);
        Ok(true)
    }

    /// Ends what is under way: a request by closing its socket.
    fn stop(&mut self, id: EffectId) -> Result<(), Misuse> {
        if let Some(at) = self.sent.iter().position(|(_, request)| request.id() == id) {
            return self.sent.remove(at).map_or(Ok(()), |(_, request)| self.upload.answer(request.stop()));
        }
        let waits = self.waits.iter().position(|(_, _, ticket)| ticket.id() == id);
        waits.map_or(Ok(()), |at| self.upload.answer(self.waits.swap_remove(at).2.elapsed()))
    }
}
