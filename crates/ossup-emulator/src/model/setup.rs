//! The world from outside of any request: making buckets and credentials, looking at what is there, letting time do
//! its work.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use ossup_core::object::{BucketName, InvalidBucketName};
use serde::{Serialize, Serializer};

use super::Model;
use super::world::{Object, Upload};
use crate::config::Credentials;

/// A bucket as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct BucketView {
    /// Its name.
    pub name: String,
    /// How many objects it has.
    pub object_count: usize,
    /// How many uploads are in progress.
    pub upload_count: usize,
    /// Its objects, by key.
    pub objects: Vec<ObjectView>,
    /// Its uploads in progress, by key and upload id.
    pub uploads: Vec<UploadView>,
}

/// An object as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct ObjectView {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its CRC-64, where it is computed.
    #[serde(serialize_with = "as_text")]
    pub crc64: Option<u64>,
    /// `Normal`, `Multipart` or `Appendable`.
    pub kind: &'static str,
    /// When it was made or changed, in Unix seconds.
    pub modified: i64,
    /// Headers that come back when it is read, in lower case.
    pub headers: Vec<(String, String)>,
}

/// An upload in progress as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct UploadView {
    /// The key that the object will have.
    pub key: String,
    /// The upload id.
    pub upload_id: String,
    /// When it was begun, in Unix seconds.
    pub initiated: i64,
    /// Its parts, by number.
    pub parts: Vec<PartView>,
}

/// A part as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct PartView {
    /// Its number.
    pub number: u16,
    /// Its size in bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub etag: String,
}

/// As text: a JSON number above 2^53 is damaged by many readers.
#[allow(clippy::ref_option, reason = "the signature is serde's")]
fn as_text<S: Serializer>(crc64: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match crc64 {
        Some(crc64) => serializer.collect_str(crc64),
        None => serializer.serialize_none(),
    }
}

fn object_view(key: &str, object: &Object) -> ObjectView {
    ObjectView {
        key: key.to_owned(),
        size: object.content.len(),
        etag: object.meta.etag.clone(),
        crc64: object.meta.crc64.map(ossup_core::digest::Crc64::value),
        kind: object.meta.kind.name(),
        modified: object.meta.modified,
        headers: object.meta.attributes.headers.clone(),
    }
}

fn upload_view(key: &str, id: &str, upload: &Upload) -> UploadView {
    let parts = upload.parts.iter().map(|(number, part)| PartView {
        number: *number,
        size: part.content.len(),
        etag: part.meta.etag.clone(),
    });
    UploadView {
        key: key.to_owned(),
        upload_id: id.to_owned(),
        initiated: upload.meta.initiated,
        parts: parts.collect(),
    }
}

impl Model {
    /// Makes a bucket; one that is there stays as it is.
    pub fn create_bucket(&self, name: &str) -> io::Result<()> {
        let name: BucketName = name
            .parse()
            .map_err(|error: InvalidBucketName| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.make_bucket(&name)
    }

    /// Knows these credentials from now on, in place of others with the same access key id.
    pub fn add_credentials(&self, credentials: Credentials) {
        self.state().keys.add(credentials);
    }

    /// Forgets credentials; false if there are none with this access key id.
    #[allow(clippy::must_use_candidate, reason = "that they are gone is what the caller wants")]
    pub fn remove_credentials(&self, access_key_id: &str) -> bool {
        self.state().keys.remove(access_key_id)
    }

    /// Temporary credentials with a token, as STS would hand them out, that end after `lifetime`.
    pub fn issue_credentials(&self, lifetime: Duration) -> Credentials {
        let mut state = self.state();
        let seed = self.config.seed;
        let mut text = || format!("{:016x}", state.random(seed));
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        // Real tokens have these characters, and clients stumble over them.
        let token = format!("CAIS{}+{}/{}==", text(), text(), text());
        let credentials = Credentials::new(format!("STS.{}", text()), text())
            .with_token(token, Some(self.clock.now().plus(seconds)));
        state.keys.add(credentials.clone());
        credentials
    }

    /// Aborts the uploads that were begun at least `age` ago, as a lifecycle rule does; gives back how many.
    pub fn expire_uploads(&self, age: Duration) -> usize {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let limit = self.clock.now().unix().saturating_sub(seconds);
        let mut state = self.state();
        let mut old = Vec::new();
        for (name, bucket) in &state.buckets {
            for ((key, id), upload) in &bucket.uploads {
                if upload.meta.initiated <= limit {
                    old.push((name.clone(), key.clone(), id.clone()));
                }
            }
        }
        old.iter().filter(|(name, key, id)| self.drop_upload(&mut state, name, key, id).is_ok()).count()
    }

    /// Loses one part of an upload, as nothing in OSS should; false if there is no such part.
    pub fn lose_part(&self, bucket: &str, key: &str, upload_id: &str, number: u16) -> io::Result<bool> {
        let mut state = self.state();
        let uploads = state.buckets.get_mut(bucket).map(|bucket| &mut bucket.uploads);
        let upload = uploads.and_then(|uploads| uploads.get_mut(&(key.to_owned(), upload_id.to_owned())));
        let Some(upload) = upload.filter(|upload| upload.parts.contains_key(&number)) else {
            return Ok(false);
        };
        self.records().remove_part(bucket, upload_id, number)?;
        upload.parts.remove(&number);
        Ok(true)
    }

    /// All buckets, by name.
    #[must_use]
    pub fn buckets(&self) -> Vec<BucketView> {
        let state = self.state();
        let view = state.buckets.iter().map(|(name, bucket)| BucketView {
            name: name.clone(),
            object_count: bucket.objects.len(),
            upload_count: bucket.uploads.len(),
            objects: bucket.objects.iter().map(|(key, object)| object_view(key, object)).collect(),
            uploads: bucket.uploads.iter().map(|((key, id), upload)| upload_view(key, id, upload)).collect(),
        });
        view.collect()
    }

    /// An object, if it is there.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<ObjectView> {
        let state = self.state();
        Some(object_view(key, state.buckets.get(bucket)?.objects.get(key)?))
    }

    /// The bytes of an object, all of them in memory; none if it is not there.
    pub fn object_bytes(&self, bucket: &str, key: &str) -> io::Result<Option<Bytes>> {
        self.object_body(bucket, key).map(super::Body::into_bytes).transpose()
    }

    /// The bytes of an object, piece by piece; none if it is not there.
    #[must_use]
    pub fn object_body(&self, bucket: &str, key: &str) -> Option<super::Body> {
        let object = self.state().buckets.get(bucket)?.objects.get(key)?.clone();
        Some(super::Body::from(object.content.read(0, object.content.len())))
    }

    /// The uploads in progress of a bucket, by key and upload id.
    #[must_use]
    pub fn uploads(&self, bucket: &str) -> Vec<UploadView> {
        let state = self.state();
        let uploads = state.buckets.get(bucket).into_iter().flat_map(|bucket| &bucket.uploads);
        uploads.map(|((key, id), upload)| upload_view(key, id, upload)).collect()
    }
}
