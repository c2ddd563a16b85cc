//! The server over sockets, spoken to byte by byte: what a client meets when everything or nothing goes well.

mod socket;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use ossup_core::digest::Md5;
use ossup_emulator::{Action, Emulator, Fate, Operation, Rule};
use socket::{assert_status, body, connect, emulator, exchange, get, put, read_all};

/// In bits a second.
const LOWEST_LIMIT: &str = "245760";

#[test]
fn an_object_goes_in_and_comes_out() {
    let emulator = emulator();
    let stored = put(&emulator, "k", "hello");
    assert_status(&stored, 200);
    assert!(stored.contains(&format!("etag: \"{}\"\r\n", Md5::of(b"hello"))), "{stored}");
    assert!(stored.contains("server: AliyunOSS\r\n") && stored.contains("\r\ndate: "), "{stored}");
    assert_eq!(body(&get(&emulator, "k")), "hello");
    assert_eq!(&*emulator.model().object_bytes("bkt", "k").unwrap().unwrap(), b"hello");
}

#[test]
fn an_emulator_that_listens_everywhere_tells_an_endpoint_that_can_be_used() {
    for everywhere in ["0.0.0.0:0", "[::]:0"] {
        let Ok(emulator) = Emulator::builder().listen(everywhere.parse().unwrap()).start() else { continue };
        let port = emulator.address().port();
        let local = if everywhere.starts_with('[') { "[::1]" } else { "127.0.0.1" };
        assert_eq!(emulator.endpoint(), format!("http://{local}:{port}"));
        assert!(!emulator.instructions().contains("0.0.0.0") && !emulator.instructions().contains("[::]"));
    }
}

#[test]
fn the_default_emulator_checks_signatures_and_has_a_bucket() {
    let emulator = Emulator::start().unwrap();
    assert_status(&get(&emulator, "k"), 403);
    assert_eq!(emulator.model().buckets()[0].name, ossup_emulator::DEFAULT_BUCKET);
}

#[test]
fn dot_segments_stay_in_the_key() {
    let emulator = emulator();
    assert_status(&put(&emulator, "a/../b/./c", "x"), 200);
    assert!(emulator.model().object("bkt", "a/../b/./c").is_some());
    assert_status(&put(&emulator, "a%2F..%2Fd", "x"), 200);
    assert!(emulator.model().object("bkt", "a/../d").is_some());
}

#[test]
fn one_connection_serves_many_requests() {
    let emulator = emulator();
    let mut stream = connect(&emulator);
    for _ in 0..3 {
        write!(stream, "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 1\r\n\r\nx").unwrap();
    }
    write!(stream, "GET /k HTTP/1.1\r\nHost: bkt.localhost\r\nConnection: close\r\n\r\n").unwrap();
    let all = read_all(&mut stream);
    assert_eq!(all.matches("HTTP/1.1 200 ").count(), 4, "{all}");
}

#[test]
fn chunked_bodies_are_taken() {
    let emulator = emulator();
    let mut stream = connect(&emulator);
    let head =
        "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    write!(stream, "{head}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").unwrap();
    assert_status(&read_all(&mut stream), 200);
    assert_eq!(&*emulator.model().object_bytes("bkt", "k").unwrap().unwrap(), b"hello world");
}

#[test]
fn the_body_is_asked_for_only_when_it_is_wanted() {
    let emulator = emulator();
    let ask = |uri: &str| {
        let mut stream = connect(&emulator);
        let head = "Host: bkt.localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        write!(stream, "PUT {uri} HTTP/1.1\r\n{head}").unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        String::from_utf8_lossy(&first).into_owned()
    };
    assert_eq!(ask("/k"), "HTTP/1.1 100");
    assert_eq!(ask("/k?partNumber=1&uploadId=none"), "HTTP/1.1 404");
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let emulator = Emulator::start().unwrap();
    let large = "x".repeat(8 << 20);
    let answer = exchange(&emulator, "PUT /k HTTP/1.1", &large);
    assert_status(&answer, 403);
    assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
}

