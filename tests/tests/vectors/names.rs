//! Where a bucket lives, what a key looks like in a URL, and which media type a name stands for.

use ossup_core::endpoint::{Addressing, Endpoint, Network, Region};
use ossup_core::options::content_type_for;
use serde_json::Value;

use super::text;

fn rows(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    let rows = file["rows"].as_array().unwrap().clone();
    assert!(!rows.is_empty());
    rows
}

fn endpoint(config: &Value) -> Endpoint {
    let on = |name: &str| config[name] == true;
    let region: Region = text(config, "region").parse().unwrap();
    let endpoint = match config["endpoint"].as_str() {
        Some(endpoint) => endpoint.parse::<Endpoint>().unwrap().with_region(region),
        None => {
            let network = match () {
                () if on("use_internal_endpoint") => Network::Internal,
                () if on("use_accelerate_endpoint") => Network::Accelerate,
                () if on("use_dualstack_endpoint") => Network::DualStack,
                () => Network::Public,
            };
            Endpoint::of_region(region, network)
        }
    };
    let endpoint = if on("disable_ssl") { endpoint.without_tls() } else { endpoint };
    let addressing = match () {
        () if on("use_cname") => Addressing::Cname,
        () if on("use_path_style") => Addressing::Path,
        // An IP address has path style by itself.
        () => return endpoint,
    };
    endpoint.with_addressing(addressing)
}

#[test]
fn addresses_are_those_of_the_sdk() {
    for row in rows(include_str!("../../vectors/endpoints.json")) {
        let endpoint = endpoint(&row["config"]);
        let key = row["key"].as_str().map(|key| key.parse().unwrap());
        let url = match row["bucket"].as_str() {
            Some(bucket) => {
                let query: [(&str, Option<&str>); 0] = [];
                endpoint.uri(&bucket.parse().unwrap(), key.as_ref(), &query).unwrap().to_string()
            }
            // No operation of an upload is about no bucket; what remains is the endpoint.
            None => format!("{endpoint}/"),
        };
        assert_eq!(url, text(&row, "url"), "{}", row["id"]);
        assert_eq!(endpoint.region().unwrap().as_str(), text(&row, "sign_region"), "{}", row["id"]);
    }
}

/// Names for which we say something else than every SDK, and why.
fn exception(name: &str) -> Option<&'static str> {
    Some(match name {
        // RFC 9239 made text/javascript the one name of the type.
        "a.js" => "text/javascript",
        // text/xml and application/xml are the same by RFC 7303.
        "a.xml" => "text/xml",
        // The name that everybody used before the registered one, and still understands.
        "a.rar" => "application/x-rar-compressed",
        "a.ico" => "image/x-icon",
        // The SDKs know none; the first is registered, the second what everybody uses.
        "a.parquet" => "application/vnd.apache.parquet",
        "a.ipa" => "application/x-itunes-ipa",
        _ => return None,
    })
}

#[test]
fn names_stand_for_the_types_of_at_least_one_sdk() {
    let mut strange = Vec::new();
    for row in rows(include_str!("../../vectors/content_type.json")) {
        let name = text(&row, "name");
        let ours = content_type_for(name);
        let theirs = ["oss2", "alibabacloud-oss-v2", "ali-oss"].map(|sdk| row[sdk].as_str());
        let expected = match exception(name) {
            Some(reasoned) => {
                assert!(!theirs.contains(&Some(reasoned)), "{name} is no exception any more");
                ours == Some(reasoned)
            }
            None => theirs.contains(&ours),
        };
        if !expected {
            strange.push(format!("{name}: {ours:?}, not {theirs:?}"));
        }
    }
    assert!(strange.is_empty(), "{strange:#?}");
}
