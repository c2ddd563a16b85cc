//! The same digests as `md-5`, on all lanes that this machine has.

use md5::Digest as _;
use proptest::prelude::*;

use super::*;

fn reference(message: &[u8]) -> [u8; 16] {
    md5::Md5::digest(message).into()
}

/// A message whose bytes are all over the place.
fn message(len: usize, seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn digests_are_those_of_rfc_1321() {
    for (text, digest) in [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a",
        ),
    ] {
        let mut md5 = Md5::new();
        md5.update(text.as_bytes());
        assert_eq!(u128::from_be_bytes(md5.finish()), u128::from_str_radix(digest, 16).unwrap(), "{text}");
    }
}

#[test]
fn a_message_of_any_length_up_to_three_blocks_has_its_digest() {
    for len in 0..=3 * BLOCK {
        let message = message(len, 1);
        let mut md5 = Md5::new();
        md5.update(&message);
        assert_eq!(md5.finish(), reference(&message), "{len} bytes");
    }
}

#[test]
fn as_many_messages_as_there_are_lanes_and_more_do_not_mix() {
    for lanes in Lanes::all() {
        for count in 0..=2 * lanes::MOST + 1 {
            let contents: Vec<_> = (0..count).map(|n| message(BLOCK * 5 + n, n as u8)).collect();
            let mut md5s = vec![Md5::new(); count];
            let mut messages: Vec<_> = md5s.iter_mut().zip(contents.iter().map(Vec::as_slice)).collect();
            update_with(lanes, &mut messages);
            for (md5, content) in md5s.into_iter().zip(contents) {
                assert_eq!(md5.finish(), reference(&content), "{count} messages on {lanes:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn messages_that_join_and_leave_and_come_in_pieces_have_their_digests(
        // For each call and each message, how much of it comes.
        calls in prop::collection::vec(prop::collection::vec(prop_oneof![0..3_usize, 0..700_usize], 0..20), 0..6),
    ) {
        for lanes in Lanes::all() {
            let count = calls.iter().map(Vec::len).max().unwrap_or(0);
            let (mut md5s, mut contents) = (vec![Md5::new(); count], vec![Vec::new(); count]);
            for (call, lengths) in calls.iter().enumerate() {
                let pieces: Vec<_> =
                    lengths.iter().enumerate().map(|(n, len)| message(*len, (n * 16 + call) as u8)).collect();
                for (content, piece) in contents.iter_mut().zip(&pieces) {
                    content.extend_from_slice(piece);
                }
                let mut messages: Vec<_> = md5s.iter_mut().zip(pieces.iter().map(Vec::as_slice)).collect();
                update_with(lanes, &mut messages);
            }
            for (md5, content) in md5s.iter().zip(&contents) {
                prop_assert_eq!(md5.finish(), reference(content), "on {:?}", lanes);
            }
        }
    }
}
