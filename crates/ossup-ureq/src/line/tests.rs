use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use ossup_core::upload::TransportKind;

use super::*;
use crate::settings::HttpSettings;

/// Longer than any test; what waits for so long has failed to be interrupted.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// As short as makes a difference.
const SOON: Duration = Duration::from_millis(50);

fn line(settings: HttpSettings) -> Line {
    Lines::new(settings.into_http()).take()
}

fn direct() -> HttpSettings {
    HttpSettings::new().no_proxy().stall_timeout(FOR_EVER).unwrap()
}

/// A server that does as it is told, on a thread of its own.
fn server<R: Send + 'static>(
    behaviour: impl FnOnce(&TcpListener) -> R + Send + 'static,
) -> (SocketAddr, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || behaviour(&listener)))
}

/// Reads the headers of a request: its first line, and the rest in lower case.
fn read_head(stream: &mut impl BufRead) -> (String, String) {
    let mut first = String::new();
    stream.read_line(&mut first).unwrap();
    let mut rest = String::new();
    while !rest.ends_with("\r\n\r\n") && rest != "\r\n" {
        assert!(stream.read_line(&mut rest).unwrap() > 0, "the head of a request ended early");
    }
    (first.trim_end().to_owned(), rest.to_lowercase())
}

/// A caller with nobody behind it.
#[derive(Default)]
struct Nobody {
    opened: AtomicBool,
    stopped: AtomicBool,
    agent: Mutex<Option<Agent>>,
}

impl Nobody {
    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        if let Some(agent) = self.agent.lock().unwrap().take() {
            agent.shutdown();
        }
    }
}

impl Gate for Nobody {
    fn open(&self) -> bool {
        self.opened.store(true, Ordering::SeqCst);
        !self.stopped.load(Ordering::SeqCst)
    }
}

impl Caller for Nobody {
    fn goes_over(&self, agent: Agent) {
        *self.agent.lock().unwrap() = Some(agent);
    }

    fn leaves(&self) -> bool {
        self.agent.lock().unwrap().take().is_some()
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// A body that counts what was taken of it, and goes faster once nobody takes it any more.
struct Counted {
    left: u64,
    read: Arc<AtomicU64>,
    wire: Arc<Wire>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = usize::try_from(self.left).unwrap().min(buffer.len());
        if !self.wire.is_broken() {
            self.read.fetch_add(n as u64, Ordering::SeqCst);
        }
        self.left -= n as u64;
        Ok(n)
    }
}

fn outgoing(method: &str, address: SocketAddr, len: u64) -> Outgoing {
    let mut request = http::Request::builder().method(method).uri(format!("http://{address}/key"));
    if method == "PUT" || method == "POST" {
        request = request.header(CONTENT_LENGTH, len);
    }
    Outgoing { request: request.body(()).unwrap(), len, expects_continue: false, answer_within: FOR_EVER }
}

fn put(line: &mut Line, outgoing: Outgoing) -> (Result<Response, TransportError>, u64) {
    let read = Arc::new(AtomicU64::new(0));
    let mut body = Counted { left: outgoing.len, read: Arc::clone(&read), wire: line.wire() };
    let result = line.send(&Arc::new(Nobody::default()), outgoing, &mut body);
    (result, read.load(Ordering::SeqCst))
}

fn get(line: &mut Line, address: SocketAddr) -> Result<Response, TransportError> {
    line.send(&Arc::new(Nobody::default()), outgoing("GET", address, 0), &mut io::empty())
}

fn kind(result: Result<Response, TransportError>) -> TransportKind {
    result.unwrap_err().kind
}

#[test]
fn every_status_is_an_answer_and_the_connection_is_used_again() {
    let (address, server) = server(|listener| {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut heads = Vec::new();
        for answer in [
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\nx-oss-request-id: R\r\n\r\noh no",
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
        ] {
            heads.push(read_head(&mut reader));
            (&stream).write_all(answer.as_bytes()).unwrap();
        }
        heads
    });
    let mut line = line(direct());
    let response = get(&mut line, address).unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (500, &b"oh no"[..]));
    assert_eq!(response.headers()["x-oss-request-id"], "R");
    assert!(response.extensions().is_empty(), "ureq leaves the address here");
    assert_eq!(get(&mut line, address).unwrap().status(), 302);
    let (response, _) = put(&mut line, outgoing("POST", address, 0));
    assert_eq!(response.unwrap().status(), 204);
    let heads = server.join().unwrap();
    assert!(heads[0].1.contains(&format!("user-agent: ossup/{}\r\n", env!("CARGO_PKG_VERSION"))));
    assert!(!heads[0].1.contains("gzip"));
    assert_eq!(heads[2].0, "POST /key HTTP/1.1");
    assert!(heads[2].1.contains("content-length: 0\r\n"), "{}", heads[2].1);
}

