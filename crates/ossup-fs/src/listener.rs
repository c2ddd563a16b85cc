//! Those who want to be told how an upload goes.

use ossup_core::object::ObjectName;
use ossup_core::upload::{Answer, Effect, EffectId, Notice, Outcome, Progress, Upload};

use crate::trace::Trace;

/// Is told how an upload goes, for people, logs and metrics. Whatever it does not want to know it leaves out.
///
/// Calls come one at a time from whoever drives the upload, which waits for them: they should be short.
///
/// ```
/// use ossup_core::upload::{Notice, Progress};
/// use ossup_fs::Listener;
///
/// #[derive(Default)]
/// struct Meter {
///     bytes: u64,
///     troubles: u64,
/// }
///
/// impl Listener for Meter {
///     fn progress(&mut self, just: u64, _: &Progress) {
///         self.bytes += just;
///     }
///     fn notice(&mut self, _: &Notice) {
///         self.troubles += 1;
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

    /// The upload is over. Nothing is told after this.
    fn finished(&mut self, outcome: &Outcome) {
        let _ = outcome;
    }
}

/// The listeners of one upload, and what they have been told.
#[derive(Default)]
pub struct Listeners {
    all: Vec<Box<dyn Listener>>,
    told: Progress,
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

    /// An effect is about to be executed. For logs: with the feature `tracing` it begins a span.
    pub fn begins(&mut self, effect: &Effect) {
        self.trace.begins(effect);
    }

    /// An effect has this answer.
    pub fn ends(&mut self, answer: &Answer) {
        self.trace.ends(answer);
    }

    /// An effect will have no answer.
    pub fn gives_up(&mut self, id: EffectId) {
        self.trace.gives_up(id);
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
            self.trace.notice(notice);
            for listener in &mut self.all {
                listener.notice(notice);
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