#[test]
fn an_early_refusal_closes_the_connection_without_reading() {
    let emulator = emulator();
    let early = Action::RefuseEarly { status: 403, code: "AccessDenied".into() };
    emulator.faults().add(Rule::on(Operation::PutObject, early));
    let mut stream = connect(&emulator);
    write!(stream, "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 1000000\r\n\r\n").unwrap();
    let answer = read_all(&mut stream);
    assert_status(&answer, 403);
    assert_eq!(emulator.journal().entries()[0].received, 0);
}

#[test]
fn silences_and_slowness_change_nothing_but_the_time() {
    let emulator = emulator();
    for action in [
        Action::Stall { millis: 5 },
        Action::StallAnswer { millis: 5 },
        Action::HoldBack { millis: 5 },
        Action::Pace { bytes_per_second: 10_000_000 },
    ] {
        let rule = emulator.faults().add(Rule::always(action));
        let content = "x".repeat(100_000);
        assert_status(&put(&emulator, "k", &content), 200);
        assert_eq!(body(&get(&emulator, "k")), content);
        assert_eq!(emulator.faults().hits(rule), Some(2));
        emulator.faults().clear();
    }
}

#[test]
fn a_lost_answer_leaves_the_work_done() {
    let emulator = emulator();
    emulator.faults().add(Rule::on(Operation::PutObject, Action::LoseAnswer).nth(1));
    assert_eq!(put(&emulator, "k", "hello"), "");
    assert_eq!(body(&get(&emulator, "k")), "hello");
    assert_eq!(emulator.journal().of(Operation::PutObject)[0].fate, Fate::AnswerLost);
}

#[test]
fn a_cut_body_is_not_stored() {
    let emulator = emulator();
    emulator.faults().add(Rule::on(Operation::PutObject, Action::CutIn { after: 100_000 }).nth(1));
    assert_eq!(put(&emulator, "k", &"x".repeat(1 << 20)), "");
    let entry = &emulator.journal().of(Operation::PutObject)[0];
    assert_eq!((entry.fate, entry.received, entry.status), (Fate::CutIn, 100_000, None));
    assert!(emulator.model().object("bkt", "k").is_none());
}

#[test]
fn a_cut_answer_has_exactly_the_bytes_that_were_allowed() {
    let emulator = emulator();
    put(&emulator, "k", &"x".repeat(1 << 20));
    emulator.faults().add(Rule::on(Operation::GetObject, Action::CutOut { after: 70_000 }).nth(1));
    let cut = get(&emulator, "k");
    assert!(cut.contains("content-length: 1048576\r\n"));
    assert_eq!(body(&cut).len(), 70_000);
    assert_eq!(body(&get(&emulator, "k")).len(), 1 << 20);
}

#[test]
fn an_answer_with_a_flipped_bit_differs_in_one_byte() {
    let emulator = emulator();
    put(&emulator, "k", "hello");
    emulator.faults().add(Rule::on(Operation::GetObject, Action::CorruptAnswer { offset: 4 }));
    assert_eq!(body(&get(&emulator, "k")), "helln");
}

/// How the connection ended, once all that came was read.
fn ending(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(1..) => {}
            other => return other.map_err(|error| error.kind()),
        }
    }
}

#[test]
fn a_connection_may_be_reset_in_the_middle_of_a_body() {
    let emulator = emulator();
    emulator.faults().add(Rule::on(Operation::PutObject, Action::ResetIn { after: 5 }).nth(1));
    let mut stream = connect(&emulator);
    // Nothing is left unread, so that in order the connection would end in order.
    write!(stream, "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 10\r\n\r\n12345").unwrap();
    assert_eq!(ending(&mut stream), Err(ErrorKind::ConnectionReset));
    assert!(emulator.model().object("bkt", "k").is_none());
    assert_eq!(emulator.journal().entries()[0].fate, Fate::CutIn);

    emulator.faults().add(Rule::on(Operation::PutObject, Action::CutIn { after: 5 }).nth(1));
    let mut stream = connect(&emulator);
    write!(stream, "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 10\r\n\r\n12345").unwrap();
    assert_eq!(ending(&mut stream), Ok(0));
}

