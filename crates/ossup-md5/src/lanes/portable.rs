//! The steps of MD5 of four messages by turns, for any processor: what one step waits for, those of the others do not.
//!
//! Nothing here is `unsafe`, and nothing asks what the processor has. Whether the compiler makes vectors of it is left to it.

#![expect(clippy::inline_always, reason = "where little is optimised, steps became calls")]

use crate::step::{ADDED, Block, State, opaque, steps};

/// One word of each message.
type Words = [u32; 4];

/// Takes blocks of four messages into their states: of each as many as of the shortest.
pub(super) fn compress(states: &mut [State; 4], blocks: [&[Block]; 4]) {
    let added_by_step = *opaque(&ADDED);
    let [first, second, third, fourth] = blocks;
    let [mut a, mut b, mut c, mut d] = transpose(*states);
    for (((first, second), third), fourth) in first.iter().zip(second).zip(third).zip(fourth) {
        let before = (a, b, c, d);
        let block = [first.as_chunks().0, second.as_chunks().0, third.as_chunks().0, fourth.as_chunks().0];
        macro_rules! step {
            ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $step:expr, $rotation:literal) => {
                let added = add(add($a, [added_by_step[$step]; 4]), words(block, $word));
                $a = add(rotate::<$rotation>($function(added, $b, $c, $d)), $b);
            };
        }
        steps!(step, a, b, c, d);
        (a, b, c, d) = (add(a, before.0), add(b, before.1), add(c, before.2), add(d, before.3));
    }
    *states = transpose([a, b, c, d]);
}

/// The same word of each block.
#[inline(always)]
fn words(block: [&[[u8; 4]]; 4], n: usize) -> Words {
    [
        u32::from_le_bytes(block[0][n]),
        u32::from_le_bytes(block[1][n]),
        u32::from_le_bytes(block[2][n]),
        u32::from_le_bytes(block[3][n]),
    ]
}

/// Four words of four messages, turned into four messages of four words; and the other way round.
#[inline(always)]
fn transpose([r0, r1, r2, r3]: [Words; 4]) -> [Words; 4] {
    [
        [r0[0], r1[0], r2[0], r3[0]],
        [r0[1], r1[1], r2[1], r3[1]],
        [r0[2], r1[2], r2[2], r3[2]],
        [r0[3], r1[3], r2[3], r3[3]],
    ]
}

#[inline(always)]
fn add(a: Words, b: Words) -> Words {
    [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1]), a[2].wrapping_add(b[2]), a[3].wrapping_add(b[3])]
}

#[inline(always)]
fn and(a: Words, b: Words) -> Words {
    [a[0] & b[0], a[1] & b[1], a[2] & b[2], a[3] & b[3]]
}

#[inline(always)]
fn or(a: Words, b: Words) -> Words {
    [a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3]]
}

#[inline(always)]
fn xor(a: Words, b: Words) -> Words {
    [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]]
}

#[inline(always)]
fn not(a: Words) -> Words {
    [!a[0], !a[1], !a[2], !a[3]]
}

#[inline(always)]
fn rotate<const LEFT: u32>(a: Words) -> Words {
    [a[0].rotate_left(LEFT), a[1].rotate_left(LEFT), a[2].rotate_left(LEFT), a[3].rotate_left(LEFT)]
}

// The functions of the four rounds, added to what is there, as in `step.rs`.

#[inline(always)]
fn f(added: Words, b: Words, c: Words, d: Words) -> Words {
    add(added, xor(d, and(b, xor(c, d))))
}

#[inline(always)]
fn g(added: Words, b: Words, c: Words, d: Words) -> Words {
    add(add(added, and(not(d), c)), and(d, b))
}

#[inline(always)]
fn h(added: Words, b: Words, c: Words, d: Words) -> Words {
    add(added, xor(xor(c, d), b))
}

#[inline(always)]
fn i(added: Words, b: Words, c: Words, d: Words) -> Words {
    add(added, xor(c, or(b, not(d))))
}
