//! ListMultipartUploads.

use super::Model;
use super::page::{self, Encoding, Page};
use super::received::Received;
use super::refusal::Refusal;
use super::reply::Reply;

impl Model {
    pub(crate) fn list_uploads(&self, received: &Received) -> Result<Reply, Refusal> {
        let encoding = Encoding::of(received)?;
        let size = page::size(received, "max-uploads", 1000)?;
        let text = |name: &str| received.query.get(name).unwrap_or_default();
        let (prefix, delimiter) = (text("prefix"), text("delimiter"));
        let (key_marker, id_marker) = (text("key-marker"), text("upload-id-marker"));
        let mut state = self.state();
        let bucket = state.bucket(received)?;
        // The marker may be a folded prefix: what is folded into it was listed with it.
        let folded_away = |key: &str| {
            !delimiter.is_empty() && key_marker.ends_with(delimiter) && key.starts_with(key_marker)
        };
        let is_behind = |key: &str, id: &str| {
            key_marker.is_empty()
                || (key > key_marker && !folded_away(key))
                || (key == key_marker && !id_marker.is_empty() && id > id_marker)
        };
        let uploads = bucket
            .uploads
            .iter()
            .filter(|((key, id), _)| key.starts_with(prefix) && is_behind(key, id))
            .map(|((key, id), upload)| (key.as_str(), (key, id, upload)));
        let page = Page::fill(uploads, prefix, delimiter, size);
        let next = page.last.as_deref().filter(|_| page.is_truncated).unwrap_or_default();
        let next_id =
            page.items.last().filter(|(key, ..)| key.as_str() == next).map(|(_, id, _)| id.as_str());
        Ok(Reply::document("ListMultipartUploadsResult", |xml| {
            if encoding.is_url() {
                xml.text("EncodingType", "url");
            }
            xml.text("Bucket", received.names().0);
            xml.text("KeyMarker", encoding.name(key_marker));
            xml.text("UploadIdMarker", id_marker);
            xml.text("NextKeyMarker", encoding.name(next));
            xml.text("NextUploadIdMarker", next_id.unwrap_or_default());
            xml.text("Delimiter", encoding.name(delimiter));
            xml.text("Prefix", encoding.name(prefix));
            xml.number("MaxUploads", size as u64);
            xml.flag("IsTruncated", page.is_truncated);
            for (key, id, upload) in &page.items {
                xml.element("Upload", |xml| {
                    xml.text("Key", encoding.name(key));
                    xml.text("UploadId", id);
                    xml.text("StorageClass", upload.meta.attributes.storage_class());
                    xml.text("Initiated", page::iso(upload.meta.initiated));
                });
            }
            for prefix in &page.prefixes {
                xml.element("CommonPrefixes", |xml| xml.text("Prefix", encoding.name(prefix)));
            }
        }))
    }
}
