//! A TCP proxy in front of the emulator that does to connections what networks do, at moments that a test can name.
//!
//! It knows bytes and turns, nothing of HTTP. What goes wrong is drawn from a seed when a connection is made, and
//! happens when so many bytes of the client have passed.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::common::PART;

/// Longer than anything here takes; only a hang takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// As much is passed on at a time, in bytes: what happens at a moment happens this near to it.
const CHUNK: usize = 4096;

/// What a network does to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It is closed, towards both sides, as by somebody who has had enough.
    Close,
    /// It is reset, towards both sides.
    Reset,
    /// The server gets all, and the connection is reset in place of its next answer.
    LoseAnswer,
    /// Nothing moves for so many milliseconds.
    Pause(u64),
    /// Nothing moves any more, and nobody is told.
    Silence,
}

/// What connections are to expect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// How many connections of a hundred have a fault.
    pub(crate) percent: u8,
    /// Which ones, each as likely as the next.
    pub(crate) faults: Vec<Fault>,
    /// Milliseconds that each [`CHUNK`] takes.
    pub(crate) slow: u64,
}

/// A point in what a network sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    /// So many bytes have passed, in both directions.
    Bytes(u64),
    /// A request or an answer begins, for the nth time.
    Message(u64),
}

/// What has passed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Traffic {
    pub(crate) bytes: u64,
    /// Requests and answers.
    pub(crate) messages: u64,
    pub(crate) connections: u64,
    /// Faults that came to pass, other than pauses.
    pub(crate) struck: u64,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    /// A connection was made or has ended, something has passed, or the rules have changed.
    changed: Condvar,
}

struct State {
    random: Rng,
    weather: Weather,
    traffic: Traffic,
    alarm: Option<(Moment, Box<dyn FnOnce() + Send>)>,
    held: bool,
    /// Connections that are still to fail until the network is back; while there are any, none works.
    outage: u64,
    /// Connections that have not ended.
    open: usize,
    ended: bool,
}

impl Proxy {
    /// A proxy in front of this server.
    pub(crate) fn start(server: SocketAddr, seed: u64) -> Self {
        let state = State {
            random: Rng::with_seed(seed),
            weather: Weather::default(),
            traffic: Traffic::default(),
            alarm: None,
            held: false,
            outage: 0,
            open: 0,
            ended: false,
        };
        let shared = Arc::new(Shared { server, state: Mutex::new(state), changed: Condvar::new() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.shared.state().traffic
    }

    /// What connections that are made from now on are to expect.
    pub(crate) fn set(&self, weather: Weather) {
        self.shared.state().weather = weather;
    }

    /// From now on there is no network, until so many connections were tried in vain.
    pub(crate) fn fail_next(&self, connections: u64) {
        self.shared.state().outage = connections;
    }

    /// Does this when the moment has come, before anything more passes on the connection that brings it; counted from
    /// now on.
    pub(crate) fn at(&self, moment: Moment, then: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.state();
        let Traffic { bytes, messages, .. } = state.traffic;
        let moment = match moment {
            Moment::Bytes(n) => Moment::Bytes(bytes + n),
            Moment::Message(n) => Moment::Message(messages + n),
        };
        state.alarm = Some((moment, Box::new(then)));
    }

    /// Does nothing any more at the moment that was named; false if it has been.
    pub(crate) fn disarm(&self) -> bool {
        self.shared.state().alarm.take().is_some()
    }

    /// Lets nothing pass until [`release`](Self::release).
    pub(crate) fn hold(&self) {
        self.shared.state().held = true;
    }

    pub(crate) fn release(&self) {
        self.shared.state().held = false;
        self.shared.changed.notify_all();
    }

    /// Waits until every connection has ended, on both sides: nothing that was sent is still on its way.
    pub(crate) fn wait_until_quiet(&self) {
        self.shared.wait(|state| state.open == 0);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.release();
        // The listener looks up.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, is_so: impl Fn(&State) -> bool) {
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, |state| !is_so(state));
        let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        assert!(!timed_out, "it never came to pass");
    }

    /// Takes note of bytes that are about to pass, and does what was to be done at this moment.
    fn account(&self, bytes: usize, begins_message: bool) {
        let mut state = self.state();
        state.traffic.bytes += bytes as u64;
        state.traffic.messages += u64::from(begins_message);
        let Traffic { bytes, messages, .. } = state.traffic;
        let due = state.alarm.take_if(|(moment, _)| match *moment {
            Moment::Bytes(n) => bytes > n,
            Moment::Message(n) => messages > n,
        });
        drop(state);
        if let Some((_, then)) = due {
            then();
        }
        self.changed.notify_all();
        let held = self.changed.wait_while(self.state(), |state| state.held);
        drop(held);
    }
}

/// Whose bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// A pair of sockets. It has ended when both of its pumps have let go of it, and the sockets are closed by then.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    fault: Option<(u64, Fault)>,
    slow: u64,
    turn: Mutex<Turn>,
    broken: AtomicBool,
}

