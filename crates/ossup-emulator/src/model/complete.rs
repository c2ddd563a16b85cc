//! CompleteMultipartUpload: a list of parts becomes an object.

use ossup_core::digest::{Crc64, Md5};
use ossup_core::part::{ETag, PartNumber};

use super::callback::Callback;
use super::page::Encoding;
use super::put::encrypted;
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::{Context, Reply};
use super::world::{Object, ObjectKind, ObjectMeta, Part, Upload};
use super::xml::Element;
use super::{Model, Operation, attributes};
use crate::storage::Content;

/// The parts that a request names.
enum Wanted {
    All,
    Listed(Vec<(u16, String)>),
}

impl Model {
    pub(crate) fn complete(
        &self,
        received: &Received,
        document: &[u8],
        at: &Context,
    ) -> Result<Reply, Refusal> {
        let encoding = Encoding::of(received)?;
        let acl = attributes::object_acl(received)?;
        let callback = Callback::read(received)?;
        let (bucket, key) = received.names();
        let id = received.upload_id()?;
        let mut state = self.state();
        let upload = state.upload(received)?;
        let wanted = read(received, document)?;
        let parts = choose(upload, id, &wanted)?;
        check_sizes(&parts, self.config.min_part_size)?;
        let mut content = Content::default();
        let mut crc64 = Some(Crc64::EMPTY);
        for (_, part) in &parts {
            content.append(&part.content);
            crc64 = crc64.zip(part.meta.crc64).map(|(all, next)| all.followed_by(next, part.content.len()));
        }
        let meta = ObjectMeta {
            etag: object_etag(&parts),
            crc64,
            md5: None,
            kind: ObjectKind::Multipart,
            modified: at.now.unix(),
            attributes: upload.meta.attributes.clone(),
            acl,
        };
        if received.forbids_overwrite() && state.bucket(received)?.objects.contains_key(key) {
            return Err(refusal::file_already_exists().ec("0042-00000214"));
        }
        let object = self.store(&mut state, bucket, key, Object::new(content, meta))?;
        // Should the process die here, the upload is still there and can be completed again to the same object.
        self.drop_upload(&mut state, bucket, key, id)?;
        let etag = &object.meta.etag;
        let reply = Reply::document("CompleteMultipartUploadResult", |xml| {
            if encoding.is_url() {
                xml.text("EncodingType", "url");
            }
            xml.text("Location", location(received));
            xml.text("Bucket", bucket);
            xml.text("Key", encoding.name(key));
            xml.text("ETag", format!("\"{etag}\""));
        });
        let mut reply = reply.etag(etag).crc64(object.meta.crc64);
        if let Some(callback) = callback {
            let operation = Operation::CompleteMultipartUpload;
            reply.delivery = Some(callback.fill(received, operation, &object, at));
        }
        Ok(encrypted(reply, &object))
    }
}

/// Where the object is, as the client addressed it.
fn location(received: &Received) -> String {
    let (bucket, key) = received.names();
    let key = key.split('/').map(|part| Encoding::url().name(part)).collect::<Vec<_>>().join("/");
    let (scheme, host) = (&received.scheme, &received.host);
    if host.starts_with(&format!("{bucket}.")) {
        format!("{scheme}://{host}/{key}")
    } else {
        format!("{scheme}://{host}/{bucket}/{key}")
    }
}

/// The number says which operation could not read its document.
fn malformed_xml() -> Refusal {
    refusal::malformed_xml().ec("0042-00000205")
}

fn read(received: &Received, document: &[u8]) -> Result<Wanted, Refusal> {
    if let Some(all) = received.header("x-oss-complete-all") {
        if all != "yes" {
            return Err(refusal::argument("x-oss-complete-all", &all, "The value must be yes."));
        }
        if !document.is_empty() {
            // The misspelling is OSS's own.
            let message = "Should not speficy both complete all header and http body.";
            return Err(refusal::argument("x-oss-complete-all", &all, message).ec("0042-00000216"));
        }
        return Ok(Wanted::All);
    }
    let root = Element::read(document, "CompleteMultipartUpload").map_err(|_| malformed_xml())?;
    let mut listed = Vec::new();
    for part in root.all("Part") {
        let (Some(number), Some(etag)) = (part.text_of("PartNumber"), part.text_of("ETag")) else {
            return Err(malformed_xml());
        };
        let number: PartNumber = number.trim().parse().map_err(|_| refusal::part_number(number.trim()))?;
        listed.push((number.get(), etag.trim().to_owned()));
    }
    if listed.is_empty() {
        return Err(malformed_xml());
    }
    Ok(Wanted::Listed(listed))
}

/// The parts that the object will consist of, each present and with the ETag that the client knows.
fn choose<'a>(upload: &'a Upload, id: &str, wanted: &Wanted) -> Result<Vec<(u16, &'a Part)>, Refusal> {
    let chosen: Vec<(u16, &Part)> = match wanted {
        Wanted::All => upload.parts.iter().map(|(number, part)| (*number, part)).collect(),
        Wanted::Listed(listed) => {
            if listed.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
                return Err(refusal::invalid_part_order());
            }
            let find = |(number, given): &(u16, String)| {
                let part = upload.parts.get(number);
                let same = |part: &&Part| {
                    given.parse::<ETag>().is_ok_and(|given| part.meta.etag.parse() == Ok(given))
                };
                match part.filter(same) {
                    Some(part) => Ok((*number, part)),
                    None => Err(refusal::invalid_part(id, *number, given.trim_matches('"'))),
                }
            };
            listed.iter().map(find).collect::<Result<_, _>>()?
        }
    };
    let Some((last, _)) = chosen.last() else {
        return Err(refusal::invalid_argument("The upload has no parts."));
    };
    if upload.meta.sequential && usize::from(*last) != chosen.len() {
        return Err(refusal::part_not_sequential(*last));
    }
    Ok(chosen)
}

/// Only the last part may be small.
fn check_sizes(parts: &[(u16, &Part)], min: u64) -> Result<(), Refusal> {
    let Some((_, front)) = parts.split_last() else { return Ok(()) };
    match front.iter().find(|(_, part)| part.content.len() < min) {
        Some((number, part)) => Err(refusal::entity_too_small(*number, part.content.len(), min)),
        None => Ok(()),
    }
}

/// The ETag of an object made of parts: the MD5 of their MD5 digests, and how many they are.
fn object_etag(parts: &[(u16, &Part)]) -> String {
    let mut digests = Vec::with_capacity(parts.len() * 16);
    for (_, part) in parts {
        match Md5::from_hex(&part.meta.etag) {
            Some(md5) => digests.extend_from_slice(md5.as_bytes()),
            None => digests.extend_from_slice(part.meta.etag.as_bytes()),
        }
    }
    format!("{}-{}", Md5::of(&digests), parts.len())
}
