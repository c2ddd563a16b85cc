//! `ossup upload` from its beginning to its end, whatever that is: what arrives, what is said, which exit code.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread::JoinHandle;

use common::{PART, Run, Stage, TOKEN, WRONG_SECRET};
use ossup_emulator::{Action, DEFAULT_BUCKET, Operation, Rule};

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_file_becomes_an_object_and_nothing_is_left() {
    let stage = Stage::new();
    let file = stage.file("film.mp4", 5 * PART + 7);
    let run = Run::of(stage.upload(&file, "oss://ossup-test/films/"));
    run.expect(0, &["oss://ossup-test/films/film.mp4: 500.01 KiB in ", "/s, ETag \"", "-6\", CRC-64 "]);
    assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{run}");
    assert!(stage.object("films/film.mp4") == Some(std::fs::read(&file).unwrap()));
    assert_eq!((stage.checkpoints(), stage.uploads()), (vec![], 0));
}

#[test]
fn small_and_empty_files_go_up_in_one_request() {
    let stage = Stage::new();
    for len in [0, 1, 300_000] {
        let file = stage.file("small", len);
        let mut command = stage.ossup(["upload", "--quiet"]);
        command.arg(&file).arg("oss://ossup-test/small");
        let run = Run::of(command);
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "", ""), "{run}");
        assert!(stage.object("small") == Some(std::fs::read(&file).unwrap()), "{len} bytes");
    }
    assert_eq!(stage.emulator.journal().count(Operation::InitiateMultipartUpload), 0);
    assert_eq!(stage.checkpoints(), [""; 0]);
}

#[test]
fn an_empty_file_is_put_even_where_parts_are_asked_for() {
    let stage = Stage::new();
    let file = stage.file("empty", 0);
    Run::of(stage.upload(&file, "oss://ossup-test/empty")).expect(0, &["0 B in "]);
    assert_eq!(stage.object("empty"), Some(vec![]));
}

#[test]
fn any_key_arrives_as_it_was_typed() {
    let stage = Stage::new();
    let file = stage.file("file", PART + 1);
    for key in [
        "with spaces and  two",
        "a+b%20c%2Fd&e=f?g#h",
        "../up/./and/../down",
        "\u{4e2d}\u{6587}/na\u{ef}ve \u{1f600}",
        "a//b///c",
        "'quotes\" $(and) `more` \\",
    ] {
        Run::of(stage.upload(&file, &format!("oss://ossup-test/{key}"))).expect(0, &[key]);
        assert!(stage.object(key) == Some(std::fs::read(&file).unwrap()), "{key}");
    }
}

#[cfg(unix)]
#[test]
fn nothing_that_a_name_holds_steers_the_terminal() {
    let stage = Stage::new();
    let file = stage.file("a\u{1b}[2Jb\nossup: all is well", 3 * PART);
    let key = "k\u{1b}]0;title\u{7}\u{202e}txt";
    let object = format!("oss://ossup-test/{key}");
    let harmless = |run: &Run| {
        assert!(!run.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{run}");
        assert!(!run.stderr.lines().any(|line| line.starts_with("ossup: all")), "{run}");
    };
    let rule = stage.fail(Operation::UploadPart, Action::Deny);
    let run = Run::of(stage.upload(file.file_name().unwrap(), &object));
    run.expect(2, &["a?[2Jb?ossup", "k?]0;title??txt", "Resume with:"]);
    harmless(&run);
    stage.emulator.faults().remove(rule);
    // The command that it tells to type still names this file and this key.
    let typed = run.stderr.lines().skip_while(|line| !line.ends_with(" with:")).nth(1).unwrap();
    let mut command = Command::new("bash");
    stage.set_up(&mut command);
    command.args(["-c", typed]);
    let run = Run::of(command);
    run.expect(0, &[]);
    harmless(&run);
    assert!(stage.object(key) == Some(std::fs::read(&file).unwrap()));
}

#[test]
fn attributes_reach_the_object() {
    let stage = Stage::new();
    let file = stage.file("file.html", PART + 1);
    let mut command = stage.upload(&file, "oss://ossup-test/page");
    command.args(["--content-type", "text/html; charset=utf-8", "--cache-control", "no-cache"]);
    command.args(["--metadata", "color=blue", "--storage-class", "ia"]);
    Run::of(command).expect(0, &[]);
    let object = stage.emulator.model().object(DEFAULT_BUCKET, "page").unwrap();
    let header = |name: &str| object.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(header("cache-control"), Some("no-cache"));
    assert_eq!(header("x-oss-meta-color"), Some("blue"));
}

#[test]
fn all_that_the_library_can_ask_for_the_program_can() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.args(["--expires", "Sat, 16 Dec 2028 16:20:57 GMT", "--request-payer", "--sequential"]);
    command.args(["--complete-all", "--traffic-limit", "838860800", "--sse", "kms", "--sse-kms-sm4"]);
    command.args(["--sse-kms-key-id", "9468da86-3509-4f8d-a61e-6eab1eac"]);
    Run::of(command).expect(0, &["-3\", CRC-64"]);
    let object = stage.emulator.model().object(DEFAULT_BUCKET, "key").unwrap();
    let header = |name: &str| object.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(header("expires"), Some("Sat, 16 Dec 2028 16:20:57 GMT"));
    let order: Vec<_> = stage.taken().iter().filter_map(|entry| entry.part_number).collect();
    assert_eq!(order, [1, 2, 3]);
    for (wrong, told) in [
        (["--expires", "nonsense"], "'nonsense' is not a date"),
        (["--traffic-limit", "1"], "1 bit/s is outside the limits"),
        (["--callback-host", "h"], "--callback-url"),
    ] {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.args(wrong);
        Run::of(command).expect(1, &[told]);
    }
}

