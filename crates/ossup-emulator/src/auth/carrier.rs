//! Where a request carries its signature: in one place, or it is refused.

use crate::model::{Received, Refusal, refusal};

/// Where the signature is.
pub(super) enum Carrier {
    /// Nowhere: the caller is anonymous.
    None,
    /// `Authorization: OSS id:signature`, what is behind `OSS`.
    V1Header(String),
    /// `?OSSAccessKeyId&Expires&Signature`
    V1Url,
    /// `Authorization: OSS4-HMAC-SHA256 items`, what is behind the algorithm.
    V4Header(String),
    /// `?x-oss-signature-version&x-oss-credential&…`
    V4Url,
}

impl Carrier {
    pub(super) fn of(received: &Received) -> Result<Self, Refusal> {
        let in_header = received.header("authorization");
        let v1_url = received.query.has("Signature") || received.query.has("OSSAccessKeyId");
        let v4_url = received.query.has("x-oss-signature") || received.query.has("x-oss-credential");
        if usize::from(in_header.is_some()) + usize::from(v1_url) + usize::from(v4_url) > 1 {
            return Err(refusal::invalid_argument(
                "Only one auth mechanism allowed; only the Authorization header or the signature in the URL \
                 should be specified.",
            ));
        }
        if v1_url {
            return Ok(Self::V1Url);
        }
        if v4_url {
            return Ok(Self::V4Url);
        }
        let Some(text) = in_header else { return Ok(Self::None) };
        match text.trim().split_once(' ') {
            Some(("OSS", rest)) => Ok(Self::V1Header(rest.trim().to_owned())),
            Some(("OSS4-HMAC-SHA256", rest)) => Ok(Self::V4Header(rest.trim().to_owned())),
            _ => {
                Err(refusal::invalid_argument("Authorization header is invalid.")
                    .detail("Authorization", text))
            }
        }
    }
}

/// The STS token, which may be a header or a parameter of the URL, but not both.
pub(super) fn token(received: &Received, in_url: Option<&str>) -> Result<Option<String>, Refusal> {
    let header = received.header("x-oss-security-token");
    let url = in_url.and_then(|name| received.query.get(name));
    match (header, url) {
        (Some(_), Some(_)) => {
            Err(refusal::invalid_argument("The security token is given both as a header and in the URL."))
        }
        (header, url) => Ok(header.or_else(|| url.map(str::to_owned))),
    }
}