#[test]
fn an_address_reaches_the_server_as_it_is() {
    let (address, server) = server(|listener| {
        let (stream, _) = listener.accept().unwrap();
        let (first, _) = read_head(&mut BufReader::new(&stream));
        (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        first
    });
    let path = "/a/%2E%2E/./../b%20c%2Bd?uploadId=x%2Fy&uploads";
    let request = http::Request::get(format!("http://{address}{path}")).body(()).unwrap();
    let outgoing = Outgoing { request, len: 0, expects_continue: false, answer_within: FOR_EVER };
    line(direct()).send(&Arc::new(Nobody::default()), outgoing, &mut io::empty()).unwrap();
    assert_eq!(server.join().unwrap(), format!("GET {path} HTTP/1.1"));
}

#[test]
fn an_answer_that_comes_early_from_a_server_that_closes_is_read() {
    const LEN: u64 = 256 << 20;
    let (address, server) = server(|listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&mut stream));
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden").unwrap();
        // Closing with unread input resets the connection.
    });
    let (result, read) = put(&mut line(direct()), outgoing("PUT", address, LEN));
    let response = result.unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (403, &b"forbidden"[..]));
    assert!(read < LEN, "the rest of the body is not read for nobody");
    server.join().unwrap();
}

#[test]
fn an_answer_that_comes_early_from_a_server_that_stops_reading_is_read() {
    let (done, wait) = channel::<()>();
    let (address, server) = server(move |listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&mut stream));
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        wait.recv().unwrap_err();
    });
    let mut line = line(direct().stall_timeout(SOON).unwrap());
    let (result, _) = put(&mut line, outgoing("PUT", address, 256 << 20));
    assert_eq!(result.unwrap().status(), 403);
    drop(done);
    server.join().unwrap();
}

/// A server that takes one connection, reads the head of one request, says so, and nothing more.
fn silent_server() -> (SocketAddr, Receiver<()>, impl FnOnce()) {
    let ((said, heard), (done, wait)) = (channel(), channel::<()>());
    let (address, server) = server(move |listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&mut stream));
        said.send(()).unwrap();
        wait.recv().unwrap_err();
    });
    let end = move || {
        drop(done);
        server.join().unwrap();
    };
    (address, heard, end)
}

#[test]
fn a_server_that_says_nothing_stalls_the_exchange() {
    let (address, _heard, end) = silent_server();
    let outgoing = Outgoing { answer_within: SOON, ..outgoing("PUT", address, 10) };
    let (result, _) = put(&mut line(direct()), outgoing);
    assert_eq!(kind(result), TransportKind::Stalled);
    end();
}

#[test]
fn a_server_that_takes_nothing_stalls_the_exchange() {
    let (address, _heard, end) = silent_server();
    let (result, _) =
        put(&mut line(direct().stall_timeout(SOON).unwrap()), outgoing("PUT", address, 256 << 20));
    assert_eq!(kind(result), TransportKind::Stalled);
    end();
}

#[test]
fn a_stop_interrupts_an_exchange_that_waits_for_the_answer() {
    let (address, heard, end) = silent_server();
    let caller = Arc::new(Nobody::default());
    let worker = {
        let caller = Arc::clone(&caller);
        thread::spawn(move || {
            let mut line = line(direct());
            let stopped = line.send(&caller, outgoing("GET", address, 0), &mut io::empty());
            (line, stopped)
        })
    };
    heard.recv().unwrap();
    caller.stop();
    let (mut line, stopped) = worker.join().unwrap();
    assert_eq!(kind(stopped), TransportKind::Stopped);
    end();
    // And the line can be used again.
    let (address, answering) = server(|listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&mut stream));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    assert_eq!(get(&mut line, address).unwrap().status(), 200);
    answering.join().unwrap();
}