#[test]
fn an_object_that_must_not_be_overwritten_is_not() {
    let stage = Stage::new();
    let file = stage.file("file", PART + 1);
    let upload = || {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.arg("--forbid-overwrite");
        Run::of(command)
    };
    upload().expect(0, &[]);
    let run = upload();
    run.expect(2, &["InitiateMultipartUpload: there is an object", "FileAlreadyExists", "request "]);
    assert_eq!(run.stderr.matches("there is an object").count(), 1, "{run}");
}

#[test]
fn a_wrong_secret_is_told_apart_from_a_wrong_key() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.env("OSS_ACCESS_KEY_SECRET", WRONG_SECRET);
    Run::of(command).expect(2, &["SignatureDoesNotMatch", "request ", "The secret is wrong"]);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.env("OSS_ACCESS_KEY_ID", "LTAIunknown");
    Run::of(command).expect(2, &["InvalidAccessKeyId", "request ", "unknown or disabled"]);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.env("OSS_SESSION_TOKEN", TOKEN);
    Run::of(command).expect(2, &["request "]);
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(0, &["300.00 KiB in "]);
    assert_eq!((stage.checkpoints(), stage.uploads()), (vec![], 0));
}

#[test]
fn a_wrong_region_is_told() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.args(["--region", "cn-beijing"]);
    Run::of(command)
        .expect(2, &["InvalidArgument", "EC 0002-00000226", "The region is not that of the bucket"]);
}

#[test]
fn a_missing_bucket_is_told() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let run = Run::of(stage.upload(&file, "oss://no-such-bucket/key"));
    run.expect(2, &["NoSuchBucket", "request ", "check its name and its region"]);
}

#[test]
fn what_cannot_be_a_source_is_told_before_anything_is_sent() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("folder")).unwrap();
    stage.file("file", 1);
    for (file, code, told) in [
        ("missing", 3, "there is no file missing"),
        ("folder", 1, "folder is a folder"),
        (".", 1, ". is a folder"),
        ("/dev/null", 1, "/dev/null is not a regular file"),
        ("file/below", 3, "cannot read file/below"),
    ] {
        for object in ["oss://ossup-test/key", "oss://ossup-test"] {
            let run = Run::of(stage.upload(file, object));
            run.expect(code, &[told]);
            assert_eq!(run.stderr.lines().count(), 1, "{run}");
        }
    }
    assert!(stage.emulator.journal().entries().is_empty());
}

/// As a user who is not root, where the test is run by one: nothing is unreadable to root.
#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt as _;

    const NOBODY: u32 = 65534;
    let stage = Stage::new();
    let file = stage.file("file", 10);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap();
    // What others must be able to reach: the program, and the folder of the file.
    let program = stage.path("ossup");
    // Copied by another process: a program that this one has open for writing while another test starts its own is
    // "busy" and cannot be started.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ossup")).arg(&program).status().unwrap();
    assert!(copied.success());
    for path in [&program, program.parent().unwrap()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&program);
    stage.set_up(&mut command);
    command.args(["upload", "--no-checkpoint"]).arg(&file).arg("oss://ossup-test/key");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Run::of(command).expect(3, &["cannot read ", "ermission denied"]);
}

