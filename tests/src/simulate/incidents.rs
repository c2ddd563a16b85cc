//! What befalls a world from outside, at any step: crashes, edits, the user, others, clocks.

use std::sync::Arc;
use std::time::Duration;

use ossup_core::digest::{Hasher, Integrity};
use ossup_core::object::ObjectName;
use ossup_core::operation::{abort, complete, put, upload_part};
use ossup_core::options::ObjectOptions;
use ossup_core::part::{ByteRange, ETag, PartNumber, UploadId};
use ossup_core::request::{Body, PartRequest, Request};
use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, Signer as _, StaticCredentials};
use ossup_core::upload::Cancel;
use ossup_emulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET};

use bytes::Bytes;

use super::journeys::names;
use super::process::Doing;
use super::service::{BEGINNING, BUCKET, KEY, Letter};
use super::source::Edit;
use super::totals::Fault;
use super::world::{Event, World};

/// The longest that a user leaves an upload paused, or waits before running it again, in milliseconds.
const WHILE: u64 = 3_600_000;

impl World {
    /// Something may happen to the world.
    pub(super) fn incident(&mut self) {
        if self.trouble == 0 || self.rng.f64() >= self.setting.incident_rate {
            return;
        }
        let perils = self.setting.perils;
        let run = self.processes.keys().next_back().copied();
        match (self.rng.u8(..20), run) {
            (0..4, Some(run)) if perils.crashes => self.crash(run, Fault::Crash),
            (4..6, Some(run)) if perils.crashes => self.crash(run, Fault::PowerCut),
            (6, Some(run)) if perils.user => self.cancel(run, Cancel::Keep),
            (7, Some(run)) if perils.user => self.cancel(run, Cancel::Discard),
            (8, Some(run)) if perils.user => {
                self.befell(Fault::Pause);
                self.note(|| format!("the user pauses run {run}"));
                if let Some(process) = self.processes.get_mut(&run) {
                    process.upload.pause();
                }
                let while_ = self.rng.u64(..WHILE);
                self.after(while_, Event::Unpause(run));
            }
            (9..12, _) if perils.edits => {
                let edit = Edit::ALL[self.rng.usize(..Edit::ALL.len())];
                self.befell(Fault::Edit);
                *self.totals.edits.entry(edit).or_default() += 1;
                self.note(|| format!("the source is edited: {edit:?}"));
                let now_ns = self.now.cast_signed() * 1_000_000 + i64::from(self.trouble) + 1_000;
                self.source.edit(edit, now_ns, &mut self.rng);
            }
            (12..15, _) if perils.others => self.others(),
            (15, _) if perils.clock => {
                self.skew += self.rng.i64(-100_000..100_000);
                let skew = self.skew;
                self.befell(Fault::ClockJump);
                self.note(|| format!("the local clock is {skew} s ahead now"));
            }
            (16, _) if perils.rot && self.disk.record().is_some() => {
                self.befell(Fault::Rot);
                self.note(|| "the record is damaged".into());
                self.disk.rot(&mut self.rng);
            }
            (17, _) if self.setting.sts.is_some() => {
                self.befell(Fault::Revoked);
                self.keys.revoke();
                let broken = self.rng.u8(..4) == 0;
                self.keys.set_broken(broken);
                if broken {
                    self.befell(Fault::NoCredentials);
                }
                self.note(|| format!("the credentials are revoked; there are others: {}", !broken));
            }
            (18, Some(_)) if perils.second && self.processes.len() == 1 => {
                self.befell(Fault::Second);
                self.ledger.doubled = true;
                self.start();
            }
            (19, None) if perils.others => {
                self.befell(Fault::OtherOptions);
                self.note(|| "the user wants other attributes of the object".into());
                let options = self.setting.options.clone();
                let value = self.rng.u32(..).to_string();
                self.setting.options = options.clone().metadata("other", &value).unwrap_or(options);
            }
            _ => {}
        }
    }

    /// A process dies, and with it the machine, or not. Requests that are on their way may still arrive.
    fn crash(&mut self, run: u32, how: Fault) {
        self.befell(how);
        self.note(|| format!("run {run}: {how:?}"));
        let Some(process) = self.processes.remove(&run) else { return };
        for doing in process.under_way.values() {
            match doing {
                Doing::Save(_, write) => self.disk.interrupt(Some(write), &mut self.rng),
                Doing::Forget(_) => self.disk.interrupt(None, &mut self.rng),
                _ => {}
            }
        }
        if how == Fault::PowerCut {
            self.disk.power_cut(&mut self.rng);
        }
        // What it would have said of uploads that are left, nobody will hear now.
        let known = self.disk.written().and_then(|record| record.upload_id);
        let known = known.map(|id| id.to_string());
        let left = self.service.uploads().into_iter().filter(|id| Some(id) != known.as_ref());
        self.ledger.excused.extend(left);
        let while_ = self.rng.u64(..WHILE / 10);
        self.after(while_, Event::Start);
    }

