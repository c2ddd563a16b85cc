//! How a source of a given length is cut into parts.

use crate::part::{ByteRange, MAX_OBJECT_SIZE, MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE, PartNumber};

/// The size that parts have when none is asked for, in bytes: 8 MiB, more for files over 78 GiB.
pub const DEFAULT_PART_SIZE: u64 = 8 * 1024 * 1024;

/// Grown part sizes are whole multiples of this, so that ranges stay aligned to what file systems like.
const GRANULE: u64 = 64 * 1024;

/// The size of parts that suits a source of `len` bytes on a link of which nothing is known, in bytes.
///
/// Each part costs a round trip, which larger parts make rarer; and what is in flight is lost with the process, which
/// smaller parts make less. So there are 16 parts or more, of 8 to 16 MiB, and not many more than 1,000, which are a page of
/// the server's list: 16 MiB up to 16 GiB, 128 MiB from 128 GiB on.
///
/// ```
/// use ossup_core::plan::suggested_part_size;
/// const MIB: u64 = 1 << 20;
/// let suggested = [10, 192, 1024, 65_536, 1_048_576].map(|mib| suggested_part_size(mib * MIB) / MIB);
/// assert_eq!(suggested, [8, 12, 16, 64, 128]);
/// ```
#[must_use]
pub fn suggested_part_size(len: u64) -> u64 {
    let for_overlap = (len / 16).clamp(DEFAULT_PART_SIZE, 2 * DEFAULT_PART_SIZE);
    let for_a_page = (len / 1024).min(16 * DEFAULT_PART_SIZE);
    for_overlap.max(for_a_page).next_multiple_of(1024 * 1024)
}

/// The exact table of parts of a source: every byte is in one part, parts are numbered from 1 in the order of their
/// bytes, and all but the last have the same size.
///
/// ```
/// use ossup_core::plan::Plan;
/// let plan = Plan::new(1_000_000, 409_600).unwrap();
/// assert_eq!(plan.count(), 3);
/// let last = plan.numbers().last().unwrap();
/// assert_eq!(plan.range(last).unwrap().len(), 180_800);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Plan {
    len: u64,
    part_size: u64,
    count: u16,
}

impl Plan {
    /// The plan for `len` bytes in parts of `part_size` bytes, or larger where `len` would need more than 10,000 parts.
    ///
    /// # Errors
    /// The part size is outside 100 KiB..=5 GiB, or the source is longer than the largest object (48.8 TiB).
    pub fn new(len: u64, part_size: u64) -> Result<Self, InvalidPlan> {
        if len > MAX_OBJECT_SIZE {
            return Err(InvalidPlan::SourceTooLong { len });
        }
        let needed = len.div_ceil(u64::from(MAX_PARTS));
        let grown =
            if needed > part_size { needed.next_multiple_of(GRANULE).min(MAX_PART_SIZE) } else { part_size };
        Self::exact(len, grown).ok_or(InvalidPlan::PartSize { part_size })
    }

    /// The plan for `len` bytes in parts of exactly `part_size` bytes, if there is one within the limits of OSS.
    #[must_use]
    pub fn exact(len: u64, part_size: u64) -> Option<Self> {
        if !(MIN_PART_SIZE..=MAX_PART_SIZE).contains(&part_size) {
            return None;
        }
        let count = u16::try_from(len.div_ceil(part_size)).ok().filter(|count| *count <= MAX_PARTS)?;
        Some(Self { len, part_size, count })
    }

    /// How many bytes the source has.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the source has no bytes, and so no parts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The size of every part but the last, in bytes.
    #[must_use]
    pub const fn part_size(&self) -> u64 {
        self.part_size
    }

    /// How many parts there are.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// All part numbers, in order.
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = PartNumber> + use<> {
        (1..=self.count).filter_map(PartNumber::new)
    }

