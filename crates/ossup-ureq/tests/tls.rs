//! Over TLS: who is trusted, and that nothing is sent to anybody else.

mod common;

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ossup_core::digest::Integrity;
use ossup_core::endpoint::Endpoint;
use ossup_core::sign::AnonymousSigner;
use ossup_core::upload::{Cancel, Cause, End, Policy, TransportKind};
use ossup_ureq::{Client, HttpSettings, InvalidSetting};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use self::common::{FOR_EVER, Parts, Peer, Place, policy};

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A server with a certificate of its own, which is the second thing, and which tells when a handshake fails.
fn serve(handle: impl Fn(Peer<Stream>) + Send + Sync + 'static) -> (Endpoint, String, Receiver<()>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (config, handle) = (Arc::new(config), Arc::new(handle));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (fail, failed) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, handle, fail) = (Arc::clone(&config), Arc::clone(&handle), fail.clone());
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                // An answer that waits to be sent is lost when the connection is reset.
                stream.set_nodelay(true).unwrap();
                let mut connection = ServerConnection::new(config).unwrap();
                if connection.complete_io(&mut stream).is_err() {
                    let _ = fail.send(());
                    return;
                }
                handle(Peer::new(StreamOwned::new(connection, stream)));
            });
        }
    });
    (endpoint, made.cert.pem(), failed)
}

fn client_of(endpoint: &Endpoint, settings: HttpSettings) -> Client {
    let settings = settings.no_proxy().stall_timeout(FOR_EVER).unwrap();
    Client::with_signer(endpoint, AnonymousSigner::new(endpoint.clone()), settings)
}

#[test]
fn whose_certificate_is_trusted_gets_the_bytes() {
    let place = Place::with_file_of(1_000_000);
    let (see, seen) = channel();
    let (endpoint, certificate, _) = serve(move |mut peer| {
        let asked = peer.head().unwrap();
        let body = peer.body(&asked);
        peer.stored(&body);
        see.send(body).unwrap();
    });
    let settings = HttpSettings::new().trust_only(certificate.as_bytes()).unwrap();
    let outcome = client_of(&endpoint, settings).upload(place.upload(Parts::One)).unwrap();
    assert!(matches!(outcome.end, End::Completed(_)), "{outcome:?}");
    assert!(seen.recv().unwrap() == place.content);
}

#[test]
fn whose_certificate_is_not_trusted_gets_nothing() {
    let place = Place::with_file_of(10);
    let (endpoint, _, failed) = serve(|_| panic!("this server is not to be talked to"));
    let outcome = client_of(&endpoint, HttpSettings::new()).upload(place.upload(Parts::One)).unwrap();
    let End::Failed(end) = outcome.end else { panic!("{outcome:?}") };
    assert!(matches!(&end.cause, Cause::Network(error) if error.kind == TransportKind::Connect), "{end:?}");
    failed.recv().unwrap();
}

#[test]
fn an_early_refusal_is_read_through_tls_too() {
    let place = Place::with_file_of(64 << 20);
    let (endpoint, certificate, _) = serve(|mut peer| {
        peer.head().unwrap();
        peer.answer("403 Forbidden", "", "<Error><Code>AccessDenied</Code></Error>");
    });
    let settings = HttpSettings::new().trust_only(certificate.as_bytes()).unwrap();
    let outcome = client_of(&endpoint, settings).upload(place.upload(Parts::One)).unwrap();
    let End::Failed(end) = outcome.end else { panic!("{outcome:?}") };
    assert!(
        matches!(&end.cause, Cause::Refused(error) if error.code.as_deref() == Some("AccessDenied")),
        "{end:?}"
    );
}

#[test]
fn a_server_that_takes_nothing_stalls_the_upload_over_tls_too() {
    let place = Place::with_file_of(64 << 20);
    let (done, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let (endpoint, certificate, _) = serve(move |mut peer| {
        if peer.head().is_some_and(|asked| asked.method == "PUT") {
            let _ = wait.lock().unwrap().recv();
        }
    });
    let settings = HttpSettings::new().trust_only(certificate.as_bytes()).unwrap().no_proxy();
    let settings = settings.stall_timeout(Duration::from_millis(50)).unwrap();
    let client = Client::with_signer(&endpoint, AnonymousSigner::new(endpoint.clone()), settings);
    let policy = Policy { integrity: Integrity::Crc, ..policy(Parts::One) };
    let outcome = client.upload(place.upload(Parts::One).policy(policy)).unwrap();
    let End::Failed(end) = outcome.end else { panic!("{outcome:?}") };
    assert!(matches!(&end.cause, Cause::Network(error) if error.kind == TransportKind::Stalled), "{end:?}");
    drop(done);
}

#[test]
fn a_cancel_interrupts_a_part_over_tls() {
    let place = Place::with_file_of(250 << 10);
    let ((say, said), (end, ended)) = (channel(), channel());
    let (endpoint, certificate, _) = serve(move |mut peer| {
        while let Some(asked) = peer.head() {
            if asked.method == "PUT" {
                say.send(()).unwrap();
                peer.wait_for_the_end();
                end.send(()).unwrap();
                return;
            }
            peer.anything_but_parts(&asked);
        }
    });
    let settings = HttpSettings::new().trust_only(certificate.as_bytes()).unwrap();
    let upload = place.upload(Parts::Of(100 << 10)).checkpoint_folder(place.checkpoints());
    let handle = client_of(&endpoint, settings).start(upload).unwrap();
    said.recv().unwrap();
    handle.cancel(Cancel::Keep);
    let outcome = handle.wait();
    assert!(matches!(outcome.end, End::Suspended { .. }), "{outcome:?}");
    ended.recv().unwrap();
}

#[test]
fn what_is_no_certificate_is_refused() {
    for text in ["", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "certificate"] {
        let refused = HttpSettings::new().trust_only(text.as_bytes());
        assert!(matches!(refused, Err(InvalidSetting::Certificates)), "{text:?}");
    }
}
