//! The body of a request, as the connection asks for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

use crate::feed::{Ended, Feed};
use crate::pieces::Pieces;

/// How long a body is held back for a server that was asked whether it wants it. What it says if it does cannot be
/// seen here, so this is waited for to its end.
const HELD_BACK: Duration = Duration::from_secs(1);

/// What a body is made of.
#[derive(Debug)]
pub(crate) enum Content {
    /// These bytes.
    Inline(Bytes),
    /// A range of the source.
    Range(Box<Pieces>),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Range(pieces) => pieces.left(),
        }
    }
}

/// A body that can be watched and ended.
#[derive(Debug)]
pub(crate) struct WatchedBody {
    content: Content,
    /// How many bytes were given.
    given: u64,
    asking: Asking,
    feed: Arc<Feed>,
}

/// Whether the server is asked before the body is sent.
#[derive(Debug)]
enum Asking {
    No,
    ToBe,
    Since(Pin<Box<Sleep>>),
}

impl WatchedBody {
    pub(crate) fn new(content: Content, asks: bool, feed: Arc<Feed>) -> Self {
        let asking = if asks { Asking::ToBe } else { Asking::No };
        Self { content, given: 0, asking, feed }
    }

    fn poll_asked(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.asking {
                Asking::No => return Poll::Ready(()),
                Asking::ToBe => self.asking = Asking::Since(Box::pin(tokio::time::sleep(HELD_BACK))),
                Asking::Since(moment) => {
                    ready!(moment.as_mut().poll(context));
                    self.asking = Asking::No;
                }
            }
        }
    }

    fn poll_content(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let (bytes, digest) = match &mut self.content {
            Content::Inline(bytes) => (std::mem::take(bytes), None),
            Content::Range(pieces) => match pieces.poll_next(context) {
                Poll::Pending => {
                    self.feed.is_reading();
                    return Poll::Pending;
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(morsel))) => (morsel.bytes, morsel.digest),
                Poll::Ready(Some(Err(failure))) => {
                    self.feed.is_unreadable(failure);
                    return Poll::Ready(Some(Err(BodyError::Unreadable)));
                }
            },
        };
        self.feed.is_writing(self.given);
        self.given += bytes.len() as u64;
        if self.content.len() == 0 {
            self.feed.is_given(digest);
        }
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        ready!(this.feed.poll_go(context))?;
        if this.poll_asked(context).is_pending() {
            this.feed.is_asking();
            return Poll::Pending;
        }
        if this.content.len() == 0 {
            return Poll::Ready(None);
        }
        this.poll_content(context).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.content.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.content.len())
    }
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The reason is with the feed.
    #[error("the source cannot be read")]
    Unreadable,
}