    fn cancel(&mut self, run: u32, how: Cancel) {
        self.befell(if how == Cancel::Keep { Fault::Keep } else { Fault::Discard });
        self.note(|| format!("the user cancels run {run}: {how:?}"));
        if let Some(process) = self.processes.get_mut(&run) {
            process.upload.cancel(how);
            process.cancelled = process.cancelled.max(Some(how));
        }
    }

    /// Others do something to the bucket.
    fn others(&mut self) {
        let upload = self.service.model.uploads(BUCKET).into_iter().next();
        let object: ObjectName =
            format!("oss://{BUCKET}/{KEY}").parse().unwrap_or_else(|_| unreachable!("a legal name"));
        let options = ObjectOptions::new();
        let id = upload.as_ref().and_then(|upload| upload.upload_id.parse::<UploadId>().ok());
        match (self.rng.u8(..5), upload.zip(id)) {
            (0, _) => {
                self.befell(Fault::Lifecycle);
                let deleted = self.service.model.expire_uploads(Duration::ZERO);
                self.note(|| format!("a lifecycle rule deletes {deleted} uploads"));
            }
            (1, Some((upload, id))) if !upload.parts.is_empty() => {
                let part = &upload.parts[self.rng.usize(..upload.parts.len())];
                let Some(number) = PartNumber::new(part.number) else { return };
                self.befell(Fault::ForeignPart);
                self.note(|| format!("somebody else sends part {number}"));
                self.ledger.acknowledged.remove(&(upload.upload_id.clone(), part.number));
                let body = vec![7; part.size as usize];
                let Some(range) = ByteRange::new(0, part.size) else { return };
                let integrity = Integrity::Md5AndCrc;
                self.foreign_part(
                    &upload_part::request(&object, &id, number, range, integrity, &options),
                    body,
                );
            }
            (2, Some((upload, id))) if !upload.parts.is_empty() => {
                self.befell(Fault::ForeignComplete);
                self.note(|| "somebody else completes the upload".into());
                let etags: Vec<(PartNumber, ETag)> = upload
                    .parts
                    .iter()
                    .filter_map(|part| Some((PartNumber::new(part.number)?, part.etag.parse().ok()?)))
                    .collect();
                let listed: Vec<_> = etags.iter().map(|(number, etag)| (*number, etag)).collect();
                let parts = complete::Parts::Listed(&listed);
                self.ledger.disturbed = true;
                self.foreign(&complete::request(&object, &id, parts, &options, None), Vec::new());
            }
            (3, Some((_, id))) => {
                self.befell(Fault::ForeignAbort);
                self.note(|| "somebody else deletes the upload".into());
                self.foreign(&abort::request(&object, &id, &options), Vec::new());
            }
            (4, _) => {
                self.befell(Fault::ForeignPut);
                self.note(|| "somebody else puts an object".into());
                self.ledger.disturbed = true;
                let range = ByteRange::new(0, 5).unwrap_or_else(|| unreachable!("five bytes"));
                self.foreign_part(
                    &put::request(&object, range, Integrity::Md5AndCrc, &options, None),
                    vec![7; 5],
                );
            }
            _ => {}
        }
    }

    fn foreign_part(&mut self, request: &PartRequest, body: Vec<u8>) {
        let mut hasher = Hasher::new(Integrity::Md5AndCrc);
        hasher.update(&body);
        if let Ok(request) = request.with_digest(&hasher.finish()) {
            self.foreign(&request, body);
        }
    }

    /// A request of somebody else.
    fn foreign(&mut self, request: &Request, body: Vec<u8>) {
        let endpoint = "oss-cn-hangzhou.aliyuncs.com".parse();
        let endpoint = endpoint.unwrap_or_else(|_| unreachable!("a legal endpoint"));
        let keys = StaticCredentials::new(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET));
        let Ok(signer) = LocalSigner::new(endpoint, keys, SignatureVersion::V4) else { return };
        let now = ossup_core::time::Timestamp::from_unix(BEGINNING + (self.now / 1000).cast_signed());
        let Ok(sent) = signer.sign(request, now) else { return };
        let (upload_id, part) = names(request);
        let body = match request.body() {
            Body::Inline(bytes) => bytes.clone(),
            Body::Empty | Body::Source(_) => Bytes::from(body),
        };
        let letter = Letter {
            operation: request.operation(),
            upload_id,
            part,
            head: Arc::new(sent.into_parts().0),
            body: vec![body],
            twist: None,
            cut: None,
        };
        self.service.tell_time(self.now);
        self.service.receive(&letter);
    }

    /// The user runs the upload again after a while.
    pub(super) fn run_again(&mut self) {
        let while_ = self.rng.u64(..WHILE);
        self.after(while_, Event::Start);
    }
}