#[test]
fn a_connection_may_be_reset_after_the_work_is_done() {
    let emulator = emulator();
    emulator.faults().add(Rule::on(Operation::PutObject, Action::ResetAnswer).nth(1));
    let mut stream = connect(&emulator);
    write!(stream, "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    assert_eq!(ending(&mut stream), Err(ErrorKind::ConnectionReset));
    assert_eq!(body(&get(&emulator, "k")), "hello");
}

#[test]
fn bodies_whose_pace_is_limited_come_and_go_whole_and_limits_are_those_of_oss() {
    let emulator = emulator();
    // The lowest limit that OSS takes, in bits a second. That it is kept is tested beside the code.
    let limited = format!("x-oss-traffic-limit: {LOWEST_LIMIT}");
    let bytes = LOWEST_LIMIT.parse::<usize>().unwrap() / 8 / 10;
    assert_status(&exchange(&emulator, &format!("PUT /k HTTP/1.1\n{limited}"), &"x".repeat(bytes)), 200);
    assert_eq!(body(&exchange(&emulator, &format!("GET /k HTTP/1.1\n{limited}"), "")).len(), bytes);
    for wrong in ["0", "1000", "838860801", "fast", "-1"] {
        let answer = exchange(&emulator, &format!("GET /k HTTP/1.1\nx-oss-traffic-limit: {wrong}"), "");
        assert!(answer.contains("<Code>InvalidArgument</Code>"), "{answer}");
    }
}

#[test]
fn lengths_that_nobody_sends_take_up_nothing() {
    let emulator = emulator();
    let announce = |head: &str, length: &str| {
        let mut stream = connect(&emulator);
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: bkt.localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\nx"
        )
        .unwrap();
        stream
    };
    // All at once 100 GiB of content and as much of documents; were they believed, this process would not live.
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(announce("PUT /k", "1073741824"));
        open.push(announce("POST /?delete", "1073741824"));
    }
    for length in ["5368709121", "18446744073709551615"] {
        let mut stream = announce("PUT /k", length);
        // A server that has refused goes on reading for a while, for the sake of clients that would not see the answer.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = read_all(&mut stream);
        assert!(
            answer.contains("<Code>EntityTooLarge</Code>")
                || answer.starts_with("HTTP/1.1 400 ")
                || answer.starts_with("HTTP/1.1 431 "),
            "{answer}"
        );
    }
    assert_status(&put(&emulator, "small", "x"), 200);
}

#[test]
fn somebody_else_may_answer() {
    let emulator = emulator();
    let proxy = Action::AnswerInstead {
        status: 502,
        headers: vec![("Server".into(), "proxy".into())],
        body: "<html>bad gateway</html>".into(),
    };
    emulator.faults().add(Rule::on(Operation::PutObject, proxy).nth(1));
    let answer = put(&emulator, "k", "x");
    assert_status(&answer, 502);
    assert!(answer.contains("server: proxy\r\n") && !answer.contains("x-oss-"), "{answer}");
}

#[test]
fn the_journal_has_the_headers_that_say_how_a_body_comes_and_no_others() {
    let emulator = emulator();
    let mut stream = connect(&emulator);
    write!(
        stream,
        "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n"
    )
    .unwrap();
    write!(stream, "Content-Type: {}\r\nAuthorization: OSS a:b\r\n\r\n", "x".repeat(300)).unwrap();
    drop(stream);
    let mut entries = emulator.journal().entries();
    while entries.is_empty() {
        std::thread::yield_now();
        entries = emulator.journal().entries();
    }
    let expected = [
        ("content-length", "10".into()),
        ("content-type", "x".repeat(256)),
        ("expect", "100-continue".into()),
    ];
    assert_eq!(entries[0].headers, expected);
}

#[test]
fn a_client_that_goes_away_is_in_the_journal() {
    let emulator = emulator();
    let mut stream = connect(&emulator);
    write!(stream, "PUT /k HTTP/1.1\r\nHost: bkt.localhost\r\nContent-Length: 10\r\n\r\n12345").unwrap();
    drop(stream);
    let mut entries = emulator.journal().entries();
    while entries.is_empty() {
        std::thread::yield_now();
        entries = emulator.journal().entries();
    }
    assert_eq!(entries[0].fate, Fate::Abandoned);
}

