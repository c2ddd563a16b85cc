//! Callbacks over sockets: whom they reach, and what the emulator makes of the answer.

mod socket;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ossup_emulator::Emulator;
use socket::{assert_status, body, emulator, exchange, get};

#[test]
fn callbacks_go_to_this_machine_only() {
    let emulator = emulator();
    let parameters = STANDARD.encode(r#"{"callbackUrl":"http://192.0.2.1/","callbackBody":"x"}"#);
    let answer = exchange(&emulator, &format!("PUT /k HTTP/1.1\nx-oss-callback: {parameters}"), "hello");
    assert_status(&answer, 203);
    assert!(answer.contains("<Code>CallbackFailed</Code>"), "{answer}");
    assert_eq!(body(&get(&emulator, "k")), "hello");
}

#[test]
fn callbacks_do_not_get_at_the_admin_interface() {
    let admin = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    for remote in [false, true] {
        let mut builder = Emulator::builder().without_signature_checks().bucket("bkt").admin(admin);
        if remote {
            builder = builder.remote_callbacks();
        }
        let emulator = builder.start().unwrap();
        let admin = emulator.admin_endpoint().unwrap();
        for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"] {
            let to = admin.replace("127.0.0.1", host);
            let parameters =
                format!(r#"{{"callbackUrl":"{to}/faults","callbackBody":"{{\"do\":\"deny\"}}"}}"#);
            let head = format!("PUT /k HTTP/1.1\nx-oss-callback: {}", STANDARD.encode(parameters));
            assert_status(&exchange(&emulator, &head, "hello"), 203);
            assert!(emulator.faults().list().is_empty(), "{to}");
        }
    }
}

#[test]
fn the_next_url_is_asked_until_one_answers_with_200() {
    let emulator = emulator();
    let applications: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let urls: Vec<_> = applications.iter().map(|a| format!("http://{}/", a.local_addr().unwrap())).collect();
    let answers = [
        "204 No Content\r\n\r\n",
        "202 Accepted\r\nContent-Length: 2\r\n\r\n[]",
        "200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ];
    let answering = std::thread::spawn(move || {
        for (application, answer) in applications.iter().zip(answers) {
            let (mut called, _) = application.accept().unwrap();
            let mut request = [0; 4096];
            assert!(called.read(&mut request).unwrap() > 0);
            write!(called, "HTTP/1.1 {answer}").unwrap();
        }
    });
    let parameters = format!(r#"{{"callbackUrl":"{}","callbackBody":"x"}}"#, urls.join(";"));
    let head = format!("PUT /k HTTP/1.1\nx-oss-callback: {}", STANDARD.encode(parameters));
    let answer = exchange(&emulator, &head, "hello");
    assert_status(&answer, 200);
    assert_eq!(body(&answer), "{}");
    answering.join().unwrap();
}
