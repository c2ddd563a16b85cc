//! The page that shows buckets, objects and uploads while they change. Read-only, one file, nothing from outside.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::admin;
use crate::model::{Model, Most, bare_host};

const PAGE: &str = include_str!("console.html");

/// Nothing but the page's own script and style runs, and nothing is loaded from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The answer, if the request is for the console. No bucket is called that: names have no underscore.
pub(crate) fn handle(model: &Model, head: &Parts) -> Option<Response<Bytes>> {
    let page = match head.uri.path() {
        "/_console" | "/_console/" => true,
        "/_console/state" => false,
        _ => return None,
    };
    if !matches!(head.method, Method::GET | Method::HEAD) || !is_local(host(head)) {
        return None;
    }
    let mut response = if page {
        let mut response = Response::new(Bytes::from_static(PAGE.as_bytes()));
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        response
    } else {
        let since = head.uri.query().and_then(|query| query.strip_prefix("since="));
        admin::answer(StatusCode::OK, &model.survey(since, Most::SHOWN))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// The host is an address or `localhost`: a name that somebody else's server resolves to this machine is not.
pub(crate) fn is_local(host: &str) -> bool {
    let name = bare_host(host);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

/// What the request says it is for; empty where it does not.
pub(crate) fn host(head: &Parts) -> &str {
    head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}
