//! What a seed decides at the beginning: how large, with which policies, against which service, how much goes wrong.

use std::num::NonZeroU16;
use std::time::Duration;

use fastrand::Rng;
use ossup_core::callback::Callback;
use ossup_core::digest::Integrity;
use ossup_core::options::ObjectOptions;
use ossup_core::part::MIN_PART_SIZE;
use ossup_core::sign::SignatureVersion;
use ossup_core::upload::{Changed, Patience, Policy, Recheck, Recording, Resume, Unresumable};

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What everything follows from.
    pub seed: u64,
    /// How many bytes the source has at the beginning.
    pub len: u64,
    /// What the source says of itself.
    pub tells: Tells,
    /// The policies of the job.
    pub policy: Policy,
    /// Whether a checkpoint is kept.
    pub recording: Recording,
    /// The attributes of the object.
    pub options: ObjectOptions,
    /// Whom the service calls when the object is there.
    pub callback: Option<Callback>,
    /// Whether the application that is called answers.
    pub callback_fails: bool,
    /// The version of the signatures.
    pub version: SignatureVersion,
    /// How long temporary credentials last; none: they are permanent.
    pub sts: Option<Duration>,
    /// How the service differs from others.
    pub quirks: Quirks,
    /// Which check values the service computes.
    pub service_integrity: Integrity,
    /// How many steps things go wrong for.
    pub trouble: u32,
    /// How likely a request meets something on its way.
    pub fault_rate: f64,
    /// How likely a write fails.
    pub disk_rate: f64,
    /// How likely something befalls the world at a step.
    pub incident_rate: f64,
    /// What may befall it.
    pub perils: Perils,
}

/// What a source says of itself beside its length.
#[derive(Clone, Copy, Debug)]
pub struct Tells {
    /// When its bytes were changed.
    pub modified: bool,
    /// When anything about it was changed.
    pub changed: bool,
    /// Which file it is.
    pub file: bool,
}

/// How the service differs from others, from beginning to end.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Quirks {
    /// ListParts is denied.
    pub list_denied: bool,
    /// ListMultipartUploads is denied.
    pub uploads_denied: bool,
    /// HeadObject is denied.
    pub head_denied: bool,
    /// AbortMultipartUpload is denied.
    pub abort_denied: bool,
    /// HeadObject says no CRC-64.
    pub head_without_crc: bool,
    /// ListParts says no CRC-64.
    pub list_without_crc: bool,
}

/// What may befall a world.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Perils {
    /// Processes die.
    pub crashes: bool,
    /// The source is edited.
    pub edits: bool,
    /// The user cancels and pauses.
    pub user: bool,
    /// Uploads are deleted, parts replaced, objects put by others.
    pub others: bool,
    /// The local clock jumps.
    pub clock: bool,
    /// The record is damaged where it lies.
    pub rot: bool,
    /// A second process works on the same record, in spite of the lock.
    pub second: bool,
    /// Bytes arrive as others than were sent.
    pub corruption: bool,
}

