//! One HTTP/1.1 request over a socket of its own, by hand. No TLS, no proxies, no connection that is used twice: it is
//! here to show what a stack owes the machine, which is the class of every failure and whether an answer came early.

use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use http::Uri;
use ossup_core::request::{MAX_ANSWER, Response};
use ossup_core::upload::{SourceError, TransportError, TransportKind};

/// How long to wait for a connection, and for room to write into it.
const STALL: Duration = Duration::from_secs(30);
/// How long the head of an answer, and each line of a chunked body, may be, in bytes.
const MAX_HEAD: u64 = 64 << 10;

/// Why a request could not be sent.
pub(crate) enum Trouble {
    Transport(TransportError),
    /// The body could not be read: that is not the network's fault, and the machine must know.
    Source(SourceError),
}

/// A request that is on its way.
pub(crate) struct Sent {
    stream: TcpStream,
    is_head: bool,
    broken: Option<io::Error>,
}

/// Sends a request with its body, whose length the header `Content-Length` of the request says already.
pub(crate) fn send(
    request: &http::Request<()>,
    mut body: impl Read,
    answer_within: Duration,
) -> Result<Sent, Trouble> {
    // Nothing is sent before there is a connection, so the machine may repeat even what must not be done twice.
    let not_connected =
        |error: io::Error| Trouble::Transport(TransportError::new(TransportKind::Connect, error.to_string()));
    let stream = connect(request.uri()).map_err(not_connected)?;
    stream.set_write_timeout(Some(STALL)).map_err(not_connected)?;
    stream.set_read_timeout(Some(answer_within.max(Duration::from_secs(1)))).map_err(not_connected)?;
    let mut writer = BufWriter::with_capacity(128 << 10, &stream);
    let sent = writer
        .write_all(&head(request))
        .and_then(|()| io::copy(&mut body, &mut writer))
        .and_then(|_| writer.flush());
    // Not the writer: it would try once more to write what it holds.
    let _ = writer.into_parts();
    let broken = match sent.map_err(io::Error::downcast::<SourceError>) {
        Ok(()) => None,
        Err(Ok(unreadable)) => return Err(Trouble::Source(unreadable)),
        // A server that refuses early stops reading. What it had to say may be there to be read.
        Err(Err(error)) => Some(error),
    };
    Ok(Sent { stream, is_head: request.method() == http::Method::HEAD, broken })
}

impl Sent {
    /// Whether the body went out to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.broken.is_none()
    }

    /// Waits for the answer.
    pub(crate) fn receive(self) -> Result<Response, TransportError> {
        read_answer(BufReader::new(&self.stream), self.is_head).map_err(|error| {
            // The first thing that went wrong says most.
            let error = self.broken.unwrap_or(error);
            let kind = match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => TransportKind::Stalled,
                _ => TransportKind::Broken,
            };
            TransportError::new(kind, error.to_string())
        })
    }
}

fn connect(uri: &Uri) -> io::Result<TcpStream> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    if uri.scheme_str() != Some("http") {
        return Err(io::Error::new(ErrorKind::Unsupported, "this example speaks no TLS"));
    }
    let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (host, uri.port_u16().unwrap_or(80)).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, STALL) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn head(request: &http::Request<()>) -> Vec<u8> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut head = format!("{} {target} HTTP/1.1\r\nconnection: close\r\n", request.method()).into_bytes();
    // A host that is signed is among the headers already.
    if let (None, Some(host)) = (request.headers().get("host"), request.uri().authority()) {
        head.extend(format!("host: {host}\r\n").bytes());
    }
    for (name, value) in request.headers() {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}

fn read_answer(mut from: impl BufRead, is_head: bool) -> io::Result<Response> {
    let mut lines = from.by_ref().take(MAX_HEAD);
    let answer = loop {
        let line = read_line(&mut lines)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        let mut answer = http::Response::builder().status(status.ok_or_else(garbled)?);
        loop {
            let line = read_line(&mut lines)?;
            match line.split_once(':') {
                Some((name, value)) => answer = answer.header(name, value.trim()),
                None if line.is_empty() => break,
                None => return Err(garbled()),
            }
        }
        let answer = answer.body(()).map_err(io::Error::other)?;
        // 100 Continue and its like go ahead of the answer.
        if !answer.status().is_informational() {
            break answer;
        }
    };
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let mut body = Vec::new();
    if is_head || answer.status().as_u16() == 204 {
        // No body, whatever the headers say.
    } else if text("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        read_chunks(&mut from, &mut body)?;
    } else if let Some(len) = text("content-length") {
        read_exactly(&mut from, len.parse().map_err(|_| garbled())?, &mut body)?;
    } else {
        from.take(MAX_ANSWER as u64).read_to_end(&mut body)?;
    }
    Ok(answer.map(|()| body.into()))
}

fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(&mut from.take(MAX_HEAD))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        match u64::from_str_radix(size, 16).map_err(|_| garbled())? {
            0 => return Ok(()),
            size => read_exactly(from, size, body)?,
        }
        read_line(&mut from.take(MAX_HEAD))?;
    }
}

fn read_exactly(from: &mut impl BufRead, len: u64, body: &mut Vec<u8>) -> io::Result<()> {
    // Nobody's word is taken for how much memory to spend.
    if len > (MAX_ANSWER - body.len().min(MAX_ANSWER)) as u64 {
        return Err(io::Error::new(ErrorKind::InvalidData, "the answer is longer than any of OSS"));
    }
    let read = from.take(len).read_to_end(body)?;
    if read as u64 == len { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\n") {
        Some(line) => Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn garbled() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "that is no HTTP")
}
