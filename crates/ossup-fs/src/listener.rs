//! Those who want to be told how an upload goes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ossup_core::object::ObjectName;
use ossup_core::part::PartNumber;
use ossup_core::request::Operation;
use ossup_core::upload::{Answer, Effect, EffectId, Notice, Outcome, Progress, TransportKind, Upload, Write};

use crate::trace::Trace;

/// Is told how an upload goes, for people, logs and metrics. Whatever it does not want to know it leaves out.
///
/// Calls come one at a time from whoever drives the upload, which waits for them: they should be short.
///
/// ```
/// use ossup_core::upload::{Notice, Progress};
/// use ossup_fs::{Listener, RequestEnd};
///
/// #[derive(Default)]
/// struct Meter {
///     bytes: u64,
///     troubles: u64,
///     server: std::time::Duration,
/// }
///
/// impl Listener for Meter {
///     fn progress(&mut self, just: u64, _: &Progress) {
///         self.bytes += just;
///     }
///     fn notice(&mut self, _: &Notice) {
///         self.troubles += 1;
///     }
///     fn request(&mut self, request: &RequestEnd) {
///         self.server += request.took;
///     }
/// }
/// ```
pub trait Listener: Send {
    /// So many bytes have just gone out, and this is how far it has come. Bytes of earlier runs are in
    /// [`Progress::sent`] and never in `just`.
    fn progress(&mut self, just: u64, progress: &Progress) {
        let _ = (just, progress);
    }

    /// Something has happened that a person may want to know, such as a request that is repeated.
    fn notice(&mut self, notice: &Notice) {
        let _ = notice;
    }

    /// A request is over: it was answered, it failed, or it was broken off. Of one that was still under way when the upload
    /// ended nothing is told.
    fn request(&mut self, request: &RequestEnd) {
        let _ = request;
    }

    /// A write to the checkpoint is over.
    fn checkpoint(&mut self, write: &CheckpointEnd) {
        let _ = write;
    }

    /// The upload is over. Nothing is told after this.
    fn finished(&mut self, outcome: &Outcome) {
        let _ = outcome;
    }
}

/// A request that is over.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RequestEnd {
    /// What was asked for.
    pub operation: Operation,
    /// The part that was sent, by an UploadPart.
    pub part: Option<PartNumber>,
    /// How many bytes its body has, whether they have all gone out or not.
    pub bytes: u64,
    /// How long it took, digesting and signing included.
    pub took: Duration,
    /// The status of the server's answer; none if it has not answered.
    pub status: Option<u16>,
    /// Why it has not; none also where the source could not be read.
    pub failure: Option<TransportKind>,
}

/// A write to the checkpoint that is over.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CheckpointEnd {
    /// How many bytes were to be written; none when the checkpoint was to be removed or set aside.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether it was done.
    pub done: bool,
}

/// What is under way that listeners are told the end of.
enum UnderWay {
    Request { operation: Operation, part: Option<PartNumber>, bytes: u64 },
    Checkpoint { bytes: u64 },
}

impl UnderWay {
    fn of(effect: &Effect) -> Option<Self> {
        Some(match effect {
            Effect::Send(_, request) => {
                Self::Request { operation: request.operation(), part: None, bytes: request.body().len() }
            }
            Effect::SendPart(_, part) => {
                let (operation, bytes) = (part.operation(), part.range().len());
                Self::Request { operation, part: part.part_number(), bytes }
            }
            Effect::Save(_, Write::Replace(bytes) | Write::Append(bytes, _)) => {
                Self::Checkpoint { bytes: bytes.len() as u64 }
            }
            Effect::Save(..) | Effect::Forget(_) => Self::Checkpoint { bytes: 0 },
            _ => return None,
        })
    }
}

/// The listeners of one upload, and what they have been told.
#[derive(Default)]
pub struct Listeners {
    all: Vec<Box<dyn Listener>>,
    told: Progress,
    under_way: HashMap<EffectId, (Instant, UnderWay)>,
    trace: Trace,
}

impl Listeners {
    pub(crate) fn add(&mut self, listener: impl Listener + 'static) {
        self.all.push(Box::new(listener));
    }

    /// From here on it is known what is uploaded.
    pub(crate) fn trace(&mut self, object: &ObjectName, bytes: u64) {
        self.trace = Trace::of(object, bytes);
    }

    /// An effect is about to be executed. What listeners are told of requests and of the checkpoint begins here, and with
    /// the feature `tracing` a span.
    pub fn begins(&mut self, effect: &Effect) {
        self.trace.begins(effect);
        if !self.all.is_empty()
            && let Some(it) = UnderWay::of(effect)
        {
            self.under_way.insert(effect.id(), (Instant::now(), it));
        }
    }

    /// An effect has this answer.
    pub fn ends(&mut self, answer: &Answer) {
        self.trace.ends(answer);
        let Some((begun, it)) = self.under_way.remove(&answer.id()) else { return };
        let took = begun.elapsed();
        match it {
            UnderWay::Request { operation, part, bytes } => {
                let status = answer.status().map(|status| status.as_u16());
                let end = RequestEnd { operation, part, bytes, took, status, failure: answer.failure() };
                self.all.iter_mut().for_each(|listener| listener.request(&end));
            }
            UnderWay::Checkpoint { bytes } => {
                let end = CheckpointEnd { bytes, took, done: !answer.is_in_vain() };
                self.all.iter_mut().for_each(|listener| listener.checkpoint(&end));
            }
        }
    }

    /// An effect will have no answer.
    pub fn gives_up(&mut self, id: EffectId) {
        self.trace.gives_up(id);
        self.under_way.remove(&id);
    }

    /// Tells what is new since the last call, and says how far the upload has come.
    pub fn tell(&mut self, upload: &mut Upload) -> Progress {
        let progress = upload.progress();
        if progress.sent != self.told.sent {
            let more = progress.sent.saturating_sub(self.told.sent);
            let just = more.saturating_sub(progress.resumed.saturating_sub(self.told.resumed));
            self.told = progress;
            for listener in &mut self.all {
                listener.progress(just, &progress);
            }
        }
        for notice in upload.notices() {
            self.trace.notice(&notice);
            for listener in &mut self.all {
                listener.notice(&notice);
            }
        }
        progress
    }

    /// Tells how the upload ended.
    pub fn tell_end(&mut self, outcome: &Outcome) {
        self.trace.finished(outcome);
        for listener in &mut self.all {
            listener.finished(outcome);
        }
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listeners").field("count", &self.all.len()).finish_non_exhaustive()
    }
}

/// A function as a listener of progress.
pub(crate) struct OnProgress<F>(pub(crate) F);

impl<F: FnMut(u64, u64, u64) + Send> Listener for OnProgress<F> {
    fn progress(&mut self, just: u64, progress: &Progress) {
        (self.0)(just, progress.sent, progress.total);
    }
}

/// A function as a listener of notices.
pub(crate) struct OnNotice<F>(pub(crate) F);

impl<F: FnMut(&Notice) + Send> Listener for OnNotice<F> {
    fn notice(&mut self, notice: &Notice) {
        (self.0)(notice);
    }
}
