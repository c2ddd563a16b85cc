//! How HTTP is spoken: the settings a user can make, and the ones that follow from the contract with the machine.

use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::RustlsConnector;

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
#[derive(Clone, Debug, Default)]
enum Proxy {
    /// The one that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` name, unless `NO_PROXY` names the host.
    #[default]
    FromEnvironment,
    /// None.
    Direct,
    /// This one.
    At(ureq::Proxy),
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default)]
enum Trust {
    /// The authorities that Mozilla trusts, as they were when this was built.
    #[default]
    Mozilla,
    /// These authorities, and no others.
    These(RootCerts),
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
    /// That something moves is seen when 64 KiB have left, and the system takes in more only when it has got rid of a good
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
        let proxy = ureq::Proxy::new(url).map_err(|_| InvalidSetting::Proxy)?;
        Ok(Self { proxy: Proxy::At(proxy), ..self })
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
        let mut certificates = Vec::new();
        for item in parse_pem(pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|_| InvalidSetting::Certificates)? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(InvalidSetting::Certificates);
        }
        Ok(Self { trust: Trust::These(RootCerts::from(certificates)), ..self })
    }

    pub(crate) fn into_http(self) -> Http {
        let tls = match self.trust {
            Trust::Mozilla => TlsConfig::builder(),
            Trust::These(roots) => TlsConfig::builder().root_certs(roots),
        };
        let builder = Config::builder()
            .user_agent(USER_AGENT)
            // The answer is judged elsewhere, whatever its status.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A signature does not cover what a redirect or a compressed body would make of it.
            .accept_encoding("identity")
            .timeout_connect(Some(self.connect_timeout))
            .timeout_per_write(Some(self.stall_timeout))
            .timeout_per_read(Some(self.stall_timeout))
            .output_buffer_size(PIECE)
            // A line has one connection at a time.
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .tls_config(tls.build());
        let builder = match self.proxy {
            Proxy::FromEnvironment => builder,
            Proxy::Direct => builder.proxy(None),
            Proxy::At(proxy) => builder.proxy(Some(proxy)),
        };
        Http {
            config: builder.build(),
            stall_timeout: self.stall_timeout,
            tls: Arc::new(RustlsConnector::default()),
        }
    }
}

/// How much of a part is read and written at once, in bytes: large enough to make system calls cheap, small enough to
/// stay in the cache of a core from the one to the other, for as many parts as there are in flight.
const PIECE: usize = 64 * 1024;

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

/// What all lines of a client have in common.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) config: Config,
    pub(crate) stall_timeout: Duration,
    pub(crate) tls: Arc<RustlsConnector>,
}