#[test]
fn a_server_that_cannot_be_reached_is_told() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    let nowhere = nowhere();
    command.args(["--endpoint", &nowhere, "--patience", "0"]);
    let run = Run::of(command);
    let endpoint = format!("The endpoint is {nowhere}");
    run.expect(
        3,
        &[
            "InitiateMultipartUpload: the server could not be reached",
            &endpoint,
            "Check the network, the endpoint",
            "--wait-for-network",
        ],
    );
}

#[test]
fn an_endpoint_that_is_written_another_way_than_it_is_meant_is_told() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let at = |endpoint: &str| {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.args(["--no-checkpoint", "--patience", "0", "--endpoint", endpoint]);
        Run::of(command)
    };
    let host = stage.emulator.address().to_string();
    at(&host).expect(3, &[&format!("If it speaks http, write http://{host}")]);
    at("http://ossup-test.localhost:1").expect(3, &["It begins with the bucket", "--addressing-style cname"]);
}

#[test]
fn what_failed_is_named_with_its_part_and_its_permission() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let failing = |operation, action| {
        let rule = stage.fail(operation, action);
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        command.args(["--attempts", "1", "-j", "1"]);
        let run = Run::of(command);
        stage.emulator.faults().remove(rule);
        run
    };
    failing(Operation::UploadPart, Action::refuse(500, "InternalError"))
        .expect(2, &["UploadPart of part 1: the server went on failing: 500 InternalError", "request "]);
    failing(Operation::ListParts, Action::refuse(500, "InternalError"))
        .expect(2, &["ListParts: the server went on failing"]);
    failing(Operation::CompleteMultipartUpload, Action::Deny)
        .expect(2, &["CompleteMultipartUpload: 403 AccessDenied", "takes the permission oss:PutObject"]);
}

#[test]
fn what_is_missing_or_wrong_in_the_settings_is_told() {
    let stage = Stage::new();
    let file = stage.file("file", 1);
    let without = |names: &[&str]| {
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        for name in names {
            command.env_remove(name);
        }
        command
    };
    Run::of(without(&["OSS_ACCESS_KEY_SECRET"])).expect(1, &["OSS_ACCESS_KEY_SECRET is not set"]);
    Run::of(without(&["OSS_ENDPOINT", "OSS_REGION"])).expect(1, &["OSS_ENDPOINT", "OSS_REGION"]);
    Run::of(without(&["OSS_REGION"])).expect(1, &["does not tell the region", "--region"]);
    let mut nothing = without(&[]);
    nothing.env("OSS_CA_BUNDLE", "").env("OSS_SESSION_TOKEN", "");
    Run::of(nothing).expect(0, &[]);
    stage.emulator.journal().clear();
    let mut broken = without(&[]);
    broken.env("OSS_ACCESS_KEY_SECRET", format!("{WRONG_SECRET}\n"));
    Run::of(broken).expect(1, &["OSS_ACCESS_KEY_SECRET has characters that no key has"]);
    Run::of(stage.upload(&file, "oss://Bucket/key")).expect(1, &["'oss://Bucket/key' is not an object"]);
    Run::of(stage.upload(&file, "key")).expect(1, &["oss://bucket/key"]);
    let with = |option: [&str; 2]| {
        let mut command = stage.ossup(["upload"]);
        command.arg(&file).arg("oss://ossup-test/key").args(option);
        Run::of(command)
    };
    with(["--part-size", "8X"]).expect(1, &["'8X' is not a size"]);
    for wrong in ["0", "257", "many"] {
        with(["-j", wrong]).expect(1, &["is not a number from 1 to 256"]);
    }
    with(["--acl", "everybody"]).expect(1, &["'everybody' is not one of"]);
    with(["--content-type", ""]).expect(1, &["the value of content-type is empty"]);
    with(["--metadata", "a="]).expect(1, &["the value of metadata is empty"]);
    with(["--metadata", "a b=c"]).expect(1, &["'a b' cannot be the name of metadata"]);
    with(["--no-such-option", "x"]).expect(1, &["--no-such-option"]);
    with(["--part-size", "1"]).expect(1, &["100 KiB"]);
    assert!(stage.emulator.journal().entries().is_empty());
}

#[test]
fn help_and_version_are_no_errors() {
    let stage = Stage::new();
    for args in [&["--help"][..], &["--version"], &["upload", "--help"], &["help", "demo"]] {
        let run = Run::of(stage.ossup(args));
        assert!(run.code == Some(0) && !run.stdout.is_empty() && run.stderr.is_empty(), "{run}");
    }
    Run::of(stage.ossup([""; 0])).expect(1, &["Usage"]);
    let help = Run::of(stage.ossup(["upload", "--help"])).stdout;
    for told in ["Examples:", "OSS_ACCESS_KEY_ID", "Exit codes:", "OSS_REGION"] {
        assert!(help.contains(told), "{help}");
    }
}

