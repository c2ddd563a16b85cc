//! The worlds that are searched: small ones in every run of the tests, large ones by `explore`.

use std::time::Duration;

use ossup_core::upload::{Cancel, Changed, Patience, Recording, Resume, Unresumable};

use crate::service::Quirks;
use crate::world::{Foreign, Setting};

/// A world and its name.
pub type Named = (String, Setting);

/// Worlds of a few thousand states.
#[must_use]
pub fn small() -> Vec<Named> {
    let calm = Setting::calm;
    let mut worlds = vec![
        ("calm", calm(3, 3)),
        ("two faults", Setting { faults: 2, ..calm(2, 1) }),
        ("one fault, two in flight", Setting { faults: 1, ..calm(2, 2) }),
        ("a fault and a crash", Setting { faults: 1, crashes: 1, ..calm(2, 1) }),
        ("two crashes", Setting { crashes: 2, ..calm(2, 1) }),
        ("a crash, two in flight", Setting { crashes: 1, ..calm(2, 2) }),
        ("no checkpoint, a fault", Setting { faults: 1, recording: Recording::Nowhere, ..calm(2, 2) }),
        ("no checkpoint, two faults", Setting { faults: 2, recording: Recording::Nowhere, ..calm(1, 1) }),
        (
            "keep, a fault, run again",
            Setting { faults: 1, reruns: 1, cancel: Some(Cancel::Keep), ..calm(2, 1) },
        ),
        ("discard, a fault", Setting { faults: 1, cancel: Some(Cancel::Discard), ..calm(2, 2) }),
        (
            "discard, a fault, a crash",
            Setting { faults: 1, crashes: 1, cancel: Some(Cancel::Discard), ..calm(1, 1) },
        ),
        (
            "keep without a checkpoint",
            Setting { cancel: Some(Cancel::Keep), recording: Recording::Nowhere, ..calm(2, 2) },
        ),
        (
            "discard without a checkpoint",
            Setting { cancel: Some(Cancel::Discard), recording: Recording::Nowhere, ..calm(2, 2) },
        ),
        ("two edits", Setting { edits: 2, ..calm(2, 1) }),
        ("an edit and a fault", Setting { edits: 1, faults: 1, ..calm(2, 1) }),
        ("an edit and a crash", Setting { edits: 1, crashes: 1, ..calm(2, 1) }),
        // Once made an object of two states in the run after the one that had seen the edit.
        (
            "an unseen edit, a fault, a crash",
            Setting { unseen_edits: 1, faults: 1, crashes: 1, ..calm(2, 1) },
        ),
        // Once rejected an upload that it had recovered itself, when its parts were listed for a repair.
        ("one part, an edit, a fault, a crash", Setting { edits: 1, faults: 1, crashes: 1, ..calm(1, 1) }),
        (
            "others, a fault",
            Setting {
                faults: 1,
                foreign: vec![Foreign::DeleteUploads, Foreign::PutObject, Foreign::DeleteObject],
                ..calm(1, 1)
            },
        ),
        (
            "others, a crash",
            Setting { crashes: 1, foreign: vec![Foreign::DeleteUploads, Foreign::PutObject], ..calm(2, 1) },
        ),
    ];
    worlds.extend(intruded());
    worlds.extend(held_up());
    worlds.extend(quirky());
    worlds.extend(policies());
    worlds.extend(found());
    named(worlds)
}

fn intruded() -> Vec<(&'static str, Setting)> {
    let calm = Setting::calm;
    let part = || Setting { foreign: vec![Foreign::Part], ..calm(2, 1) };
    let made_up = Quirks { opaque_etags: true, ..Quirks::default() };
    vec![
        ("somebody sends a part, a crash", Setting { crashes: 1, ..part() }),
        ("somebody sends a part, made-up ETags", Setting { quirks: made_up, ..part() }),
        (
            "somebody completes it, a fault",
            Setting { faults: 1, foreign: vec![Foreign::Complete], ..calm(2, 1) },
        ),
    ]
}

