//! What the manifests say of the packages that are published: as much as a reader of crates.io and docs.rs needs.

use std::process::Command;

use serde_json::Value;

/// Every package of the workspace that may be published.
fn published() -> Vec<Value> {
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let packages = told["packages"].as_array().unwrap().iter();
    packages.filter(|package| package["publish"].is_null()).cloned().collect()
}

fn has_library(package: &Value) -> bool {
    package["targets"].as_array().unwrap().iter().any(|target| target["kind"][0] == "lib")
}

#[test]
fn every_package_says_what_it_is() {
    let packages = published();
    assert_eq!(packages.len(), 7);
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        for field in ["description", "license", "readme", "rust_version"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        for field in ["categories", "keywords"] {
            assert!(!package[field].as_array().unwrap().is_empty(), "{name} has no {field}");
        }
        if has_library(package) {
            assert_eq!(package["documentation"], format!("https://docs.rs/{name}"));
        }
    }
}

#[test]
fn docs_rs_is_told_how_to_build_each_library() {
    for package in published().iter().filter(|package| has_library(package)) {
        let name = package["name"].as_str().unwrap();
        let docs = &package["metadata"]["docs"]["rs"];
        assert_eq!(docs["targets"], serde_json::json!(["x86_64-unknown-linux-gnu"]), "{name}");
        // These are there for our own tests.
        let features = package["features"].as_object().unwrap().keys();
        if features.clone().any(|feature| !["explore", "kernels"].contains(&feature.as_str())) {
            assert_eq!(docs["all-features"], true, "{name} has features that nobody would read of");
        }
    }
}
