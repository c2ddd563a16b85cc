//! How an upload looks while it goes on: a bar on a terminal, a line now and then in a log, nothing if quiet.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use ossup_core::upload::Progress;

use crate::output::tell;
use crate::rate::Rate;

/// How often a log gets a line.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What a person sees of an upload.
#[derive(Debug)]
pub(crate) struct Display {
    face: Face,
    rate: Rate,
    kept_told: bool,
}

#[derive(Debug)]
enum Face {
    Bar(ProgressBar),
    Lines { next: Instant },
    Quiet,
}

impl Display {
    pub(crate) fn new(quiet: bool) -> Self {
        let face = if quiet {
            Face::Quiet
        } else if std::io::stderr().is_terminal() {
            Face::Bar(bar())
        } else {
            Face::Lines { next: Instant::now() + LINE_EVERY }
        };
        Self { face, rate: Rate::default(), kept_told: false }
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
            Face::Bar(bar) => {
                bar.set_length(progress.total);
                bar.set_position(progress.sent);
                bar.set_message(line(progress, self.rate.per_second()));
            }
            Face::Lines { next } if now >= *next => {
                *next = now + LINE_EVERY;
                tell(&format!("{}%  {}", percent(progress), line(progress, self.rate.per_second())));
            }
            Face::Lines { .. } | Face::Quiet => {}
        }
    }

    /// Tells something in a line of its own.
    pub(crate) fn say(&self, text: &str) {
        match &self.face {
            Face::Bar(bar) => bar.suspend(|| tell(text)),
            Face::Lines { .. } => tell(text),
            Face::Quiet => {}
        }
    }

    /// The upload is over: takes away what was only of interest while it went on.
    pub(crate) fn clear(&self) {
        if let Face::Bar(bar) = &self.face {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    // Told ten times a second, drawn as often.
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{bar:25} {percent:>3}%  {msg}") {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar
}

fn percent(progress: &Progress) -> u64 {
    let percent = u128::from(progress.sent) * 100 / u128::from(progress.total.max(1));
    u64::try_from(percent).unwrap_or(100)
}

/// `1.24 GiB of 2.00 GiB, 84.1 MiB/s, 9s left, 159 of 256 parts`
fn line(progress: &Progress, rate: Option<u64>) -> String {
    let mut facts = vec![format!("{} of {}", HumanBytes(progress.sent), HumanBytes(progress.total))];
    if let Some(rate) = rate {
        facts.push(format!("{}/s", HumanBytes(rate)));
        let left = progress.total.saturating_sub(progress.sent);
        if rate > 0 && left > 0 {
            facts.push(format!("{:#} left", HumanDuration(Duration::from_secs(left.div_ceil(rate)))));
        }
    }
    if progress.parts_total > 0 {
        facts.push(format!("{} of {} parts", progress.parts_done, progress.parts_total));
    }
    facts.join(", ")
}

fn kept(progress: &Progress) -> String {
    format!("resuming: {} of {} are there already", HumanBytes(progress.resumed), HumanBytes(progress.total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let mut progress = Progress::default();
        (progress.sent, progress.total) = (64 << 20, 256 << 20);
        assert_eq!(line(&progress, None), "64.00 MiB of 256.00 MiB");
        (progress.parts_done, progress.parts_total) = (7, 32);
        let rate = Some(16 << 20);
        assert_eq!(line(&progress, rate), "64.00 MiB of 256.00 MiB, 16.00 MiB/s, 12s left, 7 of 32 parts");
        assert_eq!(line(&progress, Some(0)), "64.00 MiB of 256.00 MiB, 0 B/s, 7 of 32 parts");
        assert_eq!(percent(&progress), 25);
        assert_eq!(percent(&Progress::default()), 0);
    }

    #[test]
    fn what_earlier_runs_have_sent_does_not_count_as_speed() {
        let mut display = Display { face: Face::Quiet, rate: Rate::default(), kept_told: false };
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
