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

/// The world as the next process finds it.
fn see(folder: &Path) -> Model {
    let mut config = Config::default();
    config.check_signatures = false;
    Model::open(config, Clock::system(), folder).unwrap()
}

fn get(model: &Model, uri: &str) -> String {
    let request = http::Request::get(uri).header("Host", "bkt.localhost").body(bytes::Bytes::new());
    let answer = model.handle(request.unwrap());
    format!("{} {}", answer.status().as_u16(), String::from_utf8_lossy(answer.body()))
}

#[test]
fn every_change_that_was_answered_survives_a_kill_right_behind_the_answer() {
    const TAGS: &str = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    const DELETE: &str = "<Delete><Object><Key>log</Key></Object></Delete>";
    let md5 = format!("Content-MD5: {}", ossup_core::digest::Md5::of(DELETE.as_bytes()).to_base64());
    let folder = tempfile::tempdir().unwrap();
    let mut id = String::new();
    // What is sent (its head, another header, its body), and what is seen afterwards: where, and what the answer has in it.
    for (head, header, body, seen, wanted) in [
        ("PUT /", "x-oss-acl: public-read", "", "/?acl", "public-read"),
        ("PUT /?acl", "x-oss-acl: public-read-write", "", "/?acl", "public-read-write"),
        ("PUT /a", "x-oss-tagging: a=1", "content", "/a", "200 content"),
        ("PUT /a", "x-oss-tagging: a=1", "again", "/a", "200 again"),
        ("PUT /empty", "x-oss-meta-a: 1", "", "/empty", "200 "),
        ("PUT /a?acl", "x-oss-object-acl: public-read", "", "/a?acl", "public-read"),
        ("PUT /a?tagging", "", TAGS, "/a?tagging", "<Key>k</Key>"),
        ("DELETE /a?tagging", "", "", "/a?tagging", "<TagSet>\n  </TagSet>"),
        ("PUT /b", "x-oss-copy-source: /bkt/a", "", "/b", "200 again"),
        ("POST /log?append&position=0", "", "one", "/log", "200 one"),
        ("POST /log?append&position=3", "", "two", "/log", "200 onetwo"),
        ("POST /m?uploads", "", "", "/?uploads", "<Key>m</Key>"),
        ("PUT /m?partNumber=1&uploadId=ID", "", "p1", "/m?uploadId=ID", "<Size>2</Size>"),
        ("PUT /m?partNumber=1&uploadId=ID", "", "part", "/m?uploadId=ID", "<Size>4</Size>"),
        (
            "PUT /m?partNumber=2&uploadId=ID",
            "x-oss-copy-source: /bkt/b",
            "",
            "/m?uploadId=ID",
            "<Size>5</Size>",
        ),
        ("DELETE /m?uploadId=ID", "", "", "/m?uploadId=ID", "404 "),
        ("POST /m?uploads", "", "", "/?uploads", "<Key>m</Key>"),
        ("PUT /m?partNumber=7&uploadId=ID", "", "part", "/m?uploadId=ID", "<Size>4</Size>"),
        ("POST /m?uploadId=ID", "x-oss-complete-all: yes", "", "/m", "200 part"),
        ("DELETE /empty", "", "", "/empty", "404 "),
        ("POST /?delete", &md5, DELETE, "/log", "404 "),
    ] {
        let (mut child, address) = start(folder.path());
        let header = if header.is_empty() { "x-oss-meta-none: 1" } else { header };
        let (method, uri) =
            head.replace("ID", &id).split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = format!("{method} {uri} HTTP/1.1\r\nHost: bkt.localhost\r\nConnection: close\r\n{header}");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{method} {uri}: {answer}");
        if let Some((_, begun)) = answer.split_once("<UploadId>") {
            id = begun.split_once('<').unwrap().0.to_owned();
        }
        let found = get(&see(folder.path()), &seen.replace("ID", &id));
        assert!(found.contains(wanted), "{method} {uri}, then {seen}: {found}");
    }
    let model = see(folder.path());
    let keys: Vec<_> = model.buckets()[0].objects.iter().map(|object| object.key.clone()).collect();
    assert_eq!(keys, ["a", "b", "m"]);
    assert!(model.uploads("bkt").is_empty());
    drop(model);
    assert_eq!(std::fs::read_dir(folder.path().join("blobs")).unwrap().count(), 2, "a and b share one");
}
