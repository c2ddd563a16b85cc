//! The journal: how a record is written as lines, and read back from whatever a crash has left of them.
//!
//! Each line is the CRC-64/XZ of its text as 16 hexadecimal digits, a blank, the text (a JSON object), and a line feed.
//! Lines are only ever appended. Every line is a fact that stays true, so one that is lost costs what it said and
//! nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Checkpoint, Header, RecordedPart, Unreadable};
use crate::digest::Crc64;
use crate::part::{ETag, PartNumber, UploadId};

/// The version of the format that is written, and the newest that is read.
pub const FORMAT: u64 = 1;

/// The longest record that is read, in bytes. That of an upload with 10,000 parts has under 2 MiB.
pub const MAX_LEN: usize = 64 * 1024 * 1024;

/// The longest line that is read, in bytes. A header with the longest key and the longest name of a source, both
/// escaped, is under 32 KiB.
const MAX_LINE: usize = 64 * 1024;

/// A line of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Begin(Begin),
    /// The server gave this upload id.
    Upload(UploadId),
    /// A part is on the server. A later line for the same part replaces an earlier one.
    Part(PartLine),
    /// From here on Complete may have been sent.
    Sealed {},
    /// From here on the upload is to be discarded.
    Discarding {},
}

/// The first line: format and header.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// The version of the format.
    pub format: u64,
    /// What the upload was begun with.
    #[serde(flatten)]
    pub header: Header,
}

/// A finished part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartLine {
    /// Its number.
    pub n: PartNumber,
    /// The ETag that the server gave.
    pub etag: ETag,
    /// The CRC-64 of the local bytes that were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64: Option<Crc64>,
}

impl Line {
    /// The first line of a record.
    #[must_use]
    pub fn begin(header: Header) -> Self {
        Self::Begin(Begin { format: FORMAT, header })
    }

    /// The line that remembers a part.
    #[must_use]
    pub fn part(n: PartNumber, part: &RecordedPart) -> Self {
        Self::Part(PartLine { n, etag: part.etag.clone(), crc64: part.crc64 })
    }

    /// Writes the line behind what `journal` already has.
    pub fn write_to(&self, journal: &mut Vec<u8>) {
        // Serializing into memory fails only for maps with keys that are no strings; there are none.
        let text = serde_json::to_string(self).unwrap_or_default();
        journal.extend_from_slice(format!("{:016x} {text}\n", Crc64::of(text.as_bytes()).value()).as_bytes());
    }

    fn read(line: &[u8]) -> Option<Self> {
        let text = checked(line)?;
        serde_json::from_slice(text).ok()
    }
}

/// The text of a line whose check value is right.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (check, rest) = line.split_at_checked(16)?;
    let text = rest.strip_prefix(b" ")?;
    let lower_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    if text.len() > MAX_LINE || !check.iter().all(lower_hex) {
        return None;
    }
    let value = u64::from_str_radix(std::str::from_utf8(check).ok()?, 16).ok()?;
    (Crc64::of(text) == Crc64::from_value(value)).then_some(text)
}

/// The format that a first line claims, also when the rest of it is unknown to this version.
fn claimed_format(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Claim {
        begin: Format,
    }
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    serde_json::from_slice::<Claim>(checked(line)?).ok().map(|claim| claim.begin.format)
}

