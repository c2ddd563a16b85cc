//! Keys, and where they come from.

use std::fmt;

use zeroize::Zeroizing;

/// An access key, with its security token if it is a temporary one (STS). The three belong together.
///
/// The secret and the token are wiped from memory when the value is dropped, and no `Debug` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key_id: String,
    secret: Zeroizing<String>,
    security_token: Option<Zeroizing<String>>,
}

impl Credentials {
    /// A permanent access key.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret: Zeroizing::new(secret.into()),
            security_token: None,
        }
    }

    /// A temporary access key.
    #[must_use]
    pub fn temporary(
        access_key_id: impl Into<String>,
        secret: impl Into<String>,
        security_token: impl Into<String>,
    ) -> Self {
        Self {
            security_token: Some(Zeroizing::new(security_token.into())),
            ..Self::new(access_key_id, secret)
        }
    }

    /// The access key id. Not a secret.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn security_token(&self) -> Option<&str> {
        self.security_token.as_ref().map(|token| token.as_str())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.security_token.is_some() { "temporary" } else { "permanent" };
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

/// Where credentials come from. Asked before every request, so it should answer from memory; fetching new ones belongs
/// into [`refresh`](Self::refresh), which may block.
///
/// Both may be called from several threads at once. A [`LocalSigner`](super::LocalSigner) calls `refresh` once at a time: all
/// uploads of a client that see credentials expire while it is under way take what comes of it.
///
/// ```
/// use std::sync::Mutex;
///
/// use ossup_core::sign::{Credentials, Provider, ProviderError};
///
/// /// Temporary credentials from a service of ours.
/// struct Rotating(Mutex<Credentials>);
///
/// # fn ask_our_service() -> Result<Credentials, std::io::Error> { Ok(Credentials::temporary("LTAI", "secret", "token")) }
/// impl Provider for Rotating {
///     fn credentials(&self) -> Result<Credentials, ProviderError> {
///         Ok(self.0.lock().map_err(|_| ProviderError("a refresh panicked".into()))?.clone())
///     }
///
///     fn refresh(&self) -> Result<(), ProviderError> {
///         let fresh = ask_our_service().map_err(|error| ProviderError(error.to_string()))?;
///         *self.0.lock().map_err(|_| ProviderError("a refresh panicked".into()))? = fresh;
///         Ok(())
///     }
/// }
/// # let rotating = Rotating(Mutex::new(ask_our_service()?));
/// # assert!(rotating.refresh().is_ok() && rotating.credentials()?.access_key_id() == "LTAI");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Provider: Send + Sync {
    /// The credentials to sign with now.
    ///
    /// # Errors
    /// There are none.
    fn credentials(&self) -> Result<Credentials, ProviderError>;

    /// Gets new credentials: the server does not take the present ones, or there were none.
    ///
    /// # Errors
    /// There are no others.
    fn refresh(&self) -> Result<(), ProviderError>;
}

/// Why there are no credentials, in words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProviderError(pub String);

/// Credentials that stay what they are.
#[derive(Clone, Debug)]
pub struct StaticCredentials(Credentials);

impl StaticCredentials {
    /// These credentials, always.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self(credentials)
    }
}

impl Provider for StaticCredentials {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        Ok(self.0.clone())
    }

    fn refresh(&self) -> Result<(), ProviderError> {
        Err(ProviderError("they are fixed, there are no others".into()))
    }
}

impl<P: Provider + ?Sized> Provider for std::sync::Arc<P> {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        (**self).credentials()
    }

    fn refresh(&self) -> Result<(), ProviderError> {
        (**self).refresh()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_shows_a_secret() {
        let shown = format!("{:?}", StaticCredentials::new(Credentials::temporary("LTAI", "hush", "tok")));
        assert!(shown.contains("LTAI"));
        assert!(!shown.contains("hush") && !shown.contains("tok"), "{shown}");
    }
}
