//! The upload callback: a request that OSS makes to an application's server once the object is there, and its answer.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value};

/// The longest that the encoded parameters, and the encoded variables, may be (OSS documentation, "Callback"), in bytes.
pub const MAX_ENCODED: usize = 5 * 1024;
/// How many URLs a callback may have; they are tried in order.
pub const MAX_URLS: usize = 5;

const CALLBACK: HeaderName = HeaderName::from_static("x-oss-callback");
const CALLBACK_VAR: HeaderName = HeaderName::from_static("x-oss-callback-var");

/// What a URL that is otherwise left as it is must not contain.
const NOT_IN_A_URL: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'\\');

/// Whom OSS is to call, and with what.
///
/// OSS calls after the object is stored, waits five seconds for a JSON answer, and does not try again. Its answer to a
/// repeated Complete, after the first was lost, may come without a second call.
///
/// ```
/// use ossup_core::callback::Callback;
/// let callback = Callback::new("https://app.example.com/uploaded", "object=${object}&user=${x:user}")?
///     .host("app.example.com")?
///     .variable("user", "u-42")?;
/// # Ok::<(), ossup_core::callback::InvalidCallback>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Callback {
    urls: Vec<String>,
    body: String,
    host: Option<String>,
    body_type: BodyType,
    sni: bool,
    variables: Map<String, Value>,
}

/// The media type of the body that OSS sends to the application.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum BodyType {
    /// `application/x-www-form-urlencoded`: the values of variables are encoded.
    #[default]
    Form,
    /// `application/json`
    Json,
}

/// What the application answered, as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CallbackAnswer {
    /// The media type that OSS handed on.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Callback {
    /// A callback to `url` with a body made of `body`, in which OSS replaces variables such as `${bucket}`, `${object}`,
    /// `${etag}`, `${size}`, `${mimeType}`, `${crc64}` and those of [`variable`](Self::variable).
    ///
    /// # Errors
    /// There is no body, the URL is none of the web, or the callback is longer than OSS takes.
    pub fn new(url: &str, body: &str) -> Result<Self, InvalidCallback> {
        if body.is_empty() {
            return Err(InvalidCallback::EmptyBody);
        }
        let callback = Self {
            urls: Vec::new(),
            body: body.to_owned(),
            host: None,
            body_type: BodyType::Form,
            sni: false,
            variables: Map::new(),
        };
        callback.url(url)
    }

    /// Adds a URL that is tried when those before it have failed.
    ///
    /// # Errors
    /// The URL is none of the web, there are too many, or the callback is longer than OSS takes.
    pub fn url(mut self, url: &str) -> Result<Self, InvalidCallback> {
        let web = url.starts_with("http://") || url.starts_with("https://");
        if !web || url.contains(';') {
            return Err(InvalidCallback::Url(url.to_owned()));
        }
        self.urls.push(utf8_percent_encode(url, NOT_IN_A_URL).to_string());
        if self.urls.len() > MAX_URLS { Err(InvalidCallback::TooManyUrls) } else { self.checked() }
    }

    /// The `Host` header of the call.
    ///
    /// # Errors
    /// With it the callback would be longer than OSS takes.
    pub fn host(mut self, host: &str) -> Result<Self, InvalidCallback> {
        self.host = Some(host.to_owned());
        self.checked()
    }

    /// The media type of the body.
    #[must_use]
    pub fn body_type(mut self, body_type: BodyType) -> Self {
        self.body_type = body_type;
        self
    }

    /// Whether OSS names the host when it agrees on TLS (SNI).
    #[must_use]
    pub fn sni(mut self, sni: bool) -> Self {
        self.sni = sni;
        self
    }

    /// Adds a variable, which the body has as `${x:name}`. Names are of lower-case letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// It cannot have this name, or the variables are longer than OSS takes.
    pub fn variable(mut self, name: &str, value: &str) -> Result<Self, InvalidCallback> {
        let name = name.strip_prefix("x:").unwrap_or(name);
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || !name.bytes().all(legal) {
            return Err(InvalidCallback::Variable(name.to_owned()));
        }
        self.variables.insert(format!("x:{name}"), value.into());
        self.checked()
    }

    /// Whether OSS takes it, whichever media type and SNI are chosen behind this.
    fn checked(self) -> Result<Self, InvalidCallback> {
        let parameters = self.parameters(BodyType::Json, true);
        let longest = parameters.len().max(self.encoded_variables().map_or(0, |text| text.len()));
        if longest > MAX_ENCODED { Err(InvalidCallback::TooLong) } else { Ok(self) }
    }

    fn parameters(&self, body_type: BodyType, sni: bool) -> String {
        let mut json = Map::new();
        json.insert("callbackUrl".into(), self.urls.join(";").into());
        json.insert("callbackBody".into(), self.body.as_str().into());
        if let Some(host) = &self.host {
            json.insert("callbackHost".into(), host.as_str().into());
        }
        if body_type == BodyType::Json {
            json.insert("callbackBodyType".into(), "application/json".into());
        }
        if sni {
            // The text "true" would be refused.
            json.insert("callbackSNI".into(), true.into());
        }
        STANDARD.encode(Value::Object(json).to_string())
    }

    fn encoded_variables(&self) -> Option<String> {
        (!self.variables.is_empty())
            .then(|| STANDARD.encode(Value::Object(self.variables.clone()).to_string()))
    }

    /// The headers `x-oss-callback` and `x-oss-callback-var`.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let callback = HeaderValue::try_from(self.parameters(self.body_type, self.sni))
            .ok()
            .map(|value| (CALLBACK, value));
        let variables = self.encoded_variables().and_then(|text| HeaderValue::try_from(text).ok());
        callback.into_iter().chain(variables.map(|value| (CALLBACK_VAR, value)))
    }
}