#[test]
fn heads_and_documents_are_bounded() {
    let emulator = emulator();
    let huge = format!("GET /k HTTP/1.1\nX-Large: {}", "x".repeat(2 << 20));
    let answer = exchange(&emulator, &huge, "");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:.100}");
    let document = format!("<Delete>{}</Delete>", " ".repeat(5 << 20));
    let head = format!("POST /?delete HTTP/1.1\nContent-MD5: {}", Md5::of(document.as_bytes()).to_base64());
    let answer = exchange(&emulator, &head, &document);
    assert!(answer.contains("<Code>MalformedXML</Code>"), "{answer:.300}");
}

#[test]
fn a_directory_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let builder = Emulator::builder().without_signature_checks().min_part_size(1).bucket("bkt");
        builder.data(folder.path()).start().unwrap()
    };
    let emulator = start();
    put(&emulator, "dir/../k%20%E4%B8%AD", "hello");
    put(&emulator, "gone", "x");
    put(&emulator, "k2", "old");
    put(&emulator, "k2", "new");
    exchange(&emulator, "DELETE /gone HTTP/1.1", "");
    exchange(&emulator, "POST /up?uploads HTTP/1.1\nx-oss-meta-a: 1", "");
    let id = emulator.model().uploads("bkt")[0].upload_id.clone();
    exchange(&emulator, &format!("PUT /up?partNumber=2&uploadId={id} HTTP/1.1"), "two");
    let before = emulator.model().buckets();
    assert!(Emulator::builder().data(folder.path()).start().is_err(), "the directory is in use");
    emulator.stop();

    let emulator = start();
    assert_eq!(emulator.model().buckets(), before);
    assert_eq!(body(&get(&emulator, "dir/../k%20%E4%B8%AD")), "hello");
    assert_eq!(body(&get(&emulator, "k2")), "new");
    exchange(&emulator, &format!("PUT /up?partNumber=1&uploadId={id} HTTP/1.1"), "one");
    let complete = format!("POST /up?uploadId={id} HTTP/1.1\nx-oss-complete-all: yes");
    assert_status(&exchange(&emulator, &complete, ""), 200);
    emulator.stop();

    let emulator = start();
    assert_eq!(body(&get(&emulator, "up")), "onetwo");
    assert!(get(&emulator, "up").contains("x-oss-meta-a: 1\r\n"));
    assert!(emulator.model().uploads("bkt").is_empty());
    // Nothing is left of what was replaced, deleted or completed: one file per part and object.
    assert_eq!(std::fs::read_dir(folder.path().join("blobs")).unwrap().count(), 4);
}

#[test]
fn https_is_spoken_with_a_certificate_that_clients_can_trust() {
    use std::sync::Arc;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
    let emulator = Emulator::builder().https().without_signature_checks().bucket("bkt").start().unwrap();
    assert!(emulator.endpoint().starts_with("https://127.0.0.1:"));
    let certificate = CertificateDer::from_pem_slice(emulator.certificate().unwrap().as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let speak = |host: &'static str, head: &str, body: &str| {
        let connection = ClientConnection::new(config.clone(), ServerName::try_from(host).unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, connect(&emulator));
        let length = body.len();
        let rest = format!("Host: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        write!(stream, "{head}\r\n{rest}").unwrap();
        let mut answer = String::new();
        // How a TLS connection ends is up to who ends it.
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    for (host, path) in [("127.0.0.1", "/bkt/k"), ("localhost", "/bkt/k"), ("bkt.localhost", "/k")] {
        assert_status(&speak(host, &format!("PUT {path} HTTP/1.1"), "x"), 200);
    }
    // The answer tells where the object is by the way it was reached.
    speak("localhost", "POST /bkt/m?uploads HTTP/1.1", "");
    let id = emulator.model().uploads("bkt")[0].upload_id.clone();
    speak("localhost", &format!("PUT /bkt/m?partNumber=1&uploadId={id} HTTP/1.1"), "x");
    let complete = format!("POST /bkt/m?uploadId={id} HTTP/1.1\r\nx-oss-complete-all: yes");
    let done = speak("localhost", &complete, "");
    assert!(done.contains("<Location>https://localhost/bkt/m</Location>"), "{done}");
    // One that speaks plain http is not served.
    assert!(!get(&emulator, "k").contains("HTTP/1.1"));
}
