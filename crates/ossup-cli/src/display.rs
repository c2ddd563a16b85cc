//! How an upload looks while it goes on: a bar on a terminal, a line now and then in a log, nothing if quiet.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use ossup_core::upload::Progress;
use ossup_fs::Rate;
use terminal_size::{Width, terminal_size_of};

use crate::args::Show;
use crate::output::tell;

/// How often a log gets a line.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How many columns the bar has.
const BAR: u64 = 25;
/// How many columns a terminal has that does not say.
const COLUMNS: usize = 80;

/// What a person sees of an upload.
#[derive(Debug)]
pub(crate) struct Display {
    face: Face,
    /// Nothing is told but how far it has come, if that.
    quiet: bool,
    rate: Rate,
    kept_told: bool,
}

#[derive(Debug)]
enum Face {
    Bar(Bar),
    Lines { next: Instant },
    None,
}

impl Display {
    pub(crate) fn new(show: Show, quiet: bool) -> Self {
        let lines = || Face::Lines { next: Instant::now() + LINE_EVERY };
        let face = match show {
            _ if quiet => Face::None,
            Show::None => Face::None,
            Show::Lines => lines(),
            // There is none on what is no terminal, or one that can do nothing.
            Show::Auto | Show::Bar => Bar::new().map_or_else(lines, Face::Bar),
        };
        Self { face, quiet, rate: Rate::default(), kept_told: false }
    }

    /// The upload has come this far.
    pub(crate) fn progress(&mut self, progress: &Progress, now: Instant) {
        let begun = progress.in_flight > 0 || progress.sent > 0;
        if !begun {
            // It is not known yet what earlier runs have left; a bar at nought would be a lie.
            return;
        }
        let settled = progress.in_flight > 0 || progress.parts_done == progress.parts_total;
        if !self.kept_told && progress.resumed > 0 && settled {
            self.kept_told = true;
            self.say(&kept(progress));
        }
        // What earlier runs have sent says nothing about how fast this one is.
        self.rate.note(now, progress.sent.saturating_sub(progress.resumed));
        match &mut self.face {
            Face::Bar(bar) => bar.draw(progress, &self.rate),
            Face::Lines { next } if now >= *next => {
                *next = now + LINE_EVERY;
                tell(&line(progress, &self.rate));
            }
            Face::Lines { .. } | Face::None => {}
        }
    }

    /// Tells something in a line of its own.
    pub(crate) fn say(&self, text: &str) {
        match &self.face {
            _ if self.quiet => {}
            Face::Bar(bar) if bar.begun => bar.drawn.suspend(|| tell(text)),
            Face::Bar(_) | Face::Lines { .. } | Face::None => tell(text),
        }
    }

    /// The upload is over: takes away what was only of interest while it went on.
    pub(crate) fn clear(&self) {
        if let Face::Bar(bar) = &self.face
            && bar.begun
        {
            bar.drawn.finish_and_clear();
        }
    }
}

/// The bar on a terminal, and what stands behind it.
#[derive(Debug)]
struct Bar {
    drawn: ProgressBar,
    begun: bool,
}

impl Bar {
    /// None where it would not be seen.
    fn new() -> Option<Self> {
        let drawn = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        drawn.set_style(ProgressStyle::with_template("{msg}").ok()?);
        (!drawn.is_hidden()).then_some(Self { drawn, begun: false })
    }

    fn draw(&mut self, progress: &Progress, rate: &Rate) {
        self.begun = true;
        let columns = terminal_size_of(std::io::stderr()).map_or(COLUMNS, |(Width(w), _)| w.into());
        self.drawn.set_message(picture(progress, rate, columns));
    }
}

fn percent(progress: &Progress) -> u64 {
    let percent = u128::from(progress.sent) * 100 / u128::from(progress.total.max(1));
    u64::try_from(percent).unwrap_or(100)
}

/// As much of `━━━━━━━━━━╸          62%  1.24 GiB of 2.00 GiB, 84.10 MiB/s, 9s left, 159 of 256 parts` as fits in a line: the parts
/// are left out first, then the bar, then the rate.
fn picture(progress: &Progress, rate: &Rate, columns: usize) -> String {
    let [far, fast, still, parts] = facts(progress, rate);
    let bar = bar(progress);
    let joined = |facts: &[&Option<String>]| {
        let facts: Vec<_> = facts.iter().filter_map(|fact| fact.as_deref()).collect();
        facts.join(", ")
    };
    let pictures = [
        format!("{bar} {}", joined(&[&far, &fast, &still, &parts])),
        format!("{bar} {}", joined(&[&far, &fast, &still])),
        joined(&[&far, &fast, &still]),
        joined(&[&far, &still]),
    ];
    // The last column stays free: some terminals go on to the next line as soon as it is written to.
    let fits = |picture: &&String| picture.chars().count() < columns;
    pictures.iter().find(fits).cloned().unwrap_or_else(|| format!("{:3}%", percent(progress)))
}

