//! How HTTP is spoken: the settings a user can make, and the ones that follow from the contract with the machine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::http_client::{Http, Standing};

/// Settings of HTTP. The defaults suit almost everybody.
///
/// There is no limit on the time that a request may take in all, since a large part over a slow link takes as long as
/// it takes. What is limited is the time in which nothing moves.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    connect_timeout: Duration,
    stall_timeout: Duration,
    proxy: Proxy,
    trust: Trust,
}

/// Through which proxy the endpoint is reached.
#[derive(Clone, Default)]
enum Proxy {
    /// The one that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` name, unless `NO_PROXY` names the host.
    #[default]
    FromEnvironment,
    /// None.
    Direct,
    /// This one.
    At(Box<reqwest::Proxy>),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FromEnvironment => "FromEnvironment",
            Self::Direct => "Direct",
            // There may be a password in it.
            Self::At(_) => "At(..)",
        })
    }
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default)]
enum Trust {
    /// The authorities that Mozilla trusts, as they were when this was built.
    #[default]
    Mozilla,
    /// These authorities, and no others.
    These(Arc<RootCertStore>),
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            proxy: Proxy::default(),
            trust: Trust::default(),
        }
    }
}

impl HttpSettings {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long it may take until a connection stands, TLS included. Default: 10 seconds.
    ///
    /// # Errors
    /// It is less than a millisecond.
    pub fn connect_timeout(self, timeout: Duration) -> Result<Self, InvalidSetting> {
        Ok(Self { connect_timeout: usable(timeout)?, ..self })
    }

    /// How long a connection may stand still, in either direction, before it counts as stalled. While the answer to a
    /// request is awaited, the patience of that request counts instead. Default: 30 seconds.
    ///
    /// That something moves is seen when 256 KiB have left, and the system takes in more only when it has got rid of a good
    /// part of what it has. On a slow line a timeout must be long enough for that: with less than a few seconds, what
    /// moves may count as standing still.
    ///
    /// # Errors
    /// It is less than a millisecond.
    pub fn stall_timeout(self, timeout: Duration) -> Result<Self, InvalidSetting> {
        Ok(Self { stall_timeout: usable(timeout)?, ..self })
    }

    /// Uses this proxy, and not the one that the environment names: `http://host:port`, `socks5://host:port`, with
    /// `user:password@` before the host where it asks for them.
    ///
    /// # Errors
    /// The text does not name a proxy.
    pub fn proxy(self, url: &str) -> Result<Self, InvalidSetting> {
        let proxy = reqwest::Proxy::all(url).map_err(|_| InvalidSetting::Proxy)?;
        Ok(Self { proxy: Proxy::At(Box::new(proxy)), ..self })
    }

    /// Uses no proxy, whatever the environment says.
    #[must_use]
    pub fn no_proxy(self) -> Self {
        Self { proxy: Proxy::Direct, ..self }
    }

    /// Trusts these certificate authorities (in PEM form) and no others. For endpoints with certificates of one's own.
    ///
    /// # Errors
    /// There is no certificate in the text.
    pub fn trust_only(self, pem: &[u8]) -> Result<Self, InvalidSetting> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| InvalidSetting::Certificates)?;
            roots.add(certificate).map_err(|_| InvalidSetting::Certificates)?;
        }
        if roots.is_empty() {
            return Err(InvalidSetting::Certificates);
        }
        Ok(Self { trust: Trust::These(Arc::new(roots)), ..self })
    }

    pub(crate) fn into_http(self) -> Result<Http, reqwest::Error> {
        let standing = Standing::default();
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .http1_only()
            // Whether something is repeated, and where it goes, is decided elsewhere.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // What goes over the line does not depend on the features that other crates of the program give reqwest.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .no_hickory_dns()
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(usize::MAX)
            .connector_layer(standing.clone());
        // A peer that neither reads nor closes is left behind by the system, also when nobody watches any more.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let builder = builder.tcp_user_timeout(self.stall_timeout.min(MAX_USER_TIMEOUT));
        let builder = match self.proxy {
            Proxy::FromEnvironment => builder,
            Proxy::Direct => builder.no_proxy(),
            Proxy::At(proxy) => builder.no_proxy().proxy(*proxy),
        };
        let builder = match tls(self.trust) {
            Some(tls) => builder.tls_backend_preconfigured(tls),
            // reqwest says in its own words that it has no TLS then.
            None => builder.tls_backend_preconfigured(()),
        };
        Ok(Http {
            client: builder.build()?,
            standing,
            connect_timeout: self.connect_timeout,
            stall_timeout: self.stall_timeout,
        })
    }
}

/// TLS with `ring`, whatever provider the program has made the default one.
fn tls(trust: Trust) -> Option<ClientConfig> {
    let roots = match trust {
        Trust::Mozilla => Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
        Trust::These(roots) => roots,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The longest that the system is told to wait; it counts in milliseconds, in 32 bits.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const MAX_USER_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A timeout in which something can happen.
fn usable(timeout: Duration) -> Result<Duration, InvalidSetting> {
    if timeout < Duration::from_millis(1) { Err(InvalidSetting::Timeout) } else { Ok(timeout) }
}

/// The name under which requests are sent.
const USER_AGENT: &str = concat!("ossup/", env!("CARGO_PKG_VERSION"));

/// A setting that cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// The text does not name a proxy.
    #[error("a proxy is written http://host:port or socks5://host:port")]
    Proxy,
    /// There is no certificate in the text, or it cannot be read.
    #[error("there is no certificate in PEM form in the text")]
    Certificates,
    /// A time in which nothing can happen.
    #[error("a timeout is at least a millisecond")]
    Timeout,
}
