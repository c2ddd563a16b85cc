//! The handle of an upload that is under way.

use std::panic::resume_unwind;

use ossup_core::upload::{Cancel, Outcome, Progress};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::driver::{Desk, Order};
use crate::progress::ProgressStream;

/// An upload that is under way in tasks of its own.
///
/// Dropping the handle without waiting, or the future of [`wait`](Self::wait), ends the upload as [`Cancel::Keep`] does,
/// without waiting for that end: the parts and the checkpoint stay, and a later upload of the same file to the same
/// object goes on from there.
#[derive(Debug)]
#[must_use = "dropping the handle cancels the upload"]
pub struct UploadHandle {
    control: UploadControl,
    task: JoinHandle<Outcome>,
}

impl UploadHandle {
    pub(crate) fn new(desk: Desk, task: JoinHandle<Outcome>) -> Self {
        Self { control: UploadControl { desk }, task }
    }

    /// Waits for the end of the upload.
    ///
    /// # Panics
    /// A listener of the upload has panicked; its panic goes on here. Or this is awaited in another runtime than the one
    /// in which the upload was started, and that one has shut down.
    pub async fn wait(mut self) -> Outcome {
        match (&mut self.task).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(error) => panic!("the runtime of the upload has shut down: {error}"),
        }
    }

    /// Whether the upload is over, so that [`wait`](Self::wait) does not have to wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// What controls the upload from elsewhere, such as from another task.
    #[must_use]
    pub fn control(&self) -> UploadControl {
        self.control.clone()
    }

    /// See [`UploadControl::cancel`].
    pub fn cancel(&self, how: Cancel) {
        self.control.cancel(how);
    }

    /// See [`UploadControl::cancel_when`].
    pub fn cancel_when(&self, how: Cancel, signal: impl Future<Output = ()> + Send + 'static) {
        self.control.cancel_when(how, signal);
    }

    /// See [`UploadControl::pause`].
    pub fn pause(&self) {
        self.control.pause();
    }

    /// See [`UploadControl::unpause`].
    pub fn unpause(&self) {
        self.control.unpause();
    }

    /// See [`UploadControl::progress`].
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.control.progress()
    }

    /// See [`UploadControl::watch`].
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.control.watch()
    }

    /// See [`UploadControl::progress_stream`].
    #[must_use]
    pub fn progress_stream(&self) -> ProgressStream {
        self.control.progress_stream()
    }
}

impl Drop for UploadHandle {
    fn drop(&mut self) {
        if !self.task.is_finished() {
            self.control.cancel(Cancel::Keep);
        }
    }
}

/// Controls an upload that is under way. Its copies control the same one, and after its end do nothing.
#[derive(Clone, Debug)]
pub struct UploadControl {
    desk: Desk,
}

impl UploadControl {
    /// Ends the upload early. Requests that are under way are broken off. A [`Cancel::Keep`] can be strengthened to a
    /// [`Cancel::Discard`], never the other way. What it came to is what [`UploadHandle::wait`] says: it may be that
    /// the upload was completed before the cancel arrived.
    pub fn cancel(&self, how: Cancel) {
        self.tell(Order::Cancel(how));
    }

    /// Ends the upload early as soon as `signal` comes to its end: a `CancellationToken` that is cancelled, a deadline,
    /// ctrl-c. It is dropped when the upload ends before.
    ///
    /// ```
    /// # use ossup_core::upload::Cancel;
    /// # fn example(handle: &ossup_reqwest::UploadHandle) {
    /// let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    /// handle.cancel_when(Cancel::Keep, async { drop(cancelled.await) });
    /// # drop(cancel);
    /// # }
    /// ```
    pub fn cancel_when(&self, how: Cancel, signal: impl Future<Output = ()> + Send + 'static) {
        self.tell(Order::CancelWhen(how, Box::pin(signal)));
    }

    /// Starts no further part; those in flight go on.
    pub fn pause(&self) {
        self.tell(Order::Pause);
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn unpause(&self) {
        self.tell(Order::Unpause);
    }

    /// How far the upload has come, as of a moment ago.
    #[must_use]
    pub fn progress(&self) -> Progress {
        *self.desk.progress.borrow()
    }

    /// The progress as a channel that always has the latest, and closes when the upload is over.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.desk.progress.clone()
    }

    /// The progress as a `Stream`, which ends when the upload is over.
    #[must_use]
    pub fn progress_stream(&self) -> ProgressStream {
        ProgressStream::new(self.watch())
    }

    fn tell(&self, order: Order) {
        // Nobody listens after the end.
        let _ = self.desk.orders.send(order);
    }
}