fn bar(progress: &Progress) -> String {
    let full = u128::from(progress.sent) * u128::from(BAR) / u128::from(progress.total.max(1));
    let full = usize::try_from(full).unwrap_or(0);
    let head = if progress.sent > 0 { "╸" } else { "" };
    format!("{:25.25}", format!("{}{head}", "━".repeat(full)))
}

/// ` 62%  1.24 GiB of 2.00 GiB, 84.10 MiB/s, 9s left, 159 of 256 parts`
fn line(progress: &Progress, rate: &Rate) -> String {
    facts(progress, rate).into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How far, how fast, how long still, in how many parts; what is known of it.
fn facts(progress: &Progress, rate: &Rate) -> [Option<String>; 4] {
    let (sent, total) = (HumanBytes(progress.sent), HumanBytes(progress.total));
    let left = progress.total.saturating_sub(progress.sent);
    let still = Some(left).filter(|left| *left > 0).and_then(|left| rate.remaining(left));
    [
        Some(format!("{:3}%  {sent} of {total}", percent(progress))),
        rate.per_second().map(|rate| format!("{}/s", HumanBytes(rate))),
        still.map(|still| format!("{:#} left", HumanDuration(still))),
        (progress.parts_total > 0)
            .then(|| format!("{} of {} parts", progress.parts_done, progress.parts_total)),
    ]
}

fn kept(progress: &Progress) -> String {
    format!("resuming: {} of {} are there already", HumanBytes(progress.resumed), HumanBytes(progress.total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going(bytes_per_second: u64) -> Rate {
        let (mut rate, start) = (Rate::default(), Instant::now());
        rate.note(start, 0);
        rate.note(start + Duration::from_secs(1), bytes_per_second);
        rate
    }

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let mut progress = Progress::default();
        (progress.sent, progress.total) = (64 << 20, 256 << 20);
        assert_eq!(line(&progress, &Rate::default()), " 25%  64.00 MiB of 256.00 MiB");
        (progress.parts_done, progress.parts_total) = (7, 32);
        assert_eq!(
            line(&progress, &going(16 << 20)),
            " 25%  64.00 MiB of 256.00 MiB, 16.00 MiB/s, 12s left, 7 of 32 parts"
        );
        assert_eq!(line(&progress, &going(0)), " 25%  64.00 MiB of 256.00 MiB, 0 B/s, 7 of 32 parts");
        progress.sent = progress.total - 1;
        assert_eq!(percent(&progress), 99, "what is not all is not rounded up to all");
        assert_eq!(percent(&Progress::default()), 0);
    }

    #[test]
    fn what_is_drawn_fits_into_one_line_and_loses_the_least_first() {
        let mut progress = Progress::default();
        (progress.sent, progress.total) = (64 << 20, 256 << 20);
        (progress.parts_done, progress.parts_total) = (7, 32);
        let drawn = |columns| picture(&progress, &going(16 << 20), columns);
        let begun = format!("━━━━━━╸{}", " ".repeat(18));
        let far = " 25%  64.00 MiB of 256.00 MiB";
        assert_eq!(drawn(200), format!("{begun} {far}, 16.00 MiB/s, 12s left, 7 of 32 parts"));
        assert_eq!(drawn(82), format!("{begun} {far}, 16.00 MiB/s, 12s left"));
        assert_eq!(drawn(60), format!("{far}, 16.00 MiB/s, 12s left"));
        assert_eq!(drawn(42), format!("{far}, 12s left"));
        assert_eq!(drawn(20), " 25%");
        assert!((5..200).all(|columns| drawn(columns).chars().count() < columns));
        progress.sent = progress.total;
        assert_eq!(bar(&progress), "━".repeat(25));
        assert_eq!(bar(&Progress::default()), " ".repeat(25));
    }

    #[test]
    fn what_earlier_runs_have_sent_does_not_count_as_speed() {
        let mut display = Display::new(Show::None, true);
        let start = Instant::now();
        let mut progress = Progress::default();
        (progress.total, progress.resumed, progress.in_flight) = (1 << 40, 1 << 39, 1);
        for second in 0..5 {
            progress.sent = progress.resumed + 1000 * second;
            display.progress(&progress, start + Duration::from_secs(second));
        }
        assert_eq!(display.rate.per_second(), Some(1000));
    }
}
