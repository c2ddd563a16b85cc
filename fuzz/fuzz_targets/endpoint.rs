//! Invariant: an endpoint is read back from what it shows, and every address made of it leads to the key that was asked for.
//!
//! An input has lines: an endpoint, a bucket, the name and the value of a query parameter; the key is the rest.

#![cfg_attr(fuzzing, no_main)]

use ossup_core::endpoint::{Addressing, Endpoint};
use ossup_core::object::{BucketName, ObjectKey};
use percent_encoding::percent_decode_str;

ossup_fuzz::target!(target);

fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(5, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (endpoint, bucket, name, value, key) = (line(), line(), line(), line(), line());
    let Ok(endpoint) = endpoint.parse::<Endpoint>() else { return };
    assert_eq!(endpoint.to_string().parse(), Ok(endpoint.clone()));
    let bucket =
        bucket.parse().unwrap_or_else(|_| "example-bucket".parse::<BucketName>().expect("a legal name"));
    let key = key.parse::<ObjectKey>().ok();
    let query = [(name, Some(value)), ("bare", None)];
    for addressing in [Addressing::VirtualHost, Addressing::Path, Addressing::Cname] {
        let endpoint = endpoint.clone().with_addressing(addressing);
        let Ok(uri) = endpoint.uri(&bucket, key.as_ref(), &query) else { continue };
        assert!(uri.authority().expect("an authority").as_str().ends_with(&endpoint.authority()));
        let path = decoded(uri.path());
        let key = key.as_ref().map_or("", ObjectKey::as_str);
        match endpoint.addressing() {
            Addressing::Path => assert_eq!(path, format!("/{bucket}/{key}")),
            _ => assert_eq!(path, format!("/{key}")),
        }
        let sent = uri.query().expect("a query").strip_suffix("&bare").expect("a bare name");
        let (sent_name, sent_value) = sent.split_once('=').expect("a value");
        assert_eq!((decoded(sent_name).as_str(), decoded(sent_value).as_str()), (name, value));
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned()
}
