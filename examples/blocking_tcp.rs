//! Uploads over `std::net::TcpStream`: one thing at a time, no threads, no runtime.
//!
//! ```sh
//! OSS_REGION=cn-hangzhou OSS_ACCESS_KEY_ID=… OSS_ACCESS_KEY_SECRET=… \
//!     cargo run -p ossup-examples --example blocking_tcp -- http://127.0.0.1:9000 film.mp4 oss://bucket/film.mp4
//! ```
//! Run again after whatever ended it, it goes on from its checkpoint.

#[allow(dead_code, reason = "nothing is on the wire while the machine speaks, so nothing is stopped")]
mod hands;
mod http1;
mod settings;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ossup_core::sign::Signer;
use ossup_core::upload::{Cancel, Effect, Misuse, Outcome, Turn};
use ossup_fs::Begun;

use self::hands::Hands;

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
            Turn::Do(effect) => upload.answer(match hands.begin(effect) {
                hands::Begun::Answered(answer) => answer,
                hands::Begun::Sent(request) => request.receive(),
                hands::Begun::Waits(ticket, time) => {
                    sleep(time, &hands);
                    ticket.elapsed()
                }
            })?,
            Turn::Blocked => unreachable!("every effect was answered, and nobody pauses this upload"),
            Turn::Finished(outcome) => {
                listeners.tell_end(&outcome);
                return Ok(*outcome);
            }
        }
        listeners.tell(&mut upload);
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