    /// The bytes of a part; none when the plan has no such part.
    #[must_use]
    pub fn range(&self, number: PartNumber) -> Option<ByteRange> {
        if number.get() > self.count {
            return None;
        }
        let offset = u64::from(number.get() - 1) * self.part_size;
        ByteRange::new(offset, self.part_size.min(self.len - offset))
    }

    /// All bytes of the source.
    #[must_use]
    pub fn whole(&self) -> ByteRange {
        ByteRange::new(0, self.len).unwrap_or_else(|| unreachable!("0 + len does not overflow"))
    }
}

/// A source that cannot be uploaded in the parts asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPlan {
    /// The part size is not one that OSS accepts.
    #[error("a part size of {part_size} bytes is outside the limits of OSS: 100 KiB to 5 GiB")]
    PartSize {
        /// What was asked for, in bytes.
        part_size: u64,
    },
    /// The source is longer than any object can be.
    #[error("{len} bytes are more than the largest object of OSS has (48.8 TiB)")]
    SourceTooLong {
        /// The length of the source, in bytes.
        len: u64,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn suggested_parts_are_many_enough_to_overlap_and_few_enough_for_a_page_of_the_list() {
        const MIB: u64 = 1024 * 1024;
        let sizes = [0, 128, 129, 192, 256, 8192, 16_384, 32_768, 131_072, 1_048_576];
        let suggested = sizes.map(|mib| suggested_part_size(mib * MIB));
        assert_eq!(suggested, [8, 8, 9, 12, 16, 16, 16, 32, 128, 128].map(|mib| mib * MIB));
    }

    proptest! {
        #[test]
        fn a_plan_covers_the_source_exactly_and_within_the_limits(
            len in prop_oneof![0..=MAX_OBJECT_SIZE, 0..100_000_000_u64, Just(MAX_OBJECT_SIZE), any::<u64>()],
            part_size in prop_oneof![MIN_PART_SIZE..=MAX_PART_SIZE, MIN_PART_SIZE..10_000_000, any::<u64>()],
        ) {
            match Plan::new(len, part_size) {
                Ok(plan) => {
                    let mut at = 0;
                    for number in plan.numbers() {
                        let range = plan.range(number).unwrap();
                        prop_assert_eq!(range.offset(), at);
                        prop_assert!(!range.is_empty() && range.len() <= MAX_PART_SIZE);
                        prop_assert!(range.len() >= MIN_PART_SIZE || number.get() == plan.count());
                        at = range.end();
                    }
                    prop_assert_eq!(at, len);
                    prop_assert!(plan.count() <= MAX_PARTS);
                    prop_assert!(plan.part_size() >= part_size);
                    prop_assert_eq!(PartNumber::new(plan.count() + 1).and_then(|n| plan.range(n)), None);
                }
                Err(InvalidPlan::SourceTooLong { .. }) => prop_assert!(len > MAX_OBJECT_SIZE),
                Err(InvalidPlan::PartSize { .. }) => {
                    prop_assert!(!(MIN_PART_SIZE..=MAX_PART_SIZE).contains(&part_size));
                }
            }
        }
    }

    #[test]
    fn the_part_size_grows_only_when_ten_thousand_parts_are_not_enough() {
        let limit = MIN_PART_SIZE * u64::from(MAX_PARTS);
        assert_eq!(Plan::new(limit, MIN_PART_SIZE).unwrap().part_size(), MIN_PART_SIZE);
        let grown = Plan::new(limit + 1, MIN_PART_SIZE).unwrap();
        assert_eq!(grown.part_size(), 128 * 1024);
        assert_eq!((grown.len(), grown.is_empty()), (limit + 1, false));
    }

    #[test]
    fn an_empty_source_has_no_parts() {
        let plan = Plan::new(0, DEFAULT_PART_SIZE).unwrap();
        assert_eq!((plan.count(), plan.len(), plan.whole().len()), (0, 0, 0));
        assert!(plan.is_empty());
        assert_eq!(plan.range(PartNumber::FIRST), None);
    }
}