/// Reads a record.
///
/// A line that is damaged, or of a kind this version does not know, is passed over. A damaged line may have been any
/// line, so the record is then taken to be sealed: the only fact whose loss could lead to a wrong conclusion. A last line
/// without its line feed is not damaged: it was never written to its end, and nothing relied on it.
///
/// # Errors
/// Nothing can be learnt: the first line is missing, damaged, or of a newer format, or the record is too long.
pub fn read(journal: &[u8]) -> Result<Checkpoint, Unreadable> {
    if journal.len() > MAX_LEN {
        return Err(Unreadable::TooLong);
    }
    if journal.is_empty() {
        return Err(Unreadable::Empty);
    }
    let mut lines = journal.split_inclusive(|b| *b == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let first = lines.next().unwrap_or_default();
    let header = match (Line::read(first), claimed_format(first)) {
        (Some(Line::Begin(begin)), _) if begin.format <= FORMAT => begin.header,
        (_, Some(found)) if found > FORMAT => return Err(Unreadable::NewerFormat { found }),
        _ => return Err(Unreadable::Damaged),
    };
    let mut checkpoint = Checkpoint {
        header,
        upload_id: None,
        parts: BTreeMap::new(),
        sealed: false,
        discarding: false,
        damaged_lines: 0,
        torn: !journal.ends_with(b"\n"),
    };
    for line in lines {
        match Line::read(line) {
            Some(line) => checkpoint.learn(line),
            None if checked(line).is_some() => {}
            None => checkpoint.damaged_lines += 1,
        }
    }
    checkpoint.sealed |= checkpoint.damaged_lines > 0;
    Ok(checkpoint)
}

/// The upload id in a record that cannot be read as a whole, if the line that has it is undamaged.
#[must_use]
pub fn salvage(journal: &[u8]) -> Option<UploadId> {
    let lines = journal.get(..MAX_LEN).unwrap_or(journal).split(|b| *b == b'\n');
    lines.filter_map(Line::read).find_map(|line| match line {
        Line::Upload(id) => Some(id),
        _ => None,
    })
}

impl Checkpoint {
    fn learn(&mut self, line: Line) {
        match line {
            Line::Begin(_) => {}
            Line::Upload(id) => self.upload_id = Some(id),
            Line::Part(part) => {
                self.parts.insert(part.n, RecordedPart { etag: part.etag, crc64: part.crc64 });
            }
            Line::Sealed {} => self.sealed = true,
            Line::Discarding {} => self.discarding = true,
        }
    }

    /// The whole record as a journal.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut journal = Vec::new();
        Line::begin(self.header.clone()).write_to(&mut journal);
        if let Some(id) = &self.upload_id {
            Line::Upload(id.clone()).write_to(&mut journal);
        }
        for (n, part) in &self.parts {
            Line::part(*n, part).write_to(&mut journal);
        }
        if self.sealed {
            Line::Sealed {}.write_to(&mut journal);
        }
        if self.discarding {
            Line::Discarding {}.write_to(&mut journal);
        }
        journal
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checkpoint::SourceIdentity;

    fn header() -> impl Strategy<Value = Header> {
        (any::<String>(), "[a-z]{3,9}", "\\PC{1,40}", any::<u64>(), any::<Option<i64>>(), any::<i64>())
            .prop_map(|(destination, bucket, key, len, modified_ns, begun)| Header {
                destination,
                bucket,
                key,
                options: "0123".into(),
                attributes: BTreeMap::from([("sequential".into(), "0f".into())]),
                source: SourceIdentity { modified_ns, ..SourceIdentity::of_len(len) },
                source_name: modified_ns.map(|ns| format!("/data/{ns}")),
                part_size: 102_400,
                begun,
            })
    }

    fn checkpoint() -> impl Strategy<Value = Checkpoint> {
        let part = ("\"[0-9A-F]{32}\"", any::<Option<u64>>()).prop_map(|(etag, crc)| RecordedPart {
            etag: etag.parse().unwrap(),
            crc64: crc.map(Crc64::from_value),
        });
        let number = (1..=10_000_u16).prop_map(|n| PartNumber::new(n).unwrap());
        let parts = prop::collection::btree_map(number, part, 0..12);
        (header(), prop::option::of("[0-9A-F]{32}"), parts, any::<bool>(), any::<bool>()).prop_map(
            |(header, id, parts, sealed, discarding)| Checkpoint {
                header,
                upload_id: id.map(|id| id.parse().unwrap()),
                parts,
                sealed,
                discarding,
                damaged_lines: 0,
                torn: false,
            },
        )
    }

    /// Whether nothing in `read` was never written.
    fn is_older_state(read: &Checkpoint, written: &Checkpoint) -> bool {
        read.header == written.header
            && (read.upload_id.is_none() || read.upload_id == written.upload_id)
            && read.parts.iter().all(|(n, part)| written.parts.get(n) == Some(part))
            && (!read.discarding || written.discarding)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(checkpoint in checkpoint()) {
            prop_assert_eq!(read(&checkpoint.write()), Ok(checkpoint));
        }

        #[test]
        fn any_prefix_is_an_older_state_or_a_named_error(checkpoint in checkpoint(), cut in any::<prop::sample::Index>()) {
            let journal = checkpoint.write();
            match read(&journal[..cut.index(journal.len())]) {
                Ok(found) => {
                    prop_assert!(is_older_state(&found, &checkpoint));
                    prop_assert!(!found.sealed || checkpoint.sealed);
                    prop_assert_eq!(found.damaged_lines, 0);
                }
                // The first line is written in one step with its name, so a crash does not cut it.
                Err(error) => prop_assert!(matches!(error, Unreadable::Empty | Unreadable::Damaged)),
            }
        }

        #[test]
        fn any_changed_byte_is_an_older_state_or_a_named_error(
            checkpoint in checkpoint(),
            at in any::<prop::sample::Index>(),
            flip in 1..=255_u8,
        ) {
            let mut journal = checkpoint.write();
            let at = at.index(journal.len());
            journal[at] ^= flip;
            match read(&journal) {
                Ok(found) => {
                    prop_assert!(is_older_state(&found, &checkpoint));
                    // What the damaged line may have said is assumed, unless it looks like one that was never finished.
                    prop_assert!(found.sealed || !checkpoint.sealed || found.torn);
                    prop_assert_eq!(found.torn, at == journal.len() - 1);
                }
                Err(error) => prop_assert!(matches!(error, Unreadable::Damaged)),
            }
        }

        #[test]
        fn anything_at_all_can_be_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }

    fn written(text: &str) -> String {
        format!("{:016x} {text}\n", Crc64::of(text.as_bytes()).value())
    }

    #[test]
    fn a_newer_format_is_named() {
        let header = |format| {
            format!(
                r#"{{"begin":{{"format":{format},"destination":"h","bucket":"b","key":"k","options":"","source":{{"len":1}},"part_size":102400,"begun":0}}}}"#
            )
        };
        assert_eq!(read(written(&header(FORMAT)).as_bytes()).unwrap().header.key, "k");
        let found = FORMAT + 1;
        assert_eq!(read(written(&header(found)).as_bytes()), Err(Unreadable::NewerFormat { found }));
        let unknown = r#"{"begin":{"format":7,"what":"ever"}}"#;
        assert_eq!(read(written(unknown).as_bytes()), Err(Unreadable::NewerFormat { found: 7 }));
        let incomplete = r#"{"begin":{"format":1,"what":"ever"}}"#;
        assert_eq!(read(written(incomplete).as_bytes()), Err(Unreadable::Damaged));
    }

    #[test]
    fn damaged_lines_are_counted_and_may_have_been_any_line() {
        let mut journal = b"0123456789abcdef {}\n".to_vec();
        journal.splice(0..0, record());
        for damaged_lines in 1..=3 {
            let found = read(&journal).unwrap();
            assert_eq!((found.damaged_lines, found.sealed, found.torn), (damaged_lines, true, false));
            journal.extend(b"what is this\n");
        }
        journal.extend(b"0123456789abcdef {\"sea");
        let found = read(&journal).unwrap();
        assert_eq!((found.damaged_lines, found.torn), (4, true));
        let torn = [record(), b"0123456789abcdef {\"sea".to_vec()].concat();
        let found = read(&torn).unwrap();
        assert_eq!((found.damaged_lines, found.sealed, found.torn), (0, false, true));
    }

    #[test]
    fn of_a_record_whose_first_line_is_damaged_the_upload_id_is_saved() {
        let mut journal = record();
        Line::Upload("ABC".parse().unwrap()).write_to(&mut journal);
        journal[20] ^= 1;
        assert_eq!(read(&journal), Err(Unreadable::Damaged));
        assert_eq!(salvage(&journal).as_ref().map(UploadId::as_str), Some("ABC"));
        let last = journal.len() - 3;
        journal[last] ^= 1;
        assert_eq!((salvage(&journal), salvage(b"")), (None, None));
    }

    #[test]
    fn check_values_are_written_in_one_way_only() {
        let line = written("{}");
        assert!(checked(line.trim_end().as_bytes()).is_some());
        assert!(checked(line.trim_end().to_uppercase().as_bytes()).is_none());
        let signed = format!("+{}", &line[1..]);
        assert!(checked(signed.trim_end().as_bytes()).is_none());
    }

    #[test]
    fn lines_and_records_are_read_up_to_their_limits_and_no_further() {
        let text = |len: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(len - 8));
        let line = |len| written(&text(len)).trim_end().as_bytes().to_vec();
        assert!(checked(&line(MAX_LINE)).is_some_and(|text| text.len() == 65_536));
        assert!(checked(&line(MAX_LINE + 1)).is_none());
        let mut journal = record();
        journal.resize(64 << 20, b'\n');
        assert!(read(&journal).is_ok());
        journal.push(b'\n');
        assert_eq!(read(&journal), Err(Unreadable::TooLong));
    }

    /// A record of an upload that has just begun.
    fn record() -> Vec<u8> {
        let header = Header {
            destination: "host".into(),
            bucket: "b".into(),
            key: "k".into(),
            options: String::new(),
            attributes: BTreeMap::new(),
            source: SourceIdentity::of_len(1),
            source_name: None,
            part_size: 102_400,
            begun: 0,
        };
        let mut journal = Vec::new();
        Line::begin(header).write_to(&mut journal);
        journal
    }

    #[test]
    fn a_line_of_an_unknown_kind_is_passed_over_and_is_not_damage() {
        let mut journal = record();
        journal.extend(written(r#"{"weather":"fine"}"#).bytes());
        Line::Discarding {}.write_to(&mut journal);
        let found = read(&journal).unwrap();
        assert_eq!((found.damaged_lines, found.sealed, found.discarding), (0, false, true));
    }

    #[test]
    fn ten_thousand_parts_fit_in_two_mebibytes() {
        let part = RecordedPart {
            etag: "\"5D41402ABC4B2A76B9719D911017C592\"".parse().unwrap(),
            crc64: Some(Crc64::from_value(u64::MAX)),
        };
        let mut journal = Vec::new();
        for n in 1..=10_000 {
            Line::part(PartNumber::new(n).unwrap(), &part).write_to(&mut journal);
        }
        assert!(journal.len() < 2 * 1024 * 1024, "{} bytes", journal.len());
    }
}
