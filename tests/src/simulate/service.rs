//! The service: the emulator's model, what arrives there, and the account of it that a client cannot see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use ossup_core::operation::initiate;
use ossup_core::request::{Operation, Response};
use ossup_core::time::Timestamp;
use ossup_emulator::{Action, Clock, Config, Model, Rule};

use super::setting::Setting;

/// The bucket that is uploaded to.
pub const BUCKET: &str = "simulated";
/// The key that is uploaded to.
pub const KEY: &str = "folder/object";
/// What time it is when a world begins.
pub const BEGINNING: i64 = 1_705_096_035;

/// Names an upload on the server and a part of it.
pub type PartName = (String, u16);

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What it asks for.
    pub operation: Operation,
    /// The upload it names.
    pub upload_id: Option<String>,
    /// The part it names.
    pub part: Option<u16>,
    /// Its head, signed.
    pub head: Arc<Parts>,
    /// Its body.
    pub body: Vec<Bytes>,
    /// What the service does instead of what it should.
    pub twist: Option<Action>,
    /// The connection breaks when so many bytes of the body have arrived.
    pub cut: Option<u64>,
}

/// What the service made of a request.
#[derive(Debug)]
pub struct Handled {
    /// Its answer.
    pub response: Response,
    /// It answered before it had read the body.
    pub early: bool,
    /// It did what was asked for.
    pub done: bool,
    /// The CRC-64 of the part that it has stored.
    pub crc64: Option<u64>,
}

/// The service.
#[derive(Debug)]
pub struct Service {
    /// The emulator, without sockets.
    pub model: Arc<Model>,
    /// Uploads that were ever begun.
    pub begun: BTreeSet<String>,
    /// Uploads that became the object.
    pub completed: BTreeSet<String>,
    /// Every object that was ever under the key.
    pub visible: Vec<Vec<Bytes>>,
    /// The CRC-64 of every part that ever arrived.
    parts: BTreeMap<PartName, u64>,
    head_without_crc: bool,
    list_without_crc: bool,
    seconds: u64,
}

impl Service {
    /// The service that the setting asks for.
    #[must_use]
    pub fn new(setting: &Setting) -> Self {
        let mut config = Config::default();
        config.integrity = setting.service_integrity;
        config.seed = setting.seed;
        let model = Model::new(config, Clock::fixed(Timestamp::from_unix(BEGINNING)));
        // In memory this cannot fail, and without the bucket nothing would succeed.
        let _ = model.create_bucket(BUCKET);
        let denied = [
            (setting.quirks.list_denied, ossup_emulator::Operation::ListParts),
            (setting.quirks.uploads_denied, ossup_emulator::Operation::ListMultipartUploads),
            (setting.quirks.head_denied, ossup_emulator::Operation::HeadObject),
            (setting.quirks.abort_denied, ossup_emulator::Operation::AbortMultipartUpload),
        ];
        for (_, operation) in denied.into_iter().filter(|(denied, _)| *denied) {
            model.faults().add(Rule::on(operation, Action::Deny));
        }
        let fails = setting.callback_fails;
        model.on_callback(move |_| {
            if fails {
                return Err("the application is out of order".into());
            }
            Ok(http::Response::new(Bytes::from_static(b"{\"ok\":true}")))
        });
        Self {
            model: Arc::new(model),
            begun: BTreeSet::new(),
            completed: BTreeSet::new(),
            visible: Vec::new(),
            parts: BTreeMap::new(),
            head_without_crc: setting.quirks.head_without_crc,
            list_without_crc: setting.quirks.list_without_crc,
            seconds: 0,
        }
    }

    /// Moves its clock to so many milliseconds after the beginning.
    pub fn tell_time(&mut self, now: u64) {
        let seconds = now / 1000;
        let passed = seconds.saturating_sub(self.seconds);
        self.model.clock().shift(i64::try_from(passed).unwrap_or(i64::MAX));
        self.seconds = self.seconds.max(seconds);
    }

