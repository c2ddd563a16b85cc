//! What the asynchronous driver carries out effects with: the file, the record, whoever signs, and `hyper1`.
//!
//! Each effect is a future with its answer. Dropped, it ends what it had begun.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ossup_core::digest::{ContentDigest, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::request::{Body, PartRequest, Request, Response};
use ossup_core::sign::Signer;
use ossup_core::upload::{Answer, Effect, PartTicket, SourceError, StoreError, StoreTicket, TransportError};
use ossup_fs::{CheckpointRecord, FileSource};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::hyper1::{self, Trouble};
use super::settings::now;

pub(crate) struct Hands {
    source: Option<FileSource>,
    record: Mutex<Option<Box<dyn CheckpointRecord>>>,
    signer: Arc<dyn Signer>,
}

impl Hands {
    pub(crate) fn new(
        source: Option<FileSource>,
        record: Option<Box<dyn CheckpointRecord>>,
        signer: Arc<dyn Signer>,
    ) -> Self {
        Self { source, record: Mutex::new(record), signer }
    }

    pub(crate) async fn execute(self: Arc<Self>, effect: Effect) -> Answer {
        match effect {
            Effect::Send(ticket, request) => match self.send(&request).await {
                Ok((response, _)) => ticket.responded(response),
                Err(Trouble::Transport(error)) => ticket.failed(error),
                Err(Trouble::Source(error)) => ticket.failed(TransportError::unsigned(error)),
            },
            Effect::SendPart(ticket, part) => self.send_part(ticket, &part).await,
            Effect::Wait(ticket, time) => {
                sleep(time).await;
                ticket.elapsed()
            }
            Effect::Hash(ticket, range, what) => match self.digest(range, what).await {
                Ok(digest) => ticket.hashed(digest),
                Err(error) => ticket.unreadable(error),
            },
            // The rest may block. The machine stops none of it, and has one write to the record under way at a time.
            Effect::Save(ticket, write) => {
                off(move || stored(self.with_record(|record| record.apply(&write)), ticket)).await
            }
            Effect::Forget(ticket) => {
                off(move || stored(self.with_record(|record| record.forget()), ticket)).await
            }
            Effect::Inspect(ticket) => {
                off(move || match self.source().and_then(FileSource::inspect) {
                    Ok(identity) => ticket.found(identity),
                    Err(error) => ticket.unreadable(error),
                })
                .await
            }
            Effect::Refresh(ticket, problem) => {
                off(move || match self.signer.refresh(&problem, now()) {
                    Ok(()) => ticket.refreshed(),
                    Err(refused) => ticket.refused(refused.to_string()),
                })
                .await
            }
            Effect::Stop(_) => unreachable!("it is not executed"),
        }
    }

    async fn send_part(self: Arc<Self>, ticket: PartTicket, part: &PartRequest) -> Answer {
        // The digest goes ahead of the bytes, so they are read twice; the second time from the system's cache.
        let digest = match self.digest(part.range(), part.integrity()).await {
            Ok(digest) => digest,
            Err(error) => return ticket.unreadable(error),
        };
        let request = match part.with_digest(&digest) {
            Ok(request) => request,
            Err(error) => return ticket.failed(TransportError::unsigned(error), None),
        };
        match self.send(&request).await {
            Ok((response, true)) => ticket.responded(response, digest),
            Ok((response, false)) => ticket.responded_early(response),
            Err(Trouble::Transport(error)) => ticket.failed(error, Some(digest)),
            Err(Trouble::Source(error)) => ticket.unreadable(error),
        }
    }

    async fn digest(
        self: &Arc<Self>,
        range: ByteRange,
        what: Integrity,
    ) -> Result<ContentDigest, SourceError> {
        // When this task is aborted, `here` is gone, and the thread that reads notices.
        let here = Arc::new(());
        let (there, hands) = (Arc::downgrade(&here), Arc::clone(self));
        let digest =
            off(move || hands.source()?.digest(range, what, move || there.strong_count() == 0)).await;
        drop(here);
        digest
    }

    /// The answer, and whether all of the body went out.
    async fn send(self: &Arc<Self>, request: &Request) -> Result<(Response, bool), Trouble> {
        let (hands, unsigned) = (Arc::clone(self), request.clone());
        let signed = off(move || hands.signer.sign(&unsigned, now())).await;
        let signed = signed.map_err(TransportError::unsigned)?;
        let reader = match request.body() {
            Body::Source(range) => Some(self.source().map_err(Trouble::Source)?.reader(*range)),
            Body::Empty | Body::Inline(_) => None,
        };
        let inline = if let Body::Inline(bytes) = request.body() { bytes.clone() } else { Bytes::new() };
        let (answer, sent) = hyper1::send(signed, inline, reader, request.answer_within()).await?;
        Ok((answer, sent == request.body().len()))
    }

    fn source(&self) -> Result<&FileSource, SourceError> {
        self.source.as_ref().ok_or_else(|| SourceError::Io("there is none".into()))
    }

    fn with_record(
        &self,
        act: impl FnOnce(&mut dyn CheckpointRecord) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut **record.as_mut().ok_or_else(|| StoreError::new("there is nowhere to keep it"))?)
    }
}

fn stored(result: Result<(), StoreError>, ticket: StoreTicket) -> Answer {
    match result {
        Ok(()) => ticket.durable(),
        Err(error) => ticket.failed(error),
    }
}

/// Does what blocks on a thread where that is allowed.
pub(crate) async fn off<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(act).await {
        Ok(done) => done,
        // The panic goes on in the task, and the machine is told that it is lost.
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
