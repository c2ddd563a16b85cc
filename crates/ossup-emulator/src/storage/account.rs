//! Memory that is spoken for: content that is kept in memory, and records, which always are.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much memory may be taken up, and how much is, in bytes.
#[derive(Debug)]
pub(crate) struct Account {
    limit: u64,
    used: AtomicU64,
}

impl Account {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// So many bytes, if they are there.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> io::Result<Share> {
        let mut share = self.owe(0);
        share.grow(bytes)?;
        Ok(share)
    }

    /// So many bytes, whether they are there or not: for what exists already.
    pub(crate) fn owe(self: &Arc<Self>, bytes: u64) -> Share {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Share { bytes, account: self.clone() }
    }
}

/// Bytes of an account, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    bytes: u64,
    account: Arc<Account>,
}

impl Share {
    /// So many bytes more. Those that are not there are counted too, until the share is dropped.
    pub(crate) fn grow(&mut self, bytes: u64) -> io::Result<()> {
        let before = self.account.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before.saturating_add(bytes) > self.account.limit {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a record holds of an account as long as it, or a copy of it, is there; nothing before it is stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    _share: Option<Arc<Share>>,
}

impl From<Share> for Held {
    fn from(share: Share) -> Self {
        Self { _share: Some(Arc::new(share)) }
    }
}
