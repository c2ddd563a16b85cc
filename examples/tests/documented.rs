//! What the documents say of the code is so: every name of ours that `docs/migrating.md` mentions exists, no property of the
//! iOS SDK is left out there, and the drivers of `docs/embedding.md` are as short as it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn guide() -> String {
    std::fs::read_to_string(root().join("docs/migrating.md")).unwrap()
}

/// The public items of the libraries, one a line, each with its whole path. The gates see that these lists are true.
fn items() -> String {
    let of =
        |library: &str| std::fs::read_to_string(root().join("crates").join(library).join("public-api.txt"));
    ["ossup-core", "ossup-fs", "ossup-ureq", "ossup-reqwest"].map(|library| of(library).unwrap()).concat()
}

/// Whether there is an item whose path ends in this.
fn exists(items: &str, name: &str) -> bool {
    let end = format!("::{name}");
    items.lines().any(|line| path(line).ends_with(&end))
}

/// The path of an item, without what it is generic over, what it takes, and of which type it is.
fn path(item: &str) -> String {
    let item = item.strip_prefix("#[non_exhaustive] ").unwrap_or(item);
    let Some(item) = item.strip_prefix("pub ") else { return String::new() };
    let (mut path, mut depth) = (String::new(), 0_usize);
    for (at, c) in item.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '(' | '{' => break,
            ':' if item[at..].starts_with(": ") => break,
            c => path.push(c),
        }
    }
    path.trim_end().to_owned()
}

/// The code spans of a column of the tables: of that with one of these headings.
fn spans(page: &str, heading: &str) -> BTreeSet<String> {
    let mut spans = BTreeSet::new();
    let mut column = None;
    for line in page.lines() {
        if !line.starts_with('|') {
            column = None;
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        match column {
            None => column = Some(cells.iter().position(|cell| *cell == heading)),
            Some(Some(at)) => {
                let cell = cells.get(at).unwrap_or(&"");
                spans.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
            }
            Some(None) => {}
        }
    }
    spans
}

#[test]
fn every_name_in_the_guide_for_migrating_exists() {
    let (items, names) = (items(), spans(&guide(), "here"));
    assert!(names.len() > 60, "the tables are somewhere else: {names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !exists(&items, name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for wrong in ["Cancel::Drop", "Cancels::Keep", "Client::pause", "UploadHandle::part_size", "Polic"] {
        assert!(!exists(&items, wrong), "{wrong} is missed");
    }
}

/// What a resumable upload by the iOS SDK 2.11.1 has: requests, the calls, the result, errors, the client.
const IOS: [&str; 54] = [
    "isAuthenticationRequired",
    "isCancelled",
    "crcFlag",
    "[request cancel]",
    "uploadId",
    "bucketName",
    "objectKey",
    "uploadingFileURL",
    "partSize",
    "uploadProgress",
    "callbackParam",
    "callbackVar",
    "contentType",
    "completeMetaHeader",
    "contentSHA1",
    "md5String",
    "threadNum",
    "terminationMode",
    "recordDirectoryPath",
    "deleteUploadIdOnCancelling",
    "runningChildrenRequest",
    "resumableUpload:",
    "multipartUpload:",
    "sequentialMultipartUpload:",
    "abortResumableMultipartUpload:",
    "resumableUploadFile:",
    "OSSResumableUploadResult",
    "serverReturnJsonString",
    "requestId",
    "httpResponseCode",
    "httpResponseHeaderFields",
    "remoteCRC64ecma",
    "OSSClientErrorCodeCannotResumeUpload",
    "OSSClientErrorCodeTaskCancelled",
    "OSSClientErrorCodeInvalidArgument",
    "OSSClientErrorCodeFileCantRead",
    "OSSClientErrorCodeFileCantWrite",
    "OSSClientErrorCodeNetworkError",
    "OSSClientErrorCodeSignFailed",
    "OSSClientErrorCodeInvalidCRC",
    "OSSClientErrorCodeNilUploadid",
    "OSSServerErrorDomain",
    "OSSPlainTextAKSKPairCredentialProvider",
    "OSSStsTokenCredentialProvider",
    "OSSFederationCredentialProvider",
    "OSSCustomSignerCredentialProvider",
    "maxRetryCount",
    "maxConcurrentRequestCount",
    "timeoutIntervalForRequest",
    "timeoutIntervalForResource",
    "isAllowResetRetryCount",
    "crc64Verifiable",
    "enableBackgroundTransmitService",
    "isFollowRedirectsEnable",
];

#[test]
fn nothing_of_the_ios_sdk_is_left_out_of_the_guide() {
    let told = spans(&guide(), "iOS");
    let missing: Vec<_> = IOS.iter().filter(|name| !told.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Lines of code that are a file's own: no comments, and not what it takes from elsewhere.
fn own_lines(file: &str) -> usize {
    let text = std::fs::read_to_string(root().join("examples").join(file)).unwrap();
    let mut taking = false;
    let is_own = |line: &&str| {
        let begins = line.starts_with("use ") || line.starts_with("mod ");
        let is_taken = taking || begins;
        taking = is_taken && !line.ends_with(';');
        !(is_taken || line.is_empty() || line.starts_with("//") || line.starts_with("#["))
    };
    text.lines().map(str::trim).filter(is_own).count()
}

#[test]
fn a_driver_is_short() {
    for driver in ["blocking_tcp.rs", "two_at_once.rs", "async_hyper.rs"] {
        let lines = own_lines(driver);
        assert!((30..=80).contains(&lines), "{driver} has {lines} lines of its own");
    }
}
