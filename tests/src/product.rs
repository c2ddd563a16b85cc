//! Worlds in which everything meets everything: axes of what may be and may go wrong, every two choices of two axes together in
//! some world. They are too many and too large to be searched whole in every run; walks go through them at random, by seed.

use fastrand::Rng;
use ossup_core::upload::{Cancel, Changed, Recording, Resume, Unresumable};

use crate::service::Quirks;
use crate::world::{Action, Foreign, Setting, World, describe};

/// A choice: its name, and what it changes.
type Choice = (&'static str, fn(&mut Setting));

/// What can be chosen, independently of each other.
const AXES: &[&[Choice]] = &[
    &[
        ("one part", |_| {}),
        ("two parts", |s| s.parts = 2),
        ("two in flight", |s| (s.parts, s.parallel) = (2, 2)),
        ("three parts", |s| (s.parts, s.parallel) = (3, 2)),
    ],
    &[("no fault", |_| {}), ("a fault", |s| s.faults = 1), ("two faults", |s| s.faults = 2)],
    &[("no crash", |_| {}), ("a crash", |s| s.crashes = 1), ("two crashes", |s| s.crashes = 2)],
    &[
        ("to the end", |_| {}),
        ("keep", |s| (s.cancel, s.reruns) = (Some(Cancel::Keep), 1)),
        ("discard", |s| s.cancel = Some(Cancel::Discard)),
    ],
    &[("no edit", |_| {}), ("an edit", |s| s.edits = 1), ("two edits", |s| s.edits = 2)],
    &[
        ("nobody else", |_| {}),
        ("uploads deleted", |s| s.foreign.push(Foreign::DeleteUploads)),
        ("an object put", |s| s.foreign.push(Foreign::PutObject)),
        ("an equal object put", |s| s.foreign.push(Foreign::PutEqual)),
        ("the object deleted", |s| s.foreign.push(Foreign::DeleteObject)),
        ("a part sent", |s| s.foreign.push(Foreign::Part)),
        ("completed by others", |s| s.foreign.push(Foreign::Complete)),
    ],
    &[
        ("plain", |_| {}),
        ("parts not listed", |s| s.quirks.list_denied = true),
        ("uploads not listed", |s| s.quirks.uploads_denied = true),
        ("nothing listed", |s| {
            s.quirks = Quirks { list_denied: true, uploads_denied: true, ..s.quirks };
        }),
        ("no HEAD", |s| s.quirks.head_denied = true),
        ("no CRC", |s| {
            s.quirks = Quirks { head_without_crc: true, list_without_crc: true, ..s.quirks };
        }),
        ("no part taken", |s| s.quirks.parts_denied = true),
        ("no Complete", |s| s.quirks.complete_denied = true),
        ("no Abort", |s| s.quirks.abort_denied = true),
        ("parts damaged", |s| s.quirks.parts_damaged = true),
        ("parts land late", |s| s.quirks.late_parts_stay = true),
        ("the callback fails", |s| s.quirks.callback_fails = true),
        ("made-up ETags", |s| s.quirks.opaque_etags = true),
    ],
    &[
        ("a checkpoint", |_| {}),
        ("no checkpoint", |s| s.recording = Recording::Nowhere),
        ("adopting", |s| (s.recording, s.policy.resume) = (Recording::Nowhere, Resume::Adopt)),
        ("a checkpoint, adopting", |s| s.policy.resume = Resume::Adopt),
        ("changed: restart", |s| s.policy.changed = Changed::Restart),
        ("changed: fail", |s| s.policy.changed = Changed::Fail),
        ("unresumable: fail", |s| s.policy.unresumable = Unresumable::Fail),
        ("never resumed", |s| s.policy.resume = Resume::Never),
    ],
    &[("overwriting", |_| {}), ("overwriting forbidden", |s| s.forbid_overwrite = true)],
    &[("many attempts", |_| {}), ("two attempts", |s| s.policy.retry.attempts = 2)],
    &[("good credentials", |_| {}), ("credentials expire", |s| s.expiries = 1)],
];

/// Worlds, by their choices, such that every two choices of two axes are together in one of them.
#[must_use]
pub fn pairs() -> Vec<(String, Setting)> {
    let mut rng = Rng::with_seed(1);
    let mut open: Vec<[(usize, usize); 2]> = Vec::new();
    for (a, first) in AXES.iter().enumerate() {
        for (b, second) in AXES.iter().enumerate().skip(a + 1) {
            open.extend((0..first.len()).flat_map(|i| (0..second.len()).map(move |j| [(a, i), (b, j)])));
        }
    }
    let mut worlds = Vec::new();
    while let Some(pair) = open.first().copied() {
        // Of some chosen at random that have this pair, the one that has most of the others.
        let candidate = |rng: &mut Rng| {
            let mut choices: Vec<usize> = AXES.iter().map(|axis| rng.usize(..axis.len())).collect();
            for (axis, choice) in pair {
                choices[axis] = choice;
            }
            choices
        };
        let has = |choices: &[usize], pair: &[(usize, usize); 2]| {
            pair.iter().all(|(axis, choice)| choices[*axis] == *choice)
        };
        let count = |choices: &Vec<usize>| open.iter().filter(|pair| has(choices, pair)).count();
        let candidates: Vec<_> = (0..50).map(|_| candidate(&mut rng)).collect();
        let Some(choices) = candidates.into_iter().max_by_key(count) else { break };
        open.retain(|pair| !has(&choices, pair));
        worlds.push(world(&choices));
    }
    worlds
}

fn world(choices: &[usize]) -> (String, Setting) {
    let mut setting = Setting::calm(1, 1);
    let mut names = Vec::new();
    for (axis, choice) in AXES.iter().zip(choices) {
        let (name, change) = axis[*choice];
        change(&mut setting);
        if *choice > 0 {
            names.push(name);
        }
    }
    (names.join(", "), setting)
}

/// Steps after which a world that has not come to its end never will.
const MANY: usize = 5_000;

/// Goes through a world once, as the seed says.
///
/// # Errors
/// Something happened that must not, with the steps that led there.
pub fn walk(setting: &Setting, seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let mut world = World::new(setting);
    let mut taken = Vec::new();
    let what = loop {
        if world.is_stuck() {
            break format!("stuck at {:?}", world.goal());
        }
        let actions = world.actions();
        if actions.is_empty() {
            return Ok(());
        }
        // Most things go well, or nothing would ever come to its end.
        let plain: Vec<_> =
            actions.iter().filter(|action| matches!(action, Action::Turn | Action::Do(_))).collect();
        let action = if plain.is_empty() || rng.u8(..6) == 0 {
            actions[rng.usize(..actions.len())]
        } else {
            *plain[rng.usize(..plain.len())]
        };
        taken.push(action);
        if let Err(what) = world.take(setting, action) {
            break what;
        }
        if taken.len() > MANY {
            break format!("it goes on for ever, at {:?}", world.goal());
        }
    };
    let mut world = World::new(setting);
    let mut text = vec![what];
    for (n, action) in taken.into_iter().enumerate() {
        text.push(format!("{:4}. {}", n + 1, describe(&world, action)));
        let _ = world.take(setting, action);
    }
    Err(text.join("\n"))
}
