//! The steps of MD5 in the registers of x86-64: 4, 8 or 16 messages at once.
//!
//! The functions are safe on a processor that has what they enable; elsewhere they must not be called, and calls are
//! `unsafe` for it.

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_add_epi32, _mm_and_si128, _mm_andnot_si128, _mm_cvtsi128_si64,
    _mm_or_si128, _mm_rol_epi32, _mm_set_epi64x, _mm_set1_epi32, _mm_slli_epi32, _mm_srli_epi32,
    _mm_ternarylogic_epi32, _mm_unpackhi_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    _mm_xor_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_or_si256, _mm256_rol_epi32, _mm256_set_m128i, _mm256_set1_epi32,
    _mm256_slli_epi32, _mm256_srli_epi32, _mm256_ternarylogic_epi32, _mm256_xor_si256, _mm512_add_epi32,
    _mm512_castsi128_si512, _mm512_extracti32x4_epi32, _mm512_inserti32x4, _mm512_rol_epi32,
    _mm512_set1_epi32, _mm512_ternarylogic_epi32,
};

use super::kernel::kernel;
use crate::step::{ADDED, Block, State, opaque, steps};

/// Four lanes of four words, turned into four words of four lanes; and the other way round.
#[inline]
#[target_feature(enable = "sse2")]
fn transpose(rows: [__m128i; 4]) -> [__m128i; 4] {
    let [r0, r1, r2, r3] = rows;
    let (low01, low23) = (_mm_unpacklo_epi32(r0, r1), _mm_unpacklo_epi32(r2, r3));
    let (high01, high23) = (_mm_unpackhi_epi32(r0, r1), _mm_unpackhi_epi32(r2, r3));
    [
        _mm_unpacklo_epi64(low01, low23),
        _mm_unpackhi_epi64(low01, low23),
        _mm_unpacklo_epi64(high01, high23),
        _mm_unpackhi_epi64(high01, high23),
    ]
}

/// Four words of a block, from the given one on.
#[inline]
#[target_feature(enable = "sse2")]
fn load(block: &Block, first: usize) -> __m128i {
    let (halves, _) = block.as_chunks();
    let half = |n: usize| i64::from_le_bytes(halves[n]);
    _mm_set_epi64x(half(first / 2 + 1), half(first / 2))
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_state(state: &State) -> __m128i {
    let half = |low: u32, high: u32| (u64::from(high) << 32 | u64::from(low)).cast_signed();
    _mm_set_epi64x(half(state[2], state[3]), half(state[0], state[1]))
}

#[inline]
#[target_feature(enable = "sse2")]
fn store_state(words: __m128i) -> State {
    let low = _mm_cvtsi128_si64(words).cast_unsigned();
    let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(words, words)).cast_unsigned();
    [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]
}

