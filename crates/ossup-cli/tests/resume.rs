//! Uploads that are cut off, by whatever, and taken up again.

#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};

use common::{PART, Run, Stage, end, spawn};
use ossup_emulator::{Action, Emulator, Entry, Fate, Operation, Rule};
use rustix::process::{Pid, Signal, kill_process};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// An upload of ten parts that has come as far as six and is held there.
fn held(stage: &Stage, key: &str, command: Command) -> Child {
    stage.hold_after(6, key);
    let mut child = spawn(command);
    stage.wait_until_held(&mut child, 6);
    // All that is under way, four parts, is held back: what the server had not yet seen when it is let go would be taken. And the
    // answers to the others have been taken in.
    let journal = stage.emulator.journal();
    let is_held =
        |entry: &Entry| entry.operation == Some(Operation::UploadPart) && entry.key.as_deref() == Some(key);
    common::wait(&mut child, || {
        journal.in_flight().iter().filter(|flying| is_held(&flying.entry)).count() >= 4
    });
    child
}

/// The same, killed.
fn cut_off(stage: &Stage, key: &str, command: Command) {
    let mut child = held(stage, key, command);
    child.kill().unwrap();
    child.wait().unwrap();
    stage.release();
}

/// Runs the command that a run has told to type next.
fn paste(stage: &Stage, run: &Run) -> Run {
    let typed = run.stderr.lines().skip_while(|line| !line.ends_with(" with:")).nth(1).unwrap();
    let mut command = Command::new("bash");
    stage.set_up(&mut command);
    command.args(["-c", typed]);
    Run::of(command)
}

#[test]
fn a_killed_upload_goes_on_where_it_was() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    assert_eq!(stage.checkpoints().len(), 1);

    let run = Run::of(stage.upload(&file, "oss://ossup-test/key"));
    run.expect(0, &["600.00 KiB in 6 parts resumed"]);
    assert_eq!(
        run.stderr.lines().next(),
        Some("resuming: 600.00 KiB of 1000.00 KiB are there already"),
        "{run}"
    );
    assert!(stage.object("key") == Some(std::fs::read(&file).unwrap()));
    stage.assert_nothing_twice();
    assert_eq!((stage.checkpoints(), stage.uploads()), (vec![], 0));
}

#[test]
fn an_interrupted_upload_says_how_to_go_on_and_does() {
    let stage = Stage::new();
    let file = stage.file("it's a $(file)", 10 * PART);
    for (name, which) in [("int", Signal::INT), ("term", Signal::TERM)] {
        let key = format!("{name} & more");
        let object = format!("oss://ossup-test/{key}");
        let child = held(&stage, &key, stage.upload(file.file_name().unwrap(), &object));
        signal(&child, which);
        let run = end(child);
        // How many, as far as their answers have come in.
        run.expect(5, &["interrupted; ", " of 10 parts are kept", "Resume with:"]);
        assert_eq!(stage.uploads(), 1);
        stage.release();

        paste(&stage, &run).expect(0, &["600.00 KiB in 6 parts resumed"]);
        assert!(stage.object(&key) == Some(std::fs::read(&file).unwrap()));
        stage.emulator.journal().clear();
    }
    assert_eq!(stage.checkpoints(), [""; 0]);
}

#[test]
fn what_earlier_runs_have_sent_is_kept_whatever_ends_the_next_one_before_it_is_compared() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    let upload = || {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.args(["--attempts", "1", "--patience", "0"]);
        command
    };
    let child = held(&stage, "key", upload());
    signal(&child, Signal::INT);
    let kept = "6 of 10 parts are kept";
    end(child).expect(5, &[kept]);
    stage.release();
    let status = Run::of(stage.ossup(["status"])).stdout;
    assert!(status.contains(": 6 of 10 parts, "), "{status}");

    let failures = [
        (2, Action::refuse(500, "InternalError")),
        (2, Action::refuse(403, "UserDisable")),
        (3, Action::LoseAnswer),
    ];
    for (code, failure) in failures {
        stage.fail(Operation::ListParts, failure);
        Run::of(upload()).expect(code, &[kept, "Resume with:"]);
        stage.release();
    }
    stage.fail(Operation::ListParts, Action::Stall { millis: 3_600_000 });
    let mut child = spawn(upload());
    let journal = stage.emulator.journal();
    let is_list = |entry: &Entry| entry.operation == Some(Operation::ListParts);
    common::wait(&mut child, || journal.in_flight().iter().any(|flying| is_list(&flying.entry)));
    signal(&child, Signal::INT);
    end(child).expect(5, &[kept, "Resume with:"]);
    stage.release();
    Run::of(upload()).expect(0, &["6 parts resumed"]);
}

