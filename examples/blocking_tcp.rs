//! Uploads over `std::net::TcpStream`: one thing at a time, no threads, no runtime.
//!
//! ```sh
//! OSS_REGION=cn-hangzhou OSS_ACCESS_KEY_ID=… OSS_ACCESS_KEY_SECRET=… \
//!     cargo run -p ossup-examples --example blocking_tcp -- http://127.0.0.1:9000 film.mp4 oss://bucket/film.mp4
//! ```
//! Run again after whatever ended it, it goes on from its checkpoint.

mod hands;
mod http1;
mod settings;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ossup_core::sign::Signer;
use ossup_core::upload::{Answer, Cancel, Effect, Misuse, Outcome, Turn};
use ossup_fs::Begun;

use self::hands::{Hands, part_answer, part_trouble};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings::from_arguments()?;
    for begun in settings.begun {
        println!("{:?}", upload(begun, &settings.signer, Arc::default())?.end);
    }
    Ok(())
}

/// Uploads until the end, or until `cancelled` says to leave the rest to a later run.
pub(crate) fn upload(
    begun: Begun,
    signer: &dyn Signer,
    cancelled: Arc<AtomicBool>,
) -> Result<Outcome, Misuse> {
    let Begun { mut upload, source, record, mut listeners, .. } = begun;
    let mut hands = Hands { source, record, signer, cancelled };
    loop {
        if hands.is_cancelled() {
            upload.cancel(Cancel::Keep);
        }
        match upload.turn() {
            // Nothing is under way while the machine speaks, so there is nothing to stop, and no answer to it.
            Turn::Do(Effect::Stop(_)) => {}
            Turn::Do(effect) => upload.answer(execute(effect, &mut hands))?,
            Turn::Blocked => unreachable!("every effect was answered, and nobody pauses this upload"),
            Turn::Finished(outcome) => {
                listeners.tell_end(&outcome);
                return Ok(*outcome);
            }
        }
        listeners.tell(&mut upload);
    }
}

fn execute(effect: Effect, hands: &mut Hands<'_>) -> Answer {
    match effect {
        Effect::Send(ticket, request) => {
            match hands.send(&request).map_err(Into::into).and_then(http1::Sent::receive) {
                Ok(response) => ticket.responded(response),
                Err(error) => ticket.failed(error),
            }
        }
        Effect::SendPart(ticket, part) => match hands.send_part(&part) {
            Ok((sent, digest)) => part_answer(ticket, sent.is_whole(), sent.receive(), digest),
            Err(trouble) => part_trouble(ticket, trouble),
        },
        Effect::Save(ticket, write) => hands.save(ticket, &write),
        Effect::Forget(ticket) => hands.forget(ticket),
        Effect::Inspect(ticket) => hands.inspect(ticket),
        Effect::Hash(ticket, range, what) => hands.hash(ticket, range, what),
        Effect::Wait(ticket, time) => {
            sleep(time, hands);
            ticket.elapsed()
        }
        Effect::Refresh(ticket, problem) => hands.refresh(ticket, &problem),
        Effect::Stop(_) => unreachable!("it is not executed"),
    }
}

/// Sleeps in naps, so that a cancel is not slept through.
fn sleep(mut left: Duration, hands: &Hands<'_>) {
    while !left.is_zero() && !hands.is_cancelled() {
        let nap = left.min(Duration::from_millis(100));
        std::thread::sleep(nap);
        left -= nap;
    }
}