fn held_up() -> Vec<(&'static str, Setting)> {
    let calm = Setting::calm;
    let attempts = |attempts, mut setting: Setting| {
        setting.policy.retry.attempts = attempts;
        setting
    };
    let expiring = |expiries, setting| Setting { expiries, ..setting };
    vec![
        ("credentials expire, two in flight", expiring(1, calm(2, 2))),
        ("credentials expire twice", expiring(2, calm(1, 1))),
        ("credentials expire, a fault", expiring(1, Setting { faults: 1, ..calm(1, 1) })),
        ("credentials expire, a crash", expiring(1, Setting { crashes: 1, ..calm(1, 1) })),
        ("credentials expire, keep", expiring(1, Setting { cancel: Some(Cancel::Keep), ..calm(1, 1) })),
        ("credentials expire, discard", expiring(1, Setting { cancel: Some(Cancel::Discard), ..calm(1, 1) })),
        ("the clock is refused, two in flight", expiring(1, Setting { skewed: true, ..calm(2, 2) })),
        ("two attempts, two faults", attempts(2, Setting { faults: 2, ..calm(1, 1) })),
        ("two attempts, two faults, two parts", attempts(2, Setting { faults: 2, ..calm(2, 1) })),
        ("three attempts, three faults", attempts(3, Setting { faults: 3, ..calm(1, 1) })),
        (
            "two attempts, two faults, discard",
            attempts(2, Setting { faults: 2, cancel: Some(Cancel::Discard), ..calm(1, 1) }),
        ),
        ("answers given twice, a fault", Setting { misused: true, faults: 1, ..calm(2, 2) }),
        (
            "answers given twice, discard",
            Setting { misused: true, cancel: Some(Cancel::Discard), ..calm(2, 1) },
        ),
    ]
}

fn quirky() -> Vec<(&'static str, Setting)> {
    let troubled = |quirks| Setting { faults: 1, crashes: 1, quirks, ..Setting::calm(1, 1) };
    let edited = |quirks| Setting { edits: 1, crashes: 1, quirks, ..Setting::calm(2, 1) };
    let none = Quirks::default();
    vec![
        ("listing denied", troubled(Quirks { list_denied: true, ..none })),
        ("listing denied, an edit", edited(Quirks { list_denied: true, ..none })),
        ("listing without CRC, an edit", edited(Quirks { list_without_crc: true, ..none })),
        ("HEAD denied", troubled(Quirks { head_denied: true, ..none })),
        ("HEAD without CRC", troubled(Quirks { head_without_crc: true, ..none })),
        ("parts denied", troubled(Quirks { parts_denied: true, ..none })),
        ("Complete denied", troubled(Quirks { complete_denied: true, ..none })),
        (
            "Abort denied, discard",
            Setting { cancel: Some(Cancel::Discard), ..troubled(Quirks { abort_denied: true, ..none }) },
        ),
        ("parts damaged", troubled(Quirks { parts_damaged: true, ..none })),
        ("listing of uploads denied", troubled(Quirks { uploads_denied: true, ..none })),
        ("the callback fails", troubled(Quirks { callback_fails: true, ..none })),
        (
            "parts land after the abort",
            Setting {
                faults: 1,
                cancel: Some(Cancel::Discard),
                quirks: Quirks { late_parts_stay: true, ..none },
                ..Setting::calm(2, 1)
            },
        ),
    ]
}

