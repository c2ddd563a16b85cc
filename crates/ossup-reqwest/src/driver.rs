//! The driver of an upload: the task that owns the machine, starts a task for each of its effects, and brings it their
//! answers. It decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ossup_core::upload::{
    Answer, Cancel, Effect, EffectId, Outcome, Progress, StoreError, StoreTicket, Turn, Upload, WaitTicket,
};
use ossup_fs::{CheckpointRecord, Listeners};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::blocking::off_reactor;
use crate::feed::Feed;
use crate::task::{Report, Site, Stop, StoreTask, store};

/// How often the progress of parts in flight is looked at.
const TICK: Duration = Duration::from_millis(100);

/// For waits too long to be counted.
const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What those who hold a handle say.
pub(crate) enum Order {
    Cancel(Cancel),
    CancelWhen(Cancel, Pin<Box<dyn Future<Output = ()> + Send>>),
    Pause,
    Unpause,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancel(how) => write!(f, "Cancel({how:?})"),
            Self::CancelWhen(how, _) => write!(f, "CancelWhen({how:?})"),
            Self::Pause => f.write_str("Pause"),
            Self::Unpause => f.write_str("Unpause"),
        }
    }
}

/// What those who hold a handle can see and say.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) progress: watch::Receiver<Progress>,
}

pub(crate) struct Driver {
    upload: Upload,
    begun: Instant,
    site: Arc<Site>,
    tasks: JoinSet<Report>,
    /// Which effect a task executes.
    effects: HashMap<Id, EffectId>,
    /// The means to stop what can be stopped.
    under_way: BTreeMap<EffectId, UnderWay>,
    waits: BTreeMap<EffectId, (Instant, WaitTicket)>,
    /// The checkpoint, if one is kept and no task has it.
    record: Option<Box<dyn CheckpointRecord>>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What others wait for to cancel this.
    signals: JoinSet<Cancel>,
    progress: watch::Sender<Progress>,
    listeners: Listeners,
}

/// A task that can be stopped, and may be sending.
struct UnderWay {
    stop: watch::Sender<bool>,
    feed: Arc<Feed>,
}

impl Driver {
    pub(crate) fn new(
        upload: Upload,
        site: Site,
        record: Option<Box<dyn CheckpointRecord>>,
        listeners: Listeners,
    ) -> (Self, Desk) {
        let (sender, orders) = mpsc::unbounded_channel();
        let (progress, watched) = watch::channel(upload.progress());
        let driver = Self {
            upload,
            begun: Instant::now(),
            site: Arc::new(site),
            tasks: JoinSet::new(),
            effects: HashMap::new(),
            under_way: BTreeMap::new(),
            waits: BTreeMap::new(),
            record,
            orders,
            signals: JoinSet::new(),
            progress,
            listeners,
        };
        (driver, Desk { orders: sender, progress: watched })
    }

    /// Goes on until the upload is over.
    pub(crate) async fn run(mut self) -> Outcome {
        loop {
            self.upload.passed(self.begun.elapsed());
            match self.upload.turn() {
                Turn::Do(effect) => self.begin(effect),
                Turn::Blocked => self.listen().await,
                Turn::Finished(outcome) => {
                    self.tell();
                    // The end is the end: the checkpoint is free for others.
                    let record = self.record.take();
                    off_reactor(move || drop(record)).await;
                    self.listeners.tell_end(&outcome);
                    return *outcome;
                }
            }
        }
    }

