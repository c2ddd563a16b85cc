//! Whoever signs: with keys that are here, with none, or somewhere else.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::auth::AuthProblem;
use crate::endpoint::Endpoint;
use crate::request::Request;
use crate::time::Timestamp;

use super::credentials::{Provider, ProviderError};
use super::{SignError, SignatureVersion, Signing, unsigned};

/// Turns requests into ones that can be sent.
///
/// Implement it to have requests signed by a service that holds the keys: a client then needs none.
///
/// ```
/// use ossup_core::auth::AuthProblem;
/// use ossup_core::endpoint::Endpoint;
/// use ossup_core::request::Request;
/// use ossup_core::sign::{RefreshRefused, SignError, Signer, unsigned};
/// use ossup_core::time::Timestamp;
///
/// /// Has a service of ours sign: what it answers goes into the header `authorization`.
/// struct Remote(Endpoint);
///
/// # fn ask(_: &Request, _: Timestamp) -> Result<http::HeaderValue, std::io::Error> { Ok(http::HeaderValue::from_static("s")) }
/// impl Signer for Remote {
///     fn sign(&self, request: &Request, now: Timestamp) -> Result<http::Request<()>, SignError> {
///         let mut signed = unsigned(request, &self.0)?;
///         let signature = ask(request, now).map_err(|error| SignError::Remote(error.to_string()))?;
///         signed.headers_mut().insert("authorization", signature);
///         Ok(signed)
///     }
///
///     fn refresh(&self, problem: &AuthProblem, _now: Timestamp) -> Result<(), RefreshRefused> {
///         match problem {
///             // The service looks after its keys itself; the next signature shows whether it has.
///             AuthProblem::Refused { .. } | AuthProblem::Unsigned { .. } => Ok(()),
///             _ => Err(RefreshRefused("the clock is that of the service".into())),
///         }
///     }
/// }
/// # let request = ossup_core::operation::head::request(&"oss://bucket/key".parse()?, &Default::default());
/// # let remote = Remote("https://oss-cn-hangzhou.aliyuncs.com".parse()?);
/// # assert!(remote.sign(&request, Timestamp::from_unix(0))?.headers().contains_key("authorization"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Signer: Send + Sync {
    /// The request, signed. `now` is the time by the local clock. May block.
    ///
    /// # Errors
    /// It cannot be signed now.
    fn sign(&self, request: &Request, now: Timestamp) -> Result<http::Request<()>, SignError>;

    /// Does something about a signature that the server did not take, or that could not be made: gets new credentials,
    /// sets its clock. May block.
    ///
    /// # Errors
    /// Nothing can be done.
    fn refresh(&self, problem: &AuthProblem, now: Timestamp) -> Result<(), RefreshRefused>;
}

/// Why nothing can be done about a signature, in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RefreshRefused(pub String);

/// Signs with keys that are here.
pub struct LocalSigner<P> {
    endpoint: Endpoint,
    provider: P,
    version: SignatureVersion,
    additional_headers: Vec<String>,
    /// How many seconds the server's clock is ahead of ours.
    offset: AtomicI64,
    renewals: Renewals,
}

impl<P: Provider> LocalSigner<P> {
    /// Signs for this endpoint.
    ///
    /// # Errors
    /// Signature V4 needs a region, and the endpoint has none.
    pub fn new(endpoint: Endpoint, provider: P, version: SignatureVersion) -> Result<Self, SignError> {
        if version == SignatureVersion::V4 && endpoint.region().is_none() {
            return Err(SignError::NoRegion(endpoint.to_string()));
        }
        Ok(Self {
            endpoint,
            provider,
            version,
            additional_headers: Vec::new(),
            offset: AtomicI64::new(0),
            renewals: Renewals::default(),
        })
    }

    /// Signs these headers, too, where a request has them (V4).
    #[must_use]
    pub fn with_additional_headers(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.additional_headers = names.into_iter().collect();
        self
    }
}

impl<P: Provider> Signer for LocalSigner<P> {
    fn sign(&self, request: &Request, now: Timestamp) -> Result<http::Request<()>, SignError> {
        let credentials = self.provider.credentials()?;
        let signing = Signing {
            endpoint: &self.endpoint,
            credentials: &credentials,
            version: self.version,
            additional_headers: &self.additional_headers,
        };
        signing.sign(request, now.plus(self.offset.load(Ordering::Relaxed)))
    }

