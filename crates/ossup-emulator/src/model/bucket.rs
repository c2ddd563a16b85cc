//! The operations on buckets, and the access control lists of buckets and objects.

use http::StatusCode;
use ossup_core::object::BucketName;

use super::page;
use super::received::Received;
use super::refusal::{self, Refusal};
use super::reply::Reply;
use super::weight::Record as _;
use super::world::{Acl, Bucket, BucketMeta, Object};
use super::xml::{Element, Xml};
use super::{Model, attributes};

/// To whom everything in an emulator belongs.
pub(crate) const OWNER: &str = "ossup-emulator";

impl Model {
    fn location(&self) -> String {
        format!("oss-{}", self.config.region)
    }

    pub(crate) fn list_buckets(&self, received: &Received) -> Result<Reply, Refusal> {
        let size = page::size(received, "max-keys", 100)?;
        let text = |name: &str| received.query.get(name).unwrap_or_default();
        let (prefix, marker) = (text("prefix"), text("marker"));
        let state = self.state();
        let behind = || state.buckets.iter().filter(|(n, _)| n.starts_with(prefix) && n.as_str() > marker);
        let is_truncated = behind().count() > size;
        Ok(Reply::document("ListAllMyBucketsResult", |xml| {
            write_owner(xml);
            if is_truncated && let Some((last, _)) = behind().take(size).last() {
                xml.text("Prefix", prefix);
                xml.text("Marker", marker);
                xml.number("MaxKeys", size as u64);
                xml.flag("IsTruncated", true);
                xml.text("NextMarker", last);
            }
            xml.element("Buckets", |xml| {
                for (name, bucket) in behind().take(size) {
                    xml.element("Bucket", |xml| self.describe(xml, name, bucket));
                }
            });
        }))
    }

    fn describe(&self, xml: &mut Xml, name: &str, bucket: &Bucket) {
        let location = self.location();
        xml.text("CreationDate", page::iso(bucket.meta.created));
        xml.text("ExtranetEndpoint", format!("{location}.aliyuncs.com"));
        xml.text("IntranetEndpoint", format!("{location}-internal.aliyuncs.com"));
        xml.text("Location", &location);
        xml.text("Name", name);
        xml.text("Region", &self.config.region);
        xml.text("StorageClass", &bucket.meta.storage_class);
    }

    /// Makes a bucket, or changes the access control list of one that is there.
    pub(crate) fn put_bucket(&self, received: &Received, document: &[u8]) -> Result<Reply, Refusal> {
        let (name, _) = received.names();
        let acl = received.header("x-oss-acl").map(|text| parse_acl(&text)).transpose()?;
        let mut storage_class = "Standard".to_owned();
        if !document.iter().all(u8::is_ascii_whitespace) {
            let root =
                Element::read(document, "CreateBucketConfiguration").map_err(|_| refusal::malformed_xml())?;
            if let Some(class) = root.text_of("StorageClass").map(str::trim).filter(|c| !c.is_empty()) {
                attributes::check_storage_class(class)?;
                class.clone_into(&mut storage_class);
            }
        }
        let mut state = self.state();
        let mut bucket = match state.buckets.get(name) {
            Some(bucket) => bucket.clone(),
            None => {
                let created = self.clock.now().unix();
                let mut bucket = Bucket::new(BucketMeta { created, acl: Acl::Private, storage_class });
                bucket.hold(name, &self.account).map_err(|_| refusal::internal_error())?;
                bucket
            }
        };
        bucket.meta.acl = acl.unwrap_or(bucket.meta.acl);
        self.records().put_bucket(name, &bucket).map_err(|_| refusal::internal_error())?;
        state.buckets.insert(name.to_owned(), bucket);
        Ok(Reply::ok().header("location", format!("/{name}")))
    }

    pub(crate) fn delete_bucket(&self, received: &Received) -> Result<Reply, Refusal> {
        let (name, _) = received.names();
        let mut state = self.state();
        let bucket = state.bucket(received)?;
        if !bucket.objects.is_empty() || !bucket.uploads.is_empty() {
            return Err(refusal::bucket_not_empty(name));
        }
        self.records().remove_bucket(name).map_err(|_| refusal::internal_error())?;
        state.buckets.remove(name);
        Ok(Reply::new(StatusCode::NO_CONTENT))
    }

