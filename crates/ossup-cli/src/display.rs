//! How an upload looks while it goes on: a bar on a terminal, a line now and then in a log, nothing if quiet.

use std::fmt::Write;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use ossup_core::upload::Progress;
use ossup_fs::Rate;

use crate::output::tell;

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
    /// None as long as there is nothing to draw.
    Bar(Option<Bar>),
    Lines {
        next: Instant,
    },
    Quiet,
}

impl Display {
    pub(crate) fn new(quiet: bool) -> Self {
        let face = if quiet {
            Face::Quiet
        } else if std::io::stderr().is_terminal() {
            Face::Bar(None)
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
                bar.get_or_insert_with(Bar::new).draw(progress, line(progress, &self.rate));
            }
            Face::Lines { next } if now >= *next => {
                *next = now + LINE_EVERY;
                tell(&line(progress, &self.rate));
            }
            Face::Lines { .. } | Face::Quiet => {}
        }
    }

    /// Tells something in a line of its own.
    pub(crate) fn say(&self, text: &str) {
        match &self.face {
            Face::Bar(Some(bar)) => bar.drawn.suspend(|| tell(text)),
            Face::Bar(None) | Face::Lines { .. } => tell(text),
            Face::Quiet => {}
        }
    }

    /// The upload is over: takes away what was only of interest while it went on.
    pub(crate) fn clear(&self) {
        if let Face::Bar(Some(bar)) = &self.face {
            bar.drawn.finish_and_clear();
        }
    }
}

/// The bar on a terminal, and the line behind it.
#[derive(Debug)]
struct Bar {
    drawn: ProgressBar,
    /// Told by hand and not as a message, so that bar and line are of one moment.
    line: Arc<Mutex<String>>,
}

impl Bar {
    fn new() -> Self {
        let drawn = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let line = Arc::new(Mutex::new(String::new()));
        if let Ok(style) = ProgressStyle::with_template("{bar:25} {line}") {
            let line = Arc::clone(&line);
            let write_line = move |_: &ProgressState, out: &mut dyn Write| {
                // A bar that cannot be drawn is not worth a word.
                let _ = out.write_str(&line.lock().unwrap_or_else(PoisonError::into_inner));
            };
            drawn.set_style(style.progress_chars("━╸ ").with_key("line", write_line));
        }
        Self { drawn, line }
    }

    fn draw(&self, progress: &Progress, line: String) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = line;
        self.drawn.update(|state| {
            state.set_len(progress.total);
            state.set_pos(progress.sent);
        });
    }
}

fn percent(progress: &Progress) -> u64 {
    let percent = u128::from(progress.sent) * 100 / u128::from(progress.total.max(1));
    u64::try_from(percent).unwrap_or(100)
}

/// ` 62%  1.24 GiB of 2.00 GiB, 84.10 MiB/s, 9s left, 159 of 256 parts`
fn line(progress: &Progress, rate: &Rate) -> String {
    let (sent, total) = (HumanBytes(progress.sent), HumanBytes(progress.total));
    let mut facts = vec![format!("{:3}%  {sent} of {total}", percent(progress))];
    if let Some(bytes) = rate.per_second() {
        facts.push(format!("{}/s", HumanBytes(bytes)));
        let left = progress.total.saturating_sub(progress.sent);
        if let Some(time) = rate.remaining(left).filter(|_| left > 0) {
            facts.push(format!("{:#} left", HumanDuration(time)));
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
        let start = Instant::now();
        let going = |bytes: u64| {
            let mut rate = Rate::default();
            rate.note(start, 0);
            rate.note(start + Duration::from_secs(1), bytes);
            rate
        };
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
