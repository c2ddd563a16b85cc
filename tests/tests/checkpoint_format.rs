//! The checkpoint format as `docs/checkpoint-format.md` has it: its example was computed by hand, and is read for ever.

use std::fs;
use std::path::PathBuf;

use ossup_core::checkpoint::{journal, record_name};
use ossup_core::digest::Crc64;
use ossup_core::options::ObjectOptions;
use ossup_core::part::PartNumber;

const V1: &str = include_str!("../vectors/checkpoint-v1.journal");

fn page() -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join("docs/checkpoint-format.md")).unwrap()
}

#[test]
fn a_record_of_the_first_version_is_read_as_it_was_meant() {
    let checkpoint = journal::read(V1.as_bytes()).unwrap();
    let header = &checkpoint.header;
    assert_eq!(
        (&*header.destination, &*header.bucket, &*header.key),
        ("oss-cn-hangzhou.aliyuncs.com", "films", "2024/film.mp4")
    );
    assert_eq!((header.part_size, header.begun), (8 << 20, 1_700_000_001));
    assert_eq!(header.source_name.as_deref(), Some("/data/film.mp4"));
    assert_eq!(header.source.len, 20 << 20);
    assert_eq!(header.source.modified_ns, Some(1_700_000_000_123_456_789));
    assert_eq!(header.source.changed_ns, header.source.modified_ns);
    assert_eq!(header.source.file_id, Some((64768, 1311)));
    assert_eq!(checkpoint.upload_id.as_ref().unwrap().as_str(), "A1B2C3D4E5F60718293A4B5C6D7E8F90");
    let numbers: Vec<_> = checkpoint.parts.keys().map(|n| n.get()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let second = &checkpoint.parts[&PartNumber::new(2).unwrap()];
    assert_eq!(second.etag, "\"5d41402abc4b2a76b9719d911017c592\"".parse().unwrap());
    assert_eq!(second.crc64, Some(Crc64::from_value(11_177_612_005_948_864_433)));
    assert!(checkpoint.sealed && !checkpoint.discarding);
    assert_eq!((checkpoint.damaged_lines, checkpoint.torn), (0, false));
}

#[test]
fn what_is_written_is_what_was_read_with_the_parts_in_order() {
    let mut lines: Vec<_> = V1.lines().collect();
    lines.swap(2, 3);
    let written = journal::read(V1.as_bytes()).unwrap().write();
    assert_eq!(String::from_utf8(written).unwrap().lines().collect::<Vec<_>>(), lines);
}

#[test]
fn its_fingerprints_are_those_of_its_attributes_and_its_name_is_that_of_its_fields() {
    let header = journal::read(V1.as_bytes()).unwrap().header;
    let options = ObjectOptions::new();
    let options = options.content_type("video/mp4").unwrap().metadata("owner", "anna").unwrap();
    assert_eq!(options.fingerprint(), header.options);
    assert_eq!(options.fingerprints(), header.attributes);
    let name = record_name(&header.destination, &header.bucket, &header.key, "/data/film.mp4");
    assert_eq!(name, "168a7d0c0742c210fcaad334ac766ac94c287ad5");
    assert!(page().contains(&name));
}

#[test]
fn the_page_shows_it_to_the_letter() {
    assert!(page().contains(&format!("```\n{V1}```\n")));
}

#[test]
fn what_the_page_says_of_odd_lines_is_so() {
    let line = |text: &str| format!("{:016x} {text}\n", Crc64::of(text.as_bytes()).value());
    let with = |more: &str| journal::read(format!("{V1}{more}").as_bytes()).unwrap();
    let same = journal::read(V1.as_bytes()).unwrap();
    for odd in [
        r#"{"news":1}"#,
        r#"{"sealed":{},"discarding":{}}"#,
        r#"{"part":{"n":0,"etag":"\"5D41402ABC4B2A76B9719D911017C592\""}}"#,
        r#"{"part":{"n":1,"etag":""}}"#,
        V1.lines().next().unwrap().split_at(17).1,
    ] {
        assert_eq!(with(&line(odd)), same, "{odd}");
    }
    let later = with(&line(r#"{"upload":"LATER"}"#));
    assert_eq!(later.upload_id.unwrap().as_str(), "LATER");
    let long = format!(r#"{{"news":"{}"}}"#, "x".repeat(64 * 1024));
    assert_eq!(with(&line(&long)).damaged_lines, 1);
}
