//! Links in virtual time: what adapting to them is worth.

use std::num::NonZeroU16;
use std::time::Duration;

use ossup_core::upload::Policy;
use ossup_tests::link::{Link, upload};

const MIB: u64 = 1 << 20;

fn links() -> impl Iterator<Item = Link> {
    [1, 50, 300].into_iter().flat_map(|millis| {
        [1, 10, 100, 1000].into_iter().flat_map(move |mbits| {
            [0, 20].into_iter().map(move |broken| Link {
                trip: Duration::from_millis(millis),
                bits: mbits * 1_000_000,
                broken,
            })
        })
    })
}

fn fixed(parallel: u16, part_size: u64) -> Policy {
    Policy { parallel: NonZeroU16::new(parallel).unwrap(), part_size, ..Policy::default() }
}

/// Over several seeds, since parts break by chance.
fn seconds(link: Link, len: u64, policy: &Policy) -> f64 {
    let runs = if link.broken > 0 { 10 } else { 2 };
    (0..runs).map(|seed| upload(link, len, policy.clone(), seed).time.as_secs_f64()).sum::<f64>()
        / f64::from(runs as u32)
}

/// The least time that any fixed setting takes.
fn best(link: Link, len: u64) -> f64 {
    let settings = [1, 2, 4, 8, 16]
        .into_iter()
        .flat_map(|parallel| [4, 8, 16, 64].into_iter().map(move |mib| fixed(parallel, mib * MIB)));
    settings.map(|policy| seconds(link, len, &policy)).fold(f64::INFINITY, f64::min)
}

#[test]
fn adapting_comes_near_the_best_fixed_setting_and_is_never_worse_than_the_default() {
    // An upload of four seconds is over before much is found out.
    for (len, within) in [(64 * MIB, 1.1), (256 * MIB, 1.12), (1024 * MIB, 1.1)] {
        for link in links() {
            let adaptive = seconds(link, len, &Policy::adaptive(len));
            let (best, default) = (best(link, len), seconds(link, len, &Policy::default()));
            assert!(adaptive <= within * best, "{len} bytes, {link:?}: {adaptive} s, at best {best} s");
            assert!(
                adaptive <= 1.01 * default,
                "{len} bytes, {link:?}: {adaptive} s, by default {default} s"
            );
        }
    }
}

#[test]
fn a_link_that_is_full_gets_no_more_parts_and_one_that_is_not_gets_them() {
    let link =
        |millis, mbits: u64| Link { trip: Duration::from_millis(millis), bits: mbits * 1_000_000, broken: 0 };
    let parts_at_once = |link| upload(link, 1024 * MIB, Policy::adaptive(1024 * MIB), 1).peak;
    assert_eq!(parts_at_once(link(300, 1000)), 16);
    // Eight were tried.
    assert_eq!(parts_at_once(link(1, 10)), 8);
}