    pub(crate) fn bucket_info(&self, received: &Received) -> Result<Reply, Refusal> {
        let mut state = self.state();
        let bucket = state.bucket(received)?;
        Ok(Reply::document("BucketInfo", |xml| {
            xml.element("Bucket", |xml| {
                self.describe(xml, received.names().0, bucket);
                xml.text("AccessMonitor", "Disabled");
                xml.text("CrossRegionReplication", "Disabled");
                xml.text("DataRedundancyType", "LRS");
                xml.text("TransferAcceleration", "Disabled");
                write_owner(xml);
                write_grant(xml, bucket.meta.acl);
            });
        }))
    }

    pub(crate) fn bucket_location(&self) -> Reply {
        // The element's text is all there is to the document.
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint>{}</LocationConstraint>\n",
            self.location()
        );
        let mut reply = Reply::ok().header("content-type", "application/xml");
        reply.body = text.into();
        reply
    }

    pub(crate) fn bucket_stat(&self, received: &Received) -> Result<Reply, Refusal> {
        let mut state = self.state();
        let bucket = state.bucket(received)?;
        let objects: u64 = bucket.objects.values().map(|object| object.content.len()).sum();
        let parts = bucket.uploads.values().flat_map(|upload| upload.parts.values());
        let parts: u64 = parts.map(|part| part.content.len()).sum();
        Ok(Reply::document("BucketStat", |xml| {
            xml.number("Storage", objects);
            xml.number("ObjectCount", bucket.objects.len() as u64);
            xml.number("MultipartUploadCount", bucket.uploads.len() as u64);
            xml.number("MultipartPartStorage", parts);
        }))
    }

    pub(crate) fn bucket_acl(&self, received: &Received) -> Result<Reply, Refusal> {
        let acl = self.state().bucket(received)?.meta.acl;
        Ok(acl_document(acl.name()))
    }

    pub(crate) fn put_bucket_acl(&self, received: &Received) -> Result<Reply, Refusal> {
        let text = received.header("x-oss-acl").ok_or_else(|| refusal::missing_argument("x-oss-acl"))?;
        let acl = parse_acl(&text)?;
        let mut state = self.state();
        let bucket = state.bucket(received)?;
        let changed = Bucket::new(BucketMeta { acl, ..bucket.meta.clone() });
        self.records().put_bucket(received.names().0, &changed).map_err(|_| refusal::internal_error())?;
        bucket.meta.acl = acl;
        Ok(Reply::ok())
    }

    pub(crate) fn object_acl(&self, received: &Received) -> Result<Reply, Refusal> {
        let object = self.state().object(received)?;
        Ok(acl_document(object.meta.acl.map_or("default", Acl::name)))
    }

    pub(crate) fn put_object_acl(&self, received: &Received) -> Result<Reply, Refusal> {
        let acl = attributes::object_acl(received)?;
        let mut state = self.state();
        let object = state.object(received)?;
        let mut changed = Object::clone(&object);
        changed.meta.acl = acl;
        let (bucket, key) = received.names();
        self.store(&mut state, bucket, key, changed)?;
        Ok(Reply::ok())
    }

    pub(crate) fn make_bucket(&self, name: &BucketName) -> std::io::Result<()> {
        let mut state = self.state();
        if state.buckets.contains_key(name.as_str()) {
            return Ok(());
        }
        let created = self.clock.now().unix();
        let meta = BucketMeta { created, acl: Acl::Private, storage_class: "Standard".into() };
        let mut bucket = Bucket::new(meta);
        bucket.hold(name.as_str(), &self.account)?;
        self.records().put_bucket(name.as_str(), &bucket)?;
        state.buckets.insert(name.as_str().to_owned(), bucket);
        Ok(())
    }
}

fn parse_acl(text: &str) -> Result<Acl, Refusal> {
    Acl::parse(text).ok_or_else(|| refusal::argument("x-oss-acl", text, "The ACL is not valid."))
}

fn acl_document(grant: &str) -> Reply {
    Reply::document("AccessControlPolicy", |xml| {
        write_owner(xml);
        xml.element("AccessControlList", |xml| xml.text("Grant", grant));
    })
}

fn write_grant(xml: &mut Xml, acl: Acl) {
    xml.element("AccessControlList", |xml| xml.text("Grant", acl.name()));
}

fn write_owner(xml: &mut Xml) {
    xml.element("Owner", |xml| {
        xml.text("ID", OWNER);
        xml.text("DisplayName", OWNER);
    });
}
