//! AbortMultipartUpload: `DELETE /key?uploadId=id`. Parts that are still being sent are not deleted by it.

use http::Method;

use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::UploadId;
use crate::request::{Operation, Request};

/// The request. Its answer says nothing but that it was done.
#[must_use]
pub fn request(object: &ObjectName, upload_id: &UploadId, options: &ObjectOptions) -> Request {
    Request::new(Operation::AbortMultipartUpload, Method::DELETE, &object.bucket, Some(&object.key))
        .query_param("uploadId", Some(upload_id.to_string()))
        .extend_headers(options.common_headers())
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
