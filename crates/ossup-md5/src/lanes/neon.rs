//! The steps of MD5 in the registers of 64-bit ARM: 4 messages at once, or 8 in two registers, of which one is waited for while
//! the other is at work.
//!
//! The functions are safe on a processor that has NEON; elsewhere they must not be called, and calls are `unsafe` for it.

use std::arch::aarch64::{
    uint32x4_t, vaddq_u32, vbslq_u32, vcombine_u64, vcreate_u64, vdupq_n_u32, veorq_u32, vgetq_lane_u64,
    vornq_u32, vreinterpretq_u32_u64, vreinterpretq_u64_u32, vshlq_n_u32, vsriq_n_u32, vtrn1q_u32,
    vtrn1q_u64, vtrn2q_u32, vtrn2q_u64,
};

use super::kernel::kernel;
use crate::step::{ADDED, Block, State, opaque, steps};

/// Two registers, of four lanes each.
type Pair = [uint32x4_t; 2];

/// Four lanes of four words, turned into four words of four lanes; and the other way round.
#[inline]
#[target_feature(enable = "neon")]
fn transpose(rows: [uint32x4_t; 4]) -> [uint32x4_t; 4] {
    let [r0, r1, r2, r3] = rows;
    let (even01, odd01) = (vtrn1q_u32(r0, r1), vtrn2q_u32(r0, r1));
    let (even23, odd23) = (vtrn1q_u32(r2, r3), vtrn2q_u32(r2, r3));
    let low = |first, second| {
        vreinterpretq_u32_u64(vtrn1q_u64(vreinterpretq_u64_u32(first), vreinterpretq_u64_u32(second)))
    };
    let high = |first, second| {
        vreinterpretq_u32_u64(vtrn2q_u64(vreinterpretq_u64_u32(first), vreinterpretq_u64_u32(second)))
    };
    [low(even01, even23), low(odd01, odd23), high(even01, even23), high(odd01, odd23)]
}

/// Four words, from their halves.
#[inline]
#[target_feature(enable = "neon")]
fn join_halves(low: u64, high: u64) -> uint32x4_t {
    vreinterpretq_u32_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)))
}

/// Four words of a block, from the given one on.
#[inline]
#[target_feature(enable = "neon")]
fn load(block: &Block, first: usize) -> uint32x4_t {
    let (halves, _) = block.as_chunks();
    let half = |n: usize| u64::from_le_bytes(halves[n]);
    join_halves(half(first / 2), half(first / 2 + 1))
}

#[inline]
#[target_feature(enable = "neon")]
fn load_state(state: &State) -> uint32x4_t {
    let half = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    join_halves(half(state[0], state[1]), half(state[2], state[3]))
}

#[inline]
#[target_feature(enable = "neon")]
fn store_state(words: uint32x4_t) -> State {
    let halves = vreinterpretq_u64_u32(words);
    let (low, high) = (vgetq_lane_u64::<0>(halves), vgetq_lane_u64::<1>(halves));
    [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]
}

#[inline]
#[target_feature(enable = "neon")]
fn rotate<const LEFT: i32, const RIGHT: i32>(words: uint32x4_t) -> uint32x4_t {
    vsriq_n_u32::<RIGHT>(vshlq_n_u32::<LEFT>(words), words)
}

#[inline]
#[target_feature(enable = "neon")]
fn rotate_pair<const LEFT: i32, const RIGHT: i32>(words: Pair) -> Pair {
    [rotate::<LEFT, RIGHT>(words[0]), rotate::<LEFT, RIGHT>(words[1])]
}

/// The operations on one register.
mod one {
    use super::*;

    #[inline]
    pub(super) fn join([quarter]: [uint32x4_t; 1]) -> uint32x4_t {
        quarter
    }

    #[inline]
    pub(super) fn split(words: uint32x4_t) -> [uint32x4_t; 1] {
        [words]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn splat(word: i32) -> uint32x4_t {
        vdupq_n_u32(word.cast_unsigned())
    }

    // The functions of the four rounds, added to what is there, as in `step.rs`.

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn f(added: uint32x4_t, b: uint32x4_t, c: uint32x4_t, d: uint32x4_t) -> uint32x4_t {
        vaddq_u32(added, vbslq_u32(b, c, d))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn g(added: uint32x4_t, b: uint32x4_t, c: uint32x4_t, d: uint32x4_t) -> uint32x4_t {
        vaddq_u32(added, vbslq_u32(d, b, c))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn h(added: uint32x4_t, b: uint32x4_t, c: uint32x4_t, d: uint32x4_t) -> uint32x4_t {
        vaddq_u32(added, veorq_u32(veorq_u32(c, d), b))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn i(added: uint32x4_t, b: uint32x4_t, c: uint32x4_t, d: uint32x4_t) -> uint32x4_t {
        vaddq_u32(added, veorq_u32(c, vornq_u32(b, d)))
    }
}

/// The same on two.
mod two {
    use super::{Pair, one, uint32x4_t, vaddq_u32};

    #[inline]
    pub(super) fn join(quarters: Pair) -> Pair {
        quarters
    }

    #[inline]
    pub(super) fn split(words: Pair) -> Pair {
        words
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn splat(word: i32) -> Pair {
        [one::splat(word); 2]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn add(a: Pair, b: Pair) -> Pair {
        [vaddq_u32(a[0], b[0]), vaddq_u32(a[1], b[1])]
    }

    macro_rules! each {
        ($($function:ident)*) => {
            $(
                #[inline]
                #[target_feature(enable = "neon")]
                pub(super) fn $function(added: Pair, b: Pair, c: Pair, d: Pair) -> Pair {
                    let of = |n: usize| -> uint32x4_t { one::$function(added[n], b[n], c[n], d[n]) };
                    [of(0), of(1)]
                }
            )*
        };
    }
    each!(f g h i);
}

kernel!(
    /// Four messages.
    neon_4, "neon", 4 lanes, uint32x4_t,
    join: one::join, split: one::split, splat: one::splat, add: vaddq_u32, rotate: rotate,
    functions: one
);
kernel!(
    /// Eight messages.
    neon_8, "neon", 8 lanes, Pair,
    join: two::join, split: two::split, splat: two::splat, add: two::add, rotate: rotate_pair,
    functions: two
);
