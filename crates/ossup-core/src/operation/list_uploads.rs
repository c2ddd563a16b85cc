//! ListMultipartUploads: `GET /?uploads`, page by page.

use http::Method;

use crate::object::BucketName;
use crate::options::ObjectOptions;
use crate::part::UploadId;
use crate::request::{Operation, Request, Response};
use crate::time::Timestamp;

use super::{Malformed, document, name, optional, required};

/// An upload that is neither completed nor aborted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ListedUpload {
    /// The key. Longer ones than ours may be listed: a prefix is not an exact match.
    pub key: String,
    /// Its id.
    pub upload_id: UploadId,
    /// When it was initiated, by the server's clock.
    pub initiated: Option<Timestamp>,
}

/// Where a page of the list ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marker {
    key: String,
    upload_id: Option<UploadId>,
}

/// A page of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UploadsPage {
    /// The uploads, by key and upload id.
    pub uploads: Vec<ListedUpload>,
    /// Behind what the next page begins; none if this is the last.
    pub next: Option<Marker>,
}

/// The request for the uploads behind `after` whose keys begin with `prefix`.
#[must_use]
pub fn request(
    bucket: &BucketName,
    prefix: Option<&str>,
    after: Option<&Marker>,
    options: &ObjectOptions,
) -> Request {
    let mut request = Request::new(Operation::ListMultipartUploads, Method::GET, bucket, None)
        .query_param("uploads", None)
        .query_param("encoding-type", Some("url".into()));
    // An empty parameter would be signed by its bare name (V4), which some implementations do not do.
    if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) {
        request = request.query_param("prefix", Some(prefix.to_owned()));
    }
    if let Some(after) = after {
        // Both markers: the key alone would pass over the other uploads of the same key.
        request = request.query_param("key-marker", Some(after.key.clone()));
        if let Some(id) = &after.upload_id {
            request = request.query_param("upload-id-marker", Some(id.to_string()));
        }
    }
    request.extend_headers(options.common_headers())
}

/// A page of the list.
///
/// # Errors
/// An upload has no legal id, or the page says that more follow, and not behind what or behind what it has not reached.
pub fn parse(response: &Response) -> Result<UploadsPage, Malformed> {
    let document = document(response, "ListMultipartUploadsResult")?;
    let mut uploads = Vec::new();
    for upload in document.children_named("Upload") {
        uploads.push(ListedUpload {
            key: name(&document, upload.text_of("Key").unwrap_or_default()),
            upload_id: required(upload, "UploadId")?,
            initiated: upload.text_of("Initiated").and_then(Timestamp::parse),
        });
    }
    let next = if document.text_of("IsTruncated") == Some("true") {
        let key =
            document.text_of("NextKeyMarker").ok_or_else(|| Malformed::new("<NextKeyMarker> is missing"))?;
        let key = name(&document, key);
        if uploads.last().is_none_or(|last| key < last.key) {
            return Err(Malformed::new("more uploads follow, behind a key that is listed already"));
        }
        Some(Marker { key, upload_id: optional(&document, "NextUploadIdMarker")? })
    } else {
        None
    };
    Ok(UploadsPage { uploads, next })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, line};
    use super::*;

    #[test]
    fn pages_follow_each_other_by_both_markers() {
        let page = parse(&answer(
            &[],
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
             <NextKeyMarker>a%2Fb%20c</NextKeyMarker><NextUploadIdMarker>U2</NextUploadIdMarker>\
             <Upload><Key>a%2Fb%20c</Key><UploadId>U2</UploadId><Initiated>2024-01-12T21:47:15.000Z</Initiated></Upload>\
             </ListMultipartUploadsResult>",
        ))
        .unwrap();
        assert_eq!(page.uploads[0].key, "a/b c");
        assert_eq!(page.uploads[0].initiated, Some(Timestamp::from_unix(1_705_096_035)));
        let next =
            request(&"bucket".parse().unwrap(), Some("a/"), page.next.as_ref(), &ObjectOptions::default());
        assert_eq!(
            line(&next),
            "GET ?uploads&encoding-type=url&prefix=a/&key-marker=a/b c&upload-id-marker=U2"
        );
    }
    #[test]
    fn a_page_that_does_not_advance_is_malformed() {
        let page = |inner: &str| {
            let body = format!("<ListMultipartUploadsResult>{inner}</ListMultipartUploadsResult>");
            parse(&answer(&[], &body))
        };
        let more = "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>";
        let upload = |key: &str| format!("<Upload><Key>{key}</Key><UploadId>U</UploadId></Upload>");
        assert!(page(more).is_err());
        assert!(page(&format!("{more}{}", upload("l"))).is_err());
        assert!(page(&format!("{more}{}", upload("k"))).is_ok());
        assert!(page(&format!("<IsTruncated>true</IsTruncated>{}", upload("k"))).is_err());
    }

    #[test]
    fn an_empty_prefix_is_not_sent() {
        let request = request(&"bucket".parse().unwrap(), Some(""), None, &ObjectOptions::default());
        assert_eq!(line(&request), "GET ?uploads&encoding-type=url");
    }
}