    fn begin(&mut self, effect: Effect) {
        self.listeners.begins(&effect);
        let site = Arc::clone(&self.site);
        match effect {
            Effect::Send(ticket, request) => {
                let (feed, stop) = self.can_be_stopped(ticket.id());
                self.spawn(ticket.id(), site.send(ticket, request, feed, stop));
            }
            Effect::SendPart(ticket, part) => {
                let (feed, stop) = self.can_be_stopped(ticket.id());
                self.spawn(ticket.id(), site.send_part(ticket, part, feed, stop));
            }
            Effect::Hash(ticket, range, integrity) => {
                let (_, stop) = self.can_be_stopped(ticket.id());
                self.spawn(ticket.id(), site.hash(ticket, range, integrity, stop));
            }
            Effect::Refresh(ticket, problem) => {
                let (_, stop) = self.can_be_stopped(ticket.id());
                self.spawn(ticket.id(), site.refresh(ticket, problem, stop));
            }
            Effect::Inspect(ticket) => self.spawn(ticket.id(), site.inspect(ticket)),
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

    fn can_be_stopped(&mut self, id: EffectId) -> (Arc<Feed>, Stop) {
        let (stop, asked) = watch::channel(false);
        let feed = Arc::new(Feed::default());
        self.under_way.insert(id, UnderWay { stop, feed: Arc::clone(&feed) });
        (feed, Stop(asked))
    }

    fn spawn(&mut self, id: EffectId, task: impl Future<Output = Report> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.effects.insert(handle.id(), id);
    }

    fn store(&mut self, ticket: StoreTicket, task: StoreTask) {
        match self.record.take() {
            Some(record) => self.spawn(ticket.id(), store(ticket, task, record)),
            None => self.answer(ticket.failed(StoreError::new("there is nowhere to keep it"))),
        }
    }

    fn stop(&mut self, id: EffectId) {
        if let Some((_, ticket)) = self.waits.remove(&id) {
            self.answer(ticket.elapsed());
        } else if let Some(task) = self.under_way.get(&id) {
            // If nobody hears it, the task is done.
            let _ = task.stop.send(true);
        }
    }

    /// Waits for something to happen.
    async fn listen(&mut self) {
        let patience = self.patience();
        tokio::select! {
            Some(order) = self.orders.recv() => self.take_in(order),
            Some(joined) = self.tasks.join_next_with_id() => self.take_in_report(joined),
            // One that has panicked says nothing.
            Some(Ok(how)) = self.signals.join_next() => self.upload.cancel(how),
            () = tokio::time::sleep(patience) => {}
        }
        while let Ok(order) = self.orders.try_recv() {
            self.take_in(order);
        }
        while let Some(joined) = self.tasks.try_join_next_with_id() {
            self.take_in_report(joined);
        }
        let now = Instant::now();
        while let Some(id) = self.waits.iter().find_map(|(id, (end, _))| (*end <= now).then_some(*id)) {
            self.stop(id);
        }
        self.tell();
    }

    /// How long to wait at most: to the end of the first wait, or to the next look at the parts in flight.
    fn patience(&self) -> Duration {
        let now = Instant::now();
        let first = self.waits.values().map(|(end, _)| end.saturating_duration_since(now)).min();
        let look = (!self.under_way.is_empty()).then_some(TICK);
        first.into_iter().chain(look).min().unwrap_or(MAX_WAIT)
    }

    fn take_in(&mut self, order: Order) {
        match order {
            Order::Cancel(how) => self.upload.cancel(how),
            Order::CancelWhen(how, signal) => {
                self.signals.spawn(async move {
                    signal.await;
                    how
                });
            }
            Order::Pause => self.upload.pause(),
            Order::Unpause => self.upload.unpause(),
        }
    }

    fn take_in_report(&mut self, joined: Result<(Id, Report), JoinError>) {
        let task = joined.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        if let Some(id) = self.effects.remove(&task) {
            self.under_way.remove(&id);
            match joined {
                Ok((_, Report::Done(answer))) => self.answer(answer),
                Ok((_, Report::Stored(answer, record))) => {
                    self.record = Some(record);
                    self.answer(answer);
                }
                // It has panicked.
                Err(_) => self.abandon(id),
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
            self.upload.sent(*id, task.feed.sent());
        }
        let progress = self.listeners.tell(&mut self.upload);
        self.progress.send_if_modified(|told| std::mem::replace(told, progress) != progress);
    }
}
