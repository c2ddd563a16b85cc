//! How fast the emulator takes and gives, over loopback, with its checks and without. Build with `--release`.
//!
//! Arguments: `[MEBIBYTES PER CONNECTION [CONNECTIONS]]`, by default 4096 and 2. Each connection sends objects of 16 MiB to one
//! key and reads them back, so that memory stays small.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use ossup_core::digest::Integrity;
use ossup_emulator::{Builder, Emulator};

const OBJECT: usize = 16 << 20;

/// Sends a request, reads the answer, and gives back the length of its body.
fn exchange(stream: &mut TcpStream, head: &str, body: &[u8], buffer: &mut [u8]) -> std::io::Result<usize> {
    // In one piece: the end of a head that comes late is what would be measured.
    let head = format!("{head} HTTP/1.1\r\nHost: load.localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut seen = 0;
    let (head_len, body_len) = loop {
        let read = stream.read(&mut buffer[seen..])?;
        seen += read;
        let text = &buffer[..seen];
        if let Some(at) = text.windows(4).position(|end| end == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..at]).to_lowercase();
            assert!(head.starts_with("http/1.1 200"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            break (at + 4, length.unwrap_or(0));
        }
        assert!(read > 0, "the server went away");
    };
    let mut left = body_len + head_len - seen;
    while left > 0 {
        let read = stream.read(buffer)?;
        assert!(read > 0, "the server went away");
        left -= read;
    }
    Ok(body_len)
}

fn work(address: SocketAddr, key: usize, objects: usize, send: bool) {
    let body = vec![b'x'; OBJECT];
    let mut buffer = vec![0; 1 << 20];
    let mut stream = TcpStream::connect(address).expect("the emulator listens");
    stream.set_nodelay(true).expect("a socket");
    for _ in 0..objects {
        let (head, body) = if send { ("PUT", &*body) } else { ("GET", &[][..]) };
        let got = exchange(&mut stream, &format!("{head} /{key}"), body, &mut buffer).expect("an answer");
        assert_eq!(got, if send { 0 } else { OBJECT });
    }
}

fn measure(name: &str, builder: Builder, objects: usize, connections: usize) {
    let emulator = builder.without_signature_checks().bucket("load").start().expect("an emulator");
    let address = emulator.address();
    for send in [true, false] {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for key in 0..connections {
                scope.spawn(move || work(address, key, objects, send));
            }
        });
        let mebibytes = (objects * connections * OBJECT) >> 20;
        let millis = begun.elapsed().as_millis().max(1);
        let rate = mebibytes as u128 * 1000 / millis;
        println!("{name:<16} {} {rate:>6} MiB/s", if send { "in " } else { "out" });
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
    let objects = (arguments.next().unwrap_or(4096) / 16).max(1);
    let connections = arguments.next().unwrap_or(2);
    measure("no digests", Emulator::builder().integrity(Integrity::None), objects, connections);
    measure("CRC-64", Emulator::builder().integrity(Integrity::Crc), objects, connections);
    measure("MD5 and CRC-64", Emulator::builder(), objects, connections);
}
