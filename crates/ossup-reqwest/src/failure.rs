//! What a failure of reqwest means to the machine.

use std::error::Error;

use ossup_core::upload::{TransportError, TransportKind};

/// Classes a failure. Unless no connection came about, some of the request may have been sent.
pub(crate) fn classify(error: reqwest::Error) -> TransportError {
    let kind = match &error {
        error if error.is_connect() || error.is_builder() => TransportKind::Connect,
        error if error.is_timeout() => TransportKind::Stalled,
        _ => TransportKind::Broken,
    };
    TransportError::new(kind, message(error))
}

/// In words, without the address of the request: it can contain a signature.
fn message(error: reqwest::Error) -> String {
    let error = error.without_url();
    // What reqwest itself says is that sending failed; why is below.
    let mut said = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if said.last() != Some(&words) {
            said.push(words);
        }
        cause = error.source();
    }
    if said.is_empty() { error.to_string() } else { said.join(": ") }
}
