//! What the machine itself costs: per event, per record, per signature. Run with `cargo bench -p ossup-core`.
//!
//! An event is a turn or an answer. The figures for 1,000 and 10,000 parts must not differ by much: no event may cost
//! more because more parts are finished.

use std::fmt::Write as _;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use ossup_core::checkpoint::{RecordedPart, SourceIdentity, journal};
use ossup_core::digest::{ContentDigest, Crc64, Integrity, Md5};
use ossup_core::endpoint::Endpoint;
use ossup_core::object::ObjectName;
use ossup_core::part::PartNumber;
use ossup_core::request::{Operation, Request, Response};
use ossup_core::sign::{Credentials, LocalSigner, SignatureVersion, Signer as _, StaticCredentials};
use ossup_core::time::Timestamp;
use ossup_core::upload::{Effect, End, Job, Policy, Recording, Turn, Upload, Write};

const PART: u64 = 102_400;
const NOW: i64 = 1_705_096_035;

fn main() {
    divan::main();
}

fn object() -> ObjectName {
    "oss://bucket/dir/film.mp4".parse().expect("a legal name")
}

fn job(parts: u64) -> Job {
    let source = SourceIdentity { changed_ns: Some(1), ..SourceIdentity::of_len(parts * PART) };
    let mut job = Job::new(object(), "oss-cn-hangzhou.aliyuncs.com", source, Timestamp::from_unix(NOW));
    job.recording = Recording::Checkpoint;
    job.policy = Policy { put_threshold: 0, part_size: PART, integrity: Integrity::Crc, ..Policy::default() };
    job
}

fn answer(headers: &[(&'static str, &'static str)], body: &'static str) -> Response {
    let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
    for (name, value) in headers {
        response.headers_mut().insert(*name, http::HeaderValue::from_static(value));
    }
    response
}

fn said(request: &Request) -> Response {
    match request.operation() {
        Operation::InitiateMultipartUpload => answer(
            &[],
            "<InitiateMultipartUploadResult><UploadId>0004B9895DBBB6EC98E36</UploadId></InitiateMultipartUploadResult>",
        ),
        _ => {
            answer(&[], "<CompleteMultipartUploadResult><ETag>\"E-1\"</ETag></CompleteMultipartUploadResult>")
        }
    }
}

/// Answers everything at once, as it would be answered on a good day, until `until`. Returns how many events it took,
/// and the checkpoint.
fn drive(upload: &mut Upload, until: impl Fn(&Upload) -> bool) -> (u64, Vec<u8>) {
    let part = ContentDigest { len: PART, md5: None, crc64: Some(Crc64::of(b"part")) };
    let stored = answer(&[("etag", "\"5EB63BBBE01EEED093CB22BB8F5ACDC3\"")], "");
    let (mut events, mut record) = (0, Vec::new());
    while !until(upload) {
        events += 2;
        let answer = match upload.turn() {
            Turn::Do(Effect::Send(ticket, request)) => ticket.responded(said(&request)),
            Turn::Do(Effect::SendPart(ticket, _)) => ticket.responded(stored.clone(), part),
            Turn::Do(Effect::Save(ticket, write)) => {
                match write {
                    Write::Replace(bytes) => record = bytes.to_vec(),
                    Write::Append(bytes, _) => record.extend_from_slice(&bytes),
                    _ => unreachable!("nothing is damaged"),
                }
                ticket.durable()
            }
            Turn::Do(Effect::Forget(ticket)) => ticket.durable(),
            Turn::Do(Effect::Inspect(ticket)) => {
                ticket.found(job(u64::from(upload.progress().parts_total)).source)
            }
            Turn::Finished(outcome) => {
                assert!(matches!(outcome.end, End::Completed(_)), "{:?}", outcome.end);
                return (events - 1, record);
            }
            other => unreachable!("nothing goes wrong: {other:?}"),
        };
        upload.answer(answer).expect("it is under way");
    }
    (events, record)
}

/// The checkpoint of an upload of which all parts but the last are there.
fn record(parts: u64) -> Vec<u8> {
    let mut upload = Upload::start(job(parts), 1);
    drive(&mut upload, |upload| u64::from(upload.progress().parts_done) + 1 == parts).1
}

