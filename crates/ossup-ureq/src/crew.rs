//! The workers of an upload: hired when there is a task and nobody free, kept until the end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use crate::driver::Event;
use crate::worker::{self, Assignment, Site};

/// Which worker of an upload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct WorkerId(u32);

pub(crate) struct Crew {
    site: Arc<Site>,
    events: Sender<Event>,
    workers: BTreeMap<WorkerId, Worker>,
    /// Those without a task; the last has had one most recently, and so the liveliest connection.
    free: Vec<WorkerId>,
    /// Tasks for which the system has given us no thread, until a worker is free.
    waiting: VecDeque<Box<Assignment>>,
    hired: u32,
}

struct Worker {
    tasks: Sender<Box<Assignment>>,
    thread: JoinHandle<()>,
}

impl Crew {
    pub(crate) fn new(site: Arc<Site>, events: Sender<Event>) -> Self {
        Self { site, events, workers: BTreeMap::new(), free: Vec::new(), waiting: VecDeque::new(), hired: 0 }
    }

    /// Gives a task to somebody, now or later.
    ///
    /// # Errors
    /// There is nobody and nobody can be hired: here is the task again.
    pub(crate) fn give(&mut self, assignment: Box<Assignment>) -> Result<(), Box<Assignment>> {
        let Some(worker) = self.free.pop().or_else(|| self.hire()) else {
            if self.workers.is_empty() {
                return Err(assignment);
            }
            self.waiting.push_back(assignment);
            return Ok(());
        };
        match self.workers.get(&worker) {
            // It only ever ends when its sender does, or in a panic, which it reports before.
            Some(worker) => worker.tasks.send(assignment).map_err(|refused| refused.0),
            None => Err(assignment),
        }
    }

    /// The worker has done its task.
    pub(crate) fn is_free(&mut self, worker: WorkerId) {
        self.free.push(worker);
        self.give_waiting();
    }

    /// The worker has died over its task.
    ///
    /// # Errors
    /// There is nobody left and nobody can be hired: here are the tasks that waited.
    pub(crate) fn is_lost(&mut self, worker: WorkerId) -> Result<(), VecDeque<Box<Assignment>>> {
        self.workers.remove(&worker);
        self.give_waiting();
        if self.workers.is_empty() && !self.waiting.is_empty() {
            return Err(std::mem::take(&mut self.waiting));
        }
        Ok(())
    }

    /// Ends those without a task and waits for them. Those with one were told to stop and were not waited for; they
    /// end when they notice.
    pub(crate) fn dismiss(&mut self) {
        for worker in std::mem::take(&mut self.free) {
            if let Some(Worker { tasks, thread }) = self.workers.remove(&worker) {
                drop(tasks);
                // It has no task to panic over.
                let _ = thread.join();
            }
        }
        self.workers.clear();
    }

    fn give_waiting(&mut self) {
        if let Some(first) = self.waiting.pop_front()
            && let Err(first) = self.give(first)
        {
            self.waiting.push_front(first);
        }
    }

    fn hire(&mut self) -> Option<WorkerId> {
        let me = WorkerId(self.hired);
        let (tasks, my_tasks) = channel();
        let (site, events) = (Arc::clone(&self.site), self.events.clone());
        let thread = thread::Builder::new()
            .name(format!("ossup-worker-{}", me.0))
            .spawn(move || worker::work(me, &site, &my_tasks, &events))
            .ok()?;
        self.hired += 1;
        self.workers.insert(me, Worker { tasks, thread });
        Some(me)
    }
}
