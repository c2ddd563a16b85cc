//! Callbacks on the wire: signed, sent to the application, and to no other machine unless that is allowed.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use ossup_core::digest::Md5;
use percent_encoding::percent_decode_str;
use rsa::PrivateKey;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use tokio::net::TcpStream;

use crate::model::{Delivery, DeliveryResult, MAX_ANSWER};

/// How long the application has (OSS documentation, "Callback").
const WITHIN: Duration = Duration::from_secs(5);
/// The size of the key. OSS's own is not larger.
const KEY_BITS: usize = 2048;
/// Where the public key is served.
pub(super) const PUBLIC_KEY_PATH: &str = "/_callback_public_key";

/// Sends callbacks.
pub(super) struct Caller {
    /// Made when first needed: it takes a moment.
    key: Mutex<Option<PrivateKey>>,
    /// The URL of the public key.
    public_key: String,
    /// Whether other machines may be called.
    remote: bool,
}

impl Caller {
    pub(super) fn new(endpoint: &str, remote: bool) -> Self {
        let public_key = format!("{endpoint}{PUBLIC_KEY_PATH}");
        Self { key: Mutex::new(None), public_key, remote }
    }

    fn with_key<T>(&self, work: impl FnOnce(&PrivateKey) -> Option<T>) -> Option<T> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_none() {
            let mut random = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
            *key = PrivateKey::new(&mut random, KEY_BITS).ok();
        }
        work(key.as_ref()?)
    }

    /// The public key, in PEM.
    pub(super) fn public_key(&self) -> Option<String> {
        self.with_key(|key| key.to_public_key().to_public_key_pem(LineEnding::LF).ok())
    }

    /// The value of `Authorization`: the signature of decoded path, query and body.
    fn sign(&self, uri: &Uri, body: &str) -> Option<String> {
        let path = percent_decode_str(uri.path()).decode_utf8_lossy();
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let text = format!("{path}{query}\n{body}");
        self.with_key(|key| {
            let signature = key.pkcs1v15_sign::<md5::Md5>(text.as_bytes()).ok()?;
            Some(STANDARD.encode(signature))
        })
    }

    /// Calls one URL after the other until one answers with 200; gives back the last answer.
    pub(super) async fn deliver(&self, delivery: &Delivery) -> DeliveryResult {
        let mut last = Err("there is no URL".to_owned());
        for url in &delivery.urls {
            let attempt = tokio::time::timeout(WITHIN, self.call(url, delivery)).await;
            last = attempt.unwrap_or_else(|_| Err("no answer within 5 seconds".into()));
            if last.as_ref().is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
        }
        last
    }

    async fn call(&self, url: &str, delivery: &Delivery) -> DeliveryResult {
        let uri: Uri = url.parse().map_err(|_| "the URL is not one".to_owned())?;
        if uri.scheme_str() != Some("http") {
            return Err("only http is spoken here".into());
        }
        let (Some(authority), Some(host)) = (uri.authority(), uri.host()) else {
            return Err("the URL has no host".into());
        };
        let port = uri.port_u16().unwrap_or(80);
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((name, port)).await.map_err(|error| error.to_string())?;
        // The address that was judged is the one that is connected to.
        let allowed = |address: &SocketAddr| self.remote || address.ip().is_loopback();
        let address = found.into_iter().find(allowed).ok_or("only this machine may be called")?;
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        let driver = tokio::spawn(connection);
        let host = delivery.host.clone().unwrap_or_else(|| authority.to_string());
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request = Request::post(target)
            .header(header::HOST, host)
            .header(header::USER_AGENT, "aliyun-oss-callback")
            .header(header::CONTENT_TYPE, delivery.content_type)
            .header(header::CONTENT_LENGTH, delivery.body.len())
            .header("content-md5", Md5::of(delivery.body.as_bytes()).to_base64())
            .header(header::AUTHORIZATION, self.sign(&uri, &delivery.body).unwrap_or_default())
            .header("x-oss-pub-key-url", STANDARD.encode(&self.public_key));
        for (name, value) in &delivery.headers {
            request = request.header(*name, value);
        }
        let body = Full::new(Bytes::from(delivery.body.clone()));
        let request = request.body(body).map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string());
        let answer = match answer {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                // One byte more than is allowed, so that the model sees what is too long.
                let body = Limited::new(body, MAX_ANSWER + 1).collect().await;
                body.map(|body| Response::from_parts(head, body.to_bytes())).map_err(|e| e.to_string())
            }
            Err(error) => Err(error),
        };
        driver.abort();
        answer
    }
}
