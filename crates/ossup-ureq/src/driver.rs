//! The driver of an upload: the thread that owns the machine, hands its effects to workers, and its answers back.
//!
//! It decides nothing. How many workers there are follows from how many effects the machine has under way.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ossup_core::upload::{
    Answer, Cancel, Effect, EffectId, Outcome, Progress, StoreError, StoreTicket, Turn, Upload, WaitTicket,
};
use ossup_fs::{CheckpointRecord, Listeners};

use crate::crew::{Crew, WorkerId};
use crate::exchange::{Exchange, Ticket, UnderWay};
use crate::worker::{Assignment, Report, Site, StoreTask, Task};

/// How often the progress of parts in flight is looked at.
const TICK: Duration = Duration::from_millis(100);

/// For waits too long to be counted.
const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What the driver waits for.
#[derive(Debug)]
pub(crate) enum Event {
    Report(WorkerId, Box<Report>),
    Cancel(Cancel),
    Pause,
    Unpause,
}

/// What those who hold a handle can see and say.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) events: Sender<Event>,
    pub(crate) progress: Arc<Mutex<Progress>>,
}

pub(crate) struct Driver {
    upload: Upload,
    crew: Crew,
    /// What the workers are at, with the means to stop it where it can be stopped.
    under_way: BTreeMap<EffectId, Option<Arc<dyn UnderWay>>>,
    waits: BTreeMap<EffectId, (Instant, WaitTicket)>,
    /// The checkpoint, if one is kept and no worker has it.
    record: Option<Box<dyn CheckpointRecord>>,
    events: Receiver<Event>,
    desk: Desk,
    listeners: Listeners,
    begun: Instant,
}

impl Driver {
    pub(crate) fn new(
        upload: Upload,
        site: Site,
        record: Option<Box<dyn CheckpointRecord>>,
        listeners: Listeners,
    ) -> Self {
        let (sender, events) = channel();
        let progress = Arc::new(Mutex::new(upload.progress()));
        Self {
            upload,
            crew: Crew::new(Arc::new(site), sender.clone()),
            under_way: BTreeMap::new(),
            waits: BTreeMap::new(),
            record,
            events,
            desk: Desk { events: sender, progress },
            listeners,
            begun: Instant::now(),
        }
    }

    pub(crate) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Goes on until the upload is over.
    pub(crate) fn run(mut self) -> Outcome {
        loop {
            self.upload.passed(self.begun.elapsed());
            match self.upload.turn() {
                Turn::Do(effect) => self.begin(effect),
                Turn::Blocked => self.listen(),
                Turn::Finished(outcome) => {
                    self.tell();
                    self.listeners.tell_end(&outcome);
                    self.crew.dismiss();
                    return *outcome;
                }
            }
        }
    }

    fn begin(&mut self, effect: Effect) {
        self.listeners.begins(&effect);
        match effect {
            Effect::Send(ticket, request) => self.share(ticket, |it| Task::Send(it, request)),
            Effect::SendPart(ticket, part) => self.share(ticket, |it| Task::SendPart(it, part)),
            Effect::Hash(ticket, range, integrity) => {
                self.share(ticket, |it| Task::Hash(it, range, integrity));
            }
            Effect::Refresh(ticket, problem) => self.share(ticket, |it| Task::Refresh(it, problem)),
            Effect::Inspect(ticket) => self.give(ticket.id(), None, Task::Inspect(ticket)),
            Effect::Save(ticket, write) => self.store(ticket, StoreTask::Save(write)),
            Effect::Forget(ticket) => self.store(ticket, StoreTask::Forget),
            Effect::Wait(ticket, time) => {
                let now = Instant::now();
                let end = now.checked_add(time).unwrap_or(now + MAX_WAIT);
                self.waits.insert(ticket.id(), (end, ticket));
            }
            Effect::Stop(id) => self.stop(id),
        }
    }

