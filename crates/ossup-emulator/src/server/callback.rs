//! Callbacks on the wire: signed, sent to the application, and to no other machine unless that is allowed.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use ossup_core::digest::Md5;
use percent_encoding::percent_decode_str;
use rsa::PrivateKey;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use tokio::net::TcpStream;

use crate::model::{CALLBACK_MARK, Delivery, DeliveryResult, MAX_ANSWER};

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
    reach: Reach,
}

/// Whom callbacks may reach. Whoever can send requests here says where they go, so they must not lead to where he
/// himself could not go.
pub(super) struct Reach {
    /// Anybody but the emulator itself.
    pub(super) remote: bool,
    /// Where the emulator listens.
    pub(super) address: SocketAddr,
    /// Where its admin interface listens.
    pub(super) admin: Option<SocketAddr>,
}

impl Reach {
    fn allows(&self, to: SocketAddr) -> bool {
        let itself = [Some(self.address), self.admin].into_iter().flatten().any(|own| {
            let here = to.ip() == own.ip() || is_loopback(to.ip()) || to.ip().is_unspecified();
            to.port() == own.port() && (here || own.ip().is_unspecified())
        });
        // Programs of this machine may trust what comes from it; a client from elsewhere is not to speak for it.
        !itself && (self.remote || (is_loopback(to.ip()) && is_loopback(self.address.ip())))
    }
}

/// Also where an address of version 4 is written as one of version 6.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

impl Caller {
    pub(super) fn new(endpoint: &str, reach: Reach) -> Self {
        let public_key = format!("{endpoint}{PUBLIC_KEY_PATH}");
        Self { key: Mutex::new(None), public_key, reach }
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
            if last.as_ref().is_ok_and(|answer| answer.status() == StatusCode::OK) {
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
        let address = found.into_iter().find(|address| self.reach.allows(*address));
        let address = address.ok_or("nobody may be called there")?;
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
            .header(CALLBACK_MARK, STANDARD.encode(&self.public_key));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(remote: bool, address: &str, to: &str) -> bool {
        let admin = Some("127.0.0.1:9001".parse().unwrap());
        Reach { remote, address: address.parse().unwrap(), admin }.allows(to.parse().unwrap())
    }

    #[test]
    fn callbacks_stay_on_the_machine_of_those_who_ask_for_them_and_never_come_back() {
        for (address, to, without, remote) in [
            ("127.0.0.1:9000", "127.0.0.1:80", true, true),
            ("[::1]:9000", "[::ffff:127.0.0.1]:80", true, true),
            ("127.0.0.1:9000", "192.0.2.1:80", false, true),
            ("127.0.0.1:9000", "0.0.0.0:80", false, true),
            // Clients from elsewhere do not get to this machine's other ports.
            ("0.0.0.0:9000", "127.0.0.1:80", false, true),
            ("192.0.2.7:9000", "127.0.0.1:80", false, true),
            // Nor does anybody to the emulator's own.
            ("127.0.0.1:9000", "127.0.0.1:9000", false, false),
            ("127.0.0.1:9000", "127.0.0.1:9001", false, false),
            ("127.0.0.1:9000", "[::1]:9001", false, false),
            ("127.0.0.1:9000", "0.0.0.0:9001", false, false),
            ("192.0.2.7:9000", "192.0.2.7:9000", false, false),
            ("0.0.0.0:9000", "192.0.2.7:9000", false, false),
        ] {
            assert_eq!(allowed(false, address, to), without, "{address} to {to}");
            assert_eq!(allowed(true, address, to), remote, "{address} to {to}, remote");
        }
    }
}