#[divan::bench(args = [1_000, 10_000])]
fn upload(bencher: Bencher, parts: u64) {
    let (events, _) = drive(&mut Upload::start(job(parts), 1), |_| false);
    bencher
        .counter(ItemsCount::new(events))
        .with_inputs(|| Upload::start(job(parts), 1))
        .bench_local_values(|mut upload| drive(&mut upload, |_| false));
}

#[divan::bench(args = [1_000, 10_000])]
fn read_record(bencher: Bencher, parts: u64) {
    let record = record(parts);
    bencher
        .counter(BytesCount::new(record.len()))
        .counter(ItemsCount::new(parts))
        .bench_local(|| journal::read(divan::black_box(&record)));
}

/// A page of the server's list.
fn page_of(parts: &[(&PartNumber, &RecordedPart)], more: bool) -> Bytes {
    let last = parts.last().map_or(0, |(n, _)| n.get());
    let mut page = format!(
        "<ListPartsResult><IsTruncated>{more}</IsTruncated><NextPartNumberMarker>{last}</NextPartNumberMarker>"
    );
    for (n, part) in parts {
        let etag = &part.etag;
        let _ =
            write!(page, "<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag><Size>{PART}</Size></Part>");
    }
    page.push_str("</ListPartsResult>");
    page.into()
}

/// From the bytes of the record to the request for the first part that is missing, the server's list in pages included.
#[divan::bench(args = [1_000, 10_000])]
fn resume_to_the_first_part(bencher: Bencher, parts: u64) {
    let record = record(parts);
    let known = journal::read(&record).expect("it was just written").parts;
    let all: Vec<_> = known.iter().collect();
    let pages: Vec<Bytes> = all.chunks(1000).map(|page| page_of(page, all.last() != page.last())).collect();
    bencher.counter(ItemsCount::new(parts)).bench_local(|| {
        let mut upload = Upload::resume(job(parts), &record, 1);
        let mut page = pages.iter();
        loop {
            match upload.turn() {
                Turn::Do(Effect::Send(ticket, _)) => {
                    let body = page.next().expect("as many pages as are asked for").clone();
                    upload.answer(ticket.responded(http::Response::new(body))).expect("it is under way");
                }
                Turn::Do(Effect::SendPart(_, part)) => return part,
                other => unreachable!("nothing else comes before the first part: {other:?}"),
            }
        }
    });
}

#[divan::bench(args = [SignatureVersion::V1, SignatureVersion::V4])]
fn sign(bencher: Bencher, version: SignatureVersion) {
    let endpoint: Endpoint = "oss-cn-hangzhou.aliyuncs.com".parse().expect("a legal endpoint");
    let keys = StaticCredentials::new(Credentials::new("LTAI5tExample", "a secret of thirty characters!"));
    let signer = LocalSigner::new(endpoint, keys, version).expect("the endpoint has a region");
    let mut upload = Upload::start(job(2), 1);
    let request = loop {
        match upload.turn() {
            Turn::Do(Effect::Send(ticket, request)) => {
                upload.answer(ticket.responded(said(&request))).expect("it is under way");
            }
            Turn::Do(Effect::Save(ticket, _)) => upload.answer(ticket.durable()).expect("it is under way"),
            Turn::Do(Effect::SendPart(_, part)) => break part.without_digest().expect("none is asked for"),
            other => unreachable!("nothing else comes before the first part: {other:?}"),
        }
    };
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| signer.sign(&request, Timestamp::from_unix(NOW)));
}

#[divan::bench(args = [Integrity::Crc, Integrity::Md5AndCrc])]
fn digest(bencher: Bencher, integrity: Integrity) {
    let bytes = vec![7; 1 << 20];
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
        let mut hasher = ossup_core::digest::Hasher::new(integrity);
        hasher.update(&bytes);
        hasher.finish()
    });
}

/// The CRC-64 of an object, joined from that of its parts.
#[divan::bench]
fn join_crc64(bencher: Bencher) {
    let (one, another) = (Crc64::of(b"one"), Crc64::of(b"another"));
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| one.followed_by(divan::black_box(another), PART));
}

/// What MD5 costs alone: the floor of everything that sends Content-MD5.
#[divan::bench]
fn md5(bencher: Bencher) {
    let bytes = vec![7; 1 << 20];
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| Md5::of(&bytes));
}
