//! What a failure of ureq means to the machine.

use ossup_core::upload::{TransportError, TransportKind};

/// Classes a failure by whether any of the request may have been `sent`.
pub(crate) fn classify(error: &ureq::Error, sent: bool) -> TransportError {
    let kind = match error {
        _ if !sent => TransportKind::Connect,
        ureq::Error::Timeout(_) => TransportKind::Stalled,
        _ => TransportKind::Broken,
    };
    TransportError::new(kind, message(error))
}

/// In words, without the address of the request: it can contain a signature.
fn message(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the address of the request cannot be used".into(),
        ureq::Error::HostNotFound => "the name of the host cannot be resolved".into(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(which) => format!("timeout ({which})"),
        other => other.to_string(),
    }
}
