//! Connections: accepting them, no more than a bound, and ending them when the server stops.

use std::error::Error as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::body::Cut;
use super::callback::Caller;
use super::{Limits, service};
use crate::model::Model;

/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// How large the head of a request may be, and the read buffer with it.
const MAX_HEAD: usize = 512 * 1024;
const MAX_HEADERS: usize = 256;

/// What a port is for.
#[derive(Clone)]
pub(super) enum Role {
    /// OSS, and the console where it is wanted.
    Oss { console: bool, caller: Arc<Caller>, tls: Option<TlsAcceptor> },
    /// The admin interface.
    Admin,
}

/// Serves until told to stop.
pub(super) async fn accept(
    listener: TcpListener,
    model: Arc<Model>,
    role: Role,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await;
            (listener.accept().await, slot)
        };
        let (stream, slot) = tokio::select! {
            (Ok((stream, _)), Ok(slot)) = accepted => (stream, slot),
            _ = stopped.changed() => break,
            // Out of file descriptors, most likely: the next attempt waits a little.
            else => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let (model, role, stopped) = (model.clone(), role.clone(), stopped.clone());
        connections.spawn(async move {
            connection(stream, model, role, stopped).await;
            drop(slot);
        });
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // What has not ended by then is cut off with the runtime.
    let _ = tokio::time::timeout(limits.grace, all_ended).await;
}

async fn connection(stream: TcpStream, model: Arc<Model>, role: Role, stopped: watch::Receiver<bool>) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let tls = match &role {
        Role::Oss { tls, .. } => tls.clone(),
        Role::Admin => None,
    };
    let Some(tls) = tls else {
        if let Some(stream) = speak(stream, model, role, stopped).await {
            reset(&stream);
        }
        return;
    };
    // A client that does not get through the handshake knows why.
    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_WITHIN, tls.accept(stream)).await
        && let Some(stream) = speak(stream, model, role, stopped).await
    {
        reset(stream.get_ref().0);
    }
}

/// Has the connection end with a reset when it is dropped.
fn reset(stream: &TcpStream) {
    // Without, it ends in order: a client then meets the gentler of two faults.
    let _ = stream.set_zero_linger();
}

/// Serves one connection until it ends; gives it back if it is to be reset.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    model: Arc<Model>,
    role: Role,
    mut stopped: watch::Receiver<bool>,
) -> Option<S> {
    let serve = service_fn(move |mut request| {
        let (model, role) = (model.clone(), role.clone());
        async move {
            match role {
                Role::Oss { console, caller, tls } => {
                    let scheme = if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                    request.extensions_mut().insert(scheme);
                    service::serve(model, console, caller, request).await
                }
                Role::Admin => service::administer(model, request).await,
            }
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), serve);
    // How a connection ended is in the journal, as far as it concerns a request.
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = stopped.changed() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let cut = ended.err().and_then(|error| error.source()?.downcast_ref::<Cut>().copied());
    (cut == Some(Cut::Reset)).then(|| connection.into_parts().io.into_inner())
}
