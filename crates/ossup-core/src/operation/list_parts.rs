//! ListParts: `GET /key?uploadId=id`, page by page.

use http::Method;

use crate::digest::Crc64;
use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::{ETag, PartNumber, UploadId};
use crate::request::{Operation, Request, Response};

use super::{Malformed, document, optional, required};

/// A part that the server has.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ListedPart {
    /// Its number.
    pub number: PartNumber,
    /// How many bytes it has.
    pub size: u64,
    /// Its ETag.
    pub etag: Option<ETag>,
    /// Its CRC-64.
    pub crc64: Option<Crc64>,
}

/// A page of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PartsPage {
    /// The parts, in ascending order.
    pub parts: Vec<ListedPart>,
    /// Behind which part the next page begins; none if this is the last.
    pub next: Option<PartNumber>,
}

impl PartsPage {
    /// The page, if it is one behind `after`, or the last. To go on from one that ends no further on would be to ask for
    /// the same page for ever.
    pub(crate) fn behind(self, after: Option<PartNumber>) -> Result<Self, Malformed> {
        if self.next.is_some() && self.next <= after {
            return Err(Malformed::new("more parts follow, behind one that the page was to begin behind"));
        }
        Ok(self)
    }
}

/// The request for the parts behind `after`.
#[must_use]
pub fn request(
    object: &ObjectName,
    upload_id: &UploadId,
    after: Option<PartNumber>,
    max_parts: Option<u16>,
    options: &ObjectOptions,
) -> Request {
    let mut request = Request::new(Operation::ListParts, Method::GET, &object.bucket, Some(&object.key))
        .query_param("uploadId", Some(upload_id.to_string()))
        .query_param("encoding-type", Some("url".into()));
    if let Some(max) = max_parts {
        request = request.query_param("max-parts", Some(max.clamp(1, 1000).to_string()));
    }
    if let Some(after) = after {
        request = request.query_param("part-number-marker", Some(after.to_string()));
    }
    request.extend_headers(options.common_headers())
}

/// A page of the list.
///
/// # Errors
/// A part has no legal number or size, or the page says that more follow and not behind which part.
pub fn parse(response: &Response) -> Result<PartsPage, Malformed> {
    let document = document(response, "ListPartsResult")?;
    let mut parts = Vec::new();
    for part in document.children_named("Part") {
        parts.push(ListedPart {
            number: required(part, "PartNumber")?,
            size: required(part, "Size")?,
            etag: optional(part, "ETag").ok().flatten(),
            crc64: optional(part, "HashCrc64ecma").ok().flatten(),
        });
    }
    if !parts.is_sorted_by(|a, b| a.number < b.number) {
        return Err(Malformed::new("the parts are not in order"));
    }
    // The marker is there on the last page, too; only this says that more follow.
    let next = if document.text_of("IsTruncated") == Some("true") {
        let next: PartNumber = required(&document, "NextPartNumberMarker")?;
        let before = parts.last().map(|part| part.number);
        if before.is_none_or(|last| next < last) {
            return Err(Malformed::new("more parts follow, behind a part that is listed already"));
        }
        Some(next)
    } else {
        None
    };
    Ok(PartsPage { parts, next })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, line, object};
    use super::*;

    fn page(inner: &str) -> Result<PartsPage, Malformed> {
        parse(&answer(&[], &format!("<ListPartsResult>{inner}</ListPartsResult>")))
    }

    #[test]
    fn the_request_is_what_the_documentation_says() {
        let id: UploadId = "A1".parse().unwrap();
        let request = request(&object(), &id, PartNumber::new(9), Some(2), &ObjectOptions::default());
        assert_eq!(line(&request), "GET key?uploadId=A1&encoding-type=url&max-parts=2&part-number-marker=9");
    }

    #[test]
    fn a_marker_on_the_last_page_leads_nowhere() {
        let last = "<IsTruncated>false</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>";
        assert_eq!(page(last).unwrap(), PartsPage { parts: vec![], next: None });
    }

    #[test]
    fn numbers_out_of_range_are_malformed() {
        let part =
            |n: &str, size: &str| format!("<Part><PartNumber>{n}</PartNumber><Size>{size}</Size></Part>");
        assert!(page(&part("0", "1")).is_err());
        assert!(page(&part("10001", "1")).is_err());
        assert!(page(&part("1", "99999999999999999999")).is_err());
    }

    #[test]
    fn parts_out_of_order_or_twice_are_malformed() {
        let part = |n: u16| format!("<Part><PartNumber>{n}</PartNumber><Size>1</Size></Part>");
        assert!(page(&(part(1) + &part(3))).is_ok());
        assert!(page(&(part(2) + &part(1))).is_err());
        assert!(page(&(part(2) + &part(2))).is_err());
    }

    #[test]
    fn a_page_that_does_not_advance_is_malformed() {
        let more = "<IsTruncated>true</IsTruncated>";
        assert!(page(more).is_err());
        let part = "<Part><PartNumber>5</PartNumber><Size>1</Size></Part>";
        assert!(page(&format!("{more}<NextPartNumberMarker>4</NextPartNumberMarker>{part}")).is_err());
        assert!(page(&format!("{more}<NextPartNumberMarker>5</NextPartNumberMarker>{part}")).is_ok());
    }
    #[test]
    fn a_page_that_ends_no_further_on_than_the_one_before_is_malformed() {
        let part = "<Part><PartNumber>5</PartNumber><Size>1</Size></Part>";
        let page = |more| {
            let next = "<NextPartNumberMarker>5</NextPartNumberMarker>";
            page(&format!("<IsTruncated>{more}</IsTruncated>{next}{part}")).unwrap()
        };
        assert!(page(true).behind(None).is_ok());
        assert!(page(true).behind(PartNumber::new(4)).is_ok());
        assert!(page(true).behind(PartNumber::new(5)).is_err());
        assert!(page(false).behind(PartNumber::new(5)).is_ok());
    }
}
