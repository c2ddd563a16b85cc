//! What there is to see, for those who look again and again: no more at once than can be shown, and nothing where nothing
//! has changed.

use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::{Value, json};

use super::Model;
use super::world::{Object, Upload};
use crate::journal::InFlight;

/// How much is told at once, of all buckets together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) buckets: usize,
    pub(crate) objects: usize,
    pub(crate) uploads: usize,
    /// Of uploads with more parts than are left of these, only the number of parts is told.
    pub(crate) parts: usize,
}

impl Most {
    pub(crate) const SHOWN: Self = Self { buckets: 200, objects: 500, uploads: 200, parts: 50_000 };
}

/// Takes from what is left.
fn take(left: &mut usize, wanted: usize) -> usize {
    let taken = wanted.min(*left);
    *left -= taken;
    taken
}

/// Numbers of parts that are there, from the first to the last of each unbroken run.
#[derive(Serialize)]
struct Runs(Vec<(u16, u16)>);

impl Runs {
    fn of(numbers: impl Iterator<Item = u16>) -> Self {
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => runs.push((number, number)),
            }
        }
        Self(runs)
    }
}

fn object(key: &str, object: &Object) -> Value {
    json!({
        "key": key,
        "size": object.content.len(),
        "etag": object.meta.etag,
        "crc64": object.meta.crc64.map(|crc64| crc64.to_string()),
        "kind": object.meta.kind.name(),
        "modified": object.meta.modified,
    })
}

fn upload(key: &str, id: &str, upload: &Upload, parts: &mut usize) -> Value {
    let count = upload.parts.len();
    let is_told = count <= *parts;
    if is_told {
        take(parts, count);
    }
    let size = || upload.parts.values().map(|part| part.content.len()).sum::<u64>();
    json!({
        "key": key,
        "upload_id": id,
        "initiated": upload.meta.initiated,
        "part_count": count,
        "parts": is_told.then(|| Runs::of(upload.parts.keys().copied())),
        "size": is_told.then(size),
    })
}

fn flying(flying: &InFlight) -> Value {
    json!({
        "operation": flying.entry.operation,
        "bucket": flying.entry.bucket,
        "key": flying.entry.key,
        "upload_id": flying.entry.upload_id,
        "part_number": flying.entry.part_number,
        "received": flying.received(),
        "expected": flying.expected,
    })
}

impl Model {
    /// What is stored and under way. To one who has `since`, nothing but the time if it is still like that.
    pub(crate) fn survey(&self, since: Option<&str>, most: Most) -> Value {
        let now = self.clock.now().to_string();
        // What changes from here on is another version, and told the next time.
        let in_flight = self.journal.in_flight();
        let received: u64 = in_flight.iter().map(InFlight::received).sum();
        let newest = in_flight.last().map_or(0, |flying| flying.entry.number);
        let written = self.written.load(Ordering::SeqCst);
        let version = format!("{written}-{newest}-{}-{received}", in_flight.len());
        if since == Some(version.as_str()) {
            return json!({ "now": now, "version": version });
        }
        let Most { buckets, mut objects, mut uploads, mut parts } = most;
        let state = self.state();
        let told = state.buckets.iter().take(buckets).map(|(name, bucket)| {
            let objects = take(&mut objects, bucket.objects.len());
            let uploads = take(&mut uploads, bucket.uploads.len());
            let uploads = bucket.uploads.iter().take(uploads);
            json!({
                "name": name,
                "object_count": bucket.objects.len(),
                "upload_count": bucket.uploads.len(),
                "objects": bucket.objects.iter().take(objects).map(|(key, o)| object(key, o)).collect::<Vec<_>>(),
                "uploads": uploads.map(|((key, id), u)| upload(key, id, u, &mut parts)).collect::<Vec<_>>(),
            })
        });
        json!({
            "now": now,
            "version": version,
            "region": self.config.region,
            "bucket_count": state.buckets.len(),
            "buckets": told.collect::<Vec<_>>(),
            "in_flight": in_flight.iter().map(flying).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use bytes::Bytes;
    use http::Request;

    fn send(model: &Model, method: &str, uri: &str) -> String {
        let request = Request::builder().method(method).uri(uri).header("Host", "127.0.0.1");
        let request = request.header("Content-Length", "1").body(Bytes::from_static(b"x")).unwrap();
        let answer = model.handle(request);
        assert!(answer.status().is_success(), "{method} {uri}: {answer:?}");
        String::from_utf8_lossy(answer.body()).into_owned()
    }

    fn world() -> Model {
        let config = Config { check_signatures: false, ..Config::default() };
        let model = Model::new(config, Clock::system());
        model.create_bucket("bkt").unwrap();
        model
    }

    #[test]
    fn parts_are_told_as_runs_and_no_more_than_there_is_room_for() {
        let model = world();
        for (key, numbers) in [("a", &[1, 2, 3, 5, 9, 10][..]), ("b", &[1, 2, 3]), ("c", &[7])] {
            let begun = send(&model, "POST", &format!("/bkt/{key}?uploads"));
            let id = begun.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0;
            for number in numbers {
                send(&model, "PUT", &format!("/bkt/{key}?partNumber={number}&uploadId={id}"));
            }
        }
        for n in 0..5 {
            send(&model, "PUT", &format!("/bkt/{n}"));
            model.create_bucket(&format!("more-{n}")).unwrap();
        }
        let seen = model.survey(None, Most { buckets: 2, objects: 3, uploads: 3, parts: 8 });
        let uploads = &seen["buckets"][0]["uploads"];
        assert_eq!(uploads[0]["parts"], json!([[1, 3], [5, 5], [9, 10]]));
        assert_eq!((&uploads[0]["size"], &uploads[0]["part_count"]), (&json!(6), &json!(6)));
        assert_eq!(
            (&uploads[1]["parts"], &uploads[1]["size"], &uploads[1]["part_count"]),
            (&json!(null), &json!(null), &json!(3))
        );
        assert_eq!(uploads[2]["parts"], json!([[7, 7]]));
        assert_eq!(seen["buckets"].as_array().unwrap().len(), 2);
        assert_eq!((&seen["bucket_count"], &seen["buckets"][0]["object_count"]), (&json!(6), &json!(5)));
        assert_eq!(seen["buckets"][0]["objects"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn nothing_is_told_again_where_nothing_has_changed() {
        let model = world();
        let mut version = String::new();
        let mut is_new = |model: &Model| {
            let seen = model.survey(Some(&version), Most::SHOWN);
            version = seen["version"].as_str().unwrap().to_owned();
            seen.get("buckets").is_some()
        };
        assert!(is_new(&model) && !is_new(&model));
        send(&model, "GET", "/bkt?location");
        assert!(!is_new(&model));
        send(&model, "PUT", "/bkt/k");
        assert!(is_new(&model) && !is_new(&model));
        let (head, ()) = Request::put("/bkt/k")
            .header("Host", "x")
            .header("Content-Length", "2")
            .body(())
            .unwrap()
            .into_parts();
        let mut intake = model.begin(&head);
        assert!(is_new(&model) && !is_new(&model));
        intake.write(Bytes::from_static(b"x"));
        assert!(is_new(&model) && !is_new(&model));
        drop(intake);
        assert!(is_new(&model) && !is_new(&model));
        send(&model, "DELETE", "/bkt/k");
        model.expire_uploads(std::time::Duration::ZERO);
        assert!(is_new(&model) && !is_new(&model));
    }
}