#[test]
fn what_would_be_done_is_said_and_not_done() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    let preview = || {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.arg("--dry-run");
        let run = Run::of(command);
        run.expect(0, &[]);
        run.stdout
    };
    let told = preview();
    assert!(told.contains("1000.00 KiB to oss://ossup-test/key at http://127.0.0.1:"), "{told}");
    assert!(told.ends_with(", in 10 parts of 100.00 KiB\nno earlier run is recorded\n"), "{told}");
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    stage.emulator.journal().clear();
    let told = preview();
    assert!(told.contains("an earlier run has got so far:\noss://ossup-test/key: "), "{told}");
    // That what was held back is in vain the server may find out late.
    let asked: Vec<_> = stage
        .emulator
        .journal()
        .entries()
        .into_iter()
        .filter(|entry| entry.fate != Fate::Abandoned)
        .collect();
    assert!(asked.is_empty() && stage.checkpoints().len() == 1, "{asked:?}");
}

#[test]
fn on_request_an_interrupt_leaves_nothing() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.arg("--abort-on-interrupt");
    let child = held(&stage, "key", command);
    signal(&child, Signal::INT);
    end(child).expect(5, &["interrupted; what was sent is deleted"]);
    assert_eq!((stage.checkpoints(), stage.uploads(), stage.object("key")), (vec![], 0, None));
}

#[test]
fn what_could_not_be_deleted_is_not_said_to_be_resumed_but_how_to_delete_it() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    let denied = stage.fail(Operation::AbortMultipartUpload, Action::Deny);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.arg("--abort-on-interrupt");
    let child = held(&stage, "key", command);
    signal(&child, Signal::INT);
    let run = end(child);
    run.expect(2, &["what was sent could not be deleted", "oss:AbortMultipartUpload", "Delete it with:"]);
    assert!(!run.stderr.contains("Resume"), "{run}");
    stage.emulator.faults().remove(denied);
    let run = paste(&stage, &run);
    assert!(run.code == Some(0) && run.stdout == "deleted\n", "{run}");
    assert_eq!((stage.checkpoints(), stage.uploads()), (vec![], 0));
}

#[test]
fn a_checkpoint_that_was_taken_away_meanwhile_is_not_counted_on() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    let child = held(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    // In one step: the program may be writing there.
    std::fs::rename(stage.path(".local/state/ossup/checkpoints"), stage.path("gone")).unwrap();
    signal(&child, Signal::INT);
    let run = end(child);
    // What was just being written may have failed first.
    let code = if run.code == Some(3) { 3 } else { 5 };
    run.expect(code, &["There is no checkpoint. Resume with:", "Delete what was sent with:"]);
    stage.release();
    paste(&stage, &run).expect(0, &["6 parts resumed"]);
}

#[test]
fn an_upload_that_nobody_may_know_of_is_told_with_how_to_find_it() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    stage.fail(Operation::ListMultipartUploads, Action::Deny);
    let lost = Rule::on(Operation::InitiateMultipartUpload, Action::LoseAnswer).times(1);
    stage.emulator.faults().add(lost);
    let told = ["may be left on the server", " status oss://ossup-test/key", " --strays-older-than 1d"];
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(0, &told);
}

#[test]
fn without_a_checkpoint_an_interrupted_upload_can_still_be_adopted() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.arg("--no-checkpoint");
    let child = held(&stage, "key", command);
    signal(&child, Signal::INT);
    let run = end(child);
    let id = stage.emulator.model().uploads("ossup-test")[0].upload_id.clone();
    let delete = format!(" abort oss://ossup-test/key --upload-id {id}");
    run.expect(5, &[" of 10 parts are kept", "There is no checkpoint. Resume with:", &delete]);
    stage.release();
    paste(&stage, &run).expect(0, &["going on from an upload found on the server", "6 parts resumed"]);
    stage.assert_nothing_twice();
}