#[test]
fn a_stop_interrupts_an_exchange_that_cannot_write() {
    let (address, heard, end) = silent_server();
    let caller = Arc::new(Nobody::default());
    let worker = {
        let caller = Arc::clone(&caller);
        thread::spawn(move || {
            let mut line = line(direct());
            let mut body = Counted { left: 256 << 20, read: Arc::default(), wire: line.wire() };
            line.send(&caller, outgoing("PUT", address, 256 << 20), &mut body)
        })
    };
    heard.recv().unwrap();
    caller.stop();
    assert_eq!(kind(worker.join().unwrap()), TransportKind::Stopped);
    end();
}

#[test]
fn an_exchange_that_is_stopped_beforehand_sends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let caller = Arc::new(Nobody::default());
    caller.stop();
    let outgoing = outgoing("GET", listener.local_addr().unwrap(), 0);
    let result = line(direct()).send(&caller, outgoing, &mut io::empty());
    assert_eq!(kind(result), TransportKind::Withdrawn);
    assert!(!caller.opened.load(Ordering::SeqCst));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody has connected");
}

#[test]
fn an_answer_without_an_end_of_its_own_does_not_count_once_the_exchange_is_stopped() {
    let ((said, heard), (done, wait)) = (channel(), channel::<()>());
    let (address, server) = server(move |listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&mut stream));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf an ans").unwrap();
        said.send(()).unwrap();
        wait.recv().unwrap_err();
    });
    let caller = Arc::new(Nobody::default());
    let worker = {
        let caller = Arc::clone(&caller);
        thread::spawn(move || line(direct()).send(&caller, outgoing("GET", address, 0), &mut io::empty()))
    };
    heard.recv().unwrap();
    caller.stop();
    assert_eq!(kind(worker.join().unwrap()), TransportKind::Stopped);
    drop(done);
    server.join().unwrap();
}

#[test]
fn nothing_was_sent_where_there_is_no_connection() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let caller = Arc::new(Nobody::default());
    let refused = line(direct()).send(&caller, outgoing("GET", address, 0), &mut io::empty());
    assert_eq!(kind(refused), TransportKind::Connect);
    assert!(!caller.opened.load(Ordering::SeqCst));
}

#[test]
fn no_tls_is_no_connection() {
    let (address, server) = server(|listener| {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        io::copy(&mut stream, &mut io::sink()).ok();
    });
    let request = http::Request::get(format!("https://{address}/")).body(()).unwrap();
    let outgoing = Outgoing { request, len: 0, expects_continue: false, answer_within: FOR_EVER };
    let result = line(direct()).send(&Arc::new(Nobody::default()), outgoing, &mut io::empty());
    assert_eq!(kind(result), TransportKind::Connect);
    server.join().unwrap();
}

#[test]
fn a_connection_that_closes_without_an_answer_or_within_one_broke() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
        let (address, server) = server(move |listener| {
            let (mut stream, _) = listener.accept().unwrap();
            read_head(&mut BufReader::new(&mut stream));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        assert_eq!(kind(get(&mut line(direct()), address)), TransportKind::Broken, "{answer:?}");
        server.join().unwrap();
    }
}

#[test]
fn of_an_answer_without_end_no_more_is_read_than_the_contract_allows() {
    let (address, server) = server(|listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&mut stream));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let chunk = vec![b'x'; 64 * 1024];
        while stream.write_all(&chunk).is_ok() {}
    });
    let response = get(&mut line(direct()), address).unwrap();
    assert_eq!(response.body().len(), MAX_ANSWER);
    server.join().unwrap();
}

#[test]
fn headers_without_end_are_no_answer() {
    let (address, server) = server(|listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&mut stream));
        stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
        while stream.write_all(&[b'x'; 1024]).is_ok() {}
    });
    assert_eq!(kind(get(&mut line(direct()), address)), TransportKind::Broken);
    server.join().unwrap();
}

