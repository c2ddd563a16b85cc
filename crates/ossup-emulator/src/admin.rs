//! The admin interface: faults, clock, credentials and journal over HTTP, for tests in any language.
//!
//! Pure, like the model: a request in, an answer out. Its port is another one than the emulator's, and off by default.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Credentials;
use crate::console;
use crate::faults::{Rule, RuleId};
use crate::model::{CALLBACK_MARK, Model, Most, bare_host};

/// The largest request, in bytes.
pub(crate) const MAX_REQUEST: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    /// Moves the clock, forward or back.
    #[serde(default)]
    advance_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    lifetime_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Age {
    #[serde(default)]
    older_than_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lost {
    bucket: String,
    key: String,
    upload_id: String,
    part: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    access_key_id: String,
    access_key_secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    security_token: Option<String>,
}

/// Serves one request.
pub(crate) fn handle(model: &Model, request: &Request<Bytes>) -> Response<Bytes> {
    if let Err(error) = check_sender(model, request.headers()) {
        return answer(StatusCode::FORBIDDEN, &json!({ "error": error }));
    }
    let result = route(model, request.method(), request.uri().path(), request.body());
    match result {
        Ok(value) => answer(StatusCode::OK, &value),
        Err((status, error)) => answer(status, &json!({ "error": error })),
    }
}

/// Whoever reaches this port may do anything; those who make others send requests for them may not.
fn check_sender(model: &Model, headers: &HeaderMap) -> Result<(), &'static str> {
    // A page of somebody else whose name was made to resolve to this machine sends its own name.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !console::is_local(host) && !model.config().base_domains.iter().any(|base| bare_host(host) == base) {
        return Err("the host must be an address, localhost, or a base domain of the emulator");
    }
    // Not every browser sends the one, and none sends the other with what is typed into it.
    let sent_by_a_page = headers.get("sec-fetch-site").is_some_and(|site| site != "none");
    if sent_by_a_page || headers.contains_key(header::ORIGIN) {
        return Err("pages in browsers are not served");
    }
    // A callback that a client of the emulator asked for.
    if headers.contains_key(CALLBACK_MARK) {
        return Err("callbacks are not served");
    }
    Ok(())
}

type Failure = (StatusCode, String);

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn route(model: &Model, method: &Method, path: &str, body: &[u8]) -> Result<Value, Failure> {
    let unknown = || (StatusCode::NOT_FOUND, format!("there is no {method} {path}"));
    let done = json!({});
    let failed = |error: std::io::Error| (StatusCode::BAD_REQUEST, error.to_string());
    match (method.as_str(), path) {
        ("GET", "/journal") => Ok(json!({ "entries": model.journal().entries() })),
        ("DELETE", "/journal") => {
            model.journal().clear();
            Ok(done)
        }
        ("GET", "/faults") => {
            let rules = model.faults().list().into_iter();
            let rules = rules.map(|(id, rule, hits)| json!({"id": id, "rule": rule, "hits": hits}));
            Ok(json!({ "faults": rules.collect::<Vec<_>>() }))
        }
        ("POST", "/faults") => Ok(json!({ "id": model.faults().add(read::<Rule>(body)?) })),
        ("DELETE", "/faults") => {
            model.faults().clear();
            Ok(done)
        }
        ("DELETE", path) if path.starts_with("/faults/") => {
            let id = path.trim_start_matches("/faults/").parse::<u64>().ok().map(RuleId::from_number);
            if id.is_some_and(|id| model.faults().remove(id)) { Ok(done) } else { Err(unknown()) }
        }
        ("GET", "/clock") => Ok(clock(model)),
        ("POST", "/clock") => {
            model.clock().shift(read::<ClockChange>(body)?.advance_seconds);
            Ok(clock(model))
        }
        ("POST", "/sts") => {
            let lifetime = Duration::from_secs(read::<Lifetime>(body)?.lifetime_seconds);
            let issued = model.issue_credentials(lifetime);
            Ok(json!({
                "access_key_id": issued.access_key_id,
                "access_key_secret": issued.access_key_secret,
                "security_token": issued.security_token,
                "expires": issued.expires.map(|time| time.to_string()),
            }))
        }
        ("POST", "/credentials") => {
            let keys: Keys = read(body)?;
            let credentials = Credentials::new(keys.access_key_id, keys.access_key_secret);
            model.add_credentials(match keys.security_token {
                Some(token) => credentials.with_token(token, None),
                None => credentials,
            });
            Ok(done)
        }
        ("DELETE", path) if path.starts_with("/credentials/") => {
            let id = percent_decode_str(path.trim_start_matches("/credentials/")).decode_utf8_lossy();
            if model.remove_credentials(&id) { Ok(done) } else { Err(unknown()) }
        }
        ("POST", "/buckets") => {
            let name = read::<Name>(body)?.name;
            model.create_bucket(&name).map_err(failed)?;
            Ok(done)
        }
        ("POST", "/uploads/expire") => {
            let age = Duration::from_secs(read::<Age>(body)?.older_than_seconds);
            Ok(json!({ "expired": model.expire_uploads(age) }))
        }
        ("POST", "/parts/lose") => {
            let lost: Lost = read(body)?;
            let lost = model.lose_part(&lost.bucket, &lost.key, &lost.upload_id, lost.part);
            if lost.map_err(failed)? {
                Ok(done)
            } else {
                Err((StatusCode::NOT_FOUND, "there is no such part".into()))
            }
        }
        ("GET", "/state") => Ok(model.survey(None, Most::SHOWN)),
        _ => Err(unknown()),
    }
}

