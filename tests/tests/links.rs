//! Links in virtual time: what adapting to them is worth.

use std::num::NonZeroU16;

use ossup_core::upload::Policy;
use ossup_tests::link::{Link, upload};

const MIB: u64 = 1 << 20;

/// Round trips of 1, 50 and 300 ms; 1 to 1000 Mbit/s.
fn links() -> impl Iterator<Item = Link> {
    [1, 50, 300]
        .into_iter()
        .flat_map(|millis| [1, 10, 100, 1000].into_iter().map(move |mbits| Link::new(millis, mbits)))
}

fn fixed(parallel: u16, part_size: u64) -> Policy {
    Policy { parallel: NonZeroU16::new(parallel).unwrap(), part_size, ..Policy::default() }
}

/// Over several seeds, where chance has a part in it.
fn seconds(link: Link, len: u64, policy: &Policy) -> f64 {
    let runs = match link {
        // Seldom, and dear.
        link if link.still > 0 => 60,
        link if link.broken > 0 => 10,
        _ => 1,
    };
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

fn seconds_of_adaptive(link: Link, mib: u64) -> f64 {
    seconds(link, mib * MIB, &Policy::adaptive(mib * MIB))
}

/// That the adaptive policy takes at most so many times what the best fixed setting takes.
fn near_the_best(link: Link, mib: u64, within: f64) {
    let (adaptive, best) = (seconds_of_adaptive(link, mib), best(link, mib * MIB));
    assert!(adaptive <= within * best, "{mib} MiB, {link:?}: {adaptive} s, at best {best} s");
}

/// That the adaptive policy takes at most so many times what the default takes.
fn as_good_as_the_default(link: Link, mib: u64, within: f64) {
    let (adaptive, default) = (seconds_of_adaptive(link, mib), seconds(link, mib * MIB, &Policy::default()));
    assert!(adaptive <= within * default, "{mib} MiB, {link:?}: {adaptive} s, by default {default} s");
}

#[test]
fn adapting_comes_near_the_best_fixed_setting_and_is_never_worse_than_the_default() {
    for mib in (16..=512).step_by(16).chain([24, 40, 72, 104, 328, 1024, 5120]) {
        for link in links() {
            for broken in [0, 20] {
                let link = Link { broken, ..link };
                near_the_best(link, mib, 1.1);
                as_good_as_the_default(link, mib, 1.01);
            }
        }
    }
}

#[test]
fn adapting_fills_a_link_of_which_one_connection_carries_little() {
    for mib in [24, 64, 104, 200, 328, 512, 1024, 5120] {
        for link in links() {
            for window in [MIB / 4, MIB, 4 * MIB] {
                let link = Link { window, ..link };
                as_good_as_the_default(link, mib, 1.02);
                if mib == 5120 {
                    near_the_best(link, mib, 1.15);
                }
            }
        }
    }
}

#[test]
fn parts_that_stand_still_do_not_make_adapting_worse_than_the_default() {
    for mib in [24, 64, 104, 200, 328, 512, 1024] {
        for link in links() {
            as_good_as_the_default(Link { still: 10, ..link }, mib, 1.02);
        }
    }
}

#[test]
fn a_server_that_refuses_what_is_too_much_for_it_costs_short_uploads_a_little_and_long_ones_nothing() {
    for mib in [24, 64, 104, 200, 328, 512, 1024, 5120] {
        for link in links() {
            for admits in [2, 4, 6, 10] {
                as_good_as_the_default(Link { admits, ..link }, mib, if mib < 200 { 1.25 } else { 1.01 });
            }
        }
    }
}

fn most_at_once(link: Link) -> usize {
    upload(link, 1024 * MIB, Policy::adaptive(1024 * MIB), 1).peak
}

#[test]
fn a_link_that_is_full_gets_no_more_parts_and_one_that_is_not_gets_them() {
    assert_eq!(most_at_once(Link::new(300, 1000)), 16);
    // Each connection carries 20 MB/s of 125.
    assert_eq!(most_at_once(Link { window: MIB, ..Link::new(50, 1000) }), 16);
    // Eight were tried.
    assert_eq!(most_at_once(Link::new(1, 10)), 8);
}

#[test]
fn an_hour_in_which_nothing_was_sent_says_nothing_of_the_link() {
    // With the eighth part it is tried to have eight in flight. They would seem to be slow.
    let link = Link { window: MIB, pause: Some(8), ..Link::new(50, 1000) };
    assert_eq!(most_at_once(link), 16);
}
