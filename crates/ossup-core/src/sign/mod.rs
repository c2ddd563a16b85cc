//! The only way from a [`Request`] to one that can be sent.
//!
//! * [`v4`], [`v1`] — the two signatures, as pure functions of text
//! * [`credentials`] — keys, and where they come from
//!
//! Here: what is signed of a request, and how the signature travels with it.

pub mod credentials;
mod signer;
pub mod v1;
pub mod v4;
#[cfg(test)]
mod vectors;

use std::time::Duration;

use http::Uri;
use http::header::{AUTHORIZATION, DATE, HOST, HeaderName, HeaderValue};

use crate::endpoint::{Endpoint, InvalidEndpoint, Region};
use crate::request::Request;
use crate::time::Timestamp;

pub use self::credentials::{Credentials, Provider, ProviderError, StaticCredentials};
pub use self::signer::{AnonymousSigner, LocalSigner, RefreshRefused, Signer};

/// How long a presigned URL may be valid at most, by signature V4: 7 days (OSS documentation, "Signature Version 4").
pub const MAX_VALIDITY: Duration = Duration::from_secs(7 * 24 * 3600);

/// A version of the signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum SignatureVersion {
    /// `OSS4-HMAC-SHA256`
    #[default]
    V4,
    /// HMAC-SHA1. OSS does not maintain it any more and accepts it from older accounts and buckets only.
    V1,
}

/// What a request is signed with, but for the time.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// Where the request goes.
    pub endpoint: &'a Endpoint,
    /// Who sends it.
    pub credentials: &'a Credentials,
    /// The version of the signature.
    pub version: SignatureVersion,
    /// Names of headers that are signed though they need not be (V4), such as `host`. Those the request lacks are
    /// passed over.
    pub additional_headers: &'a [String],
}

/// Why a request cannot be signed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// Signature V4 needs a region, and none is known.
    #[error(
        "signature V4 needs the region of the bucket, and the endpoint {0} does not tell it: name the region"
    )]
    NoRegion(String),
    /// The endpoint and the bucket make no address.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// A key or token has characters that no header can carry.
    #[error("the access key id or the security token has characters that cannot be sent")]
    NotPrintable,
    /// A validity below a second or, by signature V4, above 7 days.
    #[error("a presigned URL is valid for 1 second at least and, by signature V4, 7 days at most")]
    Validity,
    /// There are no credentials.
    #[error(transparent)]
    Credentials(#[from] ProviderError),
    /// Whoever signs for us did not.
    #[error("the request was not signed: {0}")]
    Remote(String),
}

const OSS_DATE: HeaderName = HeaderName::from_static("x-oss-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-oss-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-oss-security-token");

