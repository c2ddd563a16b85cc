//! The tags of an object.

use http::StatusCode;

use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::Reply;
use super::world::Object;
use super::xml::Element;
use super::{Model, attributes};

impl Model {
    pub(crate) fn get_tagging(&self, received: &Received) -> Result<Reply, Refusal> {
        let object = self.state().object(received)?;
        Ok(Reply::document("Tagging", |xml| {
            xml.element("TagSet", |xml| {
                for (key, value) in &object.meta.attributes.tagging {
                    xml.element("Tag", |xml| {
                        xml.text("Key", key);
                        xml.text("Value", value);
                    });
                }
            });
        }))
    }

    pub(crate) fn put_tagging(&self, received: &Received, document: &[u8]) -> Result<Reply, Refusal> {
        let root = Element::read(document, "Tagging").map_err(|_| refusal::malformed_xml())?;
        let set = root.child("TagSet").ok_or_else(refusal::malformed_xml)?;
        let tag = |tag: &Element| {
            Some((tag.text_of("Key")?.to_owned(), tag.text_of("Value").unwrap_or_default().to_owned()))
        };
        let tags: Option<Vec<_>> = set.all("Tag").map(tag).collect();
        let tags = attributes::check_tags(tags.ok_or_else(refusal::malformed_xml)?)?;
        self.set_tags(received, tags)?;
        Ok(Reply::ok())
    }

    pub(crate) fn delete_tagging(&self, received: &Received) -> Result<Reply, Refusal> {
        self.set_tags(received, Vec::new())?;
        Ok(Reply::new(StatusCode::NO_CONTENT))
    }

    fn set_tags(&self, received: &Received, tags: Vec<(String, String)>) -> Result<(), Refusal> {
        let mut state = self.state();
        let object = state.object(received)?;
        let mut changed = Object::clone(&object);
        changed.meta.attributes.tagging = tags;
        let (bucket, key) = received.names();
        self.store(&mut state, bucket, key, changed)?;
        Ok(())
    }
}
