//! What the checkpoint costs on a disk: a line for each of 10,000 parts, and reading them back. Run with
//! `cargo bench -p ossup-fs`.

use std::path::Path;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use ossup_core::checkpoint::RecordedPart;
use ossup_core::checkpoint::journal::Line;
use ossup_core::digest::Crc64;
use ossup_core::part::PartNumber;
use ossup_core::upload::effect::{Durability, Write};
use ossup_fs::{CheckpointFolder, Record};

const PARTS: u16 = 10_000;

fn main() {
    divan::main();
}

fn record_in(folder: &Path) -> Record {
    CheckpointFolder::open(folder).expect("a folder").lock("record").expect("it is free")
}

/// What is appended when a part has arrived.
fn line(n: PartNumber) -> Vec<u8> {
    let etag = "\"5EB63BBBE01EEED093CB22BB8F5ACDC3\"".parse().expect("a legal ETag");
    let mut line = Vec::new();
    Line::part(n, &RecordedPart::new(etag, Some(Crc64::of(b"part")))).write_to(&mut line);
    line
}

fn lines() -> Vec<Vec<u8>> {
    (1..=PARTS).filter_map(PartNumber::new).map(line).collect()
}

fn append(record: &mut Record, lines: Vec<Vec<u8>>) {
    for line in lines {
        record.apply(&Write::Append(line.into(), Durability::Written)).expect("the disk takes it");
    }
}

/// One write for each part, as when they arrive one by one.
#[divan::bench(sample_count = 10)]
fn append_10_000_parts(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut record = record_in(folder.path());
    bencher.counter(ItemsCount::new(PARTS)).with_inputs(lines).bench_local_values(|lines| {
        record.apply(&Write::Replace("".into())).expect("the disk takes it");
        append(&mut record, lines);
    });
}

#[divan::bench]
fn load_10_000_parts(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut record = record_in(folder.path());
    let all = lines().concat();
    let len = all.len();
    record.apply(&Write::Replace(all.into())).expect("the disk takes it");
    bencher.counter(ItemsCount::new(PARTS)).counter(BytesCount::new(len)).bench_local(|| record.load());
}
