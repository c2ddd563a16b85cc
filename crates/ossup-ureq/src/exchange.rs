//! A task under way, as its worker and the driver share it: who may answer it, and how it is stopped.
//!
//! While nothing has been sent, a stop is answered at once and the worker is left to notice: it may be waiting for a
//! name server or for a connection, which nothing can interrupt. From the first byte on, a stop shuts the socket and
//! the worker answers: only then is it certain that nothing travels any more.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ossup_core::upload::{
    Answer, AuthTicket, EffectId, HashTicket, PartTicket, SendTicket, SourceError, TransportError,
};
use ureq::Agent;

use crate::line::Caller;
use crate::wire::Gate;

/// A ticket whose effect can be stopped.
pub(crate) trait Ticket: Debug + Send {
    /// The effect.
    fn id(&self) -> EffectId;

    /// The answer that it was stopped before anything was sent.
    fn withdrawn(self) -> Answer;
}

impl Ticket for SendTicket {
    fn id(&self) -> EffectId {
        self.id()
    }

    fn withdrawn(self) -> Answer {
        self.failed(TransportError::withdrawn())
    }
}

impl Ticket for PartTicket {
    fn id(&self) -> EffectId {
        self.id()
    }

    fn withdrawn(self) -> Answer {
        self.failed(TransportError::withdrawn(), None)
    }
}

impl Ticket for HashTicket {
    fn id(&self) -> EffectId {
        self.id()
    }

    fn withdrawn(self) -> Answer {
        self.unreadable(SourceError::Stopped)
    }
}

impl Ticket for AuthTicket {
    fn id(&self) -> EffectId {
        self.id()
    }

    fn withdrawn(self) -> Answer {
        self.refused("ended on request")
    }
}

/// A task under way.
#[derive(Debug)]
pub(crate) struct Exchange<T> {
    state: Mutex<State<T>>,
    stopped: AtomicBool,
    sent: AtomicU64,
}

#[derive(Debug)]
struct State<T> {
    stage: Stage<T>,
    /// What a request goes over, while it does.
    line: Option<Agent>,
}

#[derive(Debug)]
enum Stage<T> {
    /// Nothing has been sent.
    Quiet(T),
    /// Something may have been sent.
    Talking(T),
    /// Somebody has the ticket and answers.
    Settled,
}

/// What the driver can do with a task, whatever its kind.
pub(crate) trait UnderWay: Debug + Send + Sync {
    /// Ends it as soon as possible; the answer, if it could be given at once.
    fn stop(&self) -> Option<Answer>;

    /// How many bytes of the source have gone out.
    fn sent(&self) -> u64;
}

impl<T: Ticket> Exchange<T> {
    pub(crate) fn new(ticket: T) -> Self {
        let state = State { stage: Stage::Quiet(ticket), line: None };
        Self { state: Mutex::new(state), stopped: AtomicBool::new(false), sent: AtomicU64::new(0) }
    }

    /// So many bytes of the source have gone out so far.
    pub(crate) fn has_sent(&self, bytes: u64) {
        self.sent.store(bytes, Ordering::Relaxed);
    }

    /// The ticket, for whoever comes first.
    pub(crate) fn settle(&self) -> Option<T> {
        match std::mem::replace(&mut self.lock().stage, Stage::Settled) {
            Stage::Quiet(ticket) | Stage::Talking(ticket) => Some(ticket),
            Stage::Settled => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it is locked, and each state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Ticket> UnderWay for Exchange<T> {
    fn stop(&self) -> Option<Answer> {
        self.stopped.store(true, Ordering::Release);
        let mut state = self.lock();
        let line = state.line.take();
        let answer = match std::mem::replace(&mut state.stage, Stage::Settled) {
            Stage::Quiet(ticket) => Some(ticket.withdrawn()),
            Stage::Settled => None,
            talking @ Stage::Talking(_) => {
                state.stage = talking;
                None
            }
        };
        drop(state);
        if let Some(line) = line {
            line.shutdown();
        }
        answer
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl<T: Ticket> Caller for Exchange<T> {
    fn goes_over(&self, agent: Agent) {
        self.lock().line = Some(agent);
    }

    fn leaves(&self) -> bool {
        self.lock().line.take().is_some()
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

impl<T: Ticket> Gate for Exchange<T> {
    fn open(&self) -> bool {
        let mut state = self.lock();
        match std::mem::replace(&mut state.stage, Stage::Settled) {
            Stage::Quiet(ticket) | Stage::Talking(ticket) if !self.is_stopped() => {
                state.stage = Stage::Talking(ticket);
                true
            }
            closed => {
                state.stage = closed;
                false
            }
        }
    }
}
