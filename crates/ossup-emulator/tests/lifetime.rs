//! What ends when: the server with requests under way, requests whose clients have gone.

mod socket;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ossup_emulator::{Action, Emulator, Fate, Operation, Rule};
use socket::{assert_status, body, connect, emulator, exchange, get, put, read_all};

/// A bound for tests that fail; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn stopping_closes_idle_connections_and_frees_the_port() {
    let emulator = emulator();
    let mut idle = connect(&emulator);
    write!(idle, "GET /k HTTP/1.1\r\nHost: bkt.localhost\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    let address = emulator.address();
    emulator.stop();
    read_all(&mut idle);
    let again = Emulator::builder().listen(address).start().unwrap();
    assert_eq!(again.address(), address);
}

#[test]
fn a_request_under_way_is_finished_before_the_server_has_stopped() {
    let emulator =
        Emulator::builder().without_signature_checks().bucket("bkt").grace(PATIENCE).start().unwrap();
    let mut stream = connect(&emulator);
    write!(stream, "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 4\r\n\r\nab").unwrap();
    while emulator.journal().in_flight().iter().all(|request| request.received() == 0) {
        std::thread::yield_now();
    }
    let address = emulator.address();
    let stopping = std::thread::spawn(move || emulator.stop());
    // It has begun to stop once nobody is let in any more.
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    write!(stream, "cd").unwrap();
    let answer = read_all(&mut stream);
    assert_status(&answer, 200);
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    stopping.join().unwrap();
}

#[test]
fn a_directory_is_free_once_the_server_has_stopped() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let builder = Emulator::builder().without_signature_checks().bucket("bkt").grace(Duration::ZERO);
        let emulator = builder.data(folder.path()).start().unwrap();
        let mut writers = Vec::new();
        for n in 0..4 {
            let mut stream = connect(&emulator);
            write!(stream, "PUT /k{n} HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 2000000000\r\n\r\n")
                .unwrap();
            // Goes on until the server closes.
            writers.push(std::thread::spawn(move || while stream.write_all(&[0; 1 << 14]).is_ok() {}));
        }
        while emulator.journal().in_flight().iter().filter(|request| request.received() > 0).count() < 4 {
            std::thread::yield_now();
        }
        emulator.stop();
        for writer in writers {
            writer.join().unwrap();
        }
    }
}

#[test]
fn a_complete_that_was_received_is_done_whether_its_client_waits_or_not() {
    let emulator = emulator();
    exchange(&emulator, "POST /m?uploads HTTP/1.1", "");
    let id = emulator.model().uploads("bkt")[0].upload_id.clone();
    exchange(&emulator, &format!("PUT /m?partNumber=1&uploadId={id} HTTP/1.1"), "part");
    emulator.faults().add(Rule::on(Operation::CompleteMultipartUpload, Action::Stall { millis: 200 }));
    let mut stream = connect(&emulator);
    let head = format!("POST /m?uploadId={id} HTTP/1.1\r\nHost: bkt.localhost\r\nx-oss-complete-all: yes");
    write!(stream, "{head}\r\nContent-Length: 0\r\n\r\n").unwrap();
    while emulator.journal().in_flight().is_empty() {
        std::thread::yield_now();
    }
    drop(stream);
    assert!(emulator.journal().wait_for(Operation::CompleteMultipartUpload, 1, PATIENCE));
    assert_eq!(body(&get(&emulator, "m")), "part");
}

#[test]
fn a_callback_is_heard_to_the_end_whether_the_client_waits_or_not() {
    let emulator = emulator();
    let application = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", application.local_addr().unwrap());
    let parameters = STANDARD.encode(format!(r#"{{"callbackUrl":"{url}","callbackBody":"x"}}"#));
    let mut stream = connect(&emulator);
    let head = format!("PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nx-oss-callback: {parameters}");
    write!(stream, "{head}\r\nContent-Length: 1\r\n\r\nx").unwrap();
    let (mut called, _) = application.accept().unwrap();
    called.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(stream);
    // Other requests come and go meanwhile.
    for _ in 0..20 {
        assert_status(&put(&emulator, "other", "x"), 200);
    }
    let mut request = [0; 4096];
    assert!(called.read(&mut request).unwrap() > 0);
    write!(called, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{}}").unwrap();
    assert!(emulator.journal().wait_for(Operation::PutObject, 21, PATIENCE));
    let fates: Vec<Fate> =
        emulator.journal().of(Operation::PutObject).iter().map(|entry| entry.fate).collect();
    assert_eq!(fates, [Fate::Answered; 21]);
}

/// The file of the content is a pipe that nobody writes to: reading it takes until somebody does.
#[cfg(unix)]
#[test]
fn copies_that_take_long_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Emulator::builder().without_signature_checks().bucket("bkt").data(folder.path());
    let emulator = builder.start().unwrap();
    put(&emulator, "source", "hello");
    let blob = std::fs::read_dir(folder.path().join("blobs")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&blob).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&blob).status().unwrap().success());
    let mut copies = Vec::new();
    // As many as the server has threads.
    for n in 0..2 {
        let mut stream = connect(&emulator);
        let head = format!("PUT /copy{n} HTTP/1.1\r\nHost: bkt.localhost\r\nx-oss-copy-source: /bkt/source");
        write!(stream, "{head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
        copies.push(stream);
    }
    while emulator.journal().in_flight().len() < 2 {
        std::thread::yield_now();
    }
    let mut meanwhile = connect(&emulator);
    meanwhile.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(meanwhile, "GET /?location HTTP/1.1\r\nHost: bkt.localhost\r\nConnection: close\r\n\r\n").unwrap();
    let answer = read_all(&mut meanwhile);
    // Lets them all go on, and fail: a pipe cannot be read like a file.
    let released = std::thread::spawn(move || {
        let writer = std::fs::OpenOptions::new().write(true).open(&blob);
        for mut copy in copies {
            read_all(&mut copy);
        }
        drop(writer);
    });
    released.join().unwrap();
    assert_status(&answer, 200);
}
