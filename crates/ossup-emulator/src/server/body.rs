//! Bodies on their way out, paced, damaged or cut off as a rule says, and the pace of bodies both ways.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::faults::Conduct;
use crate::model::{Body, flip};

/// The connection ends here, by a rule or because content cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// In order, as far as TCP allows that with bytes unread.
    Close,
    /// With a reset.
    Reset,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was closed on purpose")
    }
}

impl std::error::Error for Cut {}

/// The body of an answer.
pub(super) struct Outgoing {
    body: Body,
    sent: u64,
    cut: Option<u64>,
    corrupt: Option<u64>,
    pace: Option<Pace>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Outgoing {
    pub(super) fn new(body: Body, conduct: &Conduct) -> Self {
        Self {
            body,
            sent: 0,
            cut: conduct.cut_out,
            corrupt: conduct.corrupt_answer,
            pace: conduct.pace.map(Pace::new),
            pause: None,
        }
    }

    fn shape(&mut self, mut piece: Bytes) -> Bytes {
        if let Some(cut) = self.cut {
            piece.truncate(cut.saturating_sub(self.sent) as usize);
        }
        if let Some(at) = self.corrupt.and_then(|offset| offset.checked_sub(self.sent))
            && at < piece.len() as u64
        {
            piece = flip(&piece, at as usize);
        }
        self.sent += piece.len() as u64;
        piece
    }
}

/// Bytes that come or go no faster than they may. Each wait ends when all bytes so far are due, so that a timer that
/// rings late is made up for.
pub(super) struct Pace {
    bytes_per_second: u64,
    bytes: u64,
    begun: Option<Instant>,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, bytes: 0, begun: None }
    }

    /// When bytes that are there now may be followed by more.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> Instant {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let micros = u128::from(self.bytes) * 1_000_000 / u128::from(self.bytes_per_second.max(1));
        let due = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        let begun = *self.begun.get_or_insert(now);
        // A year is for ever; more than a clock can count would be an error.
        begun + due.min(Duration::from_secs(365 * 24 * 60 * 60))
    }
}

/// How long the bytes before a cut have to leave.
const FLUSH: Duration = Duration::from_millis(5);

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
            if self.cut.is_some_and(|cut| self.sent >= cut) {
                return Poll::Ready(Some(Err(Cut::Close)));
            }
        }
        if self.cut.is_some_and(|cut| self.sent >= cut) {
            // What was given so far reaches the wire while this body is not ready.
            self.pause = Some(Box::pin(tokio::time::sleep(FLUSH)));
            return self.poll_frame(cx);
        }
        match self.body.next_piece() {
            Ok(Some(piece)) => {
                let piece = self.shape(piece);
                if let Some(pace) = &mut self.pace {
                    let until = pace.take(piece.len(), Instant::now());
                    self.pause = Some(Box::pin(tokio::time::sleep_until(until)));
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Ok(None) => Poll::Ready(None),
            Err(_) => Poll::Ready(Some(Err(Cut::Close))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty() && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_kept_over_all_bytes_however_they_come() {
        let now = Instant::now();
        let mut pace = Pace::new(1_000);
        assert_eq!(pace.take(500, now) - now, Duration::from_millis(500));
        // This wait took 700 ms instead of 500: the next one is shorter by that.
        let late = now + Duration::from_millis(700);
        assert_eq!(pace.take(500, late) - late, Duration::from_millis(300));
        assert!(Pace::new(1).take(usize::MAX, now) > now);
    }
}