    /// Gives a worker a task that can be stopped.
    fn share<T: Ticket + 'static>(&mut self, ticket: T, task: impl FnOnce(Arc<Exchange<T>>) -> Task) {
        let (id, exchange) = (ticket.id(), Arc::new(Exchange::new(ticket)));
        self.give(id, Some(exchange.clone()), task(exchange));
    }

    fn give(&mut self, id: EffectId, handle: Option<Arc<dyn UnderWay>>, task: Task) {
        self.under_way.insert(id, handle);
        if let Err(refused) = self.crew.give(Box::new(Assignment { id, task })) {
            self.give_up(*refused);
        }
    }

    /// The system has no thread for a task.
    fn give_up(&mut self, refused: Assignment) {
        let Assignment { id, task } = refused;
        if self.under_way.remove(&id).is_none() {
            return;
        }
        match task {
            Task::Store(ticket, _, record) => {
                self.record = Some(record);
                self.answer(ticket.failed(StoreError::new("the system has no thread to write it with")));
            }
            _ => self.abandon(id),
        }
    }

    fn store(&mut self, ticket: StoreTicket, task: StoreTask) {
        match self.record.take() {
            Some(record) => self.give(ticket.id(), None, Task::Store(ticket, task, record)),
            None => self.answer(ticket.failed(StoreError::new("there is nowhere to keep it"))),
        }
    }

    fn stop(&mut self, id: EffectId) {
        if let Some((_, ticket)) = self.waits.remove(&id) {
            self.answer(ticket.elapsed());
        } else if let Some(Some(task)) = self.under_way.get(&id)
            && let Some(answer) = task.stop()
        {
            self.under_way.remove(&id);
            self.answer(answer);
        }
    }

    /// Waits for something to happen.
    fn listen(&mut self) {
        let event = match self.patience() {
            Some(patience) => self.events.recv_timeout(patience).ok(),
            None => self.events.recv().ok(),
        };
        if let Some(event) = event {
            self.take_in(event);
        }
        while let Ok(event) = self.events.try_recv() {
            self.take_in(event);
        }
        let now = Instant::now();
        while let Some(id) = self.waits.iter().find_map(|(id, (end, _))| (*end <= now).then_some(*id)) {
            self.stop(id);
        }
        self.tell();
    }

    /// How long to wait at most: to the end of the first wait, or to the next look at the parts in flight.
    fn patience(&self) -> Option<Duration> {
        let now = Instant::now();
        let first = self.waits.values().map(|(end, _)| end.saturating_duration_since(now)).min();
        let look = self.under_way.values().any(Option::is_some).then_some(TICK);
        first.into_iter().chain(look).min()
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Cancel(how) => self.upload.cancel(how),
            Event::Pause => self.upload.pause(),
            Event::Unpause => self.upload.unpause(),
            Event::Report(worker, report) => self.take_in_report(worker, *report),
        }
    }

    fn take_in_report(&mut self, worker: WorkerId, report: Report) {
        match report {
            Report::Done(answer) => {
                self.crew.is_free(worker);
                if let Some(answer) = answer {
                    self.under_way.remove(&answer.id());
                    self.answer(answer);
                }
            }
            Report::Stored(answer, record) => {
                self.crew.is_free(worker);
                self.record = Some(record);
                self.under_way.remove(&answer.id());
                self.answer(answer);
            }
            Report::Died(id) => {
                let refused = self.crew.is_lost(worker).err().unwrap_or_default();
                if self.under_way.remove(&id).is_some() {
                    self.abandon(id);
                }
                for assignment in refused {
                    self.give_up(*assignment);
                }
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.upload.passed(self.begun.elapsed());
        self.listeners.ends(&answer);
        let taken = self.upload.answer(answer);
        debug_assert!(taken.is_ok(), "each effect is answered once: {taken:?}");
    }

    fn abandon(&mut self, id: EffectId) {
        self.listeners.gives_up(id);
        let taken = self.upload.abandon(id);
        debug_assert!(taken.is_ok(), "each effect is answered once: {taken:?}");
    }

    /// Tells those who want to know how far it has come.
    fn tell(&mut self) {
        for (id, task) in &self.under_way {
            if let Some(task) = task {
                self.upload.sent(*id, task.sent());
            }
        }
        let progress = self.listeners.tell(&mut self.upload);
        *self.desk.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // There is nothing left unless a listener has panicked: then nothing must go on behind its back.
        for task in self.under_way.values().flatten() {
            drop(task.stop());
        }
    }
}