    /// The uploads that are there.
    #[must_use]
    pub fn uploads(&self) -> Vec<String> {
        self.model.uploads(BUCKET).into_iter().map(|upload| upload.upload_id).collect()
    }

    /// The bytes of the object, if there is one.
    #[must_use]
    pub fn object(&self) -> Option<Vec<Bytes>> {
        let mut body = self.model.object_body(BUCKET, KEY)?;
        let mut pieces = Vec::new();
        while let Ok(Some(piece)) = body.next_piece() {
            pieces.push(piece);
        }
        Some(pieces)
    }

    /// Takes a request in; no answer if the connection breaks.
    pub fn receive(&mut self, letter: &Letter) -> Option<Handled> {
        let rule = letter.twist.clone().map(|action| self.model.faults().add(Rule::always(action).times(1)));
        let mut intake = self.model.begin(&letter.head);
        if let Some(id) = rule {
            self.model.faults().remove(id);
        }
        let early = intake.is_decided() && !letter.body.is_empty();
        let mut left = letter.cut.unwrap_or(u64::MAX);
        for piece in &letter.body {
            if early || left == 0 {
                break;
            }
            let len = left.min(piece.len() as u64);
            left -= len;
            intake.write(piece.slice(..len as usize));
        }
        if letter.cut.is_some() {
            drop(intake);
            return None;
        }
        let (head, body) = self.model.finish(intake).into_parts();
        let mut response = Response::from_parts(head, body.into_bytes().unwrap_or_default());
        let undone = letter.twist.as_ref().is_some_and(|twist| !matches!(twist, Action::Corrupt { .. }));
        let done = response.status().is_success() && !undone;
        let crc64 = if done { self.account(letter, &response) } else { None };
        if done && matches!(letter.operation, Operation::CompleteMultipartUpload | Operation::PutObject) {
            self.visible.extend(self.object());
        }
        self.leave_out(letter.operation, &mut response);
        Some(Handled { response, early, done, crc64 })
    }

    /// The CRC-64 of a part as it arrived last.
    #[must_use]
    pub fn part_crc64(&self, name: &PartName) -> Option<u64> {
        self.parts.get(name).copied()
    }

    /// Notes what was done. The CRC-64 of the part, if it was one.
    fn account(&mut self, letter: &Letter, response: &Response) -> Option<u64> {
        match (letter.operation, &letter.upload_id) {
            (Operation::InitiateMultipartUpload, _) => {
                self.begun.extend(initiate::parse(response).map(|id| id.to_string()));
            }
            (Operation::CompleteMultipartUpload, Some(id)) => {
                self.completed.insert(id.clone());
            }
            (Operation::UploadPart, Some(id)) => {
                let crc = response.headers().get("x-oss-hash-crc64ecma");
                let crc = crc.and_then(|value| value.to_str().ok()?.parse().ok())?;
                self.parts.insert((id.clone(), letter.part?), crc);
                return Some(crc);
            }
            _ => {}
        }
        None
    }

    fn leave_out(&self, operation: Operation, response: &mut Response) {
        if self.head_without_crc && operation == Operation::HeadObject {
            response.headers_mut().remove("x-oss-hash-crc64ecma");
        }
        if self.list_without_crc && operation == Operation::ListParts {
            let text = String::from_utf8_lossy(response.body()).into_owned();
            let (open, close) = ("<HashCrc64ecma>", "</HashCrc64ecma>");
            let mut pieces = text.split(open);
            let mut rest = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                rest.push_str(piece.split_once(close).map_or("", |(_, behind)| behind));
            }
            *response.body_mut() = rest.into();
        }
    }
}

/// An error as the service words it.
#[must_use]
pub fn error_answer(status: u16, code: &str) -> Response {
    let body =
        format!("<Error><Code>{code}</Code><Message>simulated</Message><RequestId>65A1</RequestId></Error>");
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