impl Signing<'_> {
    /// The request with a signature in its headers.
    ///
    /// # Errors
    /// The endpoint and the bucket make no address, the region is not known (V4), or a key cannot be sent in a header.
    pub fn sign(&self, request: &Request, now: Timestamp) -> Result<http::Request<()>, SignError> {
        let mut signed = self.before_signing(request)?;
        let headers = signed.headers_mut();
        headers.insert(DATE, value(&now.to_http_date())?);
        if let Some(token) = self.credentials.security_token() {
            let mut token = value(token)?;
            token.set_sensitive(true);
            headers.insert(SECURITY_TOKEN, token);
        }
        let query = query(request);
        let authorization = match self.version {
            SignatureVersion::V4 => {
                let iso = now.to_iso_basic();
                headers.insert(OSS_DATE, value(&iso)?);
                headers.insert(CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD"));
                let v4 = self.v4(request, &query, &headers_of(headers), &iso)?;
                v4::authorization(self.credentials.access_key_id(), &v4.scope, &v4.additional, &v4.signature)
            }
            SignatureVersion::V1 => {
                let text = v1_text(request, &now.to_http_date(), &headers_of(headers), &query);
                let signature = v1::signature(self.credentials.secret(), &text);
                format!("OSS {}:{signature}", self.credentials.access_key_id())
            }
        };
        let mut authorization = value(&authorization)?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        Ok(signed)
    }

    /// The address of the request with a signature in its query, valid for `validity` from `now` on. Headers of the
    /// request that are signed (`Content-Type`, `Content-MD5`, `x-oss-*`, and the additional ones) must be sent by
    /// whoever uses the address. The validity counts in whole seconds; V4 has an upper limit, [`MAX_VALIDITY`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ossup_core::operation::head;
    /// use ossup_core::options::ObjectOptions;
    /// use ossup_core::sign::{Credentials, SignatureVersion, Signing};
    /// use ossup_core::time::Timestamp;
    ///
    /// let (endpoint, credentials) =
    ///     ("https://oss-cn-hangzhou.aliyuncs.com".parse()?, Credentials::new("LTAI", "secret"));
    /// let (version, additional_headers) = (SignatureVersion::V4, &[]);
    /// let signing = Signing { endpoint: &endpoint, credentials: &credentials, version, additional_headers };
    /// let request = head::request(&"oss://bucket/films/film.mp4".parse()?, &ObjectOptions::new());
    /// let address = signing.presign(&request, Timestamp::from_unix(1_705_092_435), Duration::from_secs(900))?;
    /// assert_eq!((address.host(), address.path()), (Some("bucket.oss-cn-hangzhou.aliyuncs.com"), "/films/film.mp4"));
    /// assert!(address.query().is_some_and(|query| query.contains("x-oss-expires=900")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The validity is outside its limits, or as of [`sign`](Self::sign).
    pub fn presign(&self, request: &Request, now: Timestamp, validity: Duration) -> Result<Uri, SignError> {
        let too_long = self.version == SignatureVersion::V4 && validity > MAX_VALIDITY;
        if validity.as_secs() == 0 || too_long {
            return Err(SignError::Validity);
        }
        let mut query = query(request);
        let mut add = |name: &str, value: String| query.push((name.to_owned(), Some(value)));
        let headers = headers_of(self.before_signing(request)?.headers());
        let token = self.credentials.security_token().map(str::to_owned);
        match self.version {
            SignatureVersion::V4 => {
                let iso = now.to_iso_basic();
                let scope = v4::scope(date_of(&iso), self.region()?.as_str());
                add("x-oss-signature-version", v4::ALGORITHM.to_owned());
                add("x-oss-date", iso.clone());
                add("x-oss-expires", validity.as_secs().to_string());
                add("x-oss-credential", format!("{}/{scope}", self.credentials.access_key_id()));
                if let Some(token) = token {
                    add("x-oss-security-token", token);
                }
                let additional = v4::additional_headers(&headers, self.additional_headers);
                if !additional.is_empty() {
                    add("x-oss-additional-headers", additional.join(";"));
                }
                let signature = self.v4(request, &query, &headers, &iso)?.signature;
                query.push(("x-oss-signature".to_owned(), Some(signature)));
            }
            SignatureVersion::V1 => {
                let expires =
                    now.plus(i64::try_from(validity.as_secs()).unwrap_or(i64::MAX)).unix().to_string();
                if let Some(token) = token {
                    // By this name and not x-oss-security-token; it is a signed sub-resource.
                    add("security-token", token);
                }
                let text = v1_text(request, &expires, &headers, &query);
                let signature = v1::signature(self.credentials.secret(), &text);
                query.push(("OSSAccessKeyId".to_owned(), Some(self.credentials.access_key_id().to_owned())));
                query.push(("Expires".to_owned(), Some(expires)));
                query.push(("Signature".to_owned(), Some(signature)));
            }
        }
        Ok(self.endpoint.uri(request.bucket(), request.key(), &query)?)
    }

    /// The request as it will be sent, but for what carries the signature.
    fn before_signing(self, request: &Request) -> Result<http::Request<()>, SignError> {
        let mut unsigned = unsigned(request, self.endpoint)?;
        // The HTTP stack names the host by itself. One that is signed is named here, so that both say the same.
        if self.additional_headers.iter().any(|name| name.eq_ignore_ascii_case(HOST.as_str())) {
            let authority = unsigned.uri().authority().map(ToString::to_string).unwrap_or_default();
            let host = value(&authority)?;
            unsigned.headers_mut().insert(HOST, host);
        }
        Ok(unsigned)
    }

    fn region(&self) -> Result<&Region, SignError> {
        self.endpoint.region().ok_or_else(|| SignError::NoRegion(self.endpoint.to_string()))
    }

    fn v4(
        &self,
        request: &Request,
        query: &[(String, Option<String>)],
        headers: &[(String, String)],
        iso: &str,
    ) -> Result<V4, SignError> {
        let region = self.region()?.as_str();
        let additional = v4::additional_headers(headers, self.additional_headers);
        let method = request.method().as_str();
        let canonical = v4::canonical_request(method, &resource(request), query, headers, &additional);
        let scope = v4::scope(date_of(iso), region);
        let text = v4::string_to_sign(iso, &scope, &canonical);
        let signature = v4::signature(self.credentials.secret(), date_of(iso), region, &text);
        Ok(V4 { scope, additional, signature })
    }
}

struct V4 {
    scope: String,
    additional: Vec<String>,
    signature: String,
}

/// The request without a signature, for buckets that everybody may write to, and for signatures made elsewhere.
///
/// # Errors
/// The endpoint and the bucket make no address.
pub fn unsigned(request: &Request, endpoint: &Endpoint) -> Result<http::Request<()>, SignError> {
    let mut unsigned = http::Request::new(());
    *unsigned.method_mut() = request.method().clone();
    *unsigned.uri_mut() = endpoint.uri(request.bucket(), request.key(), request.query())?;
    *unsigned.headers_mut() = request.headers().clone();
    unsigned.headers_mut().extend(request.content_length());
    Ok(unsigned)
}

fn v1_text(
    request: &Request,
    date_or_expires: &str,
    headers: &[(String, String)],
    query: &[(String, Option<String>)],
) -> String {
    let header = |name: &str| headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value);
    let (md5, content_type) = (header("content-md5"), header("content-type"));
    let method = request.method().as_str();
    v1::string_to_sign(method, md5, content_type, date_or_expires, headers, &resource(request), query)
}

/// What both signatures call the resource, whatever the host style: `/bucket/key`, or `/bucket/`.
fn resource(request: &Request) -> String {
    format!("/{}/{}", request.bucket(), request.key().map_or("", |key| key.as_str()))
}

fn query(request: &Request) -> Vec<(String, Option<String>)> {
    request.query().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn headers_of(headers: &http::HeaderMap) -> Vec<(String, String)> {
    // Values that are UTF-8 and not ASCII are signed as they are: one left out would spoil the signature.
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// `YYYYMMDD` of a time in basic ISO 8601.
fn date_of(iso: &str) -> &str {
    iso.get(..8).unwrap_or(iso)
}

fn value(text: &str) -> Result<HeaderValue, SignError> {
    HeaderValue::try_from(text).map_err(|_| SignError::NotPrintable)
}
