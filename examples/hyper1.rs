//! One HTTP/1.1 request over a connection of its own, by hyper 1.x on tokio's sockets: whatever a stack owes the machine,
//! which is the class of every failure, how much went out, and a limit on standing still. No TLS, no proxies.

use std::error::Error;
use std::io::{self, Read as _};
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use ossup_core::request::{MAX_ANSWER, Response};
use ossup_core::upload::{SourceError, TransportError, TransportKind};
use ossup_fs::RangeReader;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::async_hands::off;

/// How long to wait for a connection, and for bytes to go out.
const STALL: Duration = Duration::from_secs(30);

/// Sends a request whose body is what was given and then what is read, and waits for the answer. With it comes how many
/// bytes of the body have gone out.
pub(crate) async fn send(
    signed: http::Request<()>,
    inline: Bytes,
    reader: Option<RangeReader>,
    answer_within: Duration,
) -> Result<(Response, u64), Trouble> {
    // It is told of every piece that goes out, and dropped behind the last one.
    let (pulse, moved) = watch::channel(0);
    let body = StreamBody::new(pieces(inline, reader, pulse));
    tokio::select! {
        answer = exchange(signed, body) => Ok((answer?, *moved.borrow())),
        () = silence(moved.clone(), answer_within) => {
            Err(TransportError::new(TransportKind::Stalled, "nothing has moved for too long").into())
        }
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
                    let mut piece = BytesMut::zeroed(16 << 10);
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

/// Why there is no answer.
pub(crate) enum Trouble {
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