/// The functions of the four rounds, added to what is there, as in `step.rs`, of instructions for two operands.
macro_rules! functions_of_two {
    ($name:ident, $features:literal, $vector:ty, $add:path, $and:path, $andnot:path, $or:path, $xor:path, $splat:path) => {
        mod $name {
            use super::*;

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn f(added: $vector, b: $vector, c: $vector, d: $vector) -> $vector {
                $add(added, $xor(d, $and(b, $xor(c, d))))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn g(added: $vector, b: $vector, c: $vector, d: $vector) -> $vector {
                $add($add(added, $andnot(d, c)), $and(d, b))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn h(added: $vector, b: $vector, c: $vector, d: $vector) -> $vector {
                $add(added, $xor($xor(c, d), b))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn i(added: $vector, b: $vector, c: $vector, d: $vector) -> $vector {
                $add(added, $xor(c, $or(b, $xor(d, $splat(-1)))))
            }
        }
    };
}

/// The same, of the instruction that knows any function of three operands: bit `4b + 2c + d` of a number is its value.
macro_rules! functions_of_three {
    ($name:ident, $features:literal, $vector:ty, $add:path, $ternary:ident) => {
        mod $name {
            use super::*;

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn f(added: $vector, b: $vector, c: $vector, d: $vector) -> $vector {
                $add(added, $ternary::<0b1100_1010>(b, c, d))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn g(added: $vector, b: $vector, c: $vector, d: $vector) -> $vector {
                $add(added, $ternary::<0b1110_0100>(b, c, d))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn h(added: $vector, b: $vector, c: $vector, d: $vector) -> $vector {
                $add(added, $ternary::<0b1001_0110>(b, c, d))
            }

            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn i(added: $vector, b: $vector, c: $vector, d: $vector) -> $vector {
                $add(added, $ternary::<0b0011_1001>(b, c, d))
            }
        }
    };
}

functions_of_two!(
    two_128,
    "sse2",
    __m128i,
    _mm_add_epi32,
    _mm_and_si128,
    _mm_andnot_si128,
    _mm_or_si128,
    _mm_xor_si128,
    _mm_set1_epi32
);
functions_of_two!(
    two_256,
    "avx2",
    __m256i,
    _mm256_add_epi32,
    _mm256_and_si256,
    _mm256_andnot_si256,
    _mm256_or_si256,
    _mm256_xor_si256,
    _mm256_set1_epi32
);
functions_of_three!(three_128, "avx512f,avx512vl", __m128i, _mm_add_epi32, _mm_ternarylogic_epi32);
functions_of_three!(three_256, "avx512f,avx512vl", __m256i, _mm256_add_epi32, _mm256_ternarylogic_epi32);
functions_of_three!(three_512, "avx512f", __m512i, _mm512_add_epi32, _mm512_ternarylogic_epi32);

#[inline]
#[target_feature(enable = "sse2")]
fn rotate_128<const LEFT: i32, const RIGHT: i32>(words: __m128i) -> __m128i {
    _mm_or_si128(_mm_slli_epi32::<LEFT>(words), _mm_srli_epi32::<RIGHT>(words))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_256<const LEFT: i32, const RIGHT: i32>(words: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(words), _mm256_srli_epi32::<RIGHT>(words))
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn rol_128<const LEFT: i32, const RIGHT: i32>(words: __m128i) -> __m128i {
    _mm_rol_epi32::<LEFT>(words)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn rol_256<const LEFT: i32, const RIGHT: i32>(words: __m256i) -> __m256i {
    _mm256_rol_epi32::<LEFT>(words)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rol_512<const LEFT: i32, const RIGHT: i32>(words: __m512i) -> __m512i {
    _mm512_rol_epi32::<LEFT>(words)
}

#[inline]
fn join_1([quarter]: [__m128i; 1]) -> __m128i {
    quarter
}

#[inline]
fn split_1(words: __m128i) -> [__m128i; 1] {
    [words]
}

#[inline]
#[target_feature(enable = "avx2")]
fn join_2([low, high]: [__m128i; 2]) -> __m256i {
    _mm256_set_m128i(high, low)
}

#[inline]
#[target_feature(enable = "avx2")]
fn split_2(words: __m256i) -> [__m128i; 2] {
    [_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words)]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn join_4([first, second, third, fourth]: [__m128i; 4]) -> __m512i {
    let words = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(first), second);
    _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(words, third), fourth)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn split_4(words: __m512i) -> [__m128i; 4] {
    [
        _mm512_extracti32x4_epi32::<0>(words),
        _mm512_extracti32x4_epi32::<1>(words),
        _mm512_extracti32x4_epi32::<2>(words),
        _mm512_extracti32x4_epi32::<3>(words),
    ]
}

kernel!(
    /// Four messages, on any x86-64.
    sse2, "sse2", 4 lanes, __m128i,
    join: join_1, split: split_1, splat: _mm_set1_epi32, add: _mm_add_epi32, rotate: rotate_128,
    functions: two_128
);
kernel!(
    /// Four messages.
    avx2_4, "avx2", 4 lanes, __m128i,
    join: join_1, split: split_1, splat: _mm_set1_epi32, add: _mm_add_epi32, rotate: rotate_128,
    functions: two_128
);
kernel!(
    /// Eight messages.
    avx2_8, "avx2", 8 lanes, __m256i,
    join: join_2, split: split_2, splat: _mm256_set1_epi32, add: _mm256_add_epi32, rotate: rotate_256,
    functions: two_256
);
kernel!(
    /// Four messages.
    avx512_4, "avx512f,avx512vl", 4 lanes, __m128i,
    join: join_1, split: split_1, splat: _mm_set1_epi32, add: _mm_add_epi32, rotate: rol_128,
    functions: three_128
);
kernel!(
    /// Eight messages.
    avx512_8, "avx512f,avx512vl", 8 lanes, __m256i,
    join: join_2, split: split_2, splat: _mm256_set1_epi32, add: _mm256_add_epi32, rotate: rol_256,
    functions: three_256
);
kernel!(
    /// Sixteen messages.
    avx512_16, "avx512f", 16 lanes, __m512i,
    join: join_4, split: split_4, splat: _mm512_set1_epi32, add: _mm512_add_epi32, rotate: rol_512,
    functions: three_512
);
