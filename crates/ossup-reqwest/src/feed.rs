//! What a body and whoever waits for the answer know of each other: how far it is, and whether it shall go on.
//!
//! The body belongs to the task of the connection once it is on its way. This is how it is watched from outside, held
//! back and ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ossup_core::digest::ContentDigest;
use ossup_core::upload::SourceError;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The exchange of one request.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
    /// What is waited for has changed.
    turned: Notify,
    sent: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    gate: Gate,
    /// The task that the body is polled by.
    waker: Option<Waker>,
    given: Given,
}

/// What is being waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Phase {
    /// A connection, which has limits of its own.
    #[default]
    Connecting,
    /// The server, which was asked whether it wants the body, for as long as the body is held back for it.
    Asking,
    /// The connection shall take what it was given at this moment.
    Writing(Instant),
    /// The file.
    Reading,
    /// An answer, since this moment.
    Answer(Instant),
}

/// Whether the body may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Gate {
    #[default]
    Open,
    /// Not for now: there is an answer, which is to be read first.
    Held,
    /// Never again.
    Closed,
}

/// What a body has given.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Whether all of it was read for this request.
    pub(crate) whole: bool,
    /// The digest of the range, where it was read to its end.
    pub(crate) digest: Option<ContentDigest>,
    /// Why it could not be read.
    pub(crate) failure: Option<SourceError>,
}

/// For the body.
impl Feed {
    /// Whether the body may go on. From the first time on that it may, something may have been sent.
    pub(crate) fn poll_go(&self, context: &Context<'_>) -> Poll<Result<(), Ended>> {
        let mut state = self.lock();
        // Also if it may: whatever else it waits for after this, its end must wake it.
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        match state.gate {
            Gate::Open => {
                if state.phase == Phase::Connecting {
                    state.phase = Phase::Writing(Instant::now());
                }
                Poll::Ready(Ok(()))
            }
            Gate::Held => Poll::Pending,
            Gate::Closed => Poll::Ready(Err(Ended)),
        }
    }

    /// The connection has nothing to do: the body is held back.
    pub(crate) fn is_asking(&self) {
        self.move_on(Phase::Asking);
    }

    /// The connection has nothing to do before more is read.
    pub(crate) fn is_reading(&self) {
        self.move_on(Phase::Reading);
    }

    /// The connection is given more, and has taken so many bytes before.
    pub(crate) fn is_writing(&self, taken: u64) {
        self.sent.store(taken, Ordering::Relaxed);
        self.move_on(Phase::Writing(Instant::now()));
    }

    /// The connection was given all of it.
    pub(crate) fn is_given(&self, digest: Option<ContentDigest>) {
        self.lock().given = Given { whole: true, digest, failure: None };
        self.awaits_answer();
    }

    /// It cannot be read.
    pub(crate) fn is_unreadable(&self, failure: SourceError) {
        self.lock().given.failure = Some(failure);
    }

    fn move_on(&self, phase: Phase) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Answer(_)) {
            state.phase = phase;
        }
    }
}

/// For whoever waits for the answer.
impl Feed {
    /// There is nothing, or nothing more, to send.
    pub(crate) fn awaits_answer(&self) {
        self.lock().phase = Phase::Answer(Instant::now());
        self.turned.notify_one();
    }

    /// There is an answer. What of the body is still to come stays back.
    pub(crate) fn hold(&self) {
        let mut state = self.lock();
        if state.gate == Gate::Open {
            state.gate = Gate::Held;
        }
        drop(state);
        self.awaits_answer();
    }

    /// Ends the body. Whether any of it may have been sent.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.lock();
        state.gate = Gate::Closed;
        let begun = state.phase != Phase::Connecting;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        begun
    }

    /// What was given.
    pub(crate) fn take_given(&self) -> Given {
        std::mem::take(&mut self.lock().given)
    }

    /// How many bytes of the source have gone out.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Comes to an end when nothing has moved for too long.
    pub(crate) async fn stalls(&self, stall_timeout: Duration, answer_within: Duration) {
        loop {
            let phase = self.lock().phase;
            let (since, patience) = match phase {
                Phase::Writing(since) => (since, stall_timeout),
                Phase::Answer(since) => (since, answer_within),
                // Others watch over these: look again later.
                Phase::Connecting | Phase::Asking | Phase::Reading => (Instant::now(), stall_timeout),
            };
            let left = patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = self.turned.notified() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked, and each state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body was ended before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("ended on request")]
pub(crate) struct Ended;