#[test]
fn a_second_interrupt_ends_the_program_at_once() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    // The end that the first one asks for takes for ever.
    stage.fail(Operation::AbortMultipartUpload, Action::Stall { millis: 3_600_000 });
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.arg("--abort-on-interrupt");
    let mut child = held(&stage, "key", command);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    signal(&child, Signal::INT);
    let told = lines.find(|line| line.as_ref().unwrap().contains("stopping and deleting")).unwrap();
    assert!(told.unwrap().contains("interrupt again to end at once"));
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_second_process_is_told_who_is_the_first() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    let mut first = held(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    let pid = format!("process {} on ", first.id());
    let host = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(8, &["already under way", &pid, &host]);
    Run::of(stage.upload(&file, "oss://ossup-test/other")).expect(0, &[]);
    let under_way = format!("\n  under way: {pid}{host}, since ");
    let status = || Run::of(stage.ossup(["status"]));
    assert!(status().stdout.contains(&under_way), "{}", status());
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(!status().stdout.contains("under way"), "{}", status());
    stage.release();
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(0, &["6 parts resumed"]);
}

#[test]
fn of_a_file_that_has_changed_the_parts_that_still_match_are_kept() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    let first = usize::from(stage.taken()[0].part_number.unwrap() - 1);
    let mut content = std::fs::read(&file).unwrap();
    content[first * PART] ^= 1;
    std::fs::write(&file, &content).unwrap();

    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.args(["--if-changed", "fail"]);
    let ended = Run::of(command);
    ended
        .expect(6, &["the source has changed since an earlier run", " of 10 parts are kept", "Resume with:"]);
    assert!(!ended.stderr.contains("that still match are kept"), "nothing was decided yet: {ended}");
    let run = paste(&stage, &ended);
    run.expect(0, &["the file has changed since its parts were sent", "500.00 KiB in 5 parts resumed"]);
    assert!(stage.object("key") == Some(content));
}

#[test]
fn of_a_file_that_has_changed_nothing_is_kept_if_so_asked_and_nothing_else_is_said() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    let content = vec![7; 10 * PART];
    std::fs::write(&file, &content).unwrap();
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.args(["--if-changed", "restart"]);
    let run = Run::of(command);
    run.expect(0, &["the file has changed since it was read; it is sent again from the beginning"]);
    assert!(!run.stderr.contains("are kept"), "{run}");
    assert!(stage.object("key") == Some(content));
}

#[test]
fn an_upload_that_is_gone_begins_again_or_not_as_asked() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    let lose = || {
        stage.emulator.journal().clear();
        cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
        stage.emulator.journal().clear();
        assert_eq!(stage.emulator.model().expire_uploads(std::time::Duration::ZERO), 1);
    };
    lose();
    for _ in 0..2 {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.args(["--if-unresumable", "fail"]);
        let run = Run::of(command);
        run.expect(9, &["cannot resume", "lifecycle rule", "Begin again with:", "--if-unresumable restart"]);
        assert!(!run.stderr.contains("--if-unresumable fail"), "{run}");
    }
    assert_eq!((stage.checkpoints().len(), stage.uploads()), (1, 0));
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(0, &["the upload begins again"]);
    lose();
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(0, &["the upload begins again"]);
    assert!(stage.object("key") == Some(std::fs::read(&file).unwrap()));
}

#[test]
fn an_upload_with_other_attributes_says_how_to_go_on_each_time() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    let mut run = None;
    for _ in 0..2 {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.args(["--if-unresumable=fail", "--storage-class", "IA"]);
        let ended = Run::of(command);
        ended.expect(9, &["other attributes", "With the attributes that it was begun with"]);
        assert!(!ended.stderr.contains("Resume with"), "it would end the same way: {ended}");
        run = Some(ended);
    }
    paste(&stage, &run.unwrap()).expect(0, &["the upload begins again"]);
}

#[test]
fn a_damaged_checkpoint_is_set_aside() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    let folder = stage.path(".local/state/ossup/checkpoints");
    std::fs::write(folder.join(&stage.checkpoints()[0]), "what is this?\nand this?\n").unwrap();
    Run::of(stage.ossup(["status"])).expect(0, &[]);
    for _ in 0..2 {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.args(["--if-unresumable", "fail"]);
        Run::of(command).expect(9, &["cannot resume", "damaged", "The checkpoint stays as it is"]);
    }
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(0, &["was set aside", "damaged"]);
    assert!(stage.object("key") == Some(std::fs::read(&file).unwrap()));
}

