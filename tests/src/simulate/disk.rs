//! The disk that the record of the upload is on, and what a crash leaves of it.

use fastrand::Rng;
use ossup_core::checkpoint::{Checkpoint, journal};
use ossup_core::upload::{Durability, Write};

/// One record, and how much of it would survive the end of the machine.
#[derive(Debug, Default)]
pub struct Disk {
    record: Option<Vec<u8>>,
    synced: usize,
    /// Counts the times when the record was replaced as a whole.
    generation: u32,
    /// How many records were set aside.
    pub aside: u32,
    /// Bytes that were appended.
    pub appended: u64,
}

impl Disk {
    /// What a process reads.
    #[must_use]
    pub fn record(&self) -> Option<&[u8]> {
        self.record.as_deref()
    }

    /// What a process reads that begins. What it reads is durable from then on: it will rely on it.
    #[must_use]
    pub fn load(&mut self) -> Option<Vec<u8>> {
        let record = self.record.as_ref()?;
        self.synced = record.len();
        Some(record.clone())
    }

    /// What would be read after the end of the machine, if it can be read.
    #[must_use]
    pub fn durable(&self) -> Option<Checkpoint> {
        let record = self.record.as_ref()?;
        journal::read(record.get(..self.synced).unwrap_or(record)).ok()
    }

    /// What would be read after the end of the process, if it can be read.
    #[must_use]
    pub fn written(&self) -> Option<Checkpoint> {
        journal::read(self.record.as_ref()?).ok()
    }

    /// Changes when lines that were there may be gone.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Does a write as it is asked for; false if there is nothing to add to.
    pub fn apply(&mut self, write: &Write) -> bool {
        match write {
            Write::Replace(bytes) => self.replace(bytes.to_vec()),
            Write::Append(bytes, durability) => {
                let Some(record) = &mut self.record else { return false };
                record.extend_from_slice(bytes);
                self.appended += bytes.len() as u64;
                if *durability == Durability::Durable {
                    self.synced = record.len();
                }
            }
            _ => {
                self.record = None;
                self.generation += 1;
                self.aside += 1;
            }
        }
        true
    }

    /// Removes the record.
    pub fn forget(&mut self) {
        self.record = None;
        self.generation += 1;
    }

    /// A write that fails half way: the disk is full. Taking back what was written need not work either.
    pub fn apply_in_part(&mut self, write: &Write, rng: &mut Rng) {
        if let (Write::Append(bytes, _), Some(record)) = (write, &mut self.record) {
            record.extend_from_slice(&bytes[..rng.usize(..=bytes.len())]);
        }
    }

    /// A write during which the process dies.
    pub fn interrupt(&mut self, write: Option<&Write>, rng: &mut Rng) {
        match write {
            Some(write @ Write::Append(..)) => self.apply_in_part(write, rng),
            Some(write) if rng.bool() => {
                self.apply(write);
            }
            None if rng.bool() => self.forget(),
            _ => {}
        }
    }

    /// The machine dies: of what was not synced, nothing, some or all is there, and blocks of it may never have been
    /// written though later ones were.
    pub fn power_cut(&mut self, rng: &mut Rng) {
        let Some(record) = &mut self.record else { return };
        let loose = record.len() - self.synced.min(record.len());
        if loose > 0 {
            self.generation += 1;
            match rng.u8(..4) {
                0 => record.truncate(self.synced),
                1 => record.truncate(self.synced + rng.usize(..loose)),
                2 => {
                    let from = self.synced + rng.usize(..loose);
                    let to = rng.usize(from..record.len()) + 1;
                    record[from..to].fill(0);
                }
                _ => {}
            }
        }
        self.synced = record.len();
    }

    /// A byte of the record is changed where it lies.
    pub fn rot(&mut self, rng: &mut Rng) {
        if let Some(record) = self.record.as_mut().filter(|record| !record.is_empty()) {
            let at = rng.usize(..record.len());
            record[at] ^= rng.u8(1..);
            self.generation += 1;
        }
    }

    fn replace(&mut self, bytes: Vec<u8>) {
        self.synced = bytes.len();
        self.record = Some(bytes);
        self.generation += 1;
    }
}
