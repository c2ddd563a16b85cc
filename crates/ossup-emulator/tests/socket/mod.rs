//! Speaking to an emulator byte by byte.

#![allow(dead_code, reason = "each file of tests uses some of it")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ossup_emulator::Emulator;

pub(crate) fn emulator() -> Emulator {
    Emulator::builder().without_signature_checks().min_part_size(1).bucket("bkt").start().unwrap()
}

pub(crate) fn connect(emulator: &Emulator) -> TcpStream {
    let stream = TcpStream::connect(emulator.address()).unwrap();
    // A bound for tests that fail; no test waits for it.
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// All that comes until the server closes; what comes before a reset.
pub(crate) fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        all.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// One request on a connection of its own.
pub(crate) fn exchange(emulator: &Emulator, head: &str, body: &str) -> String {
    let mut stream = connect(emulator);
    let head = head.replace('\n', "\r\n");
    let length = body.len();
    // The server may have closed already: then reading tells.
    let _ = write!(
        stream,
        "{head}\r\nHost: bkt.localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    read_all(&mut stream)
}

pub(crate) fn put(emulator: &Emulator, key: &str, body: &str) -> String {
    exchange(emulator, &format!("PUT /{key} HTTP/1.1"), body)
}

pub(crate) fn get(emulator: &Emulator, key: &str) -> String {
    exchange(emulator, &format!("GET /{key} HTTP/1.1"), "")
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

pub(crate) fn assert_status(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
}