#[test]
fn a_checkpoint_that_was_set_aside_is_listed_with_what_could_be_saved_and_can_be_deleted() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    let id = stage.emulator.model().uploads("ossup-test")[0].upload_id.clone();
    let name = stage.checkpoints().remove(0);
    let path = stage.path(".local/state/ossup/checkpoints").join(&name);
    let mut record = std::fs::read(&path).unwrap();
    record[30] ^= 1;
    std::fs::write(&path, record).unwrap();
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(0, &["was set aside"]);

    let aside = format!("{name}.damaged-1");
    let run = Run::of(stage.ossup(["status"]));
    assert!(run.stdout.contains(&aside) && run.stdout.contains(&format!("upload id {id}, which")), "{run}");
    let run = Run::of(stage.ossup(["abort", &aside]));
    assert!(run.code == Some(0) && run.stdout.starts_with("the damaged checkpoint is deleted"), "{run}");
    let run = Run::of(stage.ossup(["status"]));
    assert!(run.stdout.starts_with("no upload is cut off"), "{run}");
}

#[test]
fn what_is_cut_off_can_be_listed_and_deleted() {
    let stage = Stage::new();
    let run = Run::of(stage.ossup(["status"]));
    assert!(run.code == Some(0) && run.stdout.starts_with("no upload is cut off"), "{run}");

    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "a key", stage.upload(&file, "oss://ossup-test/a key"));
    let run = Run::of(stage.ossup(["status"]));
    let name = stage.checkpoints().remove(0);
    let upload_id = stage.emulator.model().uploads("ossup-test")[0].upload_id.clone();
    for told in ["oss://ossup-test/a key: ", " of 10 parts, ", "of 1000.00 KiB", "begun ", &upload_id, &name]
    {
        assert!(run.stdout.contains(told), "'{told}' is missing: {run}");
    }

    Run::of(stage.ossup(["abort", "oss://ossup-test/other"]))
        .expect(1, &["there is no checkpoint", "ossup status"]);
    let mut elsewhere = stage.ossup(["abort", &name]);
    elsewhere.args(["--endpoint", "http://127.0.0.1:1"]);
    Run::of(elsewhere).expect(1, &["the checkpoint is of an upload to 127.0.0.1"]);
    let run = Run::of(stage.ossup(["abort", "oss://ossup-test/a key"]));
    assert!(run.code == Some(0) && run.stdout == "deleted\n", "{run}");
    assert_eq!((stage.checkpoints(), stage.uploads()), (vec![], 0));
}

#[test]
fn checkpoints_of_several_files_to_one_key_are_told_apart_by_their_files() {
    let stage = Stage::new();
    for name in ["one", "two"] {
        stage.emulator.journal().clear();
        cut_off(&stage, "key", stage.upload(stage.file(name, 10 * PART), "oss://ossup-test/key"));
    }
    let names = stage.checkpoints();
    let told = Run::of(stage.ossup(["abort", "oss://ossup-test/key"]));
    told.expect(1, &["there are 2 checkpoints", &names[0], &names[1], " of 10 parts, ", "upload id "]);
    for file in ["one", "two"] {
        let path = stage.path(file).canonicalize().unwrap();
        told.expect(1, &[&format!("  file {}", path.display())]);
    }
    let run = Run::of(stage.ossup(["abort", &names[0]]));
    assert!(run.code == Some(0) && run.stdout == "deleted\n", "{run}");
}

#[test]
fn a_folder_that_cannot_be_looked_into_is_not_taken_for_an_empty_one() {
    let stage = Stage::new();
    let below = stage.file("file", 1).join("below");
    for args in [&["status"][..], &["abort", "oss://ossup-test/key"]] {
        let mut command = stage.ossup(args);
        command.arg("--checkpoint-dir").arg(&below);
        Run::of(command).expect(3, &["cannot look into the folder", "below"]);
    }
}

#[test]
fn a_checkpoint_leads_to_its_server_without_an_endpoint() {
    let stage = Stage::with(Emulator::builder().https().bucket("ossup-test").start().unwrap());
    let certificate = stage.path("certificate");
    std::fs::write(&certificate, stage.emulator.certificate().unwrap()).unwrap();
    let file = stage.file("file", 10 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.env("OSS_CA_BUNDLE", &certificate);
    cut_off(&stage, "key", command);
    let mut command = stage.ossup(["abort", "oss://ossup-test/key"]);
    command.env("OSS_CA_BUNDLE", &certificate).env_remove("OSS_ENDPOINT");
    let run = Run::of(command);
    assert!(run.code == Some(0) && run.stdout == "deleted\n", "{run}");
    assert_eq!((stage.checkpoints(), stage.uploads()), (vec![], 0));
}

#[test]
fn another_name_of_the_endpoint_begins_anew_and_says_so() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    let endpoint = stage.emulator.endpoint().replace("127.0.0.1", "localhost");
    command.args(["--endpoint", &endpoint, "--addressing-style", "path"]);
    let told = format!("is recorded for the endpoint {}", stage.emulator.address());
    Run::of(command).expect(0, &[&told]);
    assert_eq!((stage.checkpoints().len(), stage.uploads()), (1, 1));
}

