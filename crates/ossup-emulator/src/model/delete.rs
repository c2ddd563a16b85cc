//! DeleteObject and DeleteMultipleObjects.

use http::StatusCode;

use super::page::Encoding;
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::Reply;
use super::xml::Element;
use super::{Model, State};

/// How many keys one request may name.
const MAX_KEYS: usize = 1000;

impl Model {
    /// Deleting what is not there is success.
    pub(crate) fn delete_object(&self, received: &Received) -> Result<Reply, Refusal> {
        let (bucket, key) = received.names();
        let mut state = self.state();
        state.bucket(received)?;
        self.remove(&mut state, bucket, key)?;
        Ok(Reply::new(StatusCode::NO_CONTENT))
    }

    fn remove(&self, state: &mut State, bucket: &str, key: &str) -> Result<(), Refusal> {
        let Some(found) = state.buckets.get_mut(bucket) else { return Ok(()) };
        if found.objects.contains_key(key) {
            self.records().remove_object(bucket, key).map_err(|_| refusal::internal_error())?;
            found.objects.remove(key);
        }
        Ok(())
    }

    pub(crate) fn delete_objects(&self, received: &Received, document: &[u8]) -> Result<Reply, Refusal> {
        let encoding = Encoding::of(received)?;
        let root = Element::read(document, "Delete").map_err(|_| refusal::malformed_xml())?;
        let quiet = root.text_of("Quiet").is_some_and(|quiet| quiet.trim() == "true");
        let keys: Vec<&str> = root.all("Object").filter_map(|object| object.text_of("Key")).collect();
        if keys.is_empty() || keys.len() > MAX_KEYS || keys.len() != root.all("Object").count() {
            return Err(refusal::malformed_xml());
        }
        let (bucket, _) = received.names();
        let mut state = self.state();
        state.bucket(received)?;
        for key in &keys {
            self.remove(&mut state, bucket, key)?;
        }
        if quiet {
            return Ok(Reply::ok());
        }
        Ok(Reply::document("DeleteResult", |xml| {
            if encoding.is_url() {
                xml.text("EncodingType", "url");
            }
            for key in &keys {
                xml.element("Deleted", |xml| xml.text("Key", encoding.name(key)));
            }
        }))
    }
}
