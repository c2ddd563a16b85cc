//! ListObjects in both versions.

use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bucket::OWNER;
use super::page::{self, Encoding, Page};
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::Reply;
use super::world::{Bucket, Object};
use super::xml::Xml;
use super::{Model, State};

/// What both versions ask for.
struct Listing<'a> {
    encoding: Encoding,
    prefix: &'a str,
    delimiter: &'a str,
    size: usize,
}

type Found<'a> = Page<(&'a str, &'a Object)>;

impl<'a> Listing<'a> {
    fn of(received: &'a Received) -> Result<Self, Refusal> {
        let text = |name: &str| received.query.get(name).unwrap_or_default();
        let encoding = Encoding::of(received)?;
        let size = page::size(received, "max-keys", 100)?;
        Ok(Self { encoding, prefix: text("prefix"), delimiter: text("delimiter"), size })
    }

    /// The objects behind `marker`.
    fn find<'b>(&self, bucket: &'b Bucket, marker: &str) -> Found<'b> {
        // What is folded into a marker that is a prefix was listed with it.
        let skip = (!self.delimiter.is_empty() && marker.ends_with(self.delimiter)).then_some(marker);
        let from = if marker > self.prefix { Bound::Excluded(marker) } else { Bound::Included(self.prefix) };
        let objects = bucket
            .objects
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(self.prefix))
            .filter(|(key, _)| skip.is_none_or(|skip| !key.starts_with(skip)))
            .map(|(key, object)| (key.as_str(), (key.as_str(), &**object)));
        Page::fill(objects, self.prefix, self.delimiter, self.size)
    }

    fn write(&self, xml: &mut Xml, page: &Found<'_>, with_owner: bool) {
        for (key, object) in &page.items {
            xml.element("Contents", |xml| {
                xml.text("Key", self.encoding.name(key));
                xml.text("LastModified", page::iso(object.meta.modified));
                xml.text("ETag", format!("\"{}\"", object.meta.etag));
                xml.text("Type", object.meta.kind.name());
                xml.number("Size", object.content.len());
                xml.text("StorageClass", object.meta.attributes.storage_class());
                if with_owner {
                    write_owner(xml);
                }
            });
        }
        for prefix in &page.prefixes {
            xml.element("CommonPrefixes", |xml| xml.text("Prefix", self.encoding.name(prefix)));
        }
    }
}

fn write_owner(xml: &mut Xml) {
    xml.element("Owner", |xml| {
        xml.text("ID", OWNER);
        xml.text("DisplayName", OWNER);
    });
}

impl Model {
    pub(crate) fn list_objects(&self, received: &Received) -> Result<Reply, Refusal> {
        let listing = Listing::of(received)?;
        let marker = received.query.get("marker").unwrap_or_default();
        let mut state = self.state();
        let page = listing.find(State::bucket(&mut state, received)?, marker);
        Ok(Reply::document("ListBucketResult", |xml| {
            let encoding = listing.encoding;
            xml.text("Name", received.names().0);
            xml.text("Prefix", encoding.name(listing.prefix));
            xml.text("Marker", encoding.name(marker));
            xml.number("MaxKeys", listing.size as u64);
            xml.text("Delimiter", encoding.name(listing.delimiter));
            if encoding.is_url() {
                xml.text("EncodingType", "url");
            }
            xml.flag("IsTruncated", page.is_truncated);
            if let Some(last) = page.last.as_deref().filter(|_| page.is_truncated) {
                xml.text("NextMarker", encoding.name(last));
            }
            listing.write(xml, &page, true);
        }))
    }

    pub(crate) fn list_objects_v2(&self, received: &Received) -> Result<Reply, Refusal> {
        let listing = Listing::of(received)?;
        let start_after = received.query.get("start-after").unwrap_or_default();
        let token = received.query.get("continuation-token").filter(|token| !token.is_empty());
        let marker = match token {
            Some(token) => {
                let key = STANDARD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
                key.ok_or_else(|| {
                    refusal::argument("continuation-token", token, "The continuation token is invalid.")
                })?
            }
            None => start_after.to_owned(),
        };
        let with_owner = received.query.get("fetch-owner") == Some("true");
        let mut state = self.state();
        let page = listing.find(State::bucket(&mut state, received)?, &marker);
        Ok(Reply::document("ListBucketResult", |xml| {
            let encoding = listing.encoding;
            xml.text("Name", received.names().0);
            xml.text("Prefix", encoding.name(listing.prefix));
            if !start_after.is_empty() {
                xml.text("StartAfter", encoding.name(start_after));
            }
            xml.number("MaxKeys", listing.size as u64);
            xml.text("Delimiter", encoding.name(listing.delimiter));
            if encoding.is_url() {
                xml.text("EncodingType", "url");
            }
            xml.flag("IsTruncated", page.is_truncated);
            if let Some(token) = token {
                xml.text("ContinuationToken", token);
            }
            if let Some(last) = page.last.as_deref().filter(|_| page.is_truncated) {
                xml.text("NextContinuationToken", STANDARD.encode(last));
            }
            xml.number("KeyCount", (page.items.len() + page.prefixes.len()) as u64);
            listing.write(xml, &page, with_owner);
        }))
    }
}
