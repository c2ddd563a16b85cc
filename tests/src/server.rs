//! A request as a server sees it: path and query decoded, headers taken as they came. And the signature that such a
//! server would compute, by the text functions of the core.
//!
//! The decoding is written anew here, so that an error in the encoding of the core is not answered by the same error.

use std::fmt;

use http::Uri;
use ossup_core::sign::{v1, v4};
use percent_encoding::percent_decode_str;

/// Names with values, in the order of the request. `None` is a bare name.
pub type Query = Vec<(String, Option<String>)>;

/// A request as it was sent, decoded.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Received {
    pub method: String,
    pub host: String,
    pub path: String,
    pub query: Query,
    pub headers: Vec<(String, String)>,
}

/// Why a signature is not the right one.
#[derive(Debug)]
pub struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Received {
    /// A request with this address and these headers. The header `Host` is made of the address if it is not there.
    ///
    /// # Panics
    /// The address is none, or does not decode to UTF-8.
    #[must_use]
    pub fn new(method: &str, url: &str, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        let uri: Uri = url.parse().expect("a legal address");
        let decode = |text: &str| percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned();
        let host = uri.authority().expect("an absolute address").to_string();
        let mut headers: Vec<_> =
            headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        if !headers.iter().any(|(name, _)| name == "host") {
            headers.push(("host".into(), host.clone()));
        }
        // Queries are decoded as forms are: a plus is a blank (d17).
        let form = |text: &str| decode(&text.replace('+', " "));
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| match pair.split_once('=') {
            Some((name, value)) => (form(name), Some(form(value))),
            None => (form(pair), None),
        });
        Self { method: method.into(), host, path: decode(uri.path()), query: query.collect(), headers }
    }

    /// A request that the core has made.
    ///
    /// # Panics
    /// A header is not UTF-8; the core sends none that is not.
    #[must_use]
    pub fn from_request(request: &http::Request<()>) -> Self {
        let text = |value: &http::HeaderValue| {
            String::from_utf8(value.as_bytes().to_vec()).expect("headers are UTF-8")
        };
        let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
        Self::new(request.method().as_str(), &request.uri().to_string(), headers)
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.trim())
    }

    /// The value of a query parameter; a bare name has an empty one.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// The access key id that the request claims to be from: of whichever signature it has.
    #[must_use]
    pub fn access_key_id(&self) -> Option<&str> {
        if let Some(id) = self.parameter("OSSAccessKeyId") {
            return Some(id);
        }
        let authorization = self.header("authorization");
        if let Some((id, _)) = authorization.and_then(|text| text.strip_prefix("OSS ")?.rsplit_once(':')) {
            return Some(id);
        }
        let credential = self.parameter("x-oss-credential").or_else(|| Authorization::of(self)?.credential);
        Some(credential?.rsplitn(5, '/').last().unwrap_or_default())
    }

    /// Compares the signature of the request with the one it should have, as the server does that addresses the bucket
    /// as `resource` says: `/bucket/key`, decoded.
    ///
    /// # Errors
    /// It is another, or there is none.
    pub fn verify(&self, resource: &str, secret: &str) -> Result<(), Mismatch> {
        let (found, expected, text) = if self.parameter("x-oss-signature").is_some() {
            self.v4_query(resource, secret)
        } else if self.parameter("Signature").is_some() {
            self.v1_query(resource, secret)
        } else if self.header("authorization").is_some_and(|text| text.starts_with("OSS ")) {
            self.v1_header(resource, secret)
        } else {
            self.v4_header(resource, secret)
        }
        .ok_or_else(|| Mismatch(format!("no signature in {self:?}")))?;
        if found == expected {
            Ok(())
        } else {
            Err(Mismatch(format!("{found} came, {expected} is right for\n{text}")))
        }
    }

    fn v1_header(&self, resource: &str, secret: &str) -> Option<(String, String, String)> {
        let (_, found) = self.header("authorization")?.rsplit_once(':')?;
        let text = self.v1_text(resource, self.header("date").unwrap_or_default(), &self.query);
        Some((found.into(), v1::signature(secret, &text), text))
    }

    fn v1_query(&self, resource: &str, secret: &str) -> Option<(String, String, String)> {
        let text = self.v1_text(resource, self.parameter("Expires")?, &self.query);
        Some((self.parameter("Signature")?.into(), v1::signature(secret, &text), text))
    }

    fn v1_text(&self, resource: &str, date: &str, query: &Query) -> String {
        let header = |name| self.header(name).unwrap_or_default();
        let (md5, content_type) = (header("content-md5"), header("content-type"));
        v1::string_to_sign(&self.method, md5, content_type, date, &self.headers, resource, query)
    }

    fn v4_header(&self, resource: &str, secret: &str) -> Option<(String, String, String)> {
        let authorization = Authorization::of(self)?;
        let text = self.v4_text(
            resource,
            authorization.credential?,
            self.header("x-oss-date")?,
            authorization.additional.unwrap_or_default(),
            &self.query,
        )?;
        Some((authorization.signature?.into(), v4_signature(secret, authorization.credential?, &text)?, text))
    }

    fn v4_query(&self, resource: &str, secret: &str) -> Option<(String, String, String)> {
        let credential = self.parameter("x-oss-credential")?;
        let mut query = self.query.clone();
        query.retain(|(name, _)| name != "x-oss-signature");
        let additional = self.parameter("x-oss-additional-headers").unwrap_or_default();
        let text = self.v4_text(resource, credential, self.parameter("x-oss-date")?, additional, &query)?;
        Some((self.parameter("x-oss-signature")?.into(), v4_signature(secret, credential, &text)?, text))
    }

    fn v4_text(
        &self,
        resource: &str,
        credential: &str,
        date: &str,
        additional: &str,
        query: &Query,
    ) -> Option<String> {
        let names: Vec<String> = additional.split(';').map(str::to_owned).collect();
        let canonical = v4::canonical_request(&self.method, resource, query, &self.headers, &names);
        let (day, region) = scope_of(credential)?;
        Some(v4::string_to_sign(date, &v4::scope(day, region), &canonical))
    }
}

/// The day and the region of `id/day/region/oss/aliyun_v4_request`.
fn scope_of(credential: &str) -> Option<(&str, &str)> {
    let mut words = credential.rsplitn(5, '/');
    let (request, product, region, day) = (words.next()?, words.next()?, words.next()?, words.next()?);
    (request == "aliyun_v4_request" && product == "oss").then_some((day, region))
}

fn v4_signature(secret: &str, credential: &str, text: &str) -> Option<String> {
    let (day, region) = scope_of(credential)?;
    Some(v4::signature(secret, day, region, text))
}

/// The header `Authorization` of signature V4, in any order and spacing of its items.
struct Authorization<'a> {
    credential: Option<&'a str>,
    additional: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Authorization<'a> {
    fn of(request: &'a Received) -> Option<Self> {
        let items = request.header("authorization")?.strip_prefix(v4::ALGORITHM)?;
        let item = |name: &str| {
            let (_, rest) = items.split_once(name)?;
            // An access key id may have a comma in it; no item that follows one may.
            let ends = [", ", ","].iter().flat_map(|comma| {
                ["AdditionalHeaders=", "Signature="]
                    .iter()
                    .filter_map(move |next| rest.find(&format!("{comma}{next}")))
            });
            Some(rest[..ends.min().unwrap_or(rest.len())].trim())
        };
        Some(Self {
            credential: item("Credential="),
            additional: item("AdditionalHeaders="),
            signature: item("Signature="),
        })
    }
}
