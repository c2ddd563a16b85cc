//! MD5 and CRC-64, of bytes and of what is joined without them.

use ossup_core::digest::{Crc64, Hasher, Integrity, Md5};
use ossup_core::part::ETag;
use serde_json::Value;

use super::text;

fn rows(name: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../vectors/crc64.json")).unwrap();
    let rows = file[name].as_array().or_else(|| file[name]["cases"].as_array());
    rows.filter(|rows| !rows.is_empty()).unwrap_or_else(|| panic!("{name}")).clone()
}

fn number(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {row}"))
}

fn crc(row: &Value, name: &str) -> Crc64 {
    text(row, name).parse().unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The generator that the vectors describe.
fn lcg(seed: u64, len: u64) -> Vec<u8> {
    let mut x = seed;
    let next = |_| {
        x = (x * 1_103_515_245 + 12_345) % (1 << 31);
        (x >> 16) as u8
    };
    (0..len).map(next).collect()
}

#[test]
fn of_bytes() {
    for row in rows("bytes") {
        let bytes = unhex(text(&row, "hex"));
        assert_eq!(bytes.len() as u64, number(&row, "len"));
        assert_eq!(Crc64::of(&bytes), crc(&row, "crc64"), "{row}");
        // The text form is what goes over the wire.
        assert_eq!(Crc64::of(&bytes).to_string(), text(&row, "crc64"));
    }
}

#[test]
fn of_generated_bytes() {
    for row in rows("lcg") {
        let bytes = lcg(number(&row, "seed"), number(&row, "len"));
        assert!(bytes.starts_with(&unhex(text(&row, "first8_hex"))), "{row}");
        assert_eq!(Crc64::of(&bytes), crc(&row, "crc64"), "{row}");
        assert_eq!(Md5::of(&bytes).to_string(), text(&row, "md5_hex_upper"), "{row}");
        assert_eq!(Md5::of(&bytes).to_base64(), text(&row, "content_md5"), "{row}");
    }
}

#[test]
fn of_repeated_bytes() {
    for row in rows("repeat") {
        let mut hasher = Hasher::new(Integrity::Md5AndCrc);
        let pattern = unhex(text(&row, "pattern_hex"));
        let bytes = pattern.repeat(number(&row, "times") as usize);
        // In pieces of odd sizes, as a reader gets them.
        bytes.chunks(4_999).for_each(|piece| hasher.update(piece));
        let digest = hasher.finish();
        assert_eq!(digest.len, number(&row, "len"), "{row}");
        assert_eq!(digest.crc64, Some(crc(&row, "crc64")), "{row}");
        assert_eq!(digest.md5, Md5::from_hex(text(&row, "md5_hex_upper")), "{row}");
    }
}

#[test]
fn of_bytes_in_pieces() {
    for row in rows("incremental") {
        let chunks: Vec<_> = row["chunks_hex"].as_array().unwrap().iter().collect();
        let after = row["crc64_after_each"].as_array().unwrap();
        assert_eq!(chunks.len(), after.len());
        for (n, expected) in after.iter().enumerate() {
            let mut hasher = Hasher::new(Integrity::Crc);
            for chunk in &chunks[..=n] {
                hasher.update(&unhex(chunk.as_str().unwrap()));
            }
            assert_eq!(hasher.finish().crc64, expected.as_str().unwrap().parse().ok(), "{row}");
        }
    }
}

#[test]
fn of_two_pieces_joined() {
    for row in rows("combine").iter().chain(&rows("combine_far")) {
        let joined = crc(row, "crc_a").followed_by(crc(row, "crc_b"), number(row, "len_b"));
        assert_eq!(joined, crc(row, "crc_ab"), "{row}");
        if let (Some(a), Some(b)) = (row["a_hex"].as_str(), row["b_hex"].as_str()) {
            assert_eq!(Crc64::of(&[unhex(a), unhex(b)].concat()), joined, "{row}");
        }
    }
}

#[test]
fn of_an_object_from_its_parts() {
    for row in rows("fold") {
        let bytes = lcg(number(&row, "lcg_seed"), number(&row, "total_len"));
        let mut whole = Crc64::EMPTY;
        let mut rest = bytes.as_slice();
        for part in row["parts"].as_array().unwrap() {
            let (body, behind) = rest.split_at(number(part, "size") as usize);
            rest = behind;
            assert_eq!(Crc64::of(body), crc(part, "crc64"), "{part}");
            let etag: ETag = text(part, "etag").parse().unwrap();
            assert_eq!(etag.as_md5(), Some(Md5::of(body)), "{part}");
            whole = whole.followed_by(crc(part, "crc64"), number(part, "size"));
        }
        assert!(rest.is_empty());
        assert_eq!(whole, crc(&row, "object_crc64"), "{row}");
        assert_eq!(whole, Crc64::of(&bytes));
    }
}
