//! What all listings share: page sizes, markers, and the encoding of names.

use std::collections::BTreeSet;

use ossup_core::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::received::Received;
use super::refusal::{self, Refusal};

/// The largest page of any listing.
const MAX_PAGE: u64 = 1000;

/// Every byte but letters, digits and `-._~`; the slash too.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How names are spelled in a listing.
#[derive(Clone, Copy)]
pub(crate) struct Encoding {
    url: bool,
}

impl Encoding {
    /// The encoding that the request asks for.
    pub(crate) fn of(received: &Received) -> Result<Self, Refusal> {
        match received.query.get("encoding-type") {
            None | Some("") => Ok(Self { url: false }),
            Some(text) if text.eq_ignore_ascii_case("url") => Ok(Self { url: true }),
            Some(text) => {
                Err(refusal::argument("encoding-type", text, "Invalid Encoding Method specified in Request."))
            }
        }
    }

    /// Names percent-encoded.
    pub(crate) fn url() -> Self {
        Self { url: true }
    }

    pub(crate) fn is_url(self) -> bool {
        self.url
    }

    pub(crate) fn name(self, name: &str) -> String {
        if self.url { utf8_percent_encode(name, ENCODED).to_string() } else { name.to_owned() }
    }
}

/// A whole number in the query, within bounds.
pub(crate) fn number(received: &Received, name: &str, max: u64) -> Result<Option<u64>, Refusal> {
    let Some(text) = received.query.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number) if plain && number <= max => Ok(Some(number)),
        _ => Err(refusal::argument(
            name,
            text,
            format!("Argument {name} must be an integer between 0 and {max}."),
        )),
    }
}

/// The size of the page that the request asks for.
pub(crate) fn size(received: &Received, name: &str, default: u64) -> Result<usize, Refusal> {
    match number(received, name, MAX_PAGE)? {
        Some(0) => Err(refusal::argument(
            name,
            "0",
            format!("Argument {name} must be an integer between 1 and {MAX_PAGE}."),
        )),
        Some(size) => Ok(size as usize),
        None => Ok(default as usize),
    }
}

/// A time as OSS writes it into documents.
pub(crate) fn iso(unix: i64) -> String {
    let text = Timestamp::from_unix(unix).to_string();
    match text.strip_suffix('Z') {
        Some(front) => format!("{front}.000Z"),
        None => text,
    }
}

/// The prefix that a name is folded into by a delimiter.
pub(crate) fn folded<'a>(name: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    if delimiter.is_empty() {
        return None;
    }
    let end = name.get(prefix.len()..)?.find(delimiter)? + prefix.len() + delimiter.len();
    name.get(..end)
}

/// One page of names: those that stand for themselves and those that are folded.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) prefixes: BTreeSet<String>,
    pub(crate) is_truncated: bool,
    /// The last name or prefix on the page.
    pub(crate) last: Option<String>,
}

impl<T> Page<T> {
    /// Takes names in order, all behind the marker, until the page is full.
    pub(crate) fn fill<'a>(
        names: impl Iterator<Item = (&'a str, T)>,
        prefix: &str,
        delimiter: &str,
        size: usize,
    ) -> Self {
        let mut page = Self { items: Vec::new(), prefixes: BTreeSet::new(), is_truncated: false, last: None };
        for (name, item) in names {
            let fold = folded(name, prefix, delimiter);
            if fold.is_some_and(|fold| page.prefixes.contains(fold)) {
                continue;
            }
            if page.items.len() + page.prefixes.len() >= size {
                page.is_truncated = true;
                break;
            }
            page.last = Some(fold.unwrap_or(name).to_owned());
            match fold {
                Some(fold) => drop(page.prefixes.insert(fold.to_owned())),
                None => page.items.push(item),
            }
        }
        page
    }
}