#[test]
fn what_is_unfinished_on_the_server_is_matched_with_the_checkpoints_and_strays_can_be_deleted() {
    let stage = Stage::new();
    let run = Run::of(stage.ossup(["status", "oss://ossup-test/films/"]));
    assert!(run.code == Some(0) && run.stdout.starts_with("no upload is unfinished on the server"), "{run}");

    // One with a checkpoint, and one whose checkpoint is lost.
    let file = stage.file("file", 10 * PART);
    for key in ["films/stray", "films/known"] {
        stage.emulator.journal().clear();
        cut_off(&stage, key, stage.upload(&file, &format!("oss://ossup-test/{key}")));
        if key == "films/stray" {
            let name = stage.checkpoints().remove(0);
            std::fs::remove_file(stage.path(".local/state/ossup/checkpoints").join(name)).unwrap();
        }
    }
    let ids: Vec<_> =
        stage.emulator.model().uploads("ossup-test").into_iter().map(|it| it.upload_id).collect();
    let run = Run::of(stage.ossup(["status", "oss://ossup-test/films/"]));
    assert_eq!(run.code, Some(0), "{run}");
    let stray = "oss://ossup-test/films/stray: no checkpoint here leads to it\n  begun ";
    for told in [stray, "oss://ossup-test/films/known: ", " of 10 parts, ", &ids[0], &ids[1]] {
        assert!(run.stdout.contains(told), "'{told}' is missing: {run}");
    }
    let run = Run::of(stage.ossup(["status", "oss://ossup-test/other/"]));
    assert!(run.stdout.starts_with("no upload is unfinished"), "{run}");
    Run::of(stage.ossup(["status", "films/"])).expect(1, &["is not a place", "oss://bucket/prefix"]);

    // A young one may be another machine's.
    let run = Run::of(stage.ossup(["abort", "oss://ossup-test/films/", "--strays-older-than", "1d"]));
    assert!(run.code == Some(0) && run.stdout == "0 stray uploads deleted\n", "{run}");
    assert_eq!(stage.uploads(), 2);
    let run = Run::of(stage.ossup(["abort", "oss://ossup-test/films/", "--strays-older-than", "0s"]));
    assert!(run.code == Some(0) && run.stdout.contains("films/stray, upload id "), "{run}");
    assert!(run.stdout.ends_with(": deleted\n1 stray upload deleted\n"), "{run}");
    assert_eq!(stage.uploads(), 1);
}

#[test]
fn an_upload_is_deleted_by_its_id_with_or_without_its_checkpoint() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    for forget in [true, false] {
        stage.emulator.journal().clear();
        cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
        if forget {
            let name = stage.checkpoints().remove(0);
            std::fs::remove_file(stage.path(".local/state/ossup/checkpoints").join(name)).unwrap();
        }
        let id = stage.emulator.model().uploads("ossup-test")[0].upload_id.clone();
        let run = Run::of(stage.ossup(["abort", "oss://ossup-test/key", "--upload-id", &id]));
        assert!(run.code == Some(0) && run.stdout == "deleted\n", "{run}");
        assert_eq!((stage.checkpoints(), stage.uploads()), (vec![], 0));
        Run::of(stage.ossup(["abort", "oss://ossup-test/key", "--upload-id", &id]))
            .expect(2, &["there is no such upload"]);
    }
}

#[test]
fn a_checkpoint_whose_upload_is_gone_is_deleted_and_nothing_else_is_said_to_be() {
    let stage = Stage::new();
    let file = stage.file("file", 10 * PART);
    cut_off(&stage, "key", stage.upload(&file, "oss://ossup-test/key"));
    assert_eq!(stage.emulator.model().expire_uploads(std::time::Duration::ZERO), 1);
    let run = Run::of(stage.ossup(["abort", "oss://ossup-test/key"]));
    assert!(run.code == Some(0) && run.stdout.starts_with("the server has no such upload"), "{run}");
    assert_eq!(stage.checkpoints(), [""; 0]);
}

#[test]
fn where_uploads_may_not_be_listed_the_permission_is_named() {
    let stage = Stage::new();
    stage.fail(Operation::ListMultipartUploads, Action::refuse(403, "AccessDenied"));
    Run::of(stage.ossup(["status", "oss://ossup-test"])).expect(2, &["oss:ListMultipartUploads"]);
}