/// Who speaks, and how much the client has said.
struct Turn {
    speaks: Side,
    sent: u64,
    paused: bool,
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let mut state = shared.state();
        if state.ended {
            return;
        }
        let Ok(client) = client else { continue };
        state.traffic.connections += 1;
        if state.outage > 0 {
            state.outage -= 1;
            state.traffic.struck += 1;
            drop(state);
            shared.changed.notify_all();
            continue;
        }
        state.open += 1;
        let Weather { percent, faults, slow } = state.weather.clone();
        let fault = (state.random.u8(0..100) < percent).then(|| {
            let after = state.random.u64(0..3 * PART as u64);
            (after, faults[state.random.usize(0..faults.len())])
        });
        drop(state);
        shared.changed.notify_all();
        let server = TcpStream::connect(shared.server).unwrap();
        for socket in [&client, &server] {
            socket.set_nodelay(true).unwrap();
        }
        // The client speaks first, which begins a message.
        let turn = Mutex::new(Turn { speaks: Side::Server, sent: 0, paused: false });
        let connection =
            Arc::new(Connection { client, server, fault, slow, turn, broken: AtomicBool::new(false) });
        let pumps = [Side::Client, Side::Server].map(|side| {
            let (connection, shared) = (Arc::clone(&connection), Arc::clone(shared));
            thread::spawn(move || connection.pump(side, &shared))
        });
        drop(connection);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            for pump in pumps {
                pump.join().unwrap();
            }
            shared.state().open -= 1;
            shared.changed.notify_all();
        });
    }
}

impl Connection {
    /// Passes on what one side says until it says no more, or the connection breaks.
    fn pump(&self, from: Side, shared: &Shared) {
        let (mut source, mut sink) = match from {
            Side::Client => (&self.client, &self.server),
            Side::Server => (&self.server, &self.client),
        };
        let mut buffer = [0; CHUNK];
        let mut heard = true;
        loop {
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if self.strikes(from, read, shared) {
                continue;
            }
            if self.broken.load(Ordering::SeqCst) {
                return;
            }
            if self.slow > 0 {
                thread::sleep(Duration::from_millis(self.slow));
            }
            // A side that hears nothing any more is no reason not to listen until the other one ends.
            heard = heard && sink.write_all(&buffer[..read]).is_ok();
        }
        if !self.broken.load(Ordering::SeqCst) {
            let _ = sink.shutdown(Shutdown::Write);
        }
    }

    /// Takes note of what was said, and whether it is lost.
    fn strikes(&self, from: Side, read: usize, shared: &Shared) -> bool {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = turn.speaks != from;
        turn.speaks = from;
        if from == Side::Client {
            turn.sent += read as u64;
        }
        let due = self.fault.filter(|(after, _)| turn.sent > *after).map(|(_, fault)| fault);
        let first = due.is_some() && !std::mem::replace(&mut turn.paused, true);
        drop(turn);
        shared.account(read, begins);
        let due = if shared.state().outage > 0 { Some(Fault::Reset) } else { due };
        match due {
            None => false,
            Some(Fault::LoseAnswer) if from == Side::Client => false,
            Some(Fault::Pause(millis)) => {
                if first {
                    thread::sleep(Duration::from_millis(millis));
                }
                false
            }
            Some(Fault::Silence) => {
                shared.state().traffic.struck += u64::from(first);
                true
            }
            Some(fault) => {
                if !self.broken.swap(true, Ordering::SeqCst) {
                    shared.state().traffic.struck += 1;
                    self.break_up(fault);
                }
                false
            }
        }
    }

    fn break_up(&self, fault: Fault) {
        for socket in [&self.client, &self.server] {
            if fault == Fault::Close {
                let _ = socket.shutdown(Shutdown::Both);
            } else {
                // Closed like this, a socket resets; the shutdown wakes the other pump, and is not told to the peer.
                rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
                let _ = socket.shutdown(Shutdown::Read);
            }
        }
    }
}
