//! The handle of an upload that is under way.

use std::sync::PoisonError;
use std::thread::JoinHandle;

use ossup_core::upload::{Cancel, Outcome, Progress};

use crate::driver::{Desk, Event};

/// An upload that is under way in threads of its own.
///
/// Dropping the handle without waiting ends the upload as [`Cancel::Keep`] does, without waiting for that end: the
/// parts and the checkpoint stay, and a later upload of the same file to the same object goes on from there.
#[derive(Debug)]
pub struct UploadHandle {
    control: UploadControl,
    thread: Option<JoinHandle<Outcome>>,
}

impl UploadHandle {
    pub(crate) fn new(desk: Desk, thread: JoinHandle<Outcome>) -> Self {
        Self { control: UploadControl { desk }, thread: Some(thread) }
    }

    /// Waits for the end of the upload.
    ///
    /// # Panics
    /// A listener of the upload has panicked; its panic goes on here.
    pub fn wait(mut self) -> Outcome {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => unreachable!("only this takes the thread, and the handle with it"),
        }
    }

    /// Whether the upload is over, so that [`wait`](Self::wait) does not have to wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// What controls the upload from elsewhere, such as from a signal handler or another thread.
    #[must_use]
    pub fn control(&self) -> UploadControl {
        self.control.clone()
    }

    /// See [`UploadControl::cancel`].
    pub fn cancel(&self, how: Cancel) {
        self.control.cancel(how);
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
}

impl Drop for UploadHandle {
    fn drop(&mut self) {
        if self.thread.is_some() {
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
        self.tell(Event::Cancel(how));
    }

    /// Starts no further part; those in flight go on.
    pub fn pause(&self) {
        self.tell(Event::Pause);
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn unpause(&self) {
        self.tell(Event::Unpause);
    }

    /// How far the upload has come, as of a moment ago.
    #[must_use]
    pub fn progress(&self) -> Progress {
        *self.desk.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Event) {
        // Nobody listens after the end.
        let _ = self.desk.events.send(event);
    }
}
