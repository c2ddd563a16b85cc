//! InitiateMultipartUpload: `POST /key?uploads`. The attributes of the object are fixed here.

use http::Method;

use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::UploadId;
use crate::request::{Operation, Request, Response};

use super::{Malformed, document, required};

/// The request.
#[must_use]
pub fn request(object: &ObjectName, options: &ObjectOptions) -> Request {
    let request =
        Request::new(Operation::InitiateMultipartUpload, Method::POST, &object.bucket, Some(&object.key))
            .query_param("uploads", None)
            .query_param("encoding-type", Some("url".into()));
    let request = if options.is_sequential() { request.query_param("sequential", None) } else { request };
    request.extend_headers(options.initiate_headers(object.key.as_str()))
}

/// The upload id.
///
/// # Errors
/// It has no document about an upload that was begun, or no legal upload id in it.
pub fn parse(response: &Response) -> Result<UploadId, Malformed> {
    required(&document(response, "InitiateMultipartUploadResult")?, "UploadId")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{answer, line, object};
    use super::*;

    #[test]
    fn the_request_is_what_the_documentation_says() {
        let request = request(&object(), &ObjectOptions::default());
        assert_eq!(line(&request), "POST key?uploads&encoding-type=url");
    }

    #[test]
    fn an_upload_id_is_read_and_a_missing_or_absurd_one_is_malformed() {
        let with = |id: &str| {
            parse(&answer(
                &[],
                &format!("<InitiateMultipartUploadResult>{id}</InitiateMultipartUploadResult>"),
            ))
        };
        assert_eq!(with("<UploadId>A1</UploadId>").unwrap().as_str(), "A1");
        assert!(with("").is_err());
        assert!(with("<UploadId>a b</UploadId>").is_err());
        assert!(with(&format!("<UploadId>{}</UploadId>", "A".repeat(600))).is_err());
        assert!(parse(&answer(&[], "<html/>")).is_err());
    }
}
