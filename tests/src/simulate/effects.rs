//! How each effect is executed that needs no network, and how effects begin and end.

use ossup_core::sign::Signer as _;
use ossup_core::upload::{Answer, Effect, EffectId, SourceError, StoreError, TransportKind};

use super::journeys::Reply;
use super::process::{Doing, Process};
use super::totals::Fault;
use super::words;
use super::world::{Event, Violation, World};

impl World {
    /// The machine asks for something.
    pub(super) fn offer(&mut self, run: u32, effect: Effect) -> Result<(), Violation> {
        self.note(|| format!("run {run} wants {}", words::wanted(&effect)));
        self.check_effect(run, &effect)?;
        let (id, doing) = match effect {
            Effect::Send(ticket, request) => (ticket.id(), Doing::Request(ticket, request)),
            Effect::SendPart(ticket, request) => (ticket.id(), Doing::Part(ticket, request, None)),
            Effect::Save(ticket, write) => (ticket.id(), Doing::Save(ticket, write)),
            Effect::Forget(ticket) => (ticket.id(), Doing::Forget(ticket)),
            Effect::Inspect(ticket) => (ticket.id(), Doing::Inspect(ticket)),
            Effect::Hash(ticket, range, integrity) => (ticket.id(), Doing::Hash(ticket, range, integrity)),
            Effect::Wait(ticket, time) => {
                let id = ticket.id();
                self.add(run, id, Doing::Wait(ticket));
                self.after(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Event::Due(run, id));
                return Ok(());
            }
            Effect::Refresh(ticket, problem) => (ticket.id(), Doing::Refresh(ticket, problem)),
            Effect::Stop(id) => return self.stop(run, id),
        };
        let delay = self.rng.u64(0..20);
        let departs = matches!(doing, Doing::Request(..) | Doing::Part(..));
        self.add(run, id, doing);
        self.after(delay, if departs { Event::Depart(run, id) } else { Event::Due(run, id) });
        Ok(())
    }

    fn add(&mut self, run: u32, id: EffectId, doing: Doing) {
        if let Some(process) = self.processes.get_mut(&run) {
            process.under_way.insert(id, doing);
        }
    }

    /// The machine has no use for the answer any more.
    fn stop(&mut self, run: u32, id: EffectId) -> Result<(), Violation> {
        // An adapter may fail to end it in time.
        let honoured = self.rng.u8(..10) < 8;
        let Some(process) = self.processes.get_mut(&run).filter(|_| honoured) else { return Ok(()) };
        let reply = match process.under_way.get(&id) {
            Some(Doing::Request(..) | Doing::Part(..)) if process.departed.contains(&id) => {
                Reply::Failed(TransportKind::Stopped, true)
            }
            Some(Doing::Request(..) | Doing::Part(..)) => Reply::Failed(TransportKind::Withdrawn, false),
            Some(Doing::Hash(..)) => Reply::Unreadable(SourceError::Stopped),
            Some(Doing::Wait(_)) => return self.due(run, id),
            Some(Doing::Refresh(..)) => {
                let Some(Doing::Refresh(ticket, _)) = process.under_way.remove(&id) else { return Ok(()) };
                return self.tell(run, ticket.refused("ended on request"));
            }
            _ => return Ok(()),
        };
        self.answer(run, id, reply)
    }

    /// An effect that needs no network is done.
    pub(super) fn due(&mut self, run: u32, id: EffectId) -> Result<(), Violation> {
        let failing = self.trouble > 0 && self.rng.f64() < self.setting.disk_rate;
        let local_time = self.local_time();
        let stores = |process: &Process| process.under_way.get(&id).is_some_and(Doing::stores);
        if failing && self.processes.get(&run).is_some_and(stores) {
            self.note(|| format!("run {run} {id}: the write fails"));
            self.befell(Fault::DiskFull);
        }
        let Some(process) = self.processes.get_mut(&run) else { return Ok(()) };
        let Some(doing) = process.under_way.remove(&id) else { return Ok(()) };
        let full = || StoreError::new("no space left");
        let answer = match doing {
            Doing::Save(ticket, write) if failing => {
                self.disk.apply_in_part(&write, &mut self.rng);
                ticket.failed(full())
            }
            Doing::Save(ticket, write) => {
                if self.disk.apply(&write) {
                    ticket.durable()
                } else {
                    ticket.failed(StoreError::new("there is no record to add to"))
                }
            }
            Doing::Forget(ticket) if failing => {
                self.processes.entry(run).and_modify(|process| process.forget_failed = true);
                ticket.failed(full())
            }
            Doing::Forget(ticket) => {
                self.disk.forget();
                ticket.durable()
            }
            Doing::Inspect(ticket) => {
                let (content, identity) = (self.source.content().clone(), self.source.identity());
                if let Some(process) = self.processes.get_mut(&run) {
                    process.inspected = content;
                    process.inspected_since = true;
                }
                ticket.found(identity)
            }
            Doing::Hash(ticket, range, integrity) => match self.source.digest(range, integrity) {
                Ok(digest) => ticket.hashed(digest),
                Err(at) => ticket.unreadable(SourceError::Shortened { at }),
            },
            Doing::Wait(ticket) => ticket.elapsed(),
            Doing::Refresh(ticket, problem) => match process.signer.refresh(&problem, local_time) {
                Ok(()) => ticket.refreshed(),
                Err(refused) => ticket.refused(refused.to_string()),
            },
            doing => return Err(format!("{doing:?} is not done without the network")),
        };
        self.tell(run, answer)
    }

    /// The machine is told.
    pub(super) fn tell(&mut self, run: u32, answer: Answer) -> Result<(), Violation> {
        let Some(process) = self.processes.get_mut(&run) else { return Ok(()) };
        process.steps += 1;
        process.upload.answer(answer).map_err(|misuse| format!("misuse: {misuse}"))?;
        let progress = process.upload.progress();
        let (sent, total) = std::mem::replace(&mut process.progress, (progress.sent, progress.total));
        if progress.sent > progress.total || (progress.total == total && progress.sent < sent) {
            return Err(format!("progress goes from {sent} of {total} to {progress:?}"));
        }
        Ok(())
    }
}
