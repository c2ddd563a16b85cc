//! The program, killed again and again: what arrives is the file, and nothing that had arrived is sent again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ossup_emulator::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, DEFAULT_BUCKET, DEFAULT_REGION, Emulator, Operation, Rule,
};

const PART: usize = 256 << 10;
const PARTS: usize = 64;
/// Longer than anything here takes; only a hang takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_file_whose_upload_is_killed_three_times_arrives_whole_and_is_sent_once() {
    let emulator = Emulator::start().unwrap();
    // Slow enough to be killed in the middle: each part takes some milliseconds.
    emulator.faults().add(Rule::on(Operation::UploadPart, Action::Stall { millis: 10 }));
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(PARTS * PART - 1000).collect();
    let file = folder.path().join("file");
    std::fs::write(&file, &content).unwrap();

    let mut killed = 0;
    for _ in 0..3 {
        let done =
            emulator.journal().of(Operation::UploadPart).iter().filter(|entry| entry.is_success()).count();
        let mut child = upload(&emulator, folder.path(), &file);
        let enough = done + random.usize(2..PARTS / 4);
        assert!(emulator.journal().wait_for(Operation::UploadPart, enough, PATIENCE));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
    }
    assert_eq!(killed, 3, "each of them was still at work");
    let finished = upload(&emulator, folder.path(), &file).wait().unwrap();
    assert!(finished.success(), "{finished}");

    let object = emulator.model().object_bytes(DEFAULT_BUCKET, "file").unwrap().unwrap();
    assert!(object == content, "the object is the file");
    let mut stored: BTreeMap<u16, usize> = BTreeMap::new();
    for entry in emulator.journal().of(Operation::UploadPart).iter().filter(|entry| entry.is_success()) {
        *stored.entry(entry.part_number.unwrap()).or_default() += 1;
    }
    assert_eq!(stored.len(), PARTS);
    let twice: Vec<_> = stored.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent again though the server had them: {twice:?}");
    assert_eq!(emulator.journal().count(Operation::InitiateMultipartUpload), 1);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("checkpoints")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn upload(emulator: &Emulator, folder: &Path, file: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ossup"))
        .args(["upload", "--quiet", "--part-size", &PART.to_string(), "--put-threshold", "0"])
        .arg("--checkpoint-dir")
        .arg(folder.join("checkpoints"))
        .arg(file)
        .arg(format!("oss://{DEFAULT_BUCKET}/file"))
        .env_clear()
        .env("OSS_ENDPOINT", emulator.endpoint())
        .env("OSS_REGION", DEFAULT_REGION)
        .env("OSS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("OSS_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