#[test]
fn a_folder_for_checkpoints_that_cannot_be_made_is_told() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.arg("--checkpoint-dir").arg(file.join("below"));
    Run::of(command).expect(3, &["checkpoint folder", "--checkpoint-dir", "--no-checkpoint"]);
    assert!(stage.emulator.journal().entries().is_empty());
}

/// A limit on the size of files in place of a full disk: the system refuses what is written just the same.
#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_checkpoint_is_told() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let mut command = Command::new("sh");
    stage.set_up(&mut command);
    command.args([
        "-c",
        "trap '' XFSZ; ulimit -f 0; exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_ossup"),
        "upload",
    ]);
    command.arg(&file).args(["oss://ossup-test/key", "--put-threshold", "0"]);
    let run = Run::of(command);
    run.expect(3, &["checkpoint", "too large", "--checkpoint-dir", "--no-checkpoint"]);
    assert_eq!(stage.emulator.journal().count(Operation::InitiateMultipartUpload), 0, "nothing is begun");
}

/// A disk that is really full, where the system lets us have one: a file system of one page in a namespace of our own.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_the_checkpoint_folder_is_told() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    let disk = stage.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let on_the_disk = |then: &str| {
        let mut command = Command::new("unshare");
        stage.set_up(&mut command);
        let mount = "mount -t tmpfs -o size=4k,nr_inodes=16 tmpfs \"$0\"";
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &format!("{mount} && {then}")]);
        command.arg(&disk);
        command
    };
    if !on_the_disk("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: this system has no disks for us");
        return;
    }
    let mut command = on_the_disk("head -c 4096 /dev/zero > \"$0/filler\"; exec \"$@\"");
    command.args([env!("CARGO_BIN_EXE_ossup"), "upload"]).arg(&file).arg("oss://ossup-test/key");
    command.args(["--put-threshold", "0", "--checkpoint-dir"]).arg(&disk);
    let run = Run::of(command);
    run.expect(3, &["checkpoint", "No space left", "--checkpoint-dir", "--no-checkpoint"]);
    assert_eq!(stage.emulator.journal().count(Operation::InitiateMultipartUpload), 0, "nothing is begun");
}

#[test]
fn repeated_requests_are_told_in_short_and_not_if_quiet() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    for quiet in [false, true] {
        let rule = Rule::on(Operation::UploadPart, Action::refuse(500, "InternalError")).times(2);
        stage.emulator.faults().add(rule);
        let mut command = stage.upload(&file, "oss://ossup-test/key");
        if quiet {
            command.arg("--quiet");
        }
        let run = Run::of(command);
        if quiet {
            run.expect(0, &[]);
            assert_eq!(run.stderr, "");
        } else {
            run.expect(0, &["retrying ", "InternalError"]);
        }
    }
}

#[test]
fn bytes_that_do_not_arrive_as_sent_have_a_code_of_their_own() {
    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    stage.fail(Operation::UploadPart, Action::Corrupt { offset: 5 });
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.args(["--integrity", "crc"]);
    Run::of(command).expect(7, &["part ", "changes bytes", "What was seen last: "]);
    assert_eq!(stage.object("key"), None);
    stage.release();
    stage.fail(Operation::PutObject, Action::Corrupt { offset: 5 });
    let mut command = stage.ossup(["upload", "--attempts", "9"]);
    command.arg(&file).arg("oss://ossup-test/small");
    let run = Run::of(command);
    run.expect(7, &["PutObject: the object arrived with other bytes", "changes bytes"]);
    assert!(!run.stderr.contains("part 1 arrived"), "{run}");
}

#[test]
fn what_a_refusal_has_left_is_told() {
    let stage = Stage::new();
    let file = stage.file("my file", 3 * PART);
    let rule = stage.fail(Operation::CompleteMultipartUpload, Action::Deny);
    let run = Run::of(stage.upload(&file, "oss://ossup-test/key"));
    let id = stage.emulator.model().uploads(DEFAULT_BUCKET)[0].upload_id.clone();
    run.expect(
        2,
        &["AccessDenied", "oss:PutObject", "3 of 3 parts are kept", "Resume with:", "my file'", &id],
    );
    stage.emulator.faults().remove(rule);
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(0, &["300.00 KiB in 3 parts resumed"]);
    stage.assert_nothing_twice();
}

/// An application that is called back once and answers like this.
fn application(status: u16, body: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/uploaded", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut reader, mut len) = (BufReader::new(stream.try_clone().unwrap()), 0);
        for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                len = value.trim().parse().unwrap();
            }
        }
        let mut asked = vec![0; len];
        reader.read_exact(&mut asked).unwrap();
        let head = format!("HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nConnection: close");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8(asked).unwrap()
    });
    (url, served)
}

