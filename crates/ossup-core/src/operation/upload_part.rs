//! UploadPart: `PUT /key?partNumber=n&uploadId=id`.

use http::Method;

use crate::digest::{Crc64, Integrity};
use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::{ByteRange, ETag, PartNumber, UploadId};
use crate::request::{Operation, PartRequest, Request, Response};

use super::{Malformed, crc64, etag};

/// What the server says it has stored.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Stored {
    /// The ETag of the part: its MD5.
    pub etag: Option<ETag>,
    /// The CRC-64 of the part.
    pub crc64: Option<Crc64>,
}

/// The request.
#[must_use]
pub fn request(
    object: &ObjectName,
    upload_id: &UploadId,
    number: PartNumber,
    range: ByteRange,
    integrity: Integrity,
    options: &ObjectOptions,
) -> PartRequest {
    let request = Request::new(Operation::UploadPart, Method::PUT, &object.bucket, Some(&object.key))
        .query_param("partNumber", Some(number.to_string()))
        .query_param("uploadId", Some(upload_id.to_string()))
        .extend_headers(options.part_headers());
    PartRequest::new(request, range, integrity)
}

/// What the server says it has stored.
///
/// # Errors
/// None today: what the answer lacks is left out. Whoever needs an ETag sees that there is none.
pub fn parse(response: &Response) -> Result<Stored, Malformed> {
    Ok(Stored { etag: etag(response), crc64: crc64(response) })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, line, object};
    use super::*;
    use crate::digest::Hasher;

    #[test]
    fn the_request_carries_the_md5_of_its_range() {
        let range = ByteRange::new(5, 5).unwrap();
        let id: UploadId = "A1".parse().unwrap();
        let number = PartNumber::new(7).unwrap();
        let part = request(&object(), &id, number, range, Integrity::Md5AndCrc, &ObjectOptions::default());
        let mut hasher = Hasher::new(part.integrity());
        hasher.update(b"hello");
        let request = part.with_digest(&hasher.finish()).unwrap();
        assert_eq!(line(&request), "PUT key?partNumber=7&uploadId=A1");
        assert_eq!(request.headers()["content-md5"], "XUFAKrxLKna5cZ2REBfFkg==");
        assert_eq!(request.body().len(), 5);
        assert!(part.without_digest().is_err());
        assert!(part.with_digest(&Hasher::new(Integrity::Md5AndCrc).finish()).is_err(), "another length");
    }

    #[test]
    fn a_part_is_waited_for_as_long_as_what_may_be_in_buffers_takes_over_a_slow_line() {
        let patience = |len| {
            let (id, number) = ("A1".parse().unwrap(), PartNumber::new(7).unwrap());
            let range = ByteRange::new(0, len).unwrap();
            let part = request(&object(), &id, number, range, Integrity::None, &ObjectOptions::default());
            part.without_digest().unwrap().answer_within().as_secs()
        };
        // One minute is for the server itself.
        assert_eq!(patience(0), 60);
        // All of this can be in buffers at once, and leave them with 2 KiB in a second.
        assert_eq!(patience(600 << 10), 60 + 300);
        // Of more, the rest is seen to go.
        assert_eq!(patience(1 << 20), 60 + 512);
        assert_eq!(patience(5 << 30), 60 + 512);
    }

    #[test]
    fn headers_that_cannot_be_read_are_as_if_absent() {
        let stored = parse(&answer(&[("etag", "\"AB\""), ("x-oss-hash-crc64ecma", "-1")], "")).unwrap();
        assert_eq!((stored.etag.unwrap().as_str(), stored.crc64), ("\"AB\"", None));
    }
}
