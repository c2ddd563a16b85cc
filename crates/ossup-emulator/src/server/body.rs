//! Bodies on their way out: paced, damaged or cut off as a rule says.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;

use crate::faults::Conduct;
use crate::model::{Body, flip};

/// The connection ends here, by a rule or because content cannot be read.
#[derive(Debug)]
pub(super) struct Cut;

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
    pace: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Outgoing {
    pub(super) fn new(body: Body, conduct: &Conduct) -> Self {
        Self {
            body,
            sent: 0,
            cut: conduct.cut_out,
            corrupt: conduct.corrupt_answer,
            pace: conduct.pace,
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

/// How long `bytes` take at a pace.
pub(super) fn duration(bytes: usize, pace: u64) -> Duration {
    Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / pace.max(1))
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
                return Poll::Ready(Some(Err(Cut)));
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
                if let Some(pace) = self.pace {
                    self.pause = Some(Box::pin(tokio::time::sleep(duration(piece.len(), pace))));
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Ok(None) => Poll::Ready(None),
            Err(_) => Poll::Ready(Some(Err(Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty() && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len())
    }
}