    fn refresh(&self, problem: &AuthProblem, now: Timestamp) -> Result<(), RefreshRefused> {
        match problem {
            AuthProblem::Refused { .. } | AuthProblem::Unsigned { .. } => {
                let seen = self.renewals.count();
                let renewed = self.renewals.renew(seen, || self.provider.refresh());
                renewed.map_err(|error| RefreshRefused(error.0))
            }
            AuthProblem::ClockSkew { server_time } => {
                self.offset.store(server_time.unix().saturating_sub(now.unix()), Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

impl<P> fmt::Debug for LocalSigner<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner")
            .field("endpoint", &self.endpoint)
            .field("version", &self.version)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// The renewals of credentials, one at a time: many uploads that see the same credentials expire need one of them.
#[derive(Default)]
struct Renewals {
    count: AtomicU64,
    last: Mutex<Option<Result<(), ProviderError>>>,
}

impl Renewals {
    /// How many there have been.
    fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// What came of the first renewal behind the `seen` ones: of one that another has begun meanwhile, else of this.
    fn renew(&self, seen: u64, how: impl FnOnce() -> Result<(), ProviderError>) -> Result<(), ProviderError> {
        // Whoever panicked in it has renewed nothing; the next one does.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = last.as_ref()
            && self.count() > seen
        {
            return result.clone();
        }
        let result = how();
        *last = Some(result.clone());
        self.count.fetch_add(1, Ordering::Release);
        result
    }
}

/// Signs nothing: for buckets that everybody may write to.
#[derive(Clone, Debug)]
pub struct AnonymousSigner {
    endpoint: Endpoint,
}

impl AnonymousSigner {
    /// Sends to this endpoint.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl Signer for AnonymousSigner {
    fn sign(&self, request: &Request, _now: Timestamp) -> Result<http::Request<()>, SignError> {
        unsigned(request, &self.endpoint)
    }

    fn refresh(&self, _problem: &AuthProblem, _now: Timestamp) -> Result<(), RefreshRefused> {
        Err(RefreshRefused("requests are not signed".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::credentials::{Credentials, ProviderError, StaticCredentials};
    use super::*;
    use crate::operation::head;
    use crate::options::ObjectOptions;

    fn now() -> Timestamp {
        Timestamp::from_unix(1_705_092_435)
    }

    fn head() -> Request {
        head::request(&"oss://bucket/k".parse().unwrap(), &ObjectOptions::new())
    }

    fn endpoint() -> Endpoint {
        "oss-cn-hangzhou.aliyuncs.com".parse().unwrap()
    }

    fn fixed() -> StaticCredentials {
        StaticCredentials::new(Credentials::new("LTAI", "hush"))
    }

    #[test]
    fn without_a_region_v4_is_refused_at_once_and_v1_is_not() {
        let nowhere: Endpoint = "img.example.com".parse().unwrap();
        let refused = LocalSigner::new(nowhere.clone(), fixed(), SignatureVersion::V4).unwrap_err();
        assert_eq!(refused, SignError::NoRegion("https://img.example.com".into()));
        assert!(LocalSigner::new(nowhere, fixed(), SignatureVersion::V1).is_ok());
    }

    #[test]
    fn a_clock_that_was_corrected_signs_by_the_servers_time() {
        let signer = LocalSigner::new(endpoint(), fixed(), SignatureVersion::V4).unwrap();
        let local = now();
        let problem = AuthProblem::ClockSkew { server_time: local.plus(3600) };
        signer.refresh(&problem, local).unwrap();
        let sent = signer.sign(&head(), local.plus(10)).unwrap();
        assert_eq!(sent.headers()["x-oss-date"], "20240112T214725Z");
    }

    #[test]
    fn refused_credentials_are_renewed_by_the_provider_and_fixed_ones_cannot_be() {
        struct Rotating(AtomicI64);
        impl Provider for Rotating {
            fn credentials(&self) -> Result<Credentials, ProviderError> {
                Ok(Credentials::new(format!("K{}", self.0.load(Ordering::Relaxed)), "hush"))
            }
            fn refresh(&self) -> Result<(), ProviderError> {
                self.0.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
        let expired = AuthProblem::Refused { code: "SecurityTokenExpired".into(), request_id: None };
        let signer = LocalSigner::new(endpoint(), Rotating(AtomicI64::new(1)), SignatureVersion::V1).unwrap();
        signer.refresh(&expired, now()).unwrap();
        let sent = signer.sign(&head(), now()).unwrap();
        assert!(sent.headers()["authorization"].to_str().unwrap().starts_with("OSS K2:"));
        let signer = LocalSigner::new(endpoint(), fixed(), SignatureVersion::V1).unwrap();
        assert!(signer.refresh(&expired, now()).is_err());
    }

    #[test]
    fn whoever_waited_while_another_renewed_the_credentials_takes_what_came_of_that() {
        let renewals = Renewals::default();
        let none = || Err(ProviderError("there are none".into()));
        let again = || panic!("they were renewed meanwhile");
        let seen = renewals.count();
        assert_eq!(renewals.renew(seen, || Ok(())), Ok(()));
        assert_eq!(renewals.renew(seen, again), Ok(()));
        let seen = renewals.count();
        assert_eq!(renewals.renew(seen, none), none());
        assert_eq!(renewals.renew(seen, again), none(), "nor can it be had by asking again");
        assert_eq!(renewals.renew(renewals.count(), || Ok(())), Ok(()));
    }

    #[test]
    fn an_anonymous_request_carries_no_signature() {
        let sent = AnonymousSigner::new(endpoint()).sign(&head(), now()).unwrap();
        assert!(sent.headers().is_empty());
        assert_eq!(sent.uri(), "https://bucket.oss-cn-hangzhou.aliyuncs.com/k");
    }

    #[test]
    fn no_debug_of_a_signer_or_a_signed_request_shows_a_secret() {
        let keys = StaticCredentials::new(Credentials::temporary("LTAI", "hush", "t0ken"));
        let signer = LocalSigner::new(endpoint(), keys, SignatureVersion::V4).unwrap();
        let shown = format!("{signer:?} {:?}", signer.sign(&head(), now()).unwrap());
        assert!(!shown.contains("hush") && !shown.contains("t0ken"), "{shown}");
    }
}
