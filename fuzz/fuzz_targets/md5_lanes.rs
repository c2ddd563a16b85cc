//! Invariant: messages that are hashed side by side have the digests that `md-5` gives them, whatever their lengths, and
//! whatever pieces they come in; on every kind of lanes that this machine has.
//!
//! An input begins with the number of messages and how much of each comes at once; the rest is dealt out among them.

#![cfg_attr(fuzzing, no_main)]

use md5::Digest as _;
use ossup_md5::{Md5, update_all_by};

ossup_fuzz::target!(target);

fn target(data: &[u8]) {
    for nth in 0.. {
        if update_all_by(nth, &mut []).is_none() {
            break;
        }
        hash(nth, data);
    }
}

fn hash(nth: usize, data: &[u8]) {
    let [count, most, content @ ..] = data else { return };
    let (count, most) = (usize::from(*count % 20) + 1, usize::from(*most) * 4 + 1);
    let mut left: Vec<&[u8]> = content.chunks(content.len().div_ceil(count).max(1)).collect();
    let mut messages: Vec<_> = left.iter().map(|content| (Md5::new(), *content)).collect();
    while left.iter().any(|content| !content.is_empty()) {
        let mut pieces = Vec::new();
        for (number, ((md5, _), content)) in messages.iter_mut().zip(&mut left).enumerate() {
            // Not of one length, and now and then none.
            let len = (most / (number % 3 + 1)).max(1).min(content.len());
            let (piece, rest) = content.split_at(len);
            *content = rest;
            pieces.push((md5, piece));
        }
        update_all_by(nth, &mut pieces);
    }
    for (md5, content) in messages {
        assert_eq!(md5.finish(), <[u8; 16]>::from(md5::Md5::digest(content)));
    }
}
