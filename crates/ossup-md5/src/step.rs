//! MD5 as RFC 1321 has it: its constants, the order of its steps, and the functions of its rounds.

#![expect(clippy::inline_always, reason = "where little is optimised, steps became calls")]

use crate::BLOCK;

/// What is kept of a message between two blocks: A, B, C and D.
pub(crate) type State = [u32; 4];
/// A block of a message.
pub(crate) type Block = [u8; BLOCK];

/// The state before the first block.
pub(crate) const BEGIN: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// What each step adds: `floor(2^32 * |sin(step + 1)|)`.
pub(crate) const ADDED: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// The 64 steps of a block: `$step!(function, a, b, c, d, word of the block, step, rotation)`, where a step sets
/// `a = b + rotate(a + function(b, c, d) + word + ADDED[step])`.
macro_rules! steps {
    ($step:ident, $a:ident, $b:ident, $c:ident, $d:ident) => {
        $crate::step::steps!(@round $step, f, $a, $b, $c, $d, (7, 12, 17, 22),
            (0, 1, 2, 3, 0), (4, 5, 6, 7, 4), (8, 9, 10, 11, 8), (12, 13, 14, 15, 12));
        $crate::step::steps!(@round $step, g, $a, $b, $c, $d, (5, 9, 14, 20),
            (1, 6, 11, 0, 16), (5, 10, 15, 4, 20), (9, 14, 3, 8, 24), (13, 2, 7, 12, 28));
        $crate::step::steps!(@round $step, h, $a, $b, $c, $d, (4, 11, 16, 23),
            (5, 8, 11, 14, 32), (1, 4, 7, 10, 36), (13, 0, 3, 6, 40), (9, 12, 15, 2, 44));
        $crate::step::steps!(@round $step, i, $a, $b, $c, $d, (6, 10, 15, 21),
            (0, 7, 14, 5, 48), (12, 3, 10, 1, 52), (8, 15, 6, 13, 56), (4, 11, 2, 9, 60));
    };
    (@round $step:ident, $function:ident, $a:ident, $b:ident, $c:ident, $d:ident,
        $rotations:tt, $($four:tt),*) => {
        $($crate::step::steps!(@four $step, $function, $a, $b, $c, $d, $rotations, $four);)*
    };
    (@four $step:ident, $function:ident, $a:ident, $b:ident, $c:ident, $d:ident,
        ($r0:literal, $r1:literal, $r2:literal, $r3:literal),
        ($w0:literal, $w1:literal, $w2:literal, $w3:literal, $first:literal)) => {
        $step!($function, $a, $b, $c, $d, $w0, $first, $r0);
        $step!($function, $d, $a, $b, $c, $w1, $first + 1, $r1);
        $step!($function, $c, $d, $a, $b, $w2, $first + 2, $r2);
        $step!($function, $b, $c, $d, $a, $w3, $first + 3, $r3);
    };
}
pub(crate) use steps;

/// The same numbers, without the compiler knowing. It likes to add what it knows last, behind what the step before has just
/// computed; there it makes each step longer by a cycle, one in five.
pub(crate) fn opaque(added: &[u32; 64]) -> &[u32; 64] {
    std::hint::black_box(added)
}

// The functions of the four rounds, added to what is there. `b` is what the step before has just computed, so what can
// be done without it is written to be done without it.

#[inline(always)]
pub(crate) fn f(added: u32, b: u32, c: u32, d: u32) -> u32 {
    added.wrapping_add(d ^ (b & (c ^ d)))
}

#[inline(always)]
pub(crate) fn g(added: u32, b: u32, c: u32, d: u32) -> u32 {
    // Both sides of a choice never have a bit in common: it can be added, the side without `b` first.
    added.wrapping_add(!d & c).wrapping_add(d & b)
}

#[inline(always)]
pub(crate) fn h(added: u32, b: u32, c: u32, d: u32) -> u32 {
    added.wrapping_add((c ^ d) ^ b)
}

#[inline(always)]
pub(crate) fn i(added: u32, b: u32, c: u32, d: u32) -> u32 {
    added.wrapping_add(c ^ (b | !d))
}
