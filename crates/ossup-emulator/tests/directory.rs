//! Data directories from one start to the next: what is shared stays whole, and nothing that is not ours is touched.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use http::Request;
use ossup_emulator::{Clock, Config, Model, OpenError};

fn try_open(folder: &Path) -> Result<Model, OpenError> {
    let mut config = Config::default();
    config.check_signatures = false;
    Model::open(config, Clock::system(), folder)
}

fn open(folder: &Path) -> Model {
    let model = try_open(folder).unwrap();
    model.create_bucket("bkt").unwrap();
    model
}

fn send(model: &Model, method: &str, uri: &str, headers: &[(&str, &str)], body: &'static str) -> String {
    let mut request = Request::builder().method(method).uri(uri).header("Host", "127.0.0.1");
    request = request.header("Content-Length", body.len());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = model.handle(request.body(Bytes::from_static(body.as_bytes())).unwrap());
    assert!(answer.status().is_success(), "{method} {uri}: {answer:?}");
    String::from_utf8_lossy(answer.body()).into_owned()
}

fn initiate(model: &Model, key: &str) -> String {
    let begun = send(model, "POST", &format!("/bkt/{key}?uploads"), &[], "");
    begun.split_once("<UploadId>").unwrap().1.split_once('<').unwrap().0.to_owned()
}

fn complete(model: &Model, key: &str, id: &str) {
    send(model, "POST", &format!("/bkt/{key}?uploadId={id}"), &[("x-oss-complete-all", "yes")], "");
}

fn bytes(model: &Model, key: &str) -> Bytes {
    model.object_bytes("bkt", key).unwrap().unwrap()
}

fn blobs(folder: &Path) -> usize {
    fs::read_dir(folder.join("blobs")).unwrap().count()
}

#[test]
fn a_copy_outlives_its_source_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let model = open(folder.path());
    send(&model, "PUT", "/bkt/a", &[], "hello");
    send(&model, "PUT", "/bkt/b", &[("x-oss-copy-source", "/bkt/a")], "");
    drop(model);
    let model = open(folder.path());
    send(&model, "DELETE", "/bkt/a", &[], "");
    assert_eq!(&*bytes(&model, "b"), b"hello");
    drop(model);
    assert_eq!(&*bytes(&open(folder.path()), "b"), b"hello");
    assert_eq!(blobs(folder.path()), 1);
}

#[test]
fn a_part_that_was_copied_outlives_its_source_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let model = open(folder.path());
    send(&model, "PUT", "/bkt/a", &[], "hello");
    let id = initiate(&model, "m");
    let part = format!("/bkt/m?partNumber=1&uploadId={id}");
    send(&model, "PUT", &part, &[("x-oss-copy-source", "/bkt/a")], "");
    drop(model);
    let model = open(folder.path());
    send(&model, "PUT", "/bkt/a", &[], "other");
    complete(&model, "m", &id);
    drop(model);
    let model = open(folder.path());
    assert_eq!(&*bytes(&model, "m"), b"hello");
    send(&model, "DELETE", "/bkt/m", &[], "");
    assert_eq!(blobs(folder.path()), 1);
}

#[test]
fn a_complete_that_was_cut_off_half_way_loses_nothing_whatever_comes_next() {
    for aborted in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let model = open(folder.path());
        let id = initiate(&model, "m");
        send(&model, "PUT", &format!("/bkt/m?partNumber=1&uploadId={id}"), &[], "hello");
        let upload = folder.path().join("buckets/bkt/uploads").join(&id);
        let names: Vec<_> = fs::read_dir(&upload).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let kept: Vec<_> = names.iter().map(|name| fs::read(upload.join(name)).unwrap()).collect();
        complete(&model, "m", &id);
        drop(model);
        // As a process leaves it that dies between storing the object and dropping the upload.
        fs::create_dir(&upload).unwrap();
        for (name, bytes) in names.iter().zip(kept) {
            fs::write(upload.join(name), bytes).unwrap();
        }
        let model = open(folder.path());
        if aborted {
            send(&model, "DELETE", &format!("/bkt/m?uploadId={id}"), &[], "");
        } else {
            complete(&model, "m", &id);
        }
        drop(model);
        let model = open(folder.path());
        assert_eq!(&*bytes(&model, "m"), b"hello");
        assert!(model.uploads("bkt").is_empty());
        assert_eq!(blobs(folder.path()), 1);
    }
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["tmp/sub/precious", "blobs/mine.txt", "lock", "buckets/notes"];
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    assert!(matches!(try_open(folder.path()), Err(OpenError::Foreign { .. })));
    for file in files {
        assert_eq!(fs::read_to_string(folder.path().join(file)).unwrap(), file);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing was added");
}

#[test]
fn files_with_names_of_others_stay_in_a_directory_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let files =
        ["tmp/sub/precious", "tmp/precious", "blobs/mine.txt", "blobs/beef-000001", "lock", "buckets/notes"];
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    // What a process leaves that was killed in the middle of its work.
    let ours = "0123456789abcdef-00000a";
    fs::write(folder.path().join("blobs").join(ours), "half").unwrap();
    fs::create_dir(folder.path().join("tmp").join(ours)).unwrap();
    drop(open(folder.path()));
    for file in files {
        assert_eq!(fs::read_to_string(folder.path().join(file)).unwrap(), file);
    }
    assert!(
        !folder.path().join("blobs").join(ours).exists() && !folder.path().join("tmp").join(ours).exists()
    );
}

#[test]
fn a_directory_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let mark = folder.path().join("emulator.json");
    let text = fs::read_to_string(&mark).unwrap();
    fs::write(&mark, text.replace('1', "2")).unwrap();
    assert!(matches!(try_open(folder.path()), Err(OpenError::Foreign { .. })));
    // One that was killed before it had written anything is still a beginning.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("emulator.json"), "").unwrap();
    open(folder.path());
}

#[test]
fn content_that_is_shorter_than_its_record_says_is_noticed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let model = open(folder.path());
    send(&model, "PUT", "/bkt/a", &[], "hello");
    drop(model);
    let blob = fs::read_dir(folder.path().join("blobs")).unwrap().next().unwrap().unwrap().path();
    fs::write(&blob, "hel").unwrap();
    let error = try_open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}