fn clock(model: &Model) -> Value {
    json!({ "now": model.clock().now().to_string(), "offset_seconds": model.clock().offset() })
}

pub(crate) fn answer(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use ossup_core::time::Timestamp;

    fn send(model: &Model, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "127.0.0.1:9001")
            .body(Bytes::copy_from_slice(body.as_bytes()));
        let response = handle(model, &request.unwrap());
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
    }

    fn model() -> Model {
        Model::new(Config::default(), Clock::fixed(Timestamp::from_unix(1_702_743_657)))
    }

    #[test]
    fn faults_are_added_seen_and_removed() {
        let model = model();
        let rule = r#"{"operation":"UploadPart","part":3,"times":1,"do":"lose_answer"}"#;
        assert_eq!(send(&model, "POST", "/faults", rule), (200, json!({"id": 0})));
        let (_, listed) = send(&model, "GET", "/faults", "");
        assert_eq!(listed["faults"][0]["rule"]["do"], "lose_answer");
        assert_eq!(send(&model, "DELETE", "/faults/0", "").0, 200);
        assert_eq!(send(&model, "DELETE", "/faults/0", "").0, 404);
        assert_eq!(send(&model, "POST", "/faults", "{}").0, 400);
        let (status, refused) = send(&model, "POST", "/faults", r#"{"opration":"UploadPart","do":"deny"}"#);
        assert_eq!((status, refused["error"].as_str()), (400, Some("unknown field `opration`")));
        assert!(model.faults().list().is_empty());
    }

    #[test]
    fn the_clock_moves_and_credentials_are_issued() {
        let model = model();
        let (_, clock) = send(&model, "POST", "/clock", r#"{"advance_seconds": 3600}"#);
        assert_eq!(clock["now"], "2023-12-16T17:20:57Z");
        let (_, issued) = send(&model, "POST", "/sts", r#"{"lifetime_seconds": 900}"#);
        assert_eq!(issued["expires"], "2023-12-16T17:35:57Z");
        assert!(issued["security_token"].as_str().unwrap().contains('+'));
    }

    #[test]
    fn credentials_are_revoked_and_parts_lost() {
        let model = model();
        let (_, issued) = send(&model, "POST", "/sts", r#"{"lifetime_seconds": 900}"#);
        let path = format!("/credentials/{}", issued["access_key_id"].as_str().unwrap());
        assert_eq!(send(&model, "DELETE", &path, "").0, 200);
        assert_eq!(send(&model, "DELETE", &path, "").0, 404);
        let part = r#"{"bucket":"bkt","key":"k","upload_id":"u","part":1}"#;
        assert_eq!(send(&model, "POST", "/parts/lose", part).0, 404);
    }

    #[test]
    fn the_journal_and_the_state_are_told() {
        let model = model();
        model.create_bucket("bkt").unwrap();
        model.handle(Request::get("/bkt/k").header("Host", "x").body(Bytes::new()).unwrap());
        let (_, journal) = send(&model, "GET", "/journal", "");
        let entry = &journal["entries"][0];
        assert_eq!((&entry["operation"], &entry["code"]), (&json!("GetObject"), &json!("AccessDenied")));
        assert_eq!(send(&model, "GET", "/state", "").1["buckets"][0]["name"], "bkt");
    }

    #[test]
    fn unknown_paths_and_those_who_are_sent_by_others_are_refused() {
        let mut config = Config::default();
        config.base_domains.push("emulator".into());
        let model = Model::new(config, Clock::fixed(Timestamp::from_unix(1_702_743_657)));
        assert_eq!(send(&model, "GET", "/nothing", "").0, 404);
        let status = |headers: &[(&str, &str)]| {
            let mut request = Request::get("/state");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            handle(&model, &request.body(Bytes::new()).unwrap()).status().as_u16()
        };
        for host in ["127.0.0.1:9001", "localhost", "[::1]:9001", "10.1.2.3", "emulator:9001"] {
            assert_eq!(status(&[("Host", host)]), 200, "{host}");
            assert_eq!(status(&[("Host", host), ("Sec-Fetch-Site", "none")]), 200, "{host}");
            for (name, value) in [
                ("Origin", "http://evil.example"),
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Site", "same-site"),
                ("x-oss-pub-key-url", "aHR0cDovLw=="),
            ] {
                assert_eq!(status(&[("Host", host), (name, value)]), 403, "{host} {name}");
            }
        }
        for host in ["evil.example:9001", "127.0.0.1.evil.example", ""] {
            assert_eq!(status(&[("Host", host)]), 403, "{host}");
        }
        assert_eq!(status(&[]), 403);
    }
}
