//! Progress as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use ossup_core::upload::Progress;
use tokio::sync::watch;

/// How far an upload has come: at once, and again whenever it has come further, up to its end. It is a
/// [`Stream`]. Whoever takes from it seldom misses what was in between, and always has the latest.
pub struct ProgressStream {
    next: Next,
}

type Next = Pin<Box<dyn Future<Output = Option<(Progress, watch::Receiver<Progress>)>> + Send + Sync>>;

impl ProgressStream {
    pub(crate) fn new(mut watched: watch::Receiver<Progress>) -> Self {
        watched.mark_changed();
        Self { next: Box::pin(next(watched)) }
    }
}

async fn next(mut watched: watch::Receiver<Progress>) -> Option<(Progress, watch::Receiver<Progress>)> {
    // An error is the end of the upload.
    watched.changed().await.ok()?;
    let progress = *watched.borrow_and_update();
    Some((progress, watched))
}

impl Stream for ProgressStream {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        let Some((progress, watched)) = ready!(self.next.as_mut().poll(context)) else {
            self.next = Box::pin(std::future::ready(None));
            return Poll::Ready(None);
        };
        self.next = Box::pin(next(watched));
        Poll::Ready(Some(progress))
    }
}

impl fmt::Debug for ProgressStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressStream").finish_non_exhaustive()
    }
}
