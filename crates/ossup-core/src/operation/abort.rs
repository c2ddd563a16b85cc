//! AbortMultipartUpload: `DELETE /key?uploadId=id`. Parts that are still being sent are not deleted by it.

use http::{Method, StatusCode};

use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::UploadId;
use crate::request::{Operation, Request, Response};

use super::{Malformed, by_oss};

/// The request.
#[must_use]
pub fn request(object: &ObjectName, upload_id: &UploadId, options: &ObjectOptions) -> Request {
    Request::new(Operation::AbortMultipartUpload, Method::DELETE, &object.bucket, Some(&object.key))
        .query_param("uploadId", Some(upload_id.to_string()))
        .extend_headers(options.common_headers())
}

/// Sees that it is done. There is nothing else to be read.
///
/// # Errors
/// It is neither the `204 No Content` of OSS nor has it a request id. What stands in between and answers `200` to everything
/// deletes nothing.
pub fn parse(response: &Response) -> Result<(), Malformed> {
    if response.status() == StatusCode::NO_CONTENT { Ok(()) } else { by_oss(response) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{line, object};
    use super::*;

    #[test]
    fn the_request_is_what_the_documentation_says() {
        let request = request(&object(), &"A1".parse().unwrap(), &ObjectOptions::default());
        assert_eq!(line(&request), "DELETE key?uploadId=A1");
    }
}
