//! What goes over a connection, and what ends it, against servers that do as each test tells them.

use std::time::Duration;

use ossup_core::digest::Integrity;
use ossup_core::endpoint::Endpoint;
use ossup_core::retry::RetryPolicy;
use ossup_core::sign::AnonymousSigner;
use ossup_core::upload::{Cause, End, Patience, Policy, TransportKind};
use ossup_reqwest::{Client, FileUpload, HttpSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// More than a connection takes in that nobody reads.
const LEN: u64 = 64 << 20;

/// Longer than any test; what waits for so long has failed to be interrupted.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// A file of so many zeros, which takes no room.
fn file_of(len: u64) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(len).unwrap();
    file
}

/// An upload in one request, which waits for the network for a second for each attempt but the first.
fn upload_of(file: &tempfile::NamedTempFile, attempts: u32) -> FileUpload {
    let patience = Patience::Limited(Duration::from_secs(u64::from(attempts - 1)));
    let base = Duration::from_millis(1);
    let retry = RetryPolicy { attempts, patience, base, ..RetryPolicy::default() };
    let integrity = Integrity::Crc;
    FileUpload::new(file.path(), "oss://bucket/key".parse().unwrap()).policy(Policy {
        put_threshold: u64::MAX,
        integrity,
        retry,
        ..Policy::default()
    })
}

async fn listener() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, endpoint)
}

fn client_of(endpoint: &Endpoint, stall_timeout: Duration) -> Client {
    let settings = HttpSettings::new().no_proxy().stall_timeout(stall_timeout).unwrap();
    Client::with_signer(endpoint, AnonymousSigner::new(endpoint.clone()), settings)
}

/// Reads a head, byte by byte, so that the body stays where it is.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// Reads to the end of the connection, and says how much came.
async fn drain(mut stream: TcpStream) -> u64 {
    let (mut piece, mut count) = (vec![0; 1 << 16], 0);
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return count,
            Ok(read) => count += read as u64,
        }
    }
}

#[tokio::test]
async fn a_body_is_as_long_as_its_head_says_and_no_longer() {
    for len in [0, 1, 1_000_000] {
        let (listener, endpoint) = listener().await;
        let file = file_of(len);
        let upload = tokio::spawn(client_of(&endpoint, FOR_EVER).upload(upload_of(&file, 1)));
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        assert!(head.contains(&format!("content-length: {len}\r\n")), "{head}");
        for absent in ["transfer-encoding", "expect:", "accept-encoding", "referer"] {
            assert!(!head.contains(absent), "{head}");
        }
        let mut body = vec![1; usize::try_from(len).unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        assert!(body.iter().all(|byte| *byte == 0));
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let outcome = upload.await.unwrap().unwrap();
        assert!(matches!(outcome.end, End::Failed(_)), "{:?}", outcome.end);
        assert_eq!(drain(stream).await, 0);
    }
}

#[tokio::test]
async fn dropping_an_upload_closes_its_connection_in_the_middle_of_a_body() {
    let (listener, endpoint) = listener().await;
    let file = file_of(LEN);
    let upload = tokio::spawn(client_of(&endpoint, FOR_EVER).upload(upload_of(&file, 1)));
    let (mut stream, _) = listener.accept().await.unwrap();
    head(&mut stream).await;
    upload.abort();
    assert!(drain(stream).await < LEN);
}

#[tokio::test]
async fn a_server_that_takes_nothing_counts_as_stalled() {
    let (listener, endpoint) = listener().await;
    let file = file_of(LEN);
    let client = client_of(&endpoint, Duration::from_millis(50));
    let outcome = client.upload(upload_of(&file, 1)).await.unwrap();
    match outcome.end {
        End::Failed(failed) => match failed.cause {
            Cause::Network(error) => assert_eq!(error.kind, TransportKind::Stalled),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    drop(listener);
}

#[tokio::test]
async fn an_early_refusal_is_heard_however_the_connection_ends() {
    let (listener, endpoint) = listener().await;
    let file = file_of(LEN);
    let upload = tokio::spawn(client_of(&endpoint, FOR_EVER).upload(upload_of(&file, 4)));
    let server = tokio::spawn(async move {
        let mut asked = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.push(head(&mut stream).await.contains("expect: 100-continue"));
            let body = "<Error><Code>AccessDenied</Code></Error>";
            let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n", body.len());
            // Closing with bytes unread resets the connection, which can overtake the answer.
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            drop(stream);
            // The first attempt may have been too busy sending; a later one has asked before.
            assert!(asked.len() == 1 || asked[asked.len() - 1]);
        }
    });
    let outcome = upload.await.unwrap().unwrap();
    match outcome.end {
        End::Failed(failed) => match failed.cause {
            Cause::Refused(error) | Cause::CredentialsRefused { error, .. } => {
                assert_eq!(error.code.as_deref(), Some("AccessDenied"));
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    assert!(!server.is_finished(), "{:?}", server.await);
}
