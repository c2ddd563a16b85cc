//! Where a bucket lives: scheme, host, how the bucket is addressed, and which region signs for it.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt::{self, Write as _};
use std::str::FromStr;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::object::{BucketName, ObjectKey};

/// What is percent-encoded in a query: everything but the unreserved characters of RFC 3986.
pub(crate) const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What is percent-encoded in a path: the same, with slashes kept.
pub(crate) const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The longest host name that DNS allows, in bytes.
const MAX_HOST: usize = 253;

/// A region, such as `cn-hangzhou`. The spelling `oss-cn-hangzhou` means the same; signatures need the former.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Region(Box<str>);

impl Region {
    /// The region as signatures have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Region {
    type Err = InvalidEndpoint;

    fn from_str(s: &str) -> Result<Self, InvalidEndpoint> {
        let name = s.strip_prefix("oss-").unwrap_or(s);
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        // A second prefix would be taken for the first one when the region is read back.
        let ok = (1..=64).contains(&name.len()) && name.bytes().all(legal) && !name.starts_with("oss-");
        if ok { Ok(Self(name.into())) } else { Err(InvalidEndpoint::Region(s.chars().take(80).collect())) }
    }
}

/// How a bucket is addressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum Addressing {
    /// `bucket.endpoint/key`
    #[default]
    VirtualHost,
    /// `endpoint/bucket/key`. The public service refuses it; an endpoint that is an IP address has it by itself.
    Path,
    /// `endpoint/key`: the endpoint is a domain that is bound to the bucket.
    Cname,
}

/// Which of a region's public endpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum Network {
    /// Over the internet.
    #[default]
    Public,
    /// From inside the same region's cloud network.
    Internal,
    /// Over IPv6 and IPv4. Not in every region.
    DualStack,
    /// By the access point nearest to the client. To be enabled for the bucket.
    Accelerate,
    /// The same, with access points outside mainland China.
    AccelerateOverseas,
}

/// Where a bucket lives.
///
/// ```
/// use ossup_core::endpoint::Endpoint;
/// let endpoint: Endpoint = "oss-cn-hangzhou.aliyuncs.com".parse()?;
/// assert_eq!(endpoint.region().unwrap().as_str(), "cn-hangzhou");
/// assert_eq!(endpoint.to_string(), "https://oss-cn-hangzhou.aliyuncs.com");
/// # Ok::<(), ossup_core::endpoint::InvalidEndpoint>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    host: Box<str>,
    port: Option<u16>,
    addressing: Addressing,
    region: Option<Region>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
enum Scheme {
    Https,
    Http,
}

impl Endpoint {
    /// The endpoint of a region.
    #[must_use]
    pub fn of_region(region: Region, network: Network) -> Self {
        let host = match network {
            Network::Public => format!("oss-{region}.aliyuncs.com"),
            Network::Internal => format!("oss-{region}-internal.aliyuncs.com"),
            Network::DualStack => format!("{region}.oss.aliyuncs.com"),
            Network::Accelerate => "oss-accelerate.aliyuncs.com".to_owned(),
            Network::AccelerateOverseas => "oss-accelerate-overseas.aliyuncs.com".to_owned(),
        };
        let addressing = Addressing::VirtualHost;
        Self { scheme: Scheme::Https, host: host.into(), port: None, addressing, region: Some(region) }
    }

    /// The same endpoint with another way of addressing the bucket. An IP address stays with path style.
    #[must_use]
    pub fn with_addressing(mut self, addressing: Addressing) -> Self {
        if !self.is_ip() {
            self.addressing = addressing;
        }
        self
    }

