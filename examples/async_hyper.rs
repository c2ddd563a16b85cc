//! Uploads over hyper 1.x, by hand, on tokio: as many parts in flight as the machine wants.
//!
//! An effect becomes a task. To stop an effect is to abort its task; the ticket is lost with it, and the machine is told
//! by `Upload::abandon`, as it is of a task that panics. Dropping the future of `upload` aborts all of them, and leaves
//! parts and record for a later run.
//!
//! ```sh
//! OSS_REGION=cn-hangzhou OSS_ACCESS_KEY_ID=… OSS_ACCESS_KEY_SECRET=… \
//!     cargo run -p ossup-examples --example async_hyper -- http://127.0.0.1:9000 film.mp4 oss://bucket/film.mp4
//! ```

mod settings;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read as _};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use ossup_core::digest::{ContentDigest, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::request::{Body, MAX_ANSWER, PartRequest, Request, Response};
use ossup_core::sign::Signer;
use ossup_core::upload::{
    Answer, Cancel, Effect, EffectId, Misuse, Outcome, PartTicket, SourceError, StoreError, TransportError,
    TransportKind, Turn,
};
use ossup_fs::{Begun, CheckpointRecord, FileSource, RangeReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

/// How long to wait for a connection, and for bytes to go out.
const STALL: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = settings::from_arguments()?;
    let signer: Arc<dyn Signer> = Arc::new(settings.signer);
    for begun in settings.begun {
        println!("{:?}", upload(begun, Arc::clone(&signer), std::future::pending()).await?.end);
    }
    Ok(())
}

/// Uploads until the end, or until `cancelled` comes to be.
pub(crate) async fn upload(
    begun: Begun,
    signer: Arc<dyn Signer>,
    cancelled: impl Future<Output = Cancel>,
) -> Result<Outcome, Misuse> {
    let Begun { mut upload, source, record, mut listeners, .. } = begun;
    let hands = Arc::new(Hands { source, record: Mutex::new(record), signer });
    let (mut cancelled, mut is_cancelled) = (pin!(cancelled), false);
    let mut tasks = JoinSet::new();
    let mut under_way: BTreeMap<EffectId, AbortHandle> = BTreeMap::new();
    loop {
        match upload.turn() {
            Turn::Do(Effect::Stop(id)) => under_way.get(&id).into_iter().for_each(AbortHandle::abort),
            Turn::Do(effect) => {
                let id = effect.id();
                under_way.insert(id, tasks.spawn(Arc::clone(&hands).execute(effect)));
            }
            Turn::Blocked => tokio::select! {
                how = &mut cancelled, if !is_cancelled => {
                    is_cancelled = true;
                    upload.cancel(how);
                }
                Some(ended) = tasks.join_next_with_id() => match ended {
                    Ok((_, answer)) => {
                        under_way.remove(&answer.id());
                        upload.answer(answer)?;
                    }
                    Err(lost) => {
                        let id = under_way.iter().find(|(_, task)| task.id() == lost.id()).map(|(id, _)| *id);
                        if let Some(id) = id {
                            under_way.remove(&id);
                            upload.abandon(id)?;
                        }
                    }
                },
            },
            Turn::Finished(outcome) => {
                listeners.tell_end(&outcome);
                return Ok(*outcome);
            }
        }
        listeners.tell(&mut upload);
    }
}

/// What effects are executed with.
struct Hands {
    source: Option<FileSource>,
    record: Mutex<Option<Box<dyn CheckpointRecord>>>,
    signer: Arc<dyn Signer>,
}

impl Hands {
    async fn execute(self: Arc<Self>, effect: Effect) -> Answer {
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
                off(move || match self.signer.refresh(&problem, settings::now()) {
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
        let signed = off(move || hands.signer.sign(&unsigned, settings::now())).await;
        let signed = signed.map_err(TransportError::unsigned)?;
        // It is told of every piece that goes out, and dropped behind the last one.
        let (pulse, moved) = watch::channel(0);
        let reader = match request.body() {
            Body::Source(range) => Some(self.source().map_err(Trouble::Source)?.reader(*range)),
            Body::Empty | Body::Inline(_) => None,
        };
        let inline = if let Body::Inline(bytes) = request.body() { bytes.clone() } else { Bytes::new() };
        let body = StreamBody::new(pieces(inline, reader, pulse));
        let len = request.body().len();
        tokio::select! {
            answer = exchange(signed, body) => Ok((answer?, *moved.borrow() == len)),
            () = silence(moved.clone(), request.answer_within()) => {
                Err(TransportError::new(TransportKind::Stalled, "nothing has moved for too long").into())
            }
        }
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

fn stored(result: Result<(), StoreError>, ticket: ossup_core::upload::StoreTicket) -> Answer {
    match result {
        Ok(()) => ticket.durable(),
        Err(error) => ticket.failed(error),
    }
}

/// Does what blocks on a thread where that is allowed.
async fn off<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(act).await {
        Ok(done) => done,
        // The panic goes on in the task, and the machine is told that it is lost.
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// A body, read piece by piece as the socket takes it.
fn pieces(
    inline: Bytes,
    reader: Option<RangeReader>,
    pulse: watch::Sender<u64>,
) -> impl Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static {
    stream::try_unfold((inline, reader, pulse), |(inline, reader, pulse)| async move {
        let (piece, reader) = match reader {
            Some(mut reader) => {
                let read = move || {
                    let mut piece = BytesMut::zeroed(128 << 10);
                    let len = reader.read(&mut piece)?;
                    piece.truncate(len);
                    io::Result::Ok((piece.freeze(), Some(reader)))
                };
                off(read).await?
            }
            None => (inline, None),
        };
        pulse.send_modify(|sent| *sent += piece.len() as u64);
        Ok((!piece.is_empty()).then(|| (Frame::data(piece), (Bytes::new(), reader, pulse))))
    })
}

/// Ends when bytes have not gone out for too long, or all are out and there is no answer.
async fn silence(mut moved: watch::Receiver<u64>, answer_within: Duration) {
    while let Ok(changed) = timeout(STALL, moved.changed()).await {
        if changed.is_err() {
            return sleep(answer_within).await;
        }
    }
}

/// Sends a request over a connection of its own, and reads the answer.
async fn exchange<S>(request: http::Request<()>, body: StreamBody<S>) -> Result<Response, Trouble>
where
    S: Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static,
{
    let not_connected = |why: &dyn std::fmt::Display| {
        Trouble::Transport(TransportError::new(TransportKind::Connect, why.to_string()))
    };
    let uri = request.uri().clone();
    // TLS would come between the socket and hyper: `tokio_rustls::TlsConnector`.
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(not_connected(&"this example speaks no TLS"));
    };
    let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let socket = match timeout(STALL, TcpStream::connect(address)).await {
        Ok(socket) => socket.map_err(|error| not_connected(&error))?,
        Err(elapsed) => return Err(not_connected(&elapsed)),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(|error| not_connected(&error))?;
    let (mut head, ()) = request.into_parts();
    if let (false, Some(authority)) = (head.headers.contains_key("host"), uri.authority()) {
        let host = authority
            .as_str()
            .parse()
            .map_err(|error: http::header::InvalidHeaderValue| not_connected(&error))?;
        head.headers.insert("host", host);
    }
    head.uri = uri.path_and_query().cloned().map_or_else(http::Uri::default, Into::into);
    let exchange = async {
        let (head, body) = sender.send_request(http::Request::from_parts(head, body)).await?.into_parts();
        // Nobody's word is taken for how much memory to spend.
        let body = Limited::new(body, MAX_ANSWER).collect().await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(http::Response::from_parts(head, body.to_bytes()))
    };
    let mut exchange = pin!(exchange);
    let answer = tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // What has arrived before the connection ended is still to be read.
        _ = connection => exchange.await,
    };
    answer.map_err(|error| Trouble::of(&*error))
}

enum Trouble {
    Transport(TransportError),
    Source(SourceError),
}

impl From<TransportError> for Trouble {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl Trouble {
    /// A body that could not be read is not the network's fault: its error is at the bottom of hyper's.
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        let mut words = Vec::new();
        while let Some(at) = cause {
            let inner = at.downcast_ref::<io::Error>().and_then(|error| error.get_ref()?.downcast_ref());
            if let Some(unreadable) = inner.or_else(|| at.downcast_ref::<SourceError>()) {
                return Self::Source(SourceError::clone(unreadable));
            }
            words.push(at.to_string());
            cause = at.source();
        }
        Self::Transport(TransportError::new(TransportKind::Broken, words.join(": ")))
    }
}
