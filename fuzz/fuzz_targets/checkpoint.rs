//! Invariant: reading a journal never panics, and what was read, written again, is read the same.
//!
//! Inputs are run as they are, and once more with the right check value before each line, to get behind the check.

#![cfg_attr(fuzzing, no_main)]

use ossup_core::checkpoint::journal;
use ossup_core::digest::Crc64;

ossup_fuzz::target!(target);

fn target(data: &[u8]) {
    read_and_write(data);
    let mut checked = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        checked.extend_from_slice(format!("{:016x} ", Crc64::of(line).value()).as_bytes());
        checked.extend_from_slice(line);
        checked.push(b'\n');
    }
    read_and_write(&checked);
}

fn read_and_write(data: &[u8]) {
    let Ok(found) = journal::read(data) else { return };
    assert!(found.sealed || found.damaged_lines == 0, "damage that is not taken for the worst");
    // Damage is passed over, and a torn line is left behind: what remains is whole.
    let mut whole = found;
    (whole.damaged_lines, whole.torn) = (0, false);
    assert_eq!(journal::read(&whole.write()), Ok(whole));
}