fn upload_with_callback(stage: &Stage, url: &str) -> Run {
    let file = stage.file("file", 3 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.args(["--callback-url", url, "--callback-body", "key=${object}&who=${x:who}"]);
    command.args(["--callback-var", "who=me", "--callback-host", "app.example", "--callback-sni"]);
    command.args(["--callback-body-type", "form"]);
    Run::of(command)
}

#[test]
fn the_answer_of_a_callback_and_nothing_else_is_on_standard_output() {
    let stage = Stage::new();
    let (url, application) = application(200, r#"{"id":"r2d2"}"#);
    let run = upload_with_callback(&stage, &url);
    run.expect(0, &["oss://ossup-test/key: "]);
    assert_eq!(run.stdout, r#"{"id":"r2d2"}"#);
    assert_eq!(application.join().unwrap(), "key=key&who=me");
}

#[test]
fn an_object_that_is_stored_while_its_callback_fails_has_a_code_of_its_own() {
    let stage = Stage::new();
    let (url, application) = application(500, "no");
    let run = upload_with_callback(&stage, &url);
    run.expect(10, &["stored, but the callback failed: 203 CallbackFailed", "request ", "CRC-64 "]);
    application.join().unwrap();
    assert!(stage.object("key").is_some());
    assert_eq!(stage.checkpoints(), [""; 0]);
}

#[test]
fn an_answer_of_a_callback_that_is_lost_is_not_taken_for_one() {
    let stage = Stage::new();
    let (url, application) = application(200, r#"{"id":"r2d2"}"#);
    let lost = Rule::on(Operation::CompleteMultipartUpload, Action::LoseAnswer).times(1);
    stage.emulator.faults().add(lost);
    let run = upload_with_callback(&stage, &url);
    run.expect(10, &["the answer of the callback was lost", "ask the application", "CRC-64 "]);
    assert_eq!(run.stdout, "");
    application.join().unwrap();
}

#[test]
fn parts_that_are_larger_than_was_asked_for_are_told() {
    let stage = Stage::new();
    let file = stage.path("file");
    // Without content on the disk; the server is to take none of it.
    std::fs::File::create(&file).unwrap().set_len(10_001 * PART as u64).unwrap();
    stage.fail(Operation::InitiateMultipartUpload, Action::Deny);
    Run::of(stage.upload(&file, "oss://ossup-test/key")).expect(2, &["instead of 100.00 KiB: an upload has"]);
}

#[test]
fn what_is_easily_typed_instead_is_told() {
    let stage = Stage::new();
    stage.file("file", 1);
    Run::of(stage.upload("-", "oss://ossup-test/key")).expect(1, &["standard input cannot be uploaded"]);
    Run::of(stage.upload("oss://ossup-test/key", "file")).expect(1, &["the file comes first"]);
}

/// Takes as long as it takes until the first line is due.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_cannot_draw_gets_lines() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let stage = Stage::new();
    let file = stage.file("file", 3 * PART);
    stage.fail(Operation::UploadPart, Action::Pace { bytes_per_second: PART as u64 / 7 });
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let stderr = std::fs::File::options().read(true).write(true).open(name).unwrap();
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.env("TERM", "dumb").stderr(stderr);
    let mut child = command.spawn().unwrap();
    // The last that the terminal is open for is the child.
    drop(command);
    let mut told = Vec::new();
    let _ = std::fs::File::from(terminal).read_to_end(&mut told);
    assert!(child.wait().unwrap().success());
    let told = String::from_utf8(told).unwrap();
    assert!(told.lines().any(|line| line.contains("%  ") && line.contains(" of 300.00 KiB")), "{told}");
}

#[test]
fn on_request_the_parts_fit_the_file() {
    let stage = Stage::new();
    let file = stage.file("file", 20 * 1024 * 1024);
    let mut command = stage.ossup(["upload"]);
    command.arg(&file).args(["oss://ossup-test/key", "--adaptive"]);
    let run = Run::of(command);
    assert_eq!(run.code, Some(0), "{run}");
    let parts: Vec<_> = stage.taken().iter().map(|entry| entry.part_number).collect();
    assert_eq!(parts.len(), 3, "three parts of 8 MiB at most");
    let mut both = stage.ossup(["upload"]);
    both.arg(&file).args(["oss://ossup-test/key", "--adaptive", "--part-size", "1M"]);
    Run::of(both).expect(1, &["cannot be used with"]);
}
