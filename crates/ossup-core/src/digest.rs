//! The check values of content: MD5 and CRC-64/XZ, computed in one pass, and CRC values joined without the bytes.
//!
//! Where a check value is compared with what a server said lives with the machine.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm::Crc64Xz;
use serde::{Deserialize, Serialize};

/// A CRC-64/XZ check value, which OSS calls `crc64ecma` and sends as a decimal number.
///
/// ```
/// use ossup_core::digest::Crc64;
/// let whole = Crc64::of(b"123456789");
/// assert_eq!(whole.to_string(), "11051210869376104954");
/// assert_eq!(Crc64::of(b"1234").followed_by(Crc64::of(b"56789"), 5), whole);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Crc64(u64);

impl Crc64 {
    /// The value of no bytes at all.
    pub const EMPTY: Self = Self(0);

    /// A check value that was computed elsewhere.
    #[must_use]
    pub const fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// The check value as a number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The check value of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(crc_fast::checksum(Crc64Xz, bytes))
    }

    /// The check value of two pieces of content one behind the other, from their own check values: `self` is that of
    /// the first, `next` that of the second, which has `next_len` bytes.
    #[must_use]
    pub fn followed_by(self, next: Self, next_len: u64) -> Self {
        Shift::by_bytes(next_len).join(self, next)
    }
}

/// What it takes to join check values in front of content of one length: worth keeping where many pieces have the
/// same length.
///
/// A check value of content is a polynomial over GF(2), modulo that of CRC-64/XZ; content behind it multiplies it by
/// x to the power of that content's length in bits. `crc_fast::checksum_combine` does the same by squaring matrices,
/// which takes 25 times as long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shift(u64);

/// The polynomial, without its highest power, lowest power first.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;
/// The polynomial 1, lowest power first.
const ONE: u64 = 1 << 63;

impl Shift {
    /// For content of this many bytes.
    #[must_use]
    pub fn by_bytes(len: u64) -> Self {
        // x^8, squared once for each binary digit of the length.
        let mut power = ONE >> 8;
        let mut product = ONE;
        let mut rest = len;
        while rest > 0 {
            if rest & 1 == 1 {
                product = multiply(product, power);
            }
            power = multiply(power, power);
            rest >>= 1;
        }
        Self(product)
    }

    /// The check value of the content of `first` followed by that of `next`, which has the length of this shift.
    #[must_use]
    pub fn join(self, first: Crc64, next: Crc64) -> Crc64 {
        Crc64(multiply(first.0, self.0) ^ next.0)
    }
}

/// The product of two polynomials, modulo that of CRC-64/XZ.
const fn multiply(a: u64, b: u64) -> u64 {
    let (mut product, mut shifted, mut bit) = (0, b, ONE);
    while bit > 0 {
        if a & bit != 0 {
            product ^= shifted;
        }
        shifted = if shifted & 1 == 1 { (shifted >> 1) ^ POLYNOMIAL } else { shifted >> 1 };
        bit >>= 1;
    }
    product
}

impl fmt::Display for Crc64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Crc64 {
    type Err = InvalidDigest;

    fn from_str(s: &str) -> Result<Self, InvalidDigest> {
        // u64::from_str would take a sign.
        if s.bytes().all(|b| b.is_ascii_digit()) {
            s.parse().map(Self).map_err(|_| InvalidDigest)
        } else {
            Err(InvalidDigest)
        }
    }
}

// As text: a JSON number above 2^53 is damaged by many readers.
impl Serialize for Crc64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Crc64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An MD5 digest: 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Md5([u8; 16]);

impl Md5 {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut md5 = ossup_md5::Md5::new();
        md5.update(bytes);
        Self(md5.finish())
    }

    /// A digest that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// As the header `Content-MD5` has it: Base64 of the 16 bytes.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The digest that the value of a `Content-MD5` header spells.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The digest that 32 hexadecimal digits spell, as in the ETag of a part.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|n| Self(n.to_be_bytes()))
    }
}

/// 32 upper-case hexadecimal digits, as in the ETag of a part.
impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032X}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Md5({self})")
    }
}

/// A text that does not spell a digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is not a check value")]
pub struct InvalidDigest;

/// Which check values are computed over the bytes that are sent, and so which of the server's are compared. Exhaustive on
/// purpose: who reads the bytes computes all that is asked for, or does not compile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Integrity {
    /// Each part carries its MD5, which the server verifies before it stores the part, and the CRC-64 of each part and
    /// of the whole object are compared.
    #[default]
    Md5AndCrc,
    /// CRC-64 alone, of each part and of the whole object: several times cheaper, and the server stores a damaged part
    /// before we notice.
    Crc,
    /// Nothing is computed and nothing compared.
    None,
}

/// The length and check values of a stretch of content, as whoever read the bytes computed them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ContentDigest {
    /// How many bytes were read.
    pub len: u64,
    /// Their MD5, where it was asked for.
    pub md5: Option<Md5>,
    /// Their CRC-64, where it was asked for.
    pub crc64: Option<Crc64>,
}

