//! A request as it arrived, read: which bucket and key it is about, its query and headers decoded.
//!
//! Nothing is normalised: dot segments and repeated slashes are ordinary text of a key.

use std::net::IpAddr;

use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;

use super::refusal::{self, Refusal};
use crate::config::Config;

/// What a request is about. The names are as they were received, not checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    Service,
    Bucket(String),
    Object { bucket: String, key: String },
}

impl Target {
    pub(crate) fn bucket(&self) -> Option<&str> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object { bucket, .. } => Some(bucket),
        }
    }

    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Object { key, .. } => Some(key),
            Self::Service | Self::Bucket(_) => None,
        }
    }

    /// As both signature versions name it: `/`, `/bucket/` or `/bucket/key`, nothing encoded.
    pub(crate) fn resource(&self) -> String {
        match self {
            Self::Service => "/".into(),
            Self::Bucket(bucket) => format!("/{bucket}/"),
            Self::Object { bucket, key } => format!("/{bucket}/{key}"),
        }
    }
}

/// Query parameters in the order in which they came, decoded; `None` is a bare name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Query(pub(crate) Vec<(String, Option<String>)>);

impl Query {
    /// Reads a query as OSS does: `+` is a blank.
    fn parse(raw: &str) -> Result<Self, Refusal> {
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            match percent_decode_str(&spaced).decode_utf8() {
                Ok(text) => Ok(text.into_owned()),
                Err(_) => Err(refusal::invalid_argument("The query string is not UTF-8.")),
            }
        };
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = match pair.split_once('=') {
                Some((name, value)) => (name, Some(decode(value)?)),
                None => (pair, None),
            };
            Ok((decode(name)?, value))
        });
        Ok(Self(pairs.collect::<Result<_, Refusal>>()?))
    }

    /// The value of the parameter; that of a bare name is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(found, _)| found == name)?;
        Some(pair.1.as_deref().unwrap_or_default())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) scheme: Scheme,
    /// With the port, as it was sent; empty when it was not.
    pub(crate) host: String,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
}

impl Received {
    /// Reads the head of a request. `exists` tells whether there is a bucket of that name.
    pub(crate) fn read(
        head: &Parts,
        config: &Config,
        exists: impl Fn(&str) -> bool,
    ) -> Result<Self, Refusal> {
        let host = match head.headers.get(header::HOST) {
            Some(host) => host.to_str().unwrap_or_default(),
            None => head.uri.authority().map(http::uri::Authority::as_str).unwrap_or_default(),
        };
        let path = head.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let target = match bucket_of_host(bare_host(host), config, exists) {
            Some(bucket) if path.is_empty() => Target::Bucket(bucket),
            Some(bucket) => Target::Object { bucket, key: decode(path)? },
            None if path.is_empty() => Target::Service,
            None => match path.split_once('/') {
                None | Some((_, "")) => Target::Bucket(decode(path.trim_end_matches('/'))?),
                Some((bucket, key)) => Target::Object { bucket: decode(bucket)?, key: decode(key)? },
            },
        };
        Ok(Self {
            method: head.method.clone(),
            scheme: head.extensions.get().cloned().unwrap_or(Scheme::HTTP),
            host: host.into(),
            target,
            query: Query::parse(head.uri.query().unwrap_or_default())?,
            headers: head.headers.clone(),
        })
    }

    /// The header as text; several of one name are joined by commas.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut values = self.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
        let first = values.next()?.into_owned();
        Some(values.fold(first, |all, value| format!("{all},{value}")))
    }

    /// The region that the host names, where it is one of OSS's own with a bucket before it.
    pub(crate) fn region_of_host(&self) -> Option<&str> {
        let (_, rest) = bare_host(&self.host).split_once('.')?;
        let front = rest.strip_suffix(".aliyuncs.com")?;
        if let Some(region) = front.strip_suffix(".oss") {
            return Some(region);
        }
        let region = front.strip_prefix("oss-").filter(|region| !region.starts_with("accelerate"))?;
        Some(region.strip_suffix("-internal").unwrap_or(region))
    }

    /// Whether the header is there and says `value`, in any case of letters.
    pub(crate) fn header_is(&self, name: &str, value: &str) -> bool {
        self.header(name).is_some_and(|found| found.trim().eq_ignore_ascii_case(value))
    }
}

