//! The upload callback: what a request asks for, and what is sent once the object is there. Sending it is left to
//! whoever holds the model.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::page::Encoding;
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::{Body, Context, Reply};
use super::world::Object;
use super::{Model, Operation};
use crate::faults::Conduct;
use crate::journal::{Exchange, Fate};

/// The longest that parameters and variables may be, encoded, in bytes (OSS documentation, "Callback").
const MAX_ENCODED: usize = 5 * 1024;
const MAX_URLS: usize = 5;
/// The longest answer of an application, in bytes (OSS documentation, "Callback").
pub(crate) const MAX_ANSWER: usize = 3 * 1024 * 1024;

/// The header that every callback has, and no other request: where the key is that its signature is verified with.
pub(crate) const MARK: &str = "x-oss-pub-key-url";

/// What the request says.
#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "callbackUrl", default)]
    url: String,
    #[serde(rename = "callbackBody", default)]
    body: String,
    #[serde(rename = "callbackHost", default)]
    host: Option<String>,
    #[serde(rename = "callbackBodyType", default)]
    body_type: Option<String>,
    /// Read so that what is not a boolean is refused.
    #[serde(rename = "callbackSNI", default)]
    _sni: Option<bool>,
}

/// A callback that a request asks for, its variables not filled in yet.
pub(crate) struct Callback {
    urls: Vec<String>,
    host: Option<String>,
    body: String,
    is_json: bool,
    variables: Map<String, Value>,
}

/// What is to be sent to the application.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// Where to, one after the other until one answers with success.
    pub urls: Vec<String>,
    /// The header `Host`, where it is not that of the URL.
    pub host: Option<String>,
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// What became of a delivery: the application's answer, or why there is none.
pub type DeliveryResult = Result<Response<Bytes>, String>;

impl Callback {
    /// The callback that the request asks for; none if it asks for none.
    pub(crate) fn read(received: &Received) -> Result<Option<Self>, Refusal> {
        let Some(text) = either(received, "x-oss-callback", "callback")? else { return Ok(None) };
        let invalid = |why: &'static str| {
            refusal::invalid_argument(why).detail("ArgumentName", "callback").detail("ArgumentValue", &*text)
        };
        let parameters: Parameters = decode(&text)
            // By way of a map: an array would do for a struct.
            .and_then(|json| serde_json::from_slice::<Map<_, _>>(&json).ok())
            .and_then(|map| serde_json::from_value(Value::Object(map)).ok())
            .ok_or_else(|| invalid("The callback configuration is not json format."))?;
        if parameters.url.is_empty() {
            return Ok(None);
        }
        let urls: Vec<String> = parameters.url.split(';').map(with_scheme).collect();
        if urls.len() > MAX_URLS || urls.iter().any(|url| url.parse::<http::Uri>().is_err()) {
            return Err(invalid("The callback url is invalid."));
        }
        if parameters.body.is_empty() {
            return Err(invalid("The callback body is empty."));
        }
        let is_json = match parameters.body_type.as_deref() {
            None | Some("" | "application/x-www-form-urlencoded") => false,
            Some("application/json") => true,
            Some(_) => return Err(invalid("The callback body type is invalid.")),
        };
        let variables = match either(received, "x-oss-callback-var", "callback-var")? {
            None => Map::new(),
            Some(text) => variables(&text).ok_or_else(|| {
                refusal::invalid_argument("The callback-var is not valid.")
                    .detail("ArgumentName", "callback-var")
                    .detail("ArgumentValue", text)
            })?,
        };
        Ok(Some(Self { urls, host: parameters.host, body: parameters.body, is_json, variables }))
    }

    /// What is sent for this object.
    pub(crate) fn fill(
        &self,
        received: &Received,
        operation: Operation,
        object: &Object,
        at: &Context,
    ) -> Delivery {
        let (bucket, key) = received.names();
        let value = |name: &str| -> Option<Value> {
            Some(match name {
                "bucket" => bucket.into(),
                "object" => key.into(),
                "etag" => object.meta.etag.clone().into(),
                "size" => object.content.len().into(),
                "mimeType" => object.meta.attributes.get("content-type").unwrap_or_default().into(),
                "crc64" => object.meta.crc64.map(|crc64| crc64.to_string()).unwrap_or_default().into(),
                "contentMd5" => {
                    object.meta.content_md5().map(|md5| md5.to_base64()).unwrap_or_default().into()
                }
                "clientIp" => "127.0.0.1".into(),
                "reqId" => at.request_id.clone().into(),
                "operation" => operation.name().into(),
                "vpcId" | "imageInfo.height" | "imageInfo.width" | "imageInfo.format" => "".into(),
                custom => self.variables.get(custom)?.clone(),
            })
        };
        Delivery {
            urls: self.urls.clone(),
            host: self.host.clone().filter(|host| !host.is_empty()),
            content_type: if self.is_json { "application/json" } else { "application/x-www-form-urlencoded" },
            body: substitute(&self.body, |name| match value(name) {
                Some(value) if self.is_json => value.to_string(),
                Some(Value::String(text)) => Encoding::url().name(&text),
                Some(value) => value.to_string(),
                None if self.is_json => "\"\"".into(),
                None => String::new(),
            }),
            headers: vec![
                ("x-oss-bucket", bucket.to_owned()),
                ("x-oss-request-id", at.request_id.clone()),
                ("x-oss-signature-version", "1.0".into()),
                ("x-oss-tag", "CALLBACK".into()),
            ],
        }
    }
}

