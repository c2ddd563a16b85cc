//! The memory that records take up, so that no number of them, however small, takes up more than there may be.

use std::io;
use std::sync::Arc;

use super::world::{Attributes, Bucket, Buckets, Object, Part, Upload};
use crate::storage::Content;
use crate::storage::account::{Account, Held};

/// What a record takes up besides its text, with its place in a map and its handles to files; more rather than less.
const RECORD: u64 = 512;

/// The memory that a record takes up, content not included.
pub(crate) trait Record {
    fn weight(&self) -> u64;
    fn held(&mut self) -> &mut Held;

    /// Has the record of this name take up its memory, if that is there.
    fn hold(&mut self, name: &str, account: &Arc<Account>) -> io::Result<()> {
        *self.held() = account.take(RECORD + name.len() as u64 + self.weight())?.into();
        Ok(())
    }

    /// The same for one that was there before: it is counted in any case.
    fn owe(&mut self, name: &str, account: &Arc<Account>) {
        *self.held() = account.owe(RECORD + name.len() as u64 + self.weight()).into();
    }
}

impl Attributes {
    fn weight(&self) -> u64 {
        let texts = self.headers.iter().chain(&self.tagging);
        texts.map(|(name, value)| (name.len() + value.len()) as u64 + 48).sum()
    }
}

fn handles(content: &Content) -> u64 {
    content.blobs().len() as u64 * RECORD
}

impl Record for Bucket {
    fn weight(&self) -> u64 {
        0
    }

    fn held(&mut self) -> &mut Held {
        &mut self.held
    }
}

impl Record for Object {
    fn weight(&self) -> u64 {
        self.meta.attributes.weight() + handles(&self.content)
    }

    fn held(&mut self) -> &mut Held {
        &mut self.held
    }
}

impl Record for Upload {
    fn weight(&self) -> u64 {
        self.meta.attributes.weight()
    }

    fn held(&mut self) -> &mut Held {
        &mut self.held
    }
}

impl Record for Part {
    fn weight(&self) -> u64 {
        handles(&self.content)
    }

    fn held(&mut self) -> &mut Held {
        &mut self.held
    }
}

/// Counts records that were there before.
pub(crate) fn count(buckets: &mut Buckets, account: &Arc<Account>) {
    for (name, bucket) in buckets {
        bucket.owe(name, account);
        for (key, object) in &mut bucket.objects {
            Arc::make_mut(object).owe(key, account);
        }
        for ((key, id), upload) in &mut bucket.uploads {
            upload.owe(key, account);
            for part in upload.parts.values_mut() {
                part.owe(id, account);
            }
        }
    }
}
