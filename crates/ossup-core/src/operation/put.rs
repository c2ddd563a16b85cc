//! PutObject: `PUT /key`, for sources that fit into one request.

use std::time::Duration;

use http::Method;

use crate::callback::Callback;
use crate::digest::Integrity;
use crate::object::ObjectName;
use crate::options::ObjectOptions;
use crate::part::ByteRange;
use crate::request::{Operation, PartRequest, Request, Response};

use super::Malformed;
use super::complete::Completion;

/// How long the server may take: it waits five seconds for the application that a callback calls, and some more.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// The request.
#[must_use]
pub fn request(
    object: &ObjectName,
    range: ByteRange,
    integrity: Integrity,
    options: &ObjectOptions,
    callback: Option<&Callback>,
) -> PartRequest {
    let request = Request::new(Operation::PutObject, Method::PUT, &object.bucket, Some(&object.key))
        .extend_headers(options.put_headers(object.key.as_str()))
        .extend_headers(callback.into_iter().flat_map(Callback::headers))
        .answered_within(ANSWER_WITHIN);
    PartRequest::new(request, range, integrity)
}

/// What the server says of the object. `with_callback` says that a callback was asked for: then the body is whatever
/// the application answered.
///
/// # Errors
/// Nothing in it is of OSS: what stands in between and answers `200` to everything has stored nothing.
pub fn parse(response: &Response, with_callback: bool) -> Result<Completion, Malformed> {
    Completion::without_document(response, with_callback)
}
