//! A client without keys, and what the service that signs for it does not sign. And presigned addresses for those who
//! have no ossup.

mod common;

#[path = "../http1.rs"]
#[allow(dead_code, reason = "written for whole uploads, not for a single question")]
mod http1;
#[path = "../remote_signing.rs"]
#[allow(dead_code, reason = "its `main` is not called here")]
mod remote_signing;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ossup_core::callback::Callback;
use ossup_core::digest::Integrity;
use ossup_core::operation::put;
use ossup_core::options::{Acl, ObjectOptions};
use ossup_core::part::ByteRange;
use ossup_core::sign::{Credentials, SignatureVersion, Signer as _, Signing};
use ossup_core::time::Timestamp;
use ossup_core::upload::{Cause, End, Policy, Resume};
use ossup_emulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, DEFAULT_BUCKET, Operation, Rule};
use ossup_fs::FileUpload;
use ossup_ureq::{Client, HttpSettings};

use self::common::{Place, policy};
use self::remote_signing::{RemoteSigner, SigningService};

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap())
}

fn service(place: &Place) -> SigningService {
    let keys = Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
    SigningService { endpoint: place.endpoint(), keys, bucket: DEFAULT_BUCKET.parse().unwrap() }
}

/// A client of user Anna, and what she asked the service.
fn client(place: &Place) -> (Client, Arc<Mutex<Vec<String>>>) {
    let (service, asked) = (service(place), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&asked);
    let signer = RemoteSigner::new(place.endpoint(), move |asked| {
        heard.lock().unwrap().push(asked.to_owned());
        service.sign("anna", asked, now())
    });
    (Client::with_signer(&place.endpoint(), signer, HttpSettings::new().no_proxy()), asked)
}

#[test]
fn a_client_without_keys_uploads_and_resumes_below_its_own_folder() {
    let place = Place::new();
    let key = "users/anna/a b+ü";
    place.refuse_parts_after(5);
    let (client, asked) = client(&place);
    let outcome = client.upload(place.upload(key)).unwrap();
    assert!(matches!(&outcome.end, End::Failed(failed) if failed.resumable), "{outcome:?}");
    place.emulator.faults().clear();
    let outcome = client.upload(place.upload(key)).unwrap();
    place.assert_arrived(key, &outcome);
    assert_eq!(outcome.report.resumed_parts, 5);
    // In one request, and with every operation there is: a search for uploads, a look at the object.
    let small = place.upload(key).policy(Policy { put_threshold: u64::MAX, ..policy() });
    place.assert_arrived(key, &client.upload(small).unwrap());
    place.emulator.faults().add(Rule::on(Operation::CompleteMultipartUpload, Action::LoseAnswer).nth(1));
    let adopt = place.upload(key).policy(Policy { resume: Resume::Adopt, ..policy() });
    place.assert_arrived(key, &client.upload(adopt).unwrap());
    assert!(place.emulator.journal().count(Operation::HeadObject) > 0);
    assert!(place.emulator.journal().count(Operation::ListMultipartUploads) > 0);
    let asked = asked.lock().unwrap().concat();
    assert!(!asked.contains(ACCESS_KEY_SECRET) && !asked.contains(ACCESS_KEY_ID), "the client knows no key");
}

