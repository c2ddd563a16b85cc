//! Golden transcripts: what the machine asks for, turn by turn, as text that reads like a story.
//!
//! In a transcript a line with `#` is prose, one with `> ` is a command, and the others are what followed. The
//! commands:
//!
//! * `> file 250K, parts of 100K, 2 in flight` — an upload with a checkpoint; always the first
//! * `> next UploadPart 2: answer lost` — what comes of the next request of an operation (and part), instead of what the
//!   bucket says: `answer lost`, `request lost`, `no connection`, `body cut off`, or a refusal such as `500 InternalError`
//! * `> edit 7` — the byte at 7 is changed; `> delete uploads` — as by a lifecycle rule
//! * `> cancel keep`, `> cancel discard`, `> pause`, `> unpause`
//! * `> run to Complete` — until that is what it works on; `> run until 2 parts are done`; `> run` — to the end
//! * `> crash` — all is gone but the file, the bucket and the checkpoint; `> resume` — another process takes over

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

use ossup_core::digest::{ContentDigest, Crc64, Integrity, Md5};
use ossup_core::request::{Operation, Request};
use ossup_core::upload::{Cancel, Durability, Effect, EffectId, End, Goal, Outcome, Turn, Upload, Write};

use crate::story::{PART, Reply, Story, stop};

/// Plays all transcripts in a folder, compares what follows with what they say, and says how many there are.
///
/// # Panics
/// Something else follows, and was not asked to be rendered anew by `OSSUP_RENDER=1`; or a transcript cannot be played.
#[must_use]
pub fn check_all(folder: &Path) -> usize {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    paths.sort();
    for path in &paths {
        let told =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let played = play(&told);
        if played == told {
            continue;
        }
        let render = std::env::var_os("OSSUP_RENDER").is_some();
        assert!(render, "{} tells another story; this is what follows:\n\n{played}", path.display());
        std::fs::write(path, played).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    paths.len()
}

/// The transcript with what follows from its commands.
#[must_use]
pub fn play(transcript: &str) -> String {
    let mut stage = Stage::default();
    let mut text = String::new();
    for line in transcript.lines() {
        if line.starts_with('#') || line.is_empty() {
            let _ = writeln!(text, "{line}");
        } else if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(text, "{line}");
            stage.obey(command, &mut text);
        }
    }
    text
}

#[derive(Default)]
struct Stage {
    story: Option<Story>,
    upload: Option<Upload>,
    under_way: VecDeque<Effect>,
    stopped: BTreeSet<EffectId>,
    goal: Option<Goal>,
}

impl Stage {
    fn obey(&mut self, command: &str, text: &mut String) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        if verb == "file" {
            return self.set_up(rest);
        }
        let story = self.story.as_mut().expect("a transcript begins with a file");
        let upload = self.upload.as_mut();
        match (verb, rest) {
            ("next", rest) => next(story, rest),
            ("edit", at) => story.world.source.edit(at.parse().expect("a position")),
            ("delete", "uploads") => story.world.bucket.uploads.clear(),
            ("cancel", "keep") => upload.expect("it runs").cancel(Cancel::Keep),
            ("cancel", "discard") => upload.expect("it runs").cancel(Cancel::Discard),
            ("pause", "") => upload.expect("it runs").pause(),
            ("unpause", "") => upload.expect("it runs").unpause(),
            ("crash", "") => {
                self.upload = None;
                self.under_way.clear();
                self.goal = None;
            }
            ("resume", "") => self.upload = Some(story.begin()),
            ("run", to) => self.run(&*until(to), text),
            _ => panic!("no such command: {command}"),
        }
    }

    fn set_up(&mut self, how: &str) {
        let number = |text: &str, unit: &str| -> u64 {
            text.trim_end_matches(unit).trim().parse().unwrap_or_else(|_| panic!("no number: {text}"))
        };
        let mut words = how.split(", ");
        let len = number(words.next().unwrap_or_default(), "K") * 1024;
        let mut story = Story::of_len(len);
        for word in words {
            if let Some(size) = word.strip_prefix("parts of ") {
                story.job.policy.part_size = number(size, "K") * 1024;
            } else if word.ends_with("in flight") {
                let parallel = u16::try_from(number(word, "in flight")).ok().and_then(|n| n.try_into().ok());
                story.job.policy.parallel = parallel.expect("1 to 65535");
            } else if word == "in one request if small" {
                story.job.policy.put_threshold = PART;
            } else {
                panic!("no such setting: {word}");
            }
        }
        self.upload = Some(story.begin());
        self.story = Some(story);
    }

    fn run(&mut self, until: &dyn Fn(&Upload) -> bool, text: &mut String) {
        let story = self.story.as_mut().expect("a transcript begins with a file");
        let upload = self.upload.as_mut().expect("it was resumed after the crash");
        loop {
            if until(upload) {
                return;
            }
            let turn = upload.turn();
            let goal = upload.goal();
            if self.goal != Some(goal) && goal != Goal::Done {
                let _ = writeln!(text, "{goal:?}");
                self.goal = Some(goal);
            }
            match turn {
                Turn::Do(Effect::Stop(id)) => {
                    self.stopped.insert(id);
                    let _ = writeln!(text, "    {id} is to stop");
                }
                Turn::Do(effect) => {
                    let _ = writeln!(text, "    {} {}", effect.id(), told(&effect));
                    self.under_way.push_back(effect);
                }
                Turn::Blocked => {
                    let Some(effect) = self.under_way.pop_front() else {
                        let _ = writeln!(text, "    nothing is under way");
                        return;
                    };
                    let id = effect.id();
                    story.said.clear();
                    let answer = if self.stopped.contains(&id) {
                        "stopped".clone_into(&mut story.said);
                        stop(effect)
                    } else {
                        story.execute(effect, upload)
                    };
                    let said = if story.said.is_empty() { "done" } else { &story.said };
                    let _ = writeln!(text, "        {id} {said}");
                    upload.answer(answer).expect("it is under way");
                }
                Turn::Finished(outcome) => {
                    let _ = writeln!(text, "{}", ended(&outcome));
                    self.goal = None;
                    return;
                }
            }
        }
    }
}

