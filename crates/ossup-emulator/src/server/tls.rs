//! https with a certificate that the emulator makes for itself.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What https needs.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    /// The certificate, in PEM, for clients to trust.
    pub(super) certificate: String,
}

impl Tls {
    /// A certificate for this machine and the buckets it has, made now; the key is in memory only. Buckets that come
    /// later are reached in the path, or below a base domain of several labels: clients refuse `*.localhost`.
    pub(super) fn new(address: IpAddr, base_domains: &[String], buckets: &[String]) -> Result<Self, String> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into(), address.to_string()];
        for base in base_domains {
            names.extend([base.clone(), format!("*.{base}")]);
            names.extend(buckets.iter().map(|bucket| format!("{bucket}.{base}")));
        }
        names.sort_unstable();
        names.dedup();
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| error.to_string())?;
        let CertifiedKey { cert, signing_key } = made;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .map_err(|error| error.to_string())?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate: cert.pem() })
    }
}