fn decode(path: &str) -> Result<String, Refusal> {
    match percent_decode_str(path).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(refusal::invalid_object_name("")),
    }
}

/// The host without its port.
pub(crate) fn bare_host(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// The bucket that the host names; none where the bucket is in the path.
fn bucket_of_host(host: &str, config: &Config, exists: impl Fn(&str) -> bool) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    if let Some(bucket) = config.cnames.get(&host) {
        return Some(bucket.clone());
    }
    if config.base_domains.contains(&host) {
        return None;
    }
    let below = |base: &String| host.strip_suffix(base.as_str())?.strip_suffix('.');
    if let Some(bucket) = config.base_domains.iter().find_map(below) {
        return Some(bucket.into());
    }
    let (first, rest) = host.split_once('.')?;
    // The shapes of OSS's own endpoints: oss-<region>.aliyuncs.com and <region>.oss.aliyuncs.com.
    let is_endpoint = |host: &str| match host.split_once('.') {
        None => host.starts_with("oss-"),
        Some((_, rest)) => rest == "oss",
    };
    if let Some(front) = rest.strip_suffix(".aliyuncs.com")
        && is_endpoint(front)
    {
        return Some(first.into());
    }
    exists(first).then(|| first.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: &str, uri: &str) -> Result<Received, Refusal> {
        let mut config = Config::default();
        config.cnames.insert("img.example.com".into(), "pictures".into());
        let (head, ()) = http::Request::get(uri).header("Host", host).body(()).unwrap().into_parts();
        Received::read(&head, &config, |name| name == "known")
    }

    #[test]
    fn the_bucket_is_found_in_host_or_path() {
        for (host, uri, resource) in [
            ("127.0.0.1:9000", "/", "/"),
            ("127.0.0.1:9000", "/bkt", "/bkt/"),
            ("127.0.0.1:9000", "/bkt/", "/bkt/"),
            ("127.0.0.1:9000", "/bkt/a/b", "/bkt/a/b"),
            ("[::1]:9000", "/bkt/k", "/bkt/k"),
            ("localhost:9000", "/bkt/k", "/bkt/k"),
            ("bkt.localhost:9000", "/", "/bkt/"),
            ("bkt.localhost:9000", "/k", "/bkt/k"),
            ("bkt.oss-cn-hangzhou.aliyuncs.com", "/k", "/bkt/k"),
            ("bkt.oss-cn-hangzhou-internal.aliyuncs.com", "/k", "/bkt/k"),
            ("bkt.cn-hangzhou.oss.aliyuncs.com", "/k", "/bkt/k"),
            ("oss-cn-hangzhou.aliyuncs.com", "/bkt/k", "/bkt/k"),
            ("cn-hangzhou.oss.aliyuncs.com", "/bkt/k", "/bkt/k"),
            ("img.example.com", "/k", "/pictures/k"),
            ("emulator:9000", "/bkt/k", "/bkt/k"),
            ("known.emulator:9000", "/k", "/known/k"),
            ("unknown.emulator:9000", "/bkt/k", "/bkt/k"),
        ] {
            assert_eq!(read(host, uri).unwrap().target.resource(), resource, "{host} {uri}");
        }
    }

    #[test]
    fn keys_are_decoded_once_and_not_normalised() {
        for (path, key) in [
            ("a/../b/./c", "a/../b/./c"),
            ("a%2F..%2Fb", "a/../b"),
            ("a//b", "a//b"),
            ("a+b%2Bc%20d", "a+b+c d"),
            ("100%2525", "100%25"),
            ("%E4%B8%AD", "中"),
            ("dir/", "dir/"),
        ] {
            let received = read("bkt.localhost", &format!("/{path}")).unwrap();
            assert_eq!(received.target.key(), Some(key), "{path}");
        }
        assert!(read("bkt.localhost", "/%ff").is_err());
    }

    #[test]
    fn queries_are_decoded_as_forms() {
        let received = read("bkt.localhost", "/?uploads&prefix=a+b%2Bc&delimiter=").unwrap();
        assert_eq!(received.query.get("uploads"), Some(""));
        assert_eq!(received.query.get("prefix"), Some("a b+c"));
        assert_eq!(received.query.0[0].1, None);
        assert_eq!(received.query.0[2].1.as_deref(), Some(""));
        assert!(!received.query.has("max-uploads"));
    }
}