/// A parameter that travels as header or in the query, but not as both.
fn either(received: &Received, header: &str, query: &str) -> Result<Option<String>, Refusal> {
    let text = match (received.header(header), received.query.get(query)) {
        (Some(_), Some(_)) => {
            return Err(refusal::argument(
                query,
                "",
                "It is given both as a header and in the query string.",
            ));
        }
        (Some(text), None) => Some(text),
        (None, text) => text.map(str::to_owned),
    };
    match text {
        Some(text) if text.len() > MAX_ENCODED => {
            Err(refusal::argument(query, "", "The callback parameters exceed 5 KB."))
        }
        text => Ok(text),
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

/// Custom variables: names begin with `x:` and are lower case, values are strings.
fn variables(text: &str) -> Option<Map<String, Value>> {
    let variables: Map<String, Value> = serde_json::from_slice(&decode(text)?).ok()?;
    let legal = |(name, value): (&String, &Value)| {
        name.starts_with("x:") && !name.bytes().any(|b| b.is_ascii_uppercase()) && value.is_string()
    };
    variables.iter().all(legal).then_some(variables)
}

/// Replaces each `${name}`.
fn substitute(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((front, behind)) = rest.split_once("${") {
        let Some((name, behind)) = behind.split_once('}') else { break };
        filled.push_str(front);
        filled.push_str(&value(name));
        rest = behind;
    }
    filled + rest
}

/// What a request has come to.
#[derive(Debug)]
#[must_use]
pub enum Finished {
    /// Its answer.
    Answered(Response<Body>),
    /// The object is there; the application is to be called before the answer. See [`Model::called`].
    Calling(Box<Calling>),
}

/// An answer that waits for a callback.
#[must_use]
pub struct Calling {
    pub(crate) exchange: Exchange,
    pub(crate) context: Context,
    pub(crate) conduct: Conduct,
    pub(crate) reply: Reply,
    pub(crate) delivery: Delivery,
}

impl Calling {
    /// What is to be sent.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }
}

impl fmt::Debug for Calling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

impl Model {
    /// The answer to a request whose callback was made, or was not: the application's own, or 203.
    pub fn called(&self, calling: Calling, result: DeliveryResult) -> Response<Body> {
        let Calling { exchange, context, conduct, mut reply, .. } = calling;
        let mut code = None;
        match judge(result) {
            Ok(answer) => {
                reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                reply.body = answer.into();
            }
            Err(refusal) => {
                code = Some(refusal.code.to_string());
                let refused = context.refused(&refusal);
                reply.status = refused.status;
                reply.body = refused.body;
                reply.headers.extend(refused.headers);
            }
        }
        let mut response = context.respond(reply);
        exchange.settle(Some(response.status().as_u16()), code, Fate::of(&conduct));
        conduct.mark(&mut response);
        response
    }
}

/// The application's answer, if it is one that OSS takes.
fn judge(result: DeliveryResult) -> Result<Bytes, Refusal> {
    let failed =
        |message: String| Refusal::new(StatusCode::NON_AUTHORITATIVE_INFORMATION, "CallbackFailed", message);
    let answer = result.map_err(|_| {
        failed("Error status : -1 OSS can not connect to your callbackUrl, please check it.".into())
            .ec("0007-00000203")
    })?;
    if answer.status() != StatusCode::OK {
        return Err(failed(format!("Error status : {}.", answer.status().as_u16())));
    }
    if !answer.headers().contains_key(header::CONTENT_LENGTH) {
        return Err(failed("Response lacks a Content-Length.".into()));
    }
    let body = answer.into_body();
    if body.len() > MAX_ANSWER || serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        return Err(failed("Response body is not valid json format.".into()));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_the_rest_stays() {
        let fill = |template| substitute(template, |name| format!("<{name}>"));
        assert_eq!(fill("a=${x}&b=${y}"), "a=<x>&b=<y>");
        assert_eq!(fill("$x ${x"), "$x ${x");
        assert_eq!(fill(""), "");
    }
}
