//! `--output json`: what a program is told, and that it can rely on it.

mod common;

use common::{PART, Run, Stage};
use ossup_emulator::{Action, Operation, Rule};
use serde_json::{Value, json};

/// The events on standard output; the last of them is the end, and it has the exit code.
fn events(run: &Run) -> (Vec<Value>, Value) {
    let mut events: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = events.pop().unwrap();
    assert_eq!(end["event"], "end", "{run}");
    assert_eq!(end["exit_code"].as_i64(), run.code.map(i64::from), "{run}");
    assert!(events.iter().all(|event| event["event"] != "end"), "{run}");
    (events, end)
}

fn upload(stage: &Stage, more: &[&str]) -> Run {
    let file = stage.file("file", 5 * PART);
    let mut command = stage.upload(&file, "oss://ossup-test/key");
    command.args(["--output", "json"]).args(more);
    Run::of(command)
}

#[test]
fn a_completed_upload_is_told_with_its_object_and_what_it_took() {
    let stage = Stage::new();
    let retried = Rule::on(Operation::UploadPart, Action::refuse(500, "InternalError")).times(1);
    stage.emulator.faults().add(retried);
    let run = upload(&stage, &[]);
    let (before, end) = events(&run);
    assert!(before.iter().any(|event| event["event"] == "notice"), "{run}");
    let progress = before.iter().find(|event| event["event"] == "progress").unwrap();
    assert_eq!((&progress["total"], &progress["parts_total"]), (&json!(5 * PART), &json!(5)));
    let content = stage.object("key").unwrap();
    assert_eq!(end["crc64"], json!(ossup_core::digest::Crc64::of(&content).to_string()), "{run}");
    let etag = format!("ETag {}", end["etag"].as_str().unwrap());
    run.expect(0, &[&etag]);
    assert_eq!(
        (&end["end"], &end["bucket"], &end["key"]),
        (&json!("completed"), &json!("ossup-test"), &json!("key"))
    );
    assert_eq!(end["evidence"], "acknowledged_and_equal");
    assert!(end["request_id"].is_string() && end["seconds"].is_number() && end["message"].is_null(), "{run}");
    let report = &end["report"];
    assert_eq!((&report["sent_parts"], &report["retries"]), (&json!(5), &json!(1)), "{run}");
}

#[test]
fn a_failed_upload_is_told_with_the_request_and_the_answer() {
    let stage = Stage::new();
    stage.fail(Operation::CompleteMultipartUpload, Action::Deny);
    let (_, end) = events(&upload(&stage, &[]));
    assert_eq!((&end["end"], &end["cause"]), (&json!("failed"), &json!("refused")), "{end}");
    assert_eq!((&end["operation"], &end["part"]), (&json!("CompleteMultipartUpload"), &Value::Null), "{end}");
    assert_eq!(
        (&end["error"]["code"], &end["error"]["status"]),
        (&json!("AccessDenied"), &json!(403)),
        "{end}"
    );
    assert!(end["error"]["request_id"].is_string() && end["upload_id"].is_string(), "{end}");
    assert_eq!(
        (&end["resumable"], &end["parts_kept"], &end["object"]),
        (&json!(true), &json!(5), &json!("unknown"))
    );
    assert!(end["message"].as_str().unwrap().contains("AccessDenied"), "{end}");
    assert!(end["notes"].as_array().unwrap().contains(&json!("Resume with:")), "{end}");
}

#[test]
fn an_upload_that_does_not_begin_has_an_end_too() {
    let stage = Stage::new();
    let mut command = stage.upload("missing", "oss://ossup-test/key");
    command.args(["--output", "json"]);
    let (before, end) = events(&Run::of(command));
    assert_eq!(
        (before.len(), &end["end"], &end["exit_code"]),
        (0, &json!("not_started"), &json!(3)),
        "{end}"
    );
}
