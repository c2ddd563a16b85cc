//! Credentials as a process has them: permanent, or temporary ones that expire and can be renewed.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ossup_core::sign::{Credentials, Provider, ProviderError};
use ossup_emulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Model};

/// Where the processes of a world get their credentials from.
pub struct Keys {
    model: Arc<Model>,
    lifetime: Option<Duration>,
    current: Mutex<Credentials>,
    /// Whoever hands out credentials is out of order.
    broken: AtomicBool,
}

impl Keys {
    /// Permanent ones, or temporary ones of this lifetime.
    #[must_use]
    pub fn new(model: Arc<Model>, lifetime: Option<Duration>) -> Self {
        let permanent = Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
        let keys = Self { model, lifetime, current: Mutex::new(permanent), broken: AtomicBool::new(false) };
        keys.issue();
        keys
    }

    /// From now on there are new ones, or not.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    /// The service forgets the present ones, where others can be had.
    pub fn revoke(&self) {
        if self.lifetime.is_some() {
            self.model.remove_credentials(self.get().access_key_id());
        }
    }

    fn get(&self) -> Credentials {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn issue(&self) {
        let Some(lifetime) = self.lifetime else { return };
        let issued = self.model.issue_credentials(lifetime);
        let token = issued.security_token.unwrap_or_default();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) =
            Credentials::temporary(issued.access_key_id, issued.access_key_secret, token);
    }
}

impl Provider for Keys {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        Ok(self.get())
    }

    fn refresh(&self) -> Result<(), ProviderError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(ProviderError("nobody hands out credentials".into()));
        }
        match self.lifetime {
            Some(_) => self.issue(),
            None => return Err(ProviderError("they are permanent".into())),
        }
        Ok(())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
