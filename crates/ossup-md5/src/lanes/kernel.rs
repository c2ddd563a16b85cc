//! The steps of MD5 of several messages in vectors, whichever processor has them: what comes in, what happens to it, what goes
//! out. Of which instructions that is made is said where a kernel is declared.

/// A function that takes blocks of as many messages as there are lanes into their states: of each as many as of the
/// shortest. Registers are made of, and fall into, quarters of four lanes each.
macro_rules! kernel {
    (
        $(#[$doc:meta])* $name:ident, $features:literal, $lanes:literal lanes, $vector:ty,
        join: $join:path, split: $split:path, splat: $splat:path, add: $add:path, rotate: $rotate:ident,
        functions: $functions:ident
    ) => {
        $(#[$doc])*
        #[target_feature(enable = $features)]
        pub(super) fn $name(states: &mut [State; $lanes], blocks: [&[Block]; $lanes]) {
            const QUARTERS: usize = $lanes / 4;
            let added_by_step = *opaque(&ADDED);
            let common = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
            let mut parts = [[load_state(&states[0]); QUARTERS]; 4];
            for quarter in 0..QUARTERS {
                let rows: &[State; 4] = &states.as_chunks().0[quarter];
                let words = transpose([
                    load_state(&rows[0]), load_state(&rows[1]), load_state(&rows[2]), load_state(&rows[3]),
                ]);
                for word in 0..4 {
                    parts[word][quarter] = words[word];
                }
            }
            let [mut a, mut b, mut c, mut d] =
                [$join(parts[0]), $join(parts[1]), $join(parts[2]), $join(parts[3])];
            for at in 0..common {
                let before = (a, b, c, d);
                let mut parts = [[load_state(&states[0]); QUARTERS]; 16];
                for quarter in 0..QUARTERS {
                    let rows: &[&[Block]; 4] = &blocks.as_chunks().0[quarter];
                    let rows = [&rows[0][at], &rows[1][at], &rows[2][at], &rows[3][at]];
                    for first in [0, 4, 8, 12] {
                        let words = transpose([
                            load(rows[0], first), load(rows[1], first), load(rows[2], first), load(rows[3], first),
                        ]);
                        for word in 0..4 {
                            parts[first + word][quarter] = words[word];
                        }
                    }
                }
                macro_rules! step {
                    ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $step:expr, $rotation:literal) => {
                        let added = $splat(added_by_step[$step].cast_signed());
                        let added = $add($add($a, added), $join(parts[$word]));
                        $a = $add($rotate::<$rotation, { 32 - $rotation }>($functions::$function(added, $b, $c, $d)), $b);
                    };
                }
                steps!(step, a, b, c, d);
                (a, b, c, d) = ($add(a, before.0), $add(b, before.1), $add(c, before.2), $add(d, before.3));
            }
            let words = [$split(a), $split(b), $split(c), $split(d)];
            for quarter in 0..QUARTERS {
                let rows = transpose([words[0][quarter], words[1][quarter], words[2][quarter], words[3][quarter]]);
                for lane in 0..4 {
                    states[4 * quarter + lane] = store_state(rows[lane]);
                }
            }
        }
    };
}
pub(super) use kernel;
