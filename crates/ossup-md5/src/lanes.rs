//! Which lanes a machine has, and the calls that are only right because it has them.

use crate::step::{self, Block, State};

#[cfg(target_arch = "x86_64")]
mod x86;

/// The most messages that are hashed side by side on any machine.
#[cfg(test)]
pub(crate) const MOST: usize = 16;

/// The lanes of a machine. Only [`Lanes::of_this_machine`] and the tests make one, of what was found on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lanes(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// None; one message after the other.
    #[cfg(not(target_arch = "x86_64"))]
    One,
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

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Kind {
        Kind::One
    }

    /// All that this machine has, worst first.
    #[cfg(all(test, target_arch = "x86_64"))]
    pub(crate) fn all() -> Vec<Self> {
        let order = [Kind::Sse2, Kind::Avx2, Kind::Avx512];
        let best = order.iter().position(|kind| *kind == Self::best()).expect("one of them");
        order[..=best].iter().map(|kind| Self(*kind)).collect()
    }

    #[cfg(all(test, not(target_arch = "x86_64")))]
    pub(crate) fn all() -> Vec<Self> {
        vec![Self(Kind::One)]
    }

    /// How many messages are hashed side by side.
    pub(crate) fn count(self) -> usize {
        match self.0 {
            #[cfg(not(target_arch = "x86_64"))]
            Kind::One => 1,
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
    pub(crate) fn compress(self, messages: &mut [(&mut State, &[Block])], common: usize) {
        if let [(state, blocks)] = messages {
            let (now, later) = blocks.split_at(common);
            step::compress(state, now);
            *blocks = later;
            return;
        }
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "the processor was asked what it has")]
        // SAFETY: the calls ask for a processor that has what the name says. A kind is made by `best`, and by `all` of what
        // `best` says, only when the processor has it and the system saves its registers.
        unsafe {
            match (self.0, messages.len()) {
                (Kind::Sse2, _) => side_by_side(messages, common, |it, blocks| {
                    x86::sse2(it, blocks);
                }),
                (Kind::Avx2, ..=4) => side_by_side(messages, common, |it, blocks| {
                    x86::avx2_4(it, blocks);
                }),
                (Kind::Avx2, _) => side_by_side(messages, common, |it, blocks| {
                    x86::avx2_8(it, blocks);
                }),
                (Kind::Avx512, ..=4) => side_by_side(messages, common, |it, blocks| {
                    x86::avx512_4(it, blocks);
                }),
                (Kind::Avx512, ..=8) => side_by_side(messages, common, |it, blocks| {
                    x86::avx512_8(it, blocks);
                }),
                (Kind::Avx512, _) => side_by_side(messages, common, |it, blocks| {
                    x86::avx512_16(it, blocks);
                }),
            }
        }
    }
}

/// Gives each message a lane. Lanes without a message do the work of the first once more, for nothing.
#[cfg(target_arch = "x86_64")]
fn side_by_side<const LANES: usize>(
    messages: &mut [(&mut State, &[Block])],
    common: usize,
    compress: impl FnOnce(&mut [State; LANES], [&[Block]; LANES]),
) {
    let (mut states, mut now) = ([step::BEGIN; LANES], [&[][..]; LANES]);
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