/// Reads `to Complete` and `until 2 parts are done`.
fn until(text: &str) -> Box<dyn Fn(&Upload) -> bool> {
    if text.is_empty() {
        Box::new(|_| false)
    } else if let Some(goal) = text.strip_prefix("to ") {
        let goal = Goal::ALL.into_iter().find(|other| format!("{other:?}") == goal).expect("a goal");
        Box::new(move |upload| upload.goal() == goal)
    } else {
        let parts = text.strip_prefix("until ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let parts: u16 = parts.unwrap_or_else(|| panic!("no such command: run {text}"));
        Box::new(move |upload| upload.progress().parts_done >= parts)
    }
}

/// Reads `UploadPart 2: answer lost`.
fn next(story: &mut Story, what: &str) {
    let (which, reply) = what.split_once(": ").expect("an operation and what comes of it");
    let (operation, part) = which.split_once(' ').unwrap_or((which, ""));
    let reply = match reply {
        "answer lost" => Reply::LoseAnswer,
        "request lost" => Reply::LoseRequest,
        "no connection" => Reply::NoConnection,
        "body cut off" => Reply::BreakBody,
        refusal => {
            let (status, code) = refusal.split_once(' ').expect("a status and a code");
            let code: &'static str = Box::leak(code.to_owned().into_boxed_str());
            Reply::Refuse(status.parse().expect("a status"), code)
        }
    };
    match part.parse() {
        Ok(part) => story.when_part(part, [reply]),
        Err(_) => {
            let named = |other: &&Operation| other.name() == operation;
            let operation = Operation::ALL.iter().find(named).copied().expect("an operation");
            story.when(operation, [reply])
        }
    };
}

fn told(effect: &Effect) -> String {
    match effect {
        Effect::Send(_, request) => line(request),
        Effect::SendPart(_, part) => {
            let range = part.range();
            let md5 = if part.integrity() == Integrity::Md5AndCrc { ", with MD5" } else { "" };
            // Any digest of the right length will do, for what is told.
            let some = ContentDigest { len: range.len(), md5: Some(Md5::of(b"")), crc64: Some(Crc64::EMPTY) };
            let request = part.with_digest(&some).or_else(|_| part.without_digest());
            let request = request.map_or_else(|error| error.to_string(), |request| line(&request));
            format!("{request}: bytes {}..{}{md5}", range.offset(), range.end())
        }
        Effect::Save(_, Write::Replace(bytes)) => format!("write the record anew, durably: {}", kinds(bytes)),
        Effect::Save(_, Write::Append(bytes, Durability::Durable)) => {
            format!("add to the record, durably: {}", kinds(bytes))
        }
        Effect::Save(_, Write::Append(bytes, Durability::Written)) => {
            format!("add to the record: {}", kinds(bytes))
        }
        Effect::Save(..) => "set the record aside".to_owned(),
        Effect::Forget(_) => "remove the record".to_owned(),
        Effect::Inspect(_) => "look at the source".to_owned(),
        Effect::Hash(_, range, _) => format!("digest bytes {}..{}", range.offset(), range.end()),
        Effect::Wait(_, wait) => format!("wait {} ms", wait.as_millis()),
        Effect::Refresh(..) => "get new credentials".to_owned(),
        Effect::Stop(id) => format!("stop {id}"),
    }
}

/// The operation with what distinguishes its request.
fn line(request: &Request) -> String {
    let mut line = request.operation().name().to_owned();
    for name in ["partNumber", "part-number-marker", "max-parts", "uploadId"] {
        if let Some((_, Some(value))) = request.query().iter().find(|(other, _)| *other == name) {
            let _ = write!(line, " {name}={value}");
        }
    }
    if request.expects_continue() {
        line.push_str(" (asks first)");
    }
    line
}

/// What the lines of a record are about.
fn kinds(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let kind = |line: &str| {
        let json = line.split_once(' ').map_or("", |(_, json)| json);
        let kind = json.trim_start_matches("{\"").split('"').next().unwrap_or_default().to_owned();
        let number =
            json.split_once("\"n\":").map(|(_, rest)| rest.split([',', '}']).next().unwrap_or_default());
        number.map_or(kind.clone(), |number| format!("{kind} {number}"))
    };
    text.lines().map(kind).collect::<Vec<_>>().join(", ")
}

fn ended(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let end = match &outcome.end {
        End::Completed(completed) => format!("completed: {:?}", completed.evidence),
        End::Suspended { upload_id, recorded } => {
            let id = upload_id.as_ref().map_or("none", |id| id.as_str());
            format!("suspended, upload {id}, recorded: {recorded}")
        }
        End::Discarded(discarded) => {
            format!("discarded, verified: {}, object: {:?}", discarded.verified, discarded.object)
        }
        End::Failed(failed) => {
            format!("failed: {failed}; object: {:?}, resumable: {}", failed.object, failed.resumable)
        }
    };
    format!(
        "{end}; parts sent {}, resumed {}; requests repeated {}",
        report.sent_parts, report.resumed_parts, report.retries
    )
}