/// Computes the digest of content that comes in pieces.
///
/// ```
/// use ossup_core::digest::{Crc64, Hasher, Integrity, Md5};
/// let mut hasher = Hasher::new(Integrity::Md5AndCrc);
/// hasher.update(b"hello ");
/// hasher.update(b"world");
/// let digest = hasher.finish();
/// assert_eq!(digest.len, 11);
/// assert_eq!(digest.crc64, Some(Crc64::of(b"hello world")));
/// assert_eq!(digest.md5, Some(Md5::of(b"hello world")));
/// ```
#[derive(Clone)]
pub struct Hasher {
    len: u64,
    md5: Option<ossup_md5::Md5>,
    crc64: Option<crc_fast::Digest>,
}

impl Hasher {
    /// A hasher that computes what `integrity` asks for.
    #[must_use]
    pub fn new(integrity: Integrity) -> Self {
        Self {
            len: 0,
            md5: (integrity == Integrity::Md5AndCrc).then(ossup_md5::Md5::new),
            crc64: (integrity != Integrity::None).then(|| crc_fast::Digest::new(Crc64Xz)),
        }
    }

    /// Takes in the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(crc64) = &mut self.crc64 {
            crc64.update(bytes);
        }
    }

    /// Takes in the next piece of each content. MD5 digests are computed side by side, up to [`lanes`](Self::lanes) of them
    /// in little more than the time of one; it is best if the pieces have the same length.
    pub fn update_all(hashers: &mut [(&mut Self, &[u8])]) {
        let mut md5s = Vec::with_capacity(hashers.len());
        for (hasher, bytes) in hashers {
            hasher.len += bytes.len() as u64;
            if let Some(crc64) = &mut hasher.crc64 {
                crc64.update(bytes);
            }
            md5s.extend(hasher.md5.as_mut().map(|md5| (md5, *bytes)));
        }
        ossup_md5::update_all(&mut md5s);
    }

    /// How many MD5 digests are computed side by side on this machine.
    #[must_use]
    pub fn lanes() -> usize {
        ossup_md5::lanes()
    }

    /// The digest of all that was taken in.
    #[must_use]
    pub fn finish(self) -> ContentDigest {
        ContentDigest {
            len: self.len,
            md5: self.md5.map(|md5| Md5(md5.finish())),
            crc64: self.crc64.map(|crc64| Crc64(crc64.finalize())),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_md5_is_spelled_as_headers_and_etags_spell_it_and_read_back() {
        let md5 = Md5::of(b"hello world");
        assert_eq!(md5.to_string(), "5EB63BBBE01EEED093CB22BB8F5ACDC3");
        assert_eq!(md5.to_base64(), "XrY7u+Ae7tCTyyK7j1rNww==");
        assert_eq!(Md5::from_hex("5eb63bbbe01eeed093cb22bb8f5acdc3"), Some(md5));
        assert_eq!(Md5::from_base64("XrY7u+Ae7tCTyyK7j1rNww=="), Some(md5));
        for wrong in ["", "5EB63BBBE01EEED093CB22BB8F5ACDC", "+EB63BBBE01EEED093CB22BB8F5ACDC3", "E-1"] {
            assert_eq!(Md5::from_hex(wrong), None, "{wrong}");
        }
        assert_eq!(Md5::from_base64("XrY7"), None);
    }

    #[test]
    fn contents_that_are_hashed_side_by_side_have_their_own_digests() {
        assert!(Hasher::lanes() >= 4, "every processor that we build for has SIMD");
        let contents: Vec<Vec<u8>> = (0..9_u8).map(|n| vec![n; 1000 + usize::from(n)]).collect();
        let all = [Integrity::Md5AndCrc, Integrity::Crc, Integrity::None];
        let mut hashers: Vec<Hasher> = (0..9).map(|n| Hasher::new(all[n % 3])).collect();
        let mut pairs: Vec<_> = hashers.iter_mut().zip(contents.iter().map(Vec::as_slice)).collect();
        Hasher::update_all(&mut pairs);
        for (n, (hasher, content)) in hashers.into_iter().zip(&contents).enumerate() {
            let mut alone = Hasher::new(all[n % 3]);
            alone.update(content);
            assert_eq!(hasher.finish(), alone.finish(), "{n}");
        }
    }

    proptest! {
        #[test]
        fn joined_check_values_are_those_of_the_whole(
            content in prop::collection::vec(any::<u8>(), 0..4000), cut in any::<prop::sample::Index>(),
        ) {
            let (first, next) = content.split_at(cut.index(content.len() + 1));
            let joined = Crc64::of(first).followed_by(Crc64::of(next), next.len() as u64);
            prop_assert_eq!(joined, Crc64::of(&content));
        }

        #[test]
        fn joining_agrees_with_crc_fast_at_any_length(a in any::<u64>(), b in any::<u64>(), len in any::<u64>()) {
            // What is behind the first 2^61 bytes has more bits than 64 bits can count.
            let len = len >> 3;
            let theirs = crc_fast::checksum_combine(Crc64Xz, a, b, len);
            prop_assert_eq!(Crc64(a).followed_by(Crc64(b), len).value(), theirs);
        }
    }
}
