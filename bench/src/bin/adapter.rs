//! Uploads a file by one of the adapters: `adapter blocking|async URL FILE PART-SIZE PARALLEL md5-crc|crc|none`.
//!
//! What an application does that uses one, and nothing more: no checkpoint, no bar.

use std::error::Error;
use std::num::NonZeroU16;
use std::process::ExitCode;

use ossup_core::digest::Integrity;
use ossup_core::endpoint::Endpoint;
use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, StaticCredentials};
use ossup_core::upload::{End, Outcome, Policy};
use ossup_fs::FileUpload;

const USAGE: &str = "adapter blocking|async URL FILE PART-SIZE PARALLEL md5-crc|crc|none";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [adapter, url, file, part_size, parallel, integrity] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match policy(part_size, parallel, integrity).and_then(|policy| upload(adapter, url, file, policy)) {
        Ok(Outcome { end: End::Completed(_), .. }) => ExitCode::SUCCESS,
        Ok(outcome) => {
            eprintln!("{:?}", outcome.end);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn policy(part_size: &str, parallel: &str, integrity: &str) -> Result<Policy, Box<dyn Error>> {
    let integrity = match integrity {
        "md5-crc" => Integrity::Md5AndCrc,
        "crc" => Integrity::Crc,
        "none" => Integrity::None,
        _ => return Err(USAGE.into()),
    };
    let parallel: NonZeroU16 = parallel.parse()?;
    Ok(Policy { part_size: part_size.parse()?, parallel, integrity, ..Policy::default() })
}

fn upload(adapter: &str, url: &str, file: &str, policy: Policy) -> Result<Outcome, Box<dyn Error>> {
    let endpoint = url.parse::<Endpoint>()?.with_region("cn-hangzhou".parse()?);
    let keys = StaticCredentials::new(Credentials::new("id", "secret"));
    let signer = LocalSigner::new(endpoint.clone(), keys, SignatureVersion::V4)?;
    let upload = FileUpload::new(file, "oss://bench/object".parse()?).policy(policy);
    match adapter {
        "blocking" => {
            let settings = ossup_ureq::HttpSettings::new().no_proxy();
            Ok(ossup_ureq::Client::with_signer(&endpoint, signer, settings).upload(upload)?)
        }
        "async" => {
            let settings = ossup_reqwest::HttpSettings::new().no_proxy();
            let client = ossup_reqwest::Client::with_signer(&endpoint, signer, settings);
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            Ok(runtime.block_on(client.upload(upload))?)
        }
        _ => Err(USAGE.into()),
    }
}
