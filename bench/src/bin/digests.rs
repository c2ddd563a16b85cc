//! How fast digests are on one core, in GiB/s: CRC-64, MD5 by `md-5`, and MD5 of several messages at once.
//!
//! The bytes are in the cache, in pieces as an upload reads them. Each figure is that of the quickest of many runs.

use std::hint::black_box;
use std::time::Instant;

use crc_fast::CrcAlgorithm::Crc64Xz;
use md5::Digest as _;
use ossup_md5::{Md5, update_all, update_all_by};

/// How many bytes of a message come at once.
const PIECE: usize = 64 * 1024;
const RUNS: usize = 400;

fn measure(what: &str, bytes: usize, mut run: impl FnMut()) {
    let best = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed()
        })
        .min()
        .unwrap_or_default();
    let mebibytes = u32::try_from(bytes >> 10).map_or(f64::INFINITY, f64::from) / 1024.0;
    println!("| {what} | {:.2} |", mebibytes / 1024.0 / best.as_secs_f64());
}

fn main() {
    let pieces: Vec<Vec<u8>> =
        (1..=16_u8).map(|n| (0..PIECE).map(|at| (at >> 3) as u8 ^ n).collect()).collect();
    let Some(first) = pieces.first() else { return };
    println!("| one core | GiB/s |\n| --- | --- |");
    let mut crc = crc_fast::Digest::new(Crc64Xz);
    measure("CRC-64 by `crc-fast`", PIECE, || crc.update(black_box(first)));
    let mut md5 = md5::Md5::new();
    measure("MD5 by `md-5`", PIECE, || md5.update(black_box(first)));
    for count in [1, 2, 3, 4, 8, 16] {
        let mut md5s = [Md5::new(); 16];
        let what = format!("MD5 by `ossup-md5`, {count} at once (of {} lanes)", ossup_md5::lanes());
        measure(&what, count * PIECE, || {
            let mut messages: Vec<_> =
                md5s.iter_mut().zip(pieces.iter().map(Vec::as_slice)).take(count).collect();
            update_all(black_box(&mut messages));
        });
    }
    // Every kind of lanes with four messages, as it would be on a machine that has nothing better.
    for nth in 0.. {
        let Some(kind) = update_all_by(nth, &mut []) else { break };
        let mut md5s = [Md5::new(); 4];
        measure(&format!("MD5 by `ossup-md5`, 4 at once, {kind}"), 4 * PIECE, || {
            let mut messages: Vec<_> = md5s.iter_mut().zip(pieces.iter().map(Vec::as_slice)).collect();
            update_all_by(nth, black_box(&mut messages));
        });
    }
}