    /// The same endpoint, signed for this region: for those whose name does not tell it, and those whose name lies.
    #[must_use]
    pub fn with_region(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// The same endpoint without TLS.
    #[must_use]
    pub fn without_tls(mut self) -> Self {
        self.scheme = Scheme::Http;
        self
    }

    /// The region, if the name tells it or it was given. Signature V4 needs it.
    #[must_use]
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// How buckets are addressed.
    #[must_use]
    pub fn addressing(&self) -> Addressing {
        self.addressing
    }

    /// Host and port: what a checkpoint is bound to.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// The address of a bucket, or of an object in it.
    ///
    /// A key with dot segments has its slashes as `%2F`, so that no URL library between here and the socket takes them
    /// for path navigation. The server decodes the path and sees the same key. The keys `.` and `..` have no slash: they
    /// survive only where nothing normalises.
    ///
    /// # Errors
    /// The host and the bucket together are no legal host name.
    pub fn uri(
        &self,
        bucket: &BucketName,
        key: Option<&ObjectKey>,
        query: &[(impl AsRef<str>, Option<impl AsRef<str>>)],
    ) -> Result<Uri, InvalidEndpoint> {
        let mut uri = match self.scheme {
            Scheme::Https => "https://".to_owned(),
            Scheme::Http => "http://".to_owned(),
        };
        if self.addressing == Addressing::VirtualHost {
            uri.push_str(bucket.as_str());
            uri.push('.');
        }
        uri.push_str(&self.authority());
        uri.push('/');
        if self.addressing == Addressing::Path {
            uri.push_str(bucket.as_str());
            uri.push('/');
        }
        if let Some(key) = key {
            let navigates = key.as_str().split('/').any(|segment| segment == "." || segment == "..");
            uri.extend(utf8_percent_encode(key.as_str(), if navigates { QUERY } else { PATH }));
        }
        let mut separator = '?';
        for (name, value) in query {
            // Writing to a String cannot fail.
            let _ = write!(uri, "{separator}{}", utf8_percent_encode(name.as_ref(), QUERY));
            if let Some(value) = value {
                let _ = write!(uri, "={}", utf8_percent_encode(value.as_ref(), QUERY));
            }
            separator = '&';
        }
        Uri::try_from(uri).map_err(|_| InvalidEndpoint::Host(self.host.to_string()))
    }

    fn is_ip(&self) -> bool {
        is_ip(&self.host)
    }
}

/// The scheme and the authority: `https://oss-cn-hangzhou.aliyuncs.com`
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.scheme == Scheme::Https { "https://" } else { "http://" })?;
        f.write_str(&self.authority())
    }
}

/// Reads `host`, `host:port`, or a URL of them; without a scheme it is https.
impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(s: &str) -> Result<Self, InvalidEndpoint> {
        let s = s.trim();
        if s.len() > MAX_HOST + 32 {
            return Err(InvalidEndpoint::Host(s.chars().take(80).collect()));
        }
        let (scheme, rest) = match s.split_once("://") {
            None => (Scheme::Https, s),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some((scheme, _)) => return Err(InvalidEndpoint::Scheme(scheme.to_owned())),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let wrong = || InvalidEndpoint::Host(authority.to_owned());
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return Err(InvalidEndpoint::NotAHost(authority.to_owned()));
        }
        let (host, port) = match authority.rfind(':').filter(|colon| !authority[*colon..].contains(']')) {
            Some(colon) => {
                let port = authority.get(colon + 1..).and_then(port).ok_or_else(wrong)?;
                (authority.get(..colon).unwrap_or_default(), Some(port))
            }
            None => (authority, None),
        };
        let host = host.to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !is_ip(&host) && (host.len() > MAX_HOST || !host.split('.').all(label)) {
            return Err(wrong());
        }
        let addressing = if is_ip(&host) { Addressing::Path } else { Addressing::VirtualHost };
        let region = region_of(&host);
        let port = port.filter(|port| *port != if scheme == Scheme::Https { 443 } else { 80 });
        Ok(Self { scheme, host: host.into(), port, addressing, region })
    }
}

/// Digits alone: numbers would also be read with a plus.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn is_ip(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.parse::<Ipv4Addr>().is_ok() || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok())
}

/// The region that the name of a public endpoint tells.
fn region_of(host: &str) -> Option<Region> {
    let name = host.strip_suffix(".aliyuncs.com")?;
    let region = if let Some(region) = name.strip_suffix(".oss") {
        region
    } else {
        let region = name.strip_prefix("oss-")?;
        region.strip_suffix("-internal").unwrap_or(region)
    };
    if region.starts_with("accelerate") || region.contains('.') { None } else { region.parse().ok() }
}