#[test]
fn a_server_that_is_asked_first_can_refuse_the_body_or_take_it() {
    let (address, server) = server(|listener| {
        // The first is refused at once, the second in pieces; and neither connection is closed.
        let (first, _) = listener.accept().unwrap();
        assert!(read_head(&mut BufReader::new(&first)).1.contains("expect: 100-continue\r\n"));
        (&first).write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        let (second, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&second));
        for piece in ["HTTP/1.1 403 Forb", "idden\r\nContent-", "Length: 5\r\n\r", "\nno", " no"] {
            (&second).write_all(piece.as_bytes()).unwrap();
            thread::yield_now();
        }
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        read_head(&mut reader);
        (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        reader.read_exact(&mut [0; 1000]).unwrap();
        (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let mut line = line(direct());
    let asking = || Outgoing { expects_continue: true, ..outgoing("PUT", address, 1000) };
    for body in [&b""[..], b"no no"] {
        let (refused, read) = put(&mut line, asking());
        let refused = refused.unwrap();
        assert_eq!((refused.status().as_u16(), refused.body().as_ref(), read), (403, body, 0));
    }
    let (taken, read) = put(&mut line, asking());
    assert_eq!((taken.unwrap().status().as_u16(), read), (200, 1000));
    server.join().unwrap();
}

/// A proxy that answers the one request to it with `answer`, and then serves the one to the server itself.
fn proxy(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    server(move |listener| {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let (first, _) = read_head(&mut reader);
        (&stream).write_all(answer.as_bytes()).unwrap();
        if answer.contains("200") {
            read_head(&mut reader);
            (&stream).write_all(b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
        first
    })
}

#[test]
fn a_proxy_is_gone_through() {
    let (address, proxy) = proxy("HTTP/1.1 200 Connected\r\n\r\n");
    let settings = HttpSettings::new().proxy(&format!("http://{address}")).unwrap();
    let request = http::Request::get("http://oss.invalid/key").body(()).unwrap();
    let outgoing = Outgoing { request, len: 0, expects_continue: false, answer_within: FOR_EVER };
    let response = line(settings).send(&Arc::new(Nobody::default()), outgoing, &mut io::empty()).unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(proxy.join().unwrap(), "CONNECT oss.invalid:80 HTTP/1.1");
}

#[test]
fn where_a_proxy_refuses_nothing_was_sent() {
    let (address, proxy) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let settings = HttpSettings::new().proxy(&format!("http://{address}")).unwrap();
    let request = http::Request::get("http://oss.invalid/key").body(()).unwrap();
    let outgoing = Outgoing { request, len: 0, expects_continue: false, answer_within: FOR_EVER };
    let caller = Arc::new(Nobody::default());
    let refused = line(settings).send(&caller, outgoing, &mut io::empty()).unwrap_err();
    assert_eq!(refused.kind, TransportKind::Connect);
    assert!(refused.message.contains("407"), "{refused}");
    assert!(!caller.opened.load(Ordering::SeqCst), "the server was not talked to");
    proxy.join().unwrap();
}

/// Not a test by itself: what the test below runs in a child, whose environment names a proxy.
#[test]
fn helper_asks_through_the_proxy_of_its_environment() {
    if std::env::var_os("OSSUP_TEST_CHILD").is_none() {
        return;
    }
    let request = http::Request::get("http://oss.invalid/key").body(()).unwrap();
    let outgoing = Outgoing { request, len: 0, expects_continue: false, answer_within: FOR_EVER };
    let line = &mut line(HttpSettings::new());
    let response = line.send(&Arc::new(Nobody::default()), outgoing, &mut io::empty()).unwrap();
    assert_eq!(response.status(), 418);
}

#[test]
fn the_proxy_of_the_environment_is_gone_through() {
    let (address, proxy) = proxy("HTTP/1.1 200 Connected\r\n\r\n");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "line::tests::helper_asks_through_the_proxy_of_its_environment"])
        .env("OSSUP_TEST_CHILD", "1")
        .env("ALL_PROXY", format!("http://{address}"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(proxy.join().unwrap(), "CONNECT oss.invalid:80 HTTP/1.1");
}

#[test]
fn lines_that_were_given_back_are_used_again() {
    let (address, server) = server(|listener| {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        for _ in 0..2 {
            read_head(&mut reader);
            (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let lines = Lines::new(direct().into_http());
    for _ in 0..2 {
        let mut line = lines.take();
        get(&mut line, address).unwrap();
        lines.give_back(line);
    }
    server.join().unwrap();
}
