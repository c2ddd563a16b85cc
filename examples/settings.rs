//! What the examples are told: where to, what, and with which keys.

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use ossup_core::endpoint::Endpoint;
use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, StaticCredentials};
use ossup_core::time::Timestamp;
use ossup_fs::{Begun, FileUpload};

/// What uploads begin with.
pub(crate) struct Settings {
    pub(crate) signer: LocalSigner<StaticCredentials>,
    pub(crate) begun: Vec<Begun>,
}

/// `ENDPOINT FILE oss://BUCKET/KEY [FILE oss://BUCKET/KEY]…`, and `OSS_REGION`, `OSS_ACCESS_KEY_ID`,
/// `OSS_ACCESS_KEY_SECRET`. Checkpoints are kept in the folder `checkpoints`.
pub(crate) fn from_arguments() -> Result<Settings, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let endpoint =
        arguments.next().ok_or("usage: ENDPOINT FILE oss://BUCKET/KEY [FILE oss://BUCKET/KEY]…")?;
    let endpoint = endpoint.parse::<Endpoint>()?.with_region(std::env::var("OSS_REGION")?.parse()?);
    let keys = Credentials::new(std::env::var("OSS_ACCESS_KEY_ID")?, std::env::var("OSS_ACCESS_KEY_SECRET")?);
    let mut begun = Vec::new();
    while let (Some(file), Some(object)) = (arguments.next(), arguments.next()) {
        let upload = FileUpload::new(file, object.parse()?).checkpoint_folder("checkpoints");
        begun.push(upload.begin(&endpoint.authority(), now(), seed())?);
    }
    let signer = LocalSigner::new(endpoint, StaticCredentials::new(keys), SignatureVersion::V4)?;
    Ok(Settings { signer, begun })
}

/// The time by the clock of this machine, which the core does not have.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Any number, another one for each upload, so that many clients do not repeat in step.
pub(crate) fn seed() -> u64 {
    RandomState::new().hash_one(0)
}
