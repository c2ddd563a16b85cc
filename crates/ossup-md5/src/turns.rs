//! The steps of MD5 in ordinary registers, of one message or of several by turns: what a step of one waits for, those of the
//! others do not. Nothing here asks what the processor has.

use crate::step::{ADDED, Block, State, f, g, h, i, opaque, steps};

/// Takes blocks of one message into its state. What is below does the same, and is slower by a tenth.
pub(crate) fn compress_one(state: &mut State, blocks: &[Block]) {
    let added_by_step = opaque(&ADDED);
    for block in blocks {
        let (words, _) = block.as_chunks();
        let word = |n: usize| u32::from_le_bytes(words[n]);
        let [mut a, mut b, mut c, mut d] = *state;
        macro_rules! step {
            ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $step:expr, $rotation:literal) => {
                let added = $a.wrapping_add(added_by_step[$step]).wrapping_add(word($word));
                $a = $function(added, $b, $c, $d).rotate_left($rotation).wrapping_add($b);
            };
        }
        steps!(step, a, b, c, d);
        for (word, more) in state.iter_mut().zip([a, b, c, d]) {
            *word = word.wrapping_add(more);
        }
    }
}

/// Takes blocks of the messages into their states: of each as many as of the shortest.
pub(crate) fn compress<const N: usize>(states: &mut [State; N], blocks: [&[Block]; N]) {
    let added_by_step = opaque(&ADDED);
    let common = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    let blocks = blocks.map(|blocks| &blocks[..common]);
    let [mut a, mut b, mut c, mut d] = [0, 1, 2, 3].map(|word| states.map(|state| state[word]));
    for at in 0..common {
        let before = [a, b, c, d];
        let words = blocks.map(|blocks| blocks[at].as_chunks().0);
        macro_rules! step {
            ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $step:expr, $rotation:literal) => {
                for n in 0..N {
                    let word = u32::from_le_bytes(words[n][$word]);
                    let added = $a[n].wrapping_add(added_by_step[$step]).wrapping_add(word);
                    $a[n] = $function(added, $b[n], $c[n], $d[n]).rotate_left($rotation).wrapping_add($b[n]);
                }
            };
        }
        steps!(step, a, b, c, d);
        for (words, before) in [&mut a, &mut b, &mut c, &mut d].into_iter().zip(before) {
            for (word, before) in words.iter_mut().zip(before) {
                *word = word.wrapping_add(before);
            }
        }
    }
    for (n, state) in states.iter_mut().enumerate() {
        *state = [a[n], b[n], c[n], d[n]];
    }
}
