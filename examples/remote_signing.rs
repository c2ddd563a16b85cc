//! A client without keys: a service of one's own signs for it, and decides what it signs.
//!
//! The client sends what it is going to ask of OSS; the service answers with a presigned address for exactly that. It
//! signs nothing that is not a request of an upload ([`recognize`]), and nothing outside the user's own folder.
//!
//! ```sh
//! cargo run -p ossup-examples --example remote_signing
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ossup_core::auth::AuthProblem;
use ossup_core::endpoint::Endpoint;
use ossup_core::object::{BucketName, ObjectKey};
use ossup_core::operation::recognize;
use ossup_core::request::{Operation, Request};
use ossup_core::sign::{Credentials, RefreshRefused, SignError, SignatureVersion, Signer, Signing, unsigned};
use ossup_core::time::Timestamp;
use ossup_emulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, DEFAULT_BUCKET, DEFAULT_REGION, Emulator};
use ossup_ureq::{Client, FileUpload, HttpSettings};
use serde::{Deserialize, Serialize};

/// Both sides in one program, and something to upload to.
fn main() -> Result<(), Box<dyn Error>> {
    let oss = Emulator::start()?;
    let endpoint = oss.endpoint().parse::<Endpoint>()?.with_region(DEFAULT_REGION.parse()?);
    let service = SigningService {
        endpoint: endpoint.clone(),
        keys: Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET),
        bucket: DEFAULT_BUCKET.parse()?,
    };
    // Whatever carries it: here a call, elsewhere a POST to a server that knows who asks.
    let signer = RemoteSigner::new(endpoint.clone(), move |asked| service.sign("anna", asked, now()));
    let client = Client::with_signer(&endpoint, signer, HttpSettings::default());
    for key in ["users/anna/manifest", "users/bert/manifest"] {
        let upload = FileUpload::new(
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            format!("oss://{DEFAULT_BUCKET}/{key}").parse()?,
        );
        println!("{key}: {:?}", client.upload(upload)?.end);
    }
    Ok(())
}

/// What is to be signed, as it goes from the client to the service.
#[derive(Serialize, Deserialize)]
struct Asked {
    method: String,
    bucket: String,
    key: Option<String>,
    query: Vec<(String, Option<String>)>,
    headers: Vec<(String, String)>,
}

/// Signs by asking the service. It has no keys, and its clock does not matter.
pub(crate) struct RemoteSigner {
    endpoint: Endpoint,
    ask: Arc<Ask>,
}

/// Brings what is to be signed to the service, and the presigned address or the reason for a refusal back.
type Ask = dyn Fn(&str) -> Result<String, String> + Send + Sync;

impl RemoteSigner {
    /// `ask` brings what is to be signed to the service, and the presigned address or the reason for a refusal back.
    pub(crate) fn new(
        endpoint: Endpoint,
        ask: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        Self { endpoint, ask: Arc::new(ask) }
    }
}

impl Signer for RemoteSigner {
    fn sign(&self, request: &Request, _now: Timestamp) -> Result<http::Request<()>, SignError> {
        let mut signed = unsigned(request, &self.endpoint)?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let asked = Asked {
            method: request.method().to_string(),
            bucket: request.bucket().to_string(),
            key: request.key().map(ToString::to_string),
            query: request.query().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        };
        let asked = serde_json::to_string(&asked).map_err(|error| SignError::Remote(error.to_string()))?;
        let address = (self.ask)(&asked).map_err(SignError::Remote)?;
        let address: http::Uri =
            address.parse().map_err(|_| SignError::Remote("that is no address".into()))?;
        // The service says how to sign, not where to send the file.
        if address.authority() != signed.uri().authority() || address.path() != signed.uri().path() {
            return Err(SignError::Remote("the address is of something else".into()));
        }
        *signed.uri_mut() = address;
        Ok(signed)
    }

    fn refresh(&self, problem: &AuthProblem, _now: Timestamp) -> Result<(), RefreshRefused> {
        match problem {
            // Whoever renews the service's credentials has done so or will not: the next signature shows it.
            AuthProblem::Refused { .. } | AuthProblem::Unsigned { .. } => Ok(()),
            _ => Err(RefreshRefused("the clock of the signing service is wrong".into())),
        }
    }
}

/// Signs for clients. It holds the keys and never lets go of them.
pub(crate) struct SigningService {
    pub(crate) endpoint: Endpoint,
    pub(crate) keys: Credentials,
    pub(crate) bucket: BucketName,
}

/// How long an address may be used: long enough for a large part over a slow line to begin.
const VALIDITY: Duration = Duration::from_secs(15 * 60);

impl SigningService {
    /// The presigned address for what `user` asks, or why there is none. Who the user is was found out before.
    pub(crate) fn sign(&self, user: &str, asked: &str, now: Timestamp) -> Result<String, String> {
        let asked: Asked = serde_json::from_str(asked).map_err(|error| error.to_string())?;
        let request = asked.into_request().map_err(|error| error.to_string())?;
        if !self.allows(user, &request) {
            return Err(format!("{user} may not do {} here", request.operation()));
        }
        let signing = Signing {
            endpoint: &self.endpoint,
            credentials: &self.keys,
            version: SignatureVersion::V4,
            additional_headers: &[],
        };
        signing.presign(&request, now, VALIDITY).map(|uri| uri.to_string()).map_err(|error| error.to_string())
    }

    /// A user's uploads are those below a folder of that user's own, without callbacks and ACLs of the user's choice.
    fn allows(&self, user: &str, request: &Request) -> bool {
        let folder = format!("users/{user}/");
        let listed = request
            .query()
            .iter()
            .find(|(name, _)| *name == "prefix")
            .and_then(|(_, value)| value.as_deref());
        let key = match request.operation() {
            Operation::ListMultipartUploads => listed,
            _ => request.key().map(ObjectKey::as_str),
        };
        request.bucket() == &self.bucket
            && key.is_some_and(|key| key.starts_with(&folder))
            && ["x-oss-callback", "x-oss-object-acl"]
                .iter()
                .all(|name| !request.headers().contains_key(*name))
    }
}

impl Asked {
    /// The request that this is, if it is one of an upload.
    fn into_request(self) -> Result<Request, Box<dyn Error>> {
        let key = self.key.map(|key| key.parse()).transpose()?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        let method = Method::from_bytes(self.method.as_bytes())?;
        Ok(recognize(&method, &self.bucket.parse()?, key.as_ref(), &self.query, &headers)?)
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