fn policies() -> Vec<(&'static str, Setting)> {
    let with = |mut setting: Setting, change: fn(&mut Setting)| {
        change(&mut setting);
        setting
    };
    let calm = Setting::calm;
    let edited = || Setting { edits: 1, crashes: 1, ..calm(2, 1) };
    let deleted = || Setting { crashes: 1, foreign: vec![Foreign::DeleteUploads], ..calm(2, 1) };
    let adopting = |s: &mut Setting| {
        s.recording = Recording::Nowhere;
        s.policy.resume = Resume::Adopt;
    };
    let in_one_request = |s: &mut Setting| s.policy.put_threshold = u64::MAX;
    let once = |s: &mut Setting| {
        s.policy.retry.attempts = 1;
        s.policy.retry.patience = Patience::Limited(Duration::ZERO);
    };
    vec![
        ("changed: restart", with(edited(), |s| s.policy.changed = Changed::Restart)),
        ("changed: fail", with(edited(), |s| s.policy.changed = Changed::Fail)),
        ("unresumable: fail", with(deleted(), |s| s.policy.unresumable = Unresumable::Fail)),
        (
            "resume: never",
            with(deleted(), |s| {
                s.policy.resume = Resume::Never;
                s.policy.unresumable = Unresumable::Fail;
            }),
        ),
        ("adopt, a fault", with(Setting { faults: 1, reruns: 1, ..calm(2, 1) }, adopting)),
        ("adopt, a crash", with(Setting { crashes: 1, ..calm(2, 1) }, adopting)),
        ("adopt, an edit", with(edited(), adopting)),
        ("put, two faults", with(Setting { faults: 2, ..calm(1, 1) }, in_one_request)),
        (
            "put, a fault, an edit, a crash",
            with(Setting { faults: 1, edits: 1, crashes: 1, ..calm(1, 1) }, in_one_request),
        ),
        (
            "put, a fault, keep",
            with(Setting { faults: 1, cancel: Some(Cancel::Keep), ..calm(1, 1) }, in_one_request),
        ),
        (
            "put, a fault, discard",
            with(Setting { faults: 1, cancel: Some(Cancel::Discard), ..calm(1, 1) }, in_one_request),
        ),
        ("overwriting forbidden, two faults", Setting { faults: 2, forbid_overwrite: true, ..calm(1, 1) }),
        (
            "overwriting forbidden, others, a crash",
            Setting { crashes: 1, forbid_overwrite: true, foreign: vec![Foreign::PutObject], ..calm(1, 1) },
        ),
        (
            "overwriting forbidden, an equal object, a fault, a crash",
            Setting {
                faults: 1,
                crashes: 1,
                forbid_overwrite: true,
                foreign: vec![Foreign::PutEqual],
                ..calm(1, 1)
            },
        ),
        // Once asked about its object for ever.
        (
            "overwriting forbidden, put, two faults, an edit",
            with(Setting { faults: 2, edits: 1, forbid_overwrite: true, ..calm(1, 1) }, in_one_request),
        ),
        (
            "overwriting forbidden, put, a fault, discard",
            with(
                Setting { faults: 1, forbid_overwrite: true, cancel: Some(Cancel::Discard), ..calm(1, 1) },
                in_one_request,
            ),
        ),
        ("one attempt", with(Setting { faults: 2, ..calm(1, 1) }, once)),
        (
            "one attempt, no checkpoint",
            with(Setting { faults: 2, recording: Recording::Nowhere, ..calm(1, 1) }, once),
        ),
    ]
}

fn found() -> Vec<(&'static str, Setting)> {
    let calm = Setting::calm;
    let strangers = |change: fn(&mut Setting)| {
        let mut setting = Setting {
            faults: 1,
            reruns: 1,
            cancel: Some(Cancel::Keep),
            foreign: vec![Foreign::BeginUpload],
            ..calm(1, 1)
        };
        setting.policy.retry.attempts = 1;
        change(&mut setting);
        setting
    };
    let mut adopting = Setting { crashes: 1, rots: true, ..calm(2, 1) };
    adopting.policy.resume = Resume::Adopt;
    vec![
        // Once took the stranger's for its own when it could not see its parts.
        ("a stranger's upload, a fault, keep, run again", strangers(|_| {})),
        (
            "adopt, a stranger's upload, a fault, keep, run again",
            strangers(|s| s.policy.resume = Resume::Adopt),
        ),
        (
            "a stranger's upload, no checkpoint, a fault",
            strangers(|s| {
                s.recording = Recording::Nowhere;
                s.policy.retry.attempts = 2;
            }),
        ),
        ("a damaged checkpoint", Setting { crashes: 1, rots: true, ..calm(2, 1) }),
        ("a damaged checkpoint, adopt", adopting),
    ]
}

/// Worlds of up to some million states.
#[must_use]
pub fn large() -> Vec<Named> {
    let calm = Setting::calm;
    let everybody = vec![Foreign::DeleteUploads, Foreign::PutObject, Foreign::DeleteObject];
    named(vec![
        ("three parts, two faults", Setting { faults: 2, ..calm(3, 2) }),
        ("three parts, three in flight, a fault, a crash", Setting { faults: 1, crashes: 1, ..calm(3, 3) }),
        ("two faults, two crashes", Setting { faults: 2, crashes: 2, ..calm(1, 1) }),
        ("two faults, discard", Setting { faults: 2, cancel: Some(Cancel::Discard), ..calm(2, 2) }),
        (
            "a fault, a crash, keep, run again",
            Setting { faults: 1, crashes: 1, reruns: 1, cancel: Some(Cancel::Keep), ..calm(2, 2) },
        ),
        ("two edits, a crash", Setting { edits: 2, crashes: 1, ..calm(2, 2) }),
        ("an edit, a fault, a crash", Setting { edits: 1, faults: 1, crashes: 1, ..calm(2, 1) }),
        ("others, a fault, a crash", Setting { faults: 1, crashes: 1, foreign: everybody, ..calm(1, 1) }),
    ])
}

fn named(worlds: Vec<(&'static str, Setting)>) -> Vec<Named> {
    worlds.into_iter().map(|(name, setting)| (name.to_owned(), setting)).collect()
}
