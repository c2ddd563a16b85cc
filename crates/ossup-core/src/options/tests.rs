//! What options become on each request, and which are refused.

use super::*;

fn names(headers: &[(HeaderName, HeaderValue)]) -> Vec<&str> {
    headers.iter().map(|(name, _)| name.as_str()).collect()
}

fn full() -> ObjectOptions {
    ObjectOptions::new()
        .content_type("text/x")
        .and_then(|o| o.metadata("A", "1"))
        .and_then(|o| o.tag("k 1", "v+=å"))
        .and_then(|o| o.encryption(Encryption::Kms { key_id: Some("id".into()), sm4: true }))
        .and_then(|o| o.traffic_limit(819_200))
        .unwrap()
        .acl(Acl::PublicRead)
        .storage_class(StorageClass::InfrequentAccess)
        .forbid_overwrite(true)
        .request_payer(true)
}

#[test]
fn each_header_goes_only_where_oss_allows_it() {
    let options = full();
    assert_eq!(
        names(&options.initiate_headers("k")),
        [
            "content-type",
            "x-oss-meta-a",
            "x-oss-storage-class",
            "x-oss-tagging",
            "x-oss-server-side-encryption",
            "x-oss-server-side-encryption-key-id",
            "x-oss-server-side-data-encryption",
            "x-oss-forbid-overwrite",
            "x-oss-request-payer"
        ]
    );
    assert_eq!(names(&options.part_headers()), ["x-oss-traffic-limit", "x-oss-request-payer"]);
    assert_eq!(
        names(&options.complete_headers()),
        ["x-oss-object-acl", "x-oss-forbid-overwrite", "x-oss-request-payer"]
    );
    assert!(names(&options.put_headers("k")).contains(&"x-oss-object-acl"));
    assert!(names(&options.put_headers("k")).contains(&"x-oss-traffic-limit"));
}

#[test]
fn tags_are_encoded() {
    let headers = full().initiate_headers("k");
    let tagging = headers.iter().find(|(name, _)| *name == TAGGING).unwrap();
    assert_eq!(tagging.1, "k%201=v%2B%3D%C3%A5");
}

#[test]
fn the_type_is_guessed_from_the_key_unless_it_is_given() {
    let guess = |key: &str| ObjectOptions::new().initiate_headers(key)[0].1.clone();
    assert_eq!(guess("dir.txt/a.MP4"), "video/mp4");
    assert_eq!(guess("dir.txt/a"), "application/octet-stream");
    assert_eq!(full().initiate_headers("a.mp4")[0].1, "text/x");
}

#[test]
fn values_that_would_break_a_request_are_refused() {
    assert!(ObjectOptions::new().content_type("a\r\nx: y").is_err());
    assert!(ObjectOptions::new().metadata("a b", "c").is_err());
    assert!(ObjectOptions::new().metadata("a", "é").is_err());
    assert!(ObjectOptions::new().metadata("a", &"x".repeat(9000)).is_err());
    for (name, value) in [("", "v"), ("k&", "v"), ("k", "v?"), ("k", "\u{7}")] {
        assert!(ObjectOptions::new().tag(name, value).is_err(), "{name} {value}");
    }
    assert!(ObjectOptions::new().tag("a b+-=._:/", "").is_ok());
    assert!(ObjectOptions::new().expires("tomorrow").is_err());
    for when in ["0", "Fri, 12 Jan 2024 21:47:15 GMT", "2024-01-12T21:47:15.000Z"] {
        assert!(ObjectOptions::new().expires(when).is_ok(), "{when}");
    }
    assert!(ObjectOptions::new().traffic_limit(1).is_err());
    assert!("public".parse::<Acl>().is_err());
    assert_eq!("ia".parse(), Ok(StorageClass::InfrequentAccess));
    let tags = (0..11).try_fold(ObjectOptions::new(), |o, n| o.tag(&n.to_string(), ""));
    assert_eq!(tags, Err(InvalidOption::TooManyTags));
}

#[test]
fn the_fingerprint_is_of_what_is_fixed_when_an_upload_begins() {
    let base = ObjectOptions::new().fingerprint();
    assert_eq!(base, ObjectOptions::new().acl(Acl::Private).request_payer(true).fingerprint());
    assert_ne!(base, ObjectOptions::new().content_type("a/b").unwrap().fingerprint());
    assert_ne!(base, ObjectOptions::new().sequential(true).fingerprint());
    assert_ne!(full().fingerprint(), full().metadata("b", "2").unwrap().fingerprint());
    let (one, other) = (full().fingerprints(), full().metadata("b", "2").unwrap().fingerprints());
    let names: Vec<_> = one.keys().map(String::as_str).collect();
    assert!(names.contains(&"content-type") && names.contains(&"x-oss-tagging"), "{names:?}");
    assert!(!names.contains(&"x-oss-object-acl"), "it is not fixed: {names:?}");
    let differ: Vec<_> = one.iter().filter(|(name, hash)| other.get(*name) != Some(*hash)).collect();
    assert!(matches!(differ[..], [(name, _)] if name == "x-oss-meta-*"), "{differ:?}");
}