#[test]
fn the_service_signs_nothing_outside_a_users_folder_and_nothing_the_user_may_not_choose() {
    let place = Place::new();
    let object = |key: &str| format!("oss://{DEFAULT_BUCKET}/{key}").parse().unwrap();
    let mine = "users/anna/key";
    let callback = Callback::new("http://elsewhere.example.com", "x").unwrap();
    for upload in [
        FileUpload::new(place.file(), object("users/bert/key")),
        FileUpload::new(place.file(), object("users/anna")),
        FileUpload::new(place.file(), "oss://another-bucket/users/anna/key".parse().unwrap()),
        FileUpload::new(place.file(), object(mine)).callback(callback),
        FileUpload::new(place.file(), object(mine)).options(ObjectOptions::new().acl(Acl::PublicRead)),
    ] {
        let retry = ossup_core::retry::RetryPolicy { attempts: 1, budget: 0, ..policy().retry };
        let outcome = client(&place).0.upload(upload.policy(Policy { retry, ..Policy::default() })).unwrap();
        let End::Failed(failed) = &outcome.end else { panic!("{outcome:?}") };
        assert!(failed.to_string().contains("may not do"), "{failed}");
    }
    assert!(place.emulator.journal().entries().is_empty(), "nothing was sent");

    let service = service(&place);
    for asked in [
        "",
        "{}",
        // A copy of an object that only the service may read; a download; a deletion.
        r#"{"method":"PUT","bucket":"BUCKET","key":"users/anna/k","query":[],"headers":[["x-oss-copy-source","/b/secret"]]}"#,
        r#"{"method":"GET","bucket":"BUCKET","key":"users/anna/k","query":[],"headers":[]}"#,
        r#"{"method":"DELETE","bucket":"BUCKET","key":"users/anna/k","query":[],"headers":[]}"#,
        r#"{"method":"GET","bucket":"BUCKET","key":null,"query":[["uploads",null]],"headers":[]}"#,
    ] {
        let asked = asked.replace("BUCKET", DEFAULT_BUCKET);
        assert!(service.sign("anna", &asked, now()).is_err(), "{asked}");
    }
}

#[test]
fn a_client_sends_its_file_nowhere_but_where_it_meant_to() {
    let place = Place::new();
    let signer = RemoteSigner::new(place.endpoint(), |_| Ok("http://elsewhere.example.com/x".into()));
    let request = put_request(&place, "users/anna/key");
    assert!(signer.sign(&request, now()).is_err());
    let client = Client::with_signer(&place.endpoint(), signer, HttpSettings::new().no_proxy());
    let retry = ossup_core::retry::RetryPolicy { attempts: 1, budget: 0, ..policy().retry };
    let upload = place.upload("users/anna/key").policy(Policy { retry, ..policy() });
    let outcome = client.upload(upload).unwrap();
    assert!(
        matches!(&outcome.end, End::Failed(failed) if matches!(failed.cause, Cause::Unsigned { .. })),
        "{outcome:?}"
    );
}

/// What an app server presigns: one PutObject of a type and size that it knows.
fn put_request(place: &Place, key: &str) -> ossup_core::request::Request {
    let object = format!("oss://{DEFAULT_BUCKET}/{key}").parse().unwrap();
    let range = ByteRange::new(0, place.content.len() as u64).unwrap();
    let options = ObjectOptions::new().content_type("image/png").unwrap();
    put::request(&object, range, Integrity::None, &options, None).without_digest().unwrap()
}

#[test]
fn a_presigned_address_takes_the_object_it_was_made_for_until_it_expires() {
    let place = Place::new();
    let (endpoint, keys) = (place.endpoint(), Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET));
    let signing = Signing {
        endpoint: &endpoint,
        credentials: &keys,
        version: SignatureVersion::V4,
        additional_headers: &[],
    };
    let send = |content_type: &str, at: Timestamp| {
        let request = put_request(&place, "photo");
        let address = signing.presign(&request, at, Duration::from_secs(60)).unwrap();
        let put = http::Request::put(address)
            .header("content-type", content_type)
            .header("content-length", place.content.len());
        let Ok(sent) = http1::send(&put.body(()).unwrap(), &place.content[..], Duration::from_secs(60))
        else {
            panic!("not sent");
        };
        sent.receive().unwrap().status().as_u16()
    };
    assert_eq!(send("image/png", now().plus(-120)), 403, "expired");
    assert_eq!(send("text/html", now()), 403, "another type");
    assert_eq!(send("image/png", now()), 200);
    let object = place.emulator.model().object_bytes(DEFAULT_BUCKET, "photo").unwrap().unwrap();
    assert!(object == place.content);
}
