//! Reading an object: GetObject, HeadObject, GetObjectMeta, with conditions and ranges.

use http::{HeaderValue, StatusCode};
use ossup_core::part::ETag;
use ossup_core::time::Timestamp;

use super::Model;
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::{Body, Reply};
use super::world::{Object, ObjectKind};

/// Query parameters that replace a header of the answer.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-content-type", "content-type"),
    ("response-content-language", "content-language"),
    ("response-expires", "expires"),
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
];

impl Model {
    pub(crate) fn get_object(&self, received: &Received) -> Result<Reply, Refusal> {
        let object = self.state().object(received)?;
        check_conditions(received, &object)?;
        let mut reply = describe(&object);
        for (parameter, header) in OVERRIDES {
            if let Some(value) = received.query.get(parameter)
                && let Ok(value) = HeaderValue::try_from(value.as_bytes())
            {
                reply.headers.insert(header, value);
            }
        }
        let size = object.content.len();
        match range(received, size)? {
            Some((start, end)) => {
                reply.status = StatusCode::PARTIAL_CONTENT;
                reply.body = Body::from(object.content.read(start, end - start + 1));
                Ok(reply.header("content-range", format!("bytes {start}-{end}/{size}")))
            }
            None => {
                reply.body = Body::from(object.content.read(0, size));
                Ok(reply)
            }
        }
    }

    pub(crate) fn head_object(&self, received: &Received) -> Result<Reply, Refusal> {
        let object = self.state().object(received)?;
        check_conditions(received, &object)?;
        let mut reply = describe(&object);
        reply.length = Some(object.content.len());
        Ok(reply)
    }

    pub(crate) fn object_meta(&self, received: &Received) -> Result<Reply, Refusal> {
        let object = self.state().object(received)?;
        let mut reply = Reply::ok()
            .etag(&object.meta.etag)
            .crc64(object.meta.crc64)
            .header("last-modified", Timestamp::from_unix(object.meta.modified).to_http_date());
        reply.length = Some(object.content.len());
        Ok(reply)
    }
}

/// The headers that say what the object is.
fn describe(object: &Object) -> Reply {
    let meta = &object.meta;
    let mut reply = Reply::ok();
    meta.attributes.write(&mut reply.headers);
    reply = reply
        .etag(&meta.etag)
        .crc64(meta.crc64)
        .header("last-modified", Timestamp::from_unix(meta.modified).to_http_date())
        .header("accept-ranges", "bytes")
        .header("x-oss-object-type", meta.kind.name())
        .header("x-oss-storage-class", meta.attributes.storage_class());
    if meta.kind == ObjectKind::Appendable {
        reply = reply.header("x-oss-next-append-position", object.content.len().to_string());
    }
    match meta.content_md5() {
        Some(md5) => reply.header("content-md5", md5.to_base64()),
        None => reply,
    }
}

fn check_conditions(received: &Received, object: &Object) -> Result<(), Refusal> {
    let lists = |header: &str| {
        let list = received.header(header)?;
        let own = object.meta.etag.parse::<ETag>();
        Some(list.split(',').any(|one| one.trim() == "*" || one.parse::<ETag>() == own))
    };
    let modified_after = |header: &str| {
        let time = Timestamp::parse(&received.header(header)?)?;
        Some(object.meta.modified > time.unix())
    };
    if lists("if-match") == Some(false) {
        return Err(refusal::precondition_failed("If-Match"));
    }
    if modified_after("if-unmodified-since") == Some(true) {
        return Err(refusal::precondition_failed("If-Unmodified-Since"));
    }
    let not_modified = || {
        Refusal::new(StatusCode::NOT_MODIFIED, "NotModified", "Not Modified")
            .header("etag", quoted(&object.meta.etag))
    };
    if lists("if-none-match") == Some(true) || modified_after("if-modified-since") == Some(false) {
        return Err(not_modified());
    }
    Ok(())
}

fn quoted(etag: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{etag}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The first and the last byte that are wanted; none for all. A range that is not within the object is ignored, unless
/// the client asks for standard behaviour (OSS documentation, "GetObject").
pub(crate) fn range(received: &Received, size: u64) -> Result<Option<(u64, u64)>, Refusal> {
    let Some(text) = received.header("range") else { return Ok(None) };
    let standard = received.header_is("x-oss-range-behavior", "standard");
    let Some((start, end)) = text.strip_prefix("bytes=").and_then(|text| text.trim().split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| if text.is_empty() { Ok(None) } else { text.parse::<u64>().map(Some) };
    let (Ok(start), Ok(end)) = (number(start), number(end)) else { return Ok(None) };
    let last = size.checked_sub(1);
    let range = match (start, end, last) {
        (Some(start), None, Some(last)) if start <= last => Some((start, last)),
        (Some(start), Some(end), Some(last)) if start <= end && end <= last => Some((start, end)),
        (Some(start), Some(end), Some(last)) if standard && start <= end && start <= last => {
            Some((start, last))
        }
        (None, Some(tail), Some(last)) if tail > 0 && (tail <= size || standard) => {
            Some((size.saturating_sub(tail), last))
        }
        _ => None,
    };
    if range.is_none() && standard {
        let refusal = Refusal::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            "The requested range cannot be satisfied.",
        );
        return Err(refusal.detail("ActualObjectSize", size.to_string()).detail("RangeHeader", text));
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn range_of(value: &str, standard: bool) -> Result<Option<(u64, u64)>, String> {
        let mut request = http::Request::get("/b/k").header("Range", value);
        if standard {
            request = request.header("x-oss-range-behavior", "standard");
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let Ok(received) = Received::read(&head, &Config::default(), |_| false) else { panic!() };
        range(&received, 1000).map_err(|refusal| refusal.code.to_string())
    }

    #[test]
    fn ranges_within_the_object_are_taken_and_others_ignored() {
        assert_eq!(range_of("bytes=0-499", false), Ok(Some((0, 499))));
        assert_eq!(range_of("bytes=500-", false), Ok(Some((500, 999))));
        assert_eq!(range_of("bytes=-1", false), Ok(Some((999, 999))));
        for ignored in ["bytes=500-2000", "bytes=1000-", "bytes=5-4", "bytes=-0", "lines=1-2", "bytes=a-b"] {
            assert_eq!(range_of(ignored, false), Ok(None), "{ignored}");
        }
        assert_eq!(range_of("bytes=500-2000", true), Ok(Some((500, 999))));
        assert_eq!(range_of("bytes=1000-", true), Err("InvalidRange".into()));
    }
}
