//! A server that does as each test tells it, one connection after the other or many at once, and what uploads need.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ossup_core::digest::Crc64;
use ossup_core::endpoint::Endpoint;
use ossup_core::plan::DEFAULT_PART_SIZE;
use ossup_core::retry::RetryPolicy;
use ossup_core::sign::AnonymousSigner;
use ossup_core::upload::{Patience, Policy};
use ossup_ureq::{Client, FileUpload, HttpSettings};

/// Longer than any test; what waits for so long has failed to be interrupted.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(3600);

/// A request as the server read it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn len(&self) -> usize {
        self.header("content-length").map_or(0, |len| len.parse().unwrap())
    }
}

/// A connection on the server's side.
pub(crate) struct Peer<S = TcpStream>(BufReader<S>);

impl<S: Read + Write> Peer<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// The head of the next request; none when the client has closed.
    pub(crate) fn head(&mut self) -> Option<Asked> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut words = lines.first()?.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let headers = lines[1..]
            .iter()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Some(Asked { method, target, headers })
    }

    /// The body of the request whose head was read.
    pub(crate) fn body(&mut self, asked: &Asked) -> Vec<u8> {
        let mut body = vec![0; asked.len()];
        self.0.read_exact(&mut body).unwrap();
        body
    }

    pub(crate) fn answer(&mut self, status: &str, headers: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        // The client may have gone.
        let _ = self.0.get_mut().write_all(format!("{head}{body}").as_bytes());
    }

    /// Says that this object is stored, as OSS does.
    pub(crate) fn stored(&mut self, body: &[u8]) {
        let (md5, crc) = (ossup_core::digest::Md5::of(body), Crc64::of(body));
        self.answer("200 OK", &format!("ETag: \"{md5}\"\r\nx-oss-hash-crc64ecma: {crc}\r\n"), "");
    }

    /// Answers what an upload in parts asks before and after its parts, with as little as will do.
    pub(crate) fn anything_but_parts(&mut self, asked: &Asked) {
        match (asked.method.as_str(), asked.target.as_str()) {
            ("POST", target) if target.contains("uploads") => {
                let id = "<UploadId>A1</UploadId>";
                let body = format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>");
                self.answer("200 OK", "", &body);
            }
            ("DELETE", _) => self.answer("204 No Content", "", ""),
            ("GET", _) => self.answer("404 Not Found", "", "<Error><Code>NoSuchUpload</Code></Error>"),
            ("HEAD", _) => self.answer("404 Not Found", "", ""),
            _ => panic!("nobody should ask {asked:?}"),
        }
    }

    /// Waits until the client closes the connection, reading what still comes.
    pub(crate) fn wait_for_the_end(mut self) {
        let _ = std::io::copy(&mut self.0, &mut std::io::sink());
    }
}

/// Starts a server that handles each connection on a thread of its own. It ends with the process of the test.
pub(crate) fn endpoint_of(handle: impl Fn(Peer) + Send + Sync + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle(Peer::new(stream.unwrap())));
        }
    });
    endpoint
}

/// A client of such a server.
pub(crate) fn client_of(handle: impl Fn(Peer) + Send + Sync + 'static) -> Client {
    let endpoint = endpoint_of(handle);
    let settings = HttpSettings::new().no_proxy().stall_timeout(FOR_EVER).unwrap();
    Client::with_signer(&endpoint, AnonymousSigner::new(endpoint.clone()), settings)
}

/// A file of so many bytes in a folder of its own, with room for checkpoints.
pub(crate) struct Place {
    root: tempfile::TempDir,
    pub(crate) content: Vec<u8>,
}

impl Place {
    pub(crate) fn with_file_of(len: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
        std::fs::write(root.path().join("file"), &content).unwrap();
        Self { root, content }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.root.path().join("file")
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.root.path().join("checkpoints")
    }

    /// The upload of the file in one request, or in parts of 100 KiB, two at a time, without any retries.
    pub(crate) fn upload(&self, parts: Parts) -> FileUpload {
        FileUpload::new(self.file(), "oss://bucket/key".parse().unwrap()).policy(policy(parts))
    }
}

pub(crate) fn policy(parts: Parts) -> Policy {
    Policy {
        part_size: match parts {
            Parts::One => DEFAULT_PART_SIZE,
            Parts::Of(size) => size,
        },
        put_threshold: if parts == Parts::One { u64::MAX } else { 0 },
        parallel: NonZeroU16::new(2).unwrap(),
        retry: RetryPolicy {
            attempts: 1,
            budget: 0,
            patience: Patience::Limited(Duration::ZERO),
            ..RetryPolicy::default()
        },
        ..Policy::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    One,
    Of(u64),
}