impl Setting {
    /// What the seed decides.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x05_5097_51A0);
        let mut chance = |percent: u8| rng.u8(..100) < percent;
        let integrity = match (chance(20), chance(10)) {
            (true, _) => Integrity::Md5AndCrc,
            (false, true) => Integrity::None,
            (false, false) => Integrity::Crc,
        };
        let quirks = if chance(15) {
            Quirks {
                list_denied: chance(30),
                uploads_denied: chance(30),
                head_denied: chance(30),
                abort_denied: chance(20),
                head_without_crc: chance(30),
                list_without_crc: chance(30),
            }
        } else {
            Quirks::default()
        };
        // A service that computes no MD5 makes up its ETags: parts can then be told by their CRC-64 alone.
        let md5 = integrity != Integrity::Crc || quirks.list_without_crc || quirks.list_denied || chance(10);
        let perils = Perils {
            crashes: chance(60),
            edits: chance(25),
            user: chance(25),
            others: chance(20),
            clock: chance(20),
            rot: chance(6),
            second: chance(3),
            corruption: chance(30) && integrity != Integrity::None,
        };
        let recording = if chance(90) { Recording::Checkpoint } else { Recording::Nowhere };
        let sts = chance(25).then(|| Duration::from_secs(900));
        let version = if chance(90) { SignatureVersion::V4 } else { SignatureVersion::V1 };
        let callback_fails = chance(50);
        let callback = chance(4).then(callback);
        let options = options(&mut rng);
        let parts = parts(&mut rng, md5);
        let policy = policy(&mut rng, integrity);
        let short = rng.u64(1..=policy.part_size);
        let len = if rng.u8(..100) == 0 { 0 } else { (parts - 1) * policy.part_size + short };
        let troubled = rng.u8(..100) < 95;
        let rate =
            |rng: &mut Rng, rates: &[f64]| if troubled { rates[rng.usize(..rates.len())] } else { 0.0 };
        Self {
            seed,
            len,
            tells: Tells { modified: rng.u8(..100) < 95, changed: rng.u8(..100) < 80, file: rng.bool() },
            policy,
            recording,
            options,
            callback,
            callback_fails,
            version,
            sts,
            quirks,
            service_integrity: if md5 { Integrity::Md5AndCrc } else { Integrity::Crc },
            trouble: rng.u32(10..200) + rng.u32(0..=parts.min(2000) as u32 * 3),
            fault_rate: rate(&mut rng, &[0.0, 0.02, 0.1, 0.3, 0.6]),
            disk_rate: rate(&mut rng, &[0.0, 0.0, 0.02, 0.2]),
            incident_rate: rate(&mut rng, &[0.0, 0.01, 0.03, 0.1]),
            perils,
        }
    }
}

/// Most worlds are small, and a few as large as can be. An MD5 costs more than everything else that a world does.
fn parts(rng: &mut Rng, md5: bool) -> u64 {
    match rng.u32(..10_000) {
        0..2 if !md5 => 10_000,
        0..80 if !md5 => rng.u64(100..1000),
        80..1500 if !md5 => rng.u64(13..60),
        0..100 => rng.u64(5..30),
        _ if md5 => rng.u64(1..5),
        _ => rng.u64(1..13),
    }
}

fn policy(rng: &mut Rng, integrity: Integrity) -> Policy {
    let mut policy = Policy {
        part_size: MIN_PART_SIZE,
        parallel: NonZeroU16::new(rng.u16(1..=8)).unwrap_or(NonZeroU16::MIN),
        put_threshold: if rng.u8(..100) < 8 { 5 * MIN_PART_SIZE } else { 0 },
        integrity,
        ..Policy::default()
    };
    policy.resume = match rng.u8(..100) {
        0..5 => Resume::Never,
        5..15 => Resume::Adopt,
        _ => Resume::FromCheckpoint,
    };
    policy.unresumable = if rng.u8(..100) < 20 { Unresumable::Fail } else { Unresumable::Restart };
    policy.changed = match rng.u8(..100) {
        0..20 => Changed::Restart,
        20..35 => Changed::Fail,
        _ => Changed::KeepMatching,
    };
    policy.recheck = if rng.u8(..100) < 15 { Recheck::Always } else { Recheck::InDoubt };
    policy.retry.attempts = rng.u32(2..=10);
    policy.retry.budget = rng.u32(8..=100);
    if rng.u8(..100) < 10 {
        policy.retry.patience = Patience::UntilNetworkIsBack;
    }
    policy
}

fn options(rng: &mut Rng) -> ObjectOptions {
    let options = ObjectOptions::new();
    match rng.u8(..100) {
        0..4 => options.sequential(true),
        4..9 => options.complete_all(true),
        9..14 => options.forbid_overwrite(true),
        14..20 => options.clone().metadata("seed", "1").unwrap_or(options),
        _ => options,
    }
}

fn callback() -> Callback {
    Callback::new("http://127.0.0.1:1/done", "bucket=${bucket}&size=${size}")
        .unwrap_or_else(|_| unreachable!("a legal callback"))
}
