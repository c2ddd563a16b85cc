//! A process that is killed in the middle of its work leaves a directory that the next one finds whole.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ossup_emulator::{Clock, Config, Emulator, Model};

const DATA: &str = "OSSUP_EMULATOR_TEST_DATA";
const LISTENING: &str = "listening on ";

/// Not a test: what the child process runs.
#[test]
#[ignore = "runs in a process of its own, started and killed by the test below"]
fn serve_until_killed() {
    let Some(data) = std::env::var_os(DATA) else { return };
    let emulator = Emulator::builder().without_signature_checks().bucket("bkt").data(data).start().unwrap();
    println!("\n{LISTENING}{}", emulator.address());
    emulator.wait();
}

fn start(data: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "serve_until_killed"])
        .env(DATA, data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().strip_prefix(LISTENING).map(str::to_owned));
    (child, address.unwrap())
}

fn send(stream: &mut TcpStream, head: &str, body: &str) {
    let length = body.len();
    write!(stream, "{head} HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
}

/// Sends and waits for the answer.
fn exchange(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{head} HTTP/1.1\r\nHost: bkt.localhost\r\nConnection: close\r\nContent-Length:");
    write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer
}

#[test]
fn what_was_answered_is_there_after_a_kill_and_nothing_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    for run in 0..4_u32 {
        let (mut child, address) = start(folder.path());
        let begun = exchange(&address, &format!("POST /up{run}?uploads"), "");
        let id = begun.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0.to_owned();
        for n in 1..=20_u32 {
            last = run * 100 + n;
            let body = format!("{last:06}").repeat(1000);
            exchange(&address, "PUT /k", &body);
            exchange(&address, &format!("PUT /up{run}?partNumber={n}&uploadId={id}"), &body);
        }
        // Several requests in the middle of their work when the end comes.
        let mut open: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(&address).unwrap()).collect();
        for (n, stream) in open.iter_mut().enumerate() {
            send(stream, &format!("PUT /half{n}"), &"h".repeat(100_000));
            send(stream, "PUT /k", &format!("{last:06}").repeat(1000));
            write!(stream, "PUT /never HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 9\r\n\r\nhalf")
                .unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let model = Model::open(Config::default(), Clock::system(), folder.path()).unwrap();
        let bytes = model.object_bytes("bkt", "k").unwrap().unwrap();
        assert_eq!(bytes, format!("{last:06}").repeat(1000));
        assert!(model.object("bkt", "never").is_none());
        for n in 0..4 {
            if let Some(half) = model.object_bytes("bkt", &format!("half{n}")).unwrap() {
                assert_eq!(half.len(), 100_000, "an object is there whole or not at all");
            }
        }
        let uploads = model.uploads("bkt");
        assert_eq!(uploads.len(), run as usize + 1);
        assert!(uploads.iter().all(|upload| upload.parts.len() == 20));
        // Every file belongs to something.
        let stored = model.buckets()[0].objects.len() + uploads.len() * 20;
        assert_eq!(std::fs::read_dir(folder.path().join("blobs")).unwrap().count(), stored);
    }
    assert_eq!(last, 320);
}
