//! Between ureq and the socket: what was sent, and what a server says last.
//!
//! Two transports of ours stand in the way of the bytes. [`Gated`], on top of TLS, asks before the first byte of a
//! request goes out whether it may: so it is known for each failure whether anything was sent. [`LastWords`] stands
//! below TLS: when a server answers early and closes, it keeps the failure to write to itself until the answer has
//! been read, for the answer is worth more.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector,
    SocksConnector, TcpConnector, Transport,
};

use crate::name;

/// What must be asked before the first byte of a request goes out.
pub(crate) trait Gate: Send + Sync {
    /// Whether it may go. From then on the request counts as sent.
    fn open(&self) -> bool;
}

/// The state of a line's connection, of one request at a time, as all know it who have to do with it.
#[derive(Default)]
pub(crate) struct Wire {
    gate: Mutex<Option<Arc<dyn Gate>>>,
    /// The server is asked before the body is sent.
    asking: AtomicBool,
    talking: AtomicBool,
    broken: AtomicBool,
}

impl Wire {
    /// A request is to go out if the gate opens.
    pub(crate) fn begin(&self, gate: Arc<dyn Gate>, asking: bool) {
        self.asking.store(asking, Ordering::Relaxed);
        self.talking.store(false, Ordering::Relaxed);
        self.broken.store(false, Ordering::Relaxed);
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = Some(gate);
    }

    /// Ends the request and says whether any of it may have been sent.
    pub(crate) fn end(&self) -> bool {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.talking.load(Ordering::Relaxed)
    }

    /// Whether nothing more can be written, and all that is left to do is to read what the server said before.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    fn may_talk(&self) -> bool {
        if self.talking.load(Ordering::Relaxed) {
            return true;
        }
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let open = gate.is_some_and(|gate| gate.open());
        self.talking.store(open, Ordering::Relaxed);
        open
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire")
            .field("talking", &self.talking)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// Makes the connections of one line.
#[derive(Debug)]
pub(crate) struct WireConnector {
    wire: Arc<Wire>,
    /// Whether there is a proxy.
    proxied: bool,
    /// Shared by all lines, so that the trusted certificates and the TLS sessions are.
    tls: Arc<RustlsConnector>,
}

impl WireConnector {
    pub(crate) fn new(wire: Arc<Wire>, proxied: bool, tls: Arc<RustlsConnector>) -> Self {
        Self { wire, proxied, tls }
    }
}

impl Connector<()> for WireConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Box<dyn Transport>>, ureq::Error> {
        let names = DefaultResolver::default();
        let details = &name::resolved(details, &names)?;
        let sockets =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default());
        let Some(socket) = sockets.connect(details, chained)? else { return Ok(None) };
        let socket = LastWords { inner: socket, wire: Arc::clone(&self.wire), failed: None, primed: false };
        let Some(transport) = self.tls.connect(details, Some(socket))? else { return Ok(None) };
        // ureq comes by here for the connection to a proxy too, which is not yet the one to the server.
        if self.proxied && details.config.proxy().is_none() {
            return Ok(Some(Box::new(transport)));
        }
        Ok(Some(Box::new(Gated { inner: transport, wire: Arc::clone(&self.wire), primed: false })))
    }
}

/// Asks the gate.
#[derive(Debug)]
struct Gated<T> {
    inner: T,
    wire: Arc<Wire>,
    /// There may be input that ureq has not looked at as an answer.
    primed: bool,
}

impl<T: Transport> Transport for Gated<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if !self.wire.may_talk() {
            return Err(io::Error::other("ended on request").into());
        }
        if self.wire.is_broken() {
            return Ok(());
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if std::mem::take(&mut self.primed) && !self.inner.buffers().input().is_empty() {
            return Ok(true);
        }
        let more = self.inner.await_input(timeout)?;
        // ureq 3.5 waits for more input when what came in place of `100 Continue` was all of the answer.
        self.primed = more && self.wire.asking.load(Ordering::Relaxed);
        Ok(more)
    }

    fn is_open(&mut self) -> bool {
        !self.wire.is_broken() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Listens to a server to which nothing more can be written.
#[derive(Debug)]
struct LastWords<T> {
    inner: T,
    wire: Arc<Wire>,
    /// Why nothing more can be written.
    failed: Option<ureq::Error>,
    /// There is input that was not asked for yet.
    primed: bool,
}

/// How long is looked whether a server that has stopped reading has answered. It would have done so long before.
const A_LOOK: Duration = Duration::from_millis(10);

/// Only what is there.
fn a_look(timeout: NextTimeout) -> NextTimeout {
    NextTimeout { after: A_LOOK.into(), ..timeout }
}

impl<T: Transport> LastWords<T> {
    /// Whether there may be an answer to read, though writing has failed.
    fn may_have_answered(&mut self, error: &ureq::Error, timeout: NextTimeout) -> bool {
        match error {
            // Reading does not wait then: there is something, or there is the end.
            ureq::Error::Io(_) => true,
            ureq::Error::Timeout(_) => {
                self.primed = self.inner.await_input(a_look(timeout)).unwrap_or(false);
                self.primed
            }
            _ => false,
        }
    }
}

impl<T: Transport> Transport for LastWords<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.failed.is_some() {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(error) if self.may_have_answered(&error, timeout) => {
                self.wire.broken.store(true, Ordering::Relaxed);
                self.failed = Some(error);
                Ok(())
            }
            result => result,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if std::mem::take(&mut self.primed) && !self.inner.buffers().input().is_empty() {
            return Ok(true);
        }
        let timeout = if self.failed.is_some() { a_look(timeout) } else { timeout };
        match self.inner.await_input(timeout) {
            Ok(true) => Ok(true),
            // There was no answer: what counts is why writing failed.
            result => self.failed.take().map_or(result, Err),
        }
    }

    fn is_open(&mut self) -> bool {
        self.failed.is_none() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