/// A text that cannot be an endpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// Neither http nor https.
    #[error("'{0}' is not a scheme of an endpoint: http and https are")]
    Scheme(String),
    /// More than a host and a port.
    #[error("'{0}' is more than a host and a port; the bucket and the key are given elsewhere")]
    NotAHost(String),
    /// Not a legal host name or address, or not a legal port.
    #[error("'{0}' is not a legal host")]
    Host(String),
    /// Not a legal region.
    #[error("'{0}' is not a region such as cn-hangzhou")]
    Region(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(endpoint: &Endpoint, key: &str) -> String {
        let query: [(&str, Option<&str>); 0] = [];
        endpoint.uri(&"bucket".parse().unwrap(), Some(&key.parse().unwrap()), &query).unwrap().to_string()
    }

    #[test]
    fn names_tell_their_region_where_they_can() {
        let region = |host: &str| host.parse::<Endpoint>().unwrap().region().map(ToString::to_string);
        assert_eq!(region("oss-cn-hangzhou.aliyuncs.com").as_deref(), Some("cn-hangzhou"));
        assert_eq!(region("OSS-cn-hangzhou-internal.aliyuncs.com").as_deref(), Some("cn-hangzhou"));
        assert_eq!(region("https://ap-southeast-1.oss.aliyuncs.com/").as_deref(), Some("ap-southeast-1"));
        for host in [
            "oss-accelerate.aliyuncs.com",
            "oss-accelerate-overseas.aliyuncs.com",
            "img.example.com",
            "10.0.0.1",
        ] {
            assert_eq!(region(host), None, "{host}");
        }
    }

    #[test]
    fn an_ip_address_has_path_style_by_itself() {
        let endpoint: Endpoint = "http://[::1]:9000".parse().unwrap();
        assert_eq!(url(&endpoint, "k"), "http://[::1]:9000/bucket/k");
        assert_eq!(endpoint.clone().with_addressing(Addressing::VirtualHost), endpoint);
    }

    #[test]
    fn a_region_that_was_given_stays_whatever_the_addressing() {
        let endpoint: Endpoint = "img.example.com".parse().unwrap();
        let endpoint = endpoint.with_region("oss-cn-hangzhou".parse().unwrap());
        let region = endpoint.with_addressing(Addressing::Cname).region().map(ToString::to_string);
        assert_eq!(region.as_deref(), Some("cn-hangzhou"));
    }

    #[test]
    fn dot_segments_reach_the_wire_as_they_are() {
        let endpoint: Endpoint = "oss-cn-hangzhou.aliyuncs.com".parse().unwrap();
        assert!(url(&endpoint, "a/../b/./c").ends_with(".com/a%2F..%2Fb%2F.%2Fc"));
        assert!(url(&endpoint, "a/..b").ends_with(".com/a/..b"));
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "ftp://h",
            "h/p",
            "u@h",
            "h:x",
            "h:",
            "h:0",
            "h:+80",
            "h:99999",
            "a..b",
            "-\n",
            "[::1",
            "h?q",
            "\u{4e2d}.com",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
        assert!("x".repeat(400).parse::<Endpoint>().is_err());
        assert!("cn hangzhou".parse::<Region>().is_err());
        assert!("oss-oss-cn-hangzhou".parse::<Region>().is_err());
    }

    proptest! {
        #[test]
        fn any_legal_key_comes_back_from_the_wire(key in "[^/\\\\].{0,80}", path_style in any::<bool>()) {
            let host = if path_style { "127.0.0.1:9000" } else { "oss-cn-hangzhou.aliyuncs.com" };
            let uri = url(&host.parse().unwrap(), &key).parse::<Uri>().unwrap();
            let path = uri.path().strip_prefix(if path_style { "/bucket/" } else { "/" }).unwrap();
            let decoded = percent_encoding::percent_decode_str(path).decode_utf8().unwrap();
            prop_assert_eq!(decoded, key);
        }

        #[test]
        fn any_text_is_an_endpoint_or_an_error(text in ".{0,300}") {
            let _ = text.parse::<Endpoint>();
            let _ = text.parse::<Region>();
        }

        #[test]
        fn an_endpoint_is_read_back_from_what_it_shows(
            scheme in prop::sample::select(vec!["", "http://", "https://", "HTTPS://"]),
            host in "[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-z0-9])?(\\.[a-z][a-z0-9]{0,9}){0,3}|\\[::[1-9a-f]\\]|10\\.0\\.0\\.[0-9]",
            port in prop::option::of(1_u16..),
        ) {
            let text = format!("{scheme}{host}{}", port.map(|port| format!(":{port}")).unwrap_or_default());
            let endpoint: Endpoint = text.parse().unwrap();
            let again: Endpoint = endpoint.to_string().parse().unwrap();
            prop_assert_eq!(again, endpoint);
        }
    }
}
