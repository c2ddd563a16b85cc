//! A part of any size streams through: what the process takes up does not grow with it.
//!
//! 256 MiB, or the largest part there is (5 GiB) with `OSSUP_LONG=1`.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use ossup_emulator::Emulator;

const DATA: &str = "OSSUP_EMULATOR_TEST_DATA";
const LISTENING: &str = "listening on ";
const MIB: u64 = 1 << 20;

/// Not a test: what the child process runs.
#[test]
#[ignore = "runs in a process of its own, started by the test below"]
fn serve() {
    let Some(data) = std::env::var_os(DATA) else { return };
    let emulator = Emulator::builder().without_signature_checks().bucket("bkt").data(data).start().unwrap();
    println!("\n{LISTENING}{}", emulator.address());
    emulator.wait();
}

struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(data: &std::path::Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "serve"])
            .env(DATA, data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix(LISTENING).map(str::to_owned));
        Self { child, address: address.unwrap() }
    }

    /// The most memory that it has had, in bytes.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    /// Sends a body of so many zeros; how long the answer's body is, and how it begins.
    fn exchange(&self, head: &str, zeros: u64) -> (u64, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let more = "Host: bkt.localhost\r\nConnection: close\r\nx-oss-complete-all: yes";
        write!(stream, "{head} HTTP/1.1\r\n{more}\r\nContent-Length: {zeros}\r\n\r\n").unwrap();
        let piece = vec![0; MIB as usize];
        let mut left = zeros;
        while left > 0 {
            let now = left.min(MIB);
            stream.write_all(&piece[..now as usize]).unwrap();
            left -= now;
        }
        let mut stream = BufReader::new(stream);
        let mut answer = String::new();
        while stream.read_line(&mut answer).unwrap() > 2 {}
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let (mut length, mut kept) = (0, Vec::new());
        let mut piece = vec![0; MIB as usize];
        loop {
            let read = stream.read(&mut piece).unwrap();
            if read == 0 {
                break;
            }
            length += read as u64;
            kept.extend_from_slice(&piece[..read.min(4096_usize.saturating_sub(kept.len()))]);
        }
        (length, String::from_utf8_lossy(&kept).into_owned())
    }
}

#[test]
fn a_large_part_takes_up_no_memory_on_its_way_in_and_out() {
    let size = if std::env::var_os("OSSUP_LONG").is_some() { 5 << 30 } else { 256 * MIB };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, begun) = server.exchange("POST /large?uploads", 0);
    let id = begun.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0;
    server.exchange(&format!("PUT /large?partNumber=1&uploadId={id}"), size);
    server.exchange(&format!("POST /large?uploadId={id}"), 0);
    let (length, _) = server.exchange("GET /large", 0);
    assert_eq!(length, size);
    let peak = server.peak();
    println!("{peak} bytes at most for a part of {size}");
    assert!(peak < 32 * MIB, "{peak} bytes for a part of {size}");
}