/// What the variables are, and what is called with which body, may be known to the application alone.
impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<_> = self.variables.keys().collect();
        f.debug_struct("Callback")
            .field("host", &self.host)
            .field("body_type", &self.body_type)
            .field("variables", &variables)
            .finish_non_exhaustive()
    }
}

/// A callback that OSS would not accept.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCallback {
    /// The body has no text.
    #[error("a callback needs a body")]
    EmptyBody,
    /// Not a URL of the web, or several in one.
    #[error("'{0}' is not an http or https URL")]
    Url(String),
    /// Too many URLs.
    #[error("a callback has at most {MAX_URLS} URLs")]
    TooManyUrls,
    /// A name that a variable cannot have.
    #[error("'{0}' cannot be the name of a callback variable: lower-case letters, digits, '-' and '_' can")]
    Variable(String),
    /// Too much text.
    #[error("the callback is longer than OSS takes (5 KB encoded)")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_oss_would_refuse_is_refused_here() {
        assert!(Callback::new("ftp://x/", "b").is_err());
        assert!(Callback::new("http://a/;http://b/", "b").is_err(), "further URLs are added one by one");
        assert_eq!(Callback::new("http://a/", ""), Err(InvalidCallback::EmptyBody));
        assert_eq!(Callback::new("http://a/", &"x".repeat(6000)), Err(InvalidCallback::TooLong));
        let callback = Callback::new("http://a/", "b").unwrap();
        assert!(callback.clone().variable("Upper", "v").is_err());
        assert_eq!(callback.clone().variable("a", &"x".repeat(6000)), Err(InvalidCallback::TooLong));
        assert_eq!(callback.clone().host(&"h".repeat(6000)), Err(InvalidCallback::TooLong));
        let many = (0..5).try_fold(callback, |callback, n| callback.url(&format!("http://{n}/")));
        assert_eq!(many, Err(InvalidCallback::TooManyUrls));
    }

    #[test]
    fn no_debug_shows_what_only_the_application_may_know() {
        let callback = Callback::new("http://a/?token=hush", "t=hush").unwrap().variable("token", "hush");
        let shown = format!("{:?}", callback.unwrap());
        assert!(shown.contains("x:token") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn what_was_accepted_is_sent_whatever_is_chosen_behind_it() {
        let longest = (3000..5000).rev().find_map(|len| Callback::new("http://a/", &"x".repeat(len)).ok());
        let callback = longest.unwrap().body_type(BodyType::Json).sni(true);
        let (_, value) = callback.headers().next().unwrap();
        assert!(value.len() <= MAX_ENCODED && value.len() > MAX_ENCODED - 4, "{}", value.len());
    }
}
