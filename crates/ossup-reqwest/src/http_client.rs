//! One request over HTTP, from its signature to the last byte of its answer, and whatever ends it before.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT, HeaderValue};
use ossup_core::request::{MAX_ANSWER, Response};
use ossup_core::upload::{TransportError, TransportKind};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{Content, WatchedBody};
use crate::failure;
use crate::feed::Feed;
use crate::task::Stop;

/// The connections of a client, and how long they may stand still.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) client: reqwest::Client,
    pub(crate) standing: Standing,
    pub(crate) connect_timeout: Duration,
    pub(crate) stall_timeout: Duration,
}

/// A signed request, with what matters for sending it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) request: http::Request<()>,
    pub(crate) content: Content,
    /// Whether the server is to be asked before the body is sent.
    pub(crate) expects_continue: bool,
    /// How long the server may stay silent once it has the request.
    pub(crate) answer_within: Duration,
}

/// How an exchange came to its end.
enum Ending {
    Over(Result<Response, reqwest::Error>),
    Stalled,
    Stopped,
}

impl Http {
    /// Sends a request and reads the answer.
    pub(crate) async fn send(
        &self,
        feed: &Arc<Feed>,
        outgoing: Outgoing,
        stop: &mut Stop,
    ) -> Result<Response, TransportError> {
        let answer_within = outgoing.answer_within;
        let is_empty = outgoing.content.len() == 0;
        let request = make(outgoing, feed)?;
        let patience = if is_empty {
            // When the connection stood, and it was sent, cannot be seen.
            feed.awaits_answer();
            answer_within.saturating_add(self.connect_timeout)
        } else {
            answer_within
        };
        let ending = tokio::select! {
            biased;
            result = exchange(&self.client, request, feed) => Ending::Over(result),
            () = feed.stalls(self.stall_timeout, patience) => Ending::Stalled,
            () = stop.asked() => Ending::Stopped,
        };
        // From here on reqwest has nothing of ours any more but a body that has been begun.
        let begun = feed.close();
        // If no connection has ever stood, nothing was sent; if one has, it may have taken a request without a body.
        let sent = if is_empty { self.standing.has_stood() } else { begun };
        match ending {
            Ending::Over(result) => result.map_err(failure::classify),
            Ending::Stalled => Err(TransportError::new(TransportKind::Stalled, "nothing moved for too long")),
            Ending::Stopped if sent => Err(TransportError::stopped()),
            Ending::Stopped => Err(TransportError::withdrawn()),
        }
    }
}

/// The request in reqwest's terms.
fn make(outgoing: Outgoing, feed: &Arc<Feed>) -> Result<reqwest::Request, TransportError> {
    let Outgoing { mut request, content, expects_continue, .. } = outgoing;
    let len = content.len();
    let asks = expects_continue && len > 0;
    if len > 0 || request.headers().contains_key(CONTENT_LENGTH) {
        // What goes over the line is what the headers say.
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    if asks {
        request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    let wanted = request.uri().clone();
    let body = if len == 0 {
        reqwest::Body::from(Bytes::new())
    } else {
        reqwest::Body::wrap(WatchedBody::new(content, asks, Arc::clone(feed)))
    };
    let made = reqwest::Request::try_from(request.map(|()| body)).map_err(failure::classify)?;
    // A URL is not always what it was made of, and a signature is over what it was made of.
    if made.url().path() == wanted.path() && made.url().query() == wanted.query() {
        Ok(made)
    } else {
        let message = "reqwest would send the request to another path than it is signed for";
        Err(TransportError::new(TransportKind::Signing, message))
    }
}

async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    feed: &Feed,
) -> Result<Response, reqwest::Error> {
    let mut answer = client.execute(request).await?;
    feed.hold();
    let mut content = BytesMut::new();
    while let Some(piece) = answer.chunk().await? {
        let room = MAX_ANSWER - content.len();
        content.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if content.len() == MAX_ANSWER {
            break;
        }
    }
    let mut response = Response::new(content.freeze());
    *response.status_mut() = answer.status();
    *response.version_mut() = answer.version();
    std::mem::swap(response.headers_mut(), answer.headers_mut());
    Ok(response)
}

/// Whether any connection has ever stood. As long as none has, nothing can have been sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing(Arc<AtomicBool>);

impl Standing {
    fn has_stood(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl<S> Layer<S> for Standing {
    type Service = Noting<S>;

    fn layer(&self, inner: S) -> Noting<S> {
        Noting { inner, standing: self.clone() }
    }
}

/// Makes connections, and notes it when one stands.
#[derive(Clone, Debug)]
pub(crate) struct Noting<S> {
    inner: S,
    standing: Standing,
}

impl<S, R> Service<R> for Noting<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.inner.call(request);
        let Standing(has_stood) = self.standing.clone();
        Box::pin(async move {
            let connection = connecting.await?;
            has_stood.store(true, Ordering::SeqCst);
            Ok(connection)
        })
    }
}
