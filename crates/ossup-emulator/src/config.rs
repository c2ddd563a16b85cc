//! What can be set on an emulator, and the credentials it knows.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ossup_core::digest::Integrity;
use ossup_core::part::MIN_PART_SIZE;
use ossup_core::time::Timestamp;

use crate::machine;

/// The access key id that an emulator knows from the start. It opens nothing but emulators.
pub const ACCESS_KEY_ID: &str = "ossup-emulator";
/// The secret of [`ACCESS_KEY_ID`]. It is public and protects nothing.
pub const ACCESS_KEY_SECRET: &str = "ossup-emulator-secret";
/// The bucket that an emulator started for a test has from the start.
pub const DEFAULT_BUCKET: &str = "ossup-test";
/// The region that an emulator is in unless told otherwise.
pub const DEFAULT_REGION: &str = "cn-hangzhou";

/// How an emulator behaves. Start from [`Config::default`], which behaves as OSS does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The region that signatures of version 4 must name, without `oss-`.
    pub region: String,
    /// Whether requests must be signed, and signed right. Without, every request is allowed.
    pub check_signatures: bool,
    /// Which check values are computed over received content. Without MD5, `Content-MD5` is not verified and ETags are
    /// arbitrary: only for measuring clients.
    pub integrity: Integrity,
    /// The smallest part that is not the last, in bytes.
    pub min_part_size: u64,
    /// The largest part or put object, in bytes.
    pub max_part_size: u64,
    /// Whether a bucket comes into being with the first request that names it.
    pub auto_create_buckets: bool,
    /// Hosts that are the emulator itself: `bucket.<base>` names a bucket, `<base>` takes it from the path.
    pub base_domains: Vec<String>,
    /// Custom domains: host to bucket. Lower case, without port.
    pub cnames: BTreeMap<String, String>,
    /// The largest request document, in bytes.
    pub max_document: usize,
    /// How much memory records take up, and content where it is kept in memory, in bytes; beyond, what would take up
    /// more fails with `InternalError`. Half of the machine's memory unless told (4 GiB where that is not known).
    pub memory_limit: u64,
    /// Whether callbacks may go to any machine, and not only to this one while listening on its loopback interface.
    pub remote_callbacks: bool,
    /// How long an upload lives before it is aborted, as a lifecycle rule would; none: for ever.
    pub upload_lifetime: Option<Duration>,
    /// What ids of requests and uploads are made from: equal seeds, equal ids.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: DEFAULT_REGION.into(),
            check_signatures: true,
            integrity: Integrity::Md5AndCrc,
            min_part_size: MIN_PART_SIZE,
            max_part_size: ossup_core::part::MAX_PART_SIZE,
            auto_create_buckets: false,
            base_domains: vec!["localhost".into()],
            cnames: BTreeMap::new(),
            max_document: 4 * 1024 * 1024,
            memory_limit: machine::half_of_memory(),
            remote_callbacks: false,
            upload_lifetime: None,
            seed: 0,
        }
    }
}

/// What a client signs with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret.
    pub access_key_secret: String,
    /// The token of temporary credentials.
    pub security_token: Option<String>,
    /// When temporary credentials end.
    pub expires: Option<Timestamp>,
}

impl Credentials {
    /// Credentials that do not end.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, access_key_secret: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            access_key_secret: access_key_secret.into(),
            security_token: None,
            expires: None,
        }
    }

    /// The same with a token, as STS hands them out.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>, expires: Option<Timestamp>) -> Self {
        Self { security_token: Some(token.into()), expires, ..self }
    }
}

impl Default for Credentials {
    fn default() -> Self {
        Self::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("security_token", &self.security_token.as_ref().map(|_| "…"))
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
