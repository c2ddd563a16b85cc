//! What the journal keeps of the head of a request, however long that is.

use http::HeaderMap;

/// What the journal keeps of the headers. No more than this, for what a client may send is long.
pub(super) fn framing(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    let all = FRAMING.iter().flat_map(|name| headers.get_all(*name).iter().map(move |value| (*name, value)));
    all.take(FRAMING.len())
        .map(|(name, value)| (name, cut(&String::from_utf8_lossy(value.as_bytes()), MAX_KEPT)))
        .collect()
}

const FRAMING: [&str; 8] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-type",
    "expect",
    "transfer-encoding",
];

/// How many bytes of a header are kept.
const MAX_KEPT: usize = 256;

/// The longest key, in bytes.
pub(super) const MAX_KEY: usize = 1023;

/// No more than so many bytes: nobody has been asked yet whether he may send this.
pub(super) fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text[..end.unwrap_or(0)].to_owned()
}
