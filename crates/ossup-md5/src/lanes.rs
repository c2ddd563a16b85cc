//! Which lanes a machine has, and the calls that are only right because it has them.

use crate::step::{BEGIN, Block, State};
use crate::turns;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod kernel;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

/// The most messages that are hashed side by side on any machine.
#[cfg(test)]
pub(crate) const MOST: usize = 16;

/// The lanes of a machine. Only [`Lanes::of_this_machine`] and [`Lanes::all`] make one, of what was found on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lanes(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// None: messages are hashed by turns. On x86-64 only to be compared with the others.
    #[cfg(any(not(target_arch = "x86_64"), test, feature = "kernels"))]
    Portable,
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// SSE2, which every x86-64 has.
    #[cfg(target_arch = "x86_64")]
    Sse2,
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F and AVX-512VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kind {
    /// Whether vectors take three messages on sooner than ordinary registers do by turns: with the instruction that is any function
    /// of three operands and the one that rotates, a step is four instructions that wait for each other, without them six.
    fn is_quick_with_three(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => true,
            _ => false,
        }
    }
}

impl Lanes {
    /// The best there is.
    pub(crate) fn of_this_machine() -> Self {
        Self(Self::best())
    }

    #[cfg(target_arch = "x86_64")]
    fn best() -> Kind {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            Kind::Avx512
        } else if is_x86_feature_detected!("avx2") {
            Kind::Avx2
        } else {
            Kind::Sse2
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn best() -> Kind {
        // The kernel has words in the order of the lanes, as they are in memory where the low byte comes first.
        if cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon") {
            Kind::Neon
        } else {
            Kind::Portable
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn best() -> Kind {
        Kind::Portable
    }

    /// All that this machine has, worst first.
    #[cfg(any(test, feature = "kernels"))]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let order = [
            Kind::Portable,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon,
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512,
        ];
        let best = order.iter().position(|kind| *kind == Self::best());
        order.into_iter().take(best.map_or(0, |best| best + 1)).map(Self)
    }

    /// How many messages are hashed side by side.
    pub(crate) fn count(self) -> usize {
        match self.0 {
            #[cfg(any(not(target_arch = "x86_64"), test, feature = "kernels"))]
            Kind::Portable => 4,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => 8,
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2 => 4,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => 16,
        }
    }

    /// Takes the first `common` blocks of each message into its state. There are no more messages than lanes, and all
    /// have so many blocks.
    #[cfg_attr(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        expect(unsafe_code, reason = "a kind is made by `best`, and by `all` of what `best` says")
    )]
    pub(crate) fn compress(self, messages: &mut [(&mut State, &[Block])], common: usize) {
        if let [(state, blocks)] = messages {
            let (now, later) = blocks.split_at(common);
            turns::compress_one(state, now);
            *blocks = later;
            return;
        }
        match (self.0, messages.len()) {
            // Ordinary registers are not as wide as those of vectors, and sooner done with a step.
            (_, ..=2) => side_by_side(messages, common, turns::compress::<2>),
            (kind, 3) if !kind.is_quick_with_three() => {
                side_by_side(messages, common, turns::compress::<3>);
            }
            #[cfg(any(not(target_arch = "x86_64"), test, feature = "kernels"))]
            (Kind::Portable, _) => side_by_side(messages, common, turns::compress::<4>),
            #[cfg(target_arch = "aarch64")]
            (Kind::Neon, ..=4) => side_by_side(messages, common, |it, blocks| {
                // SAFETY: this kind is made only where NEON was found.
                unsafe { neon::neon_4(it, blocks) }
            }),
            #[cfg(target_arch = "aarch64")]
            (Kind::Neon, _) => side_by_side(messages, common, |it, blocks| {
                // SAFETY: this kind is made only where NEON was found.
                unsafe { neon::neon_8(it, blocks) }
            }),
            #[cfg(target_arch = "x86_64")]
            (Kind::Sse2, _) => side_by_side(messages, common, |it, blocks| {
                // SAFETY: every x86-64 has SSE2.
                unsafe { x86::sse2(it, blocks) }
            }),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, ..=4) => side_by_side(messages, common, |it, blocks| {
                // SAFETY: this kind is made only where AVX2 was found, in the processor and the system.
                unsafe { x86::avx2_4(it, blocks) }
            }),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, _) => side_by_side(messages, common, |it, blocks| {
                // SAFETY: this kind is made only where AVX2 was found, in the processor and the system.
                unsafe { x86::avx2_8(it, blocks) }
            }),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512, ..=4) => side_by_side(messages, common, |it, blocks| {
                // SAFETY: this kind is made only where AVX-512F and VL were found, in the processor and the system.
                unsafe { x86::avx512_4(it, blocks) }
            }),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512, ..=8) => side_by_side(messages, common, |it, blocks| {
                // SAFETY: this kind is made only where AVX-512F and VL were found, in the processor and the system.
                unsafe { x86::avx512_8(it, blocks) }
            }),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512, _) => side_by_side(messages, common, |it, blocks| {
                // SAFETY: this kind is made only where AVX-512F was found, in the processor and the system.
                unsafe { x86::avx512_16(it, blocks) }
            }),
        }
    }
}

/// Gives each message a lane. Lanes without a message do the work of the first once more, for nothing.
fn side_by_side<const LANES: usize>(
    messages: &mut [(&mut State, &[Block])],
    common: usize,
    compress: impl FnOnce(&mut [State; LANES], [&[Block]; LANES]),
) {
    let (mut states, mut now) = ([BEGIN; LANES], [&[][..]; LANES]);
    for (lane, (state, now)) in states.iter_mut().zip(&mut now).enumerate() {
        if let Some((first, blocks)) = messages.get(lane).or_else(|| messages.first()) {
            (*state, *now) = (**first, &blocks[..common]);
        }
    }
    compress(&mut states, now);
    for ((state, blocks), new) in messages.iter_mut().zip(states) {
        **state = new;
        *blocks = &blocks[common..];
    }
}
