//! A line to the endpoint: an HTTP agent with one connection, over which one request goes at a time.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderValue, TRANSFER_ENCODING};
use ossup_core::request::{MAX_ANSWER, Response};
use ossup_core::upload::TransportError;
use ureq::{Agent, AsSendBody, SendBody};

use crate::failure;
use crate::name::Later;
use crate::settings::Http;
use crate::wire::{Gate, Wire, WireConnector};

/// How many lines are kept for later while nobody uses them. Each holds a connection and its buffers.
const KEPT: usize = 16;

/// The lines of a client that nobody uses at present.
#[derive(Debug)]
pub(crate) struct Lines {
    http: Arc<Http>,
    idle: Mutex<Vec<Line>>,
}

impl Lines {
    pub(crate) fn new(http: Http) -> Self {
        Self { http: Arc::new(http), idle: Mutex::default() }
    }

    /// The line that was used last, whose connection is the likeliest still to stand; or a new one.
    pub(crate) fn take(&self) -> Line {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Line::new(Arc::clone(&self.http)))
    }

    pub(crate) fn give_back(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(line);
        }
    }
}

/// A signed request, with what matters for sending it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) request: http::Request<()>,
    /// How many bytes its body has.
    pub(crate) len: u64,
    /// Whether the server is to be asked before the body is sent.
    pub(crate) expects_continue: bool,
    /// How long the server may stay silent once it has the request.
    pub(crate) answer_within: Duration,
}

/// Whoever sends a request over a line, and may be told to end it.
pub(crate) trait Caller: Gate {
    /// The request goes over this agent. To end it, the agent is shut down.
    fn goes_over(&self, agent: Agent);

    /// The request is over: the agent must not be shut down any more. Whether it was not.
    fn leaves(&self) -> bool;

    /// Whether it is to be ended.
    fn is_stopped(&self) -> bool;
}

/// A line to the endpoint.
#[derive(Debug)]
pub(crate) struct Line {
    http: Arc<Http>,
    agent: Agent,
    wire: Arc<Wire>,
}

impl Line {
    fn new(http: Arc<Http>) -> Self {
        let wire = Arc::new(Wire::default());
        let agent = new_agent(&http, &wire);
        Self { http, agent, wire }
    }

    /// The state of the connection, for whoever produces a body.
    pub(crate) fn wire(&self) -> Arc<Wire> {
        Arc::clone(&self.wire)
    }

    /// Sends a request and reads the answer.
    pub(crate) fn send<C: Caller + 'static>(
        &mut self,
        caller: &Arc<C>,
        outgoing: Outgoing,
        body: &mut dyn Read,
    ) -> Result<Response, TransportError> {
        caller.goes_over(self.agent.clone());
        self.wire.begin(Arc::clone(caller) as Arc<dyn Gate>, outgoing.expects_continue);
        let result =
            if caller.is_stopped() { Err(None) } else { self.send_with_agent(outgoing, body).map_err(Some) };
        let sent = self.wire.end();
        if !caller.leaves() {
            // The agent is shut down for good, or will be at any moment.
            self.agent = new_agent(&self.http, &self.wire);
        }
        let stopped = caller.is_stopped();
        match result {
            // A connection that was shut looks like the end of an answer that says no other.
            Ok(response) if stopped && !says_its_end(&response) => Err(TransportError::stopped()),
            Ok(response) => Ok(response),
            Err(Some(error)) if !stopped => Err(failure::classify(&error, sent)),
            Err(_) if sent => Err(TransportError::stopped()),
            Err(_) => Err(TransportError::withdrawn()),
        }
    }

    fn send_with_agent(&self, outgoing: Outgoing, body: &mut dyn Read) -> Result<Response, ureq::Error> {
        let Outgoing { mut request, len, expects_continue, answer_within } = outgoing;
        let has_body = len > 0 || request.headers().contains_key(CONTENT_LENGTH);
        if has_body {
            // What goes over the line is what the headers say.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
        }
        if expects_continue && len > 0 {
            request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
        }
        if has_body {
            self.run(request.map(|()| SendBody::from_reader(body)), answer_within)
        } else {
            self.run(request, answer_within)
        }
    }

    fn run(
        &self,
        request: http::Request<impl AsSendBody>,
        answer_within: Duration,
    ) -> Result<Response, ureq::Error> {
        let request = self
            .agent
            .configure_request(request)
            .timeout_recv_response(Some(answer_within))
            .timeout_recv_body(Some(answer_within))
            // Or else it would cut the patience short.
            .timeout_per_read(Some(answer_within.max(self.http.stall_timeout)))
            .build();
        let (mut parts, body) = self.agent.run(request)?.into_parts();
        // ureq leaves the address there, which can contain a signature.
        parts.extensions.clear();
        let mut content = Vec::new();
        body.into_reader().take(MAX_ANSWER as u64).read_to_end(&mut content)?;
        Ok(Response::from_parts(parts, Bytes::from(content)))
    }
}

fn new_agent(http: &Http, wire: &Arc<Wire>) -> Agent {
    let proxied = http.config.proxy().is_some();
    let connector = WireConnector::new(Arc::clone(wire), proxied, Arc::clone(&http.tls));
    Agent::with_parts(http.config.clone(), connector, Later)
}

/// Whether it can be seen in the answer itself where its body ends.
fn says_its_end(response: &Response) -> bool {
    let headers = response.headers();
    response.body().is_empty()
        || headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests;
