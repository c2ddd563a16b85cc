//! https with a certificate that the emulator makes for itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{Certificate, CertificateParams, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// In seconds.
const DAY: u64 = 24 * 60 * 60;
/// How many days a certificate is good for. Some clients take none that is good for more than 825.
const GOOD_FOR: u64 = 800;

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
        let (cert, key) = make(names).map_err(|error| error.to_string())?;
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .map_err(|error| error.to_string())?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate: cert.pem() })
    }
}

/// A certificate from yesterday on, since the clocks of clients differ, by the time of this machine.
fn make(names: Vec<String>) -> Result<(Certificate, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let begin = SystemTime::now() - Duration::from_secs(DAY);
    params.not_before = begin.into();
    params.not_after = (begin + Duration::from_secs(GOOD_FOR * DAY)).into();
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_good_now_and_not_for_ever() {
        let (certificate, _) = make(vec!["localhost".into()]).unwrap();
        // Two times stand in it, in the form yyMMddhhmmssZ.
        let der = certificate.der().to_vec();
        let is_time = |text: &&[u8]| text[..12].iter().all(u8::is_ascii_digit) && text[12] == b'Z';
        let times: Vec<_> = der.windows(13).filter(is_time).map(|text| text[..2].to_vec()).collect();
        let year = |digits: &[u8]| std::str::from_utf8(digits).unwrap().parse::<u32>().unwrap();
        let [from, to] = times.iter().map(|digits| year(digits)).collect::<Vec<_>>()[..] else {
            panic!("{times:?}")
        };
        assert!((2..=3).contains(&(to - from)), "{from} to {to}");
    }
}
