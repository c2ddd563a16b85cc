//! What the adapters say to `tracing`, and their HTTP clients to `log`: what there is to be seen, and no secret.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ossup_core::auth::AuthProblem;

use ossup_core::callback::Callback;
use ossup_core::endpoint::Endpoint;
use ossup_core::request::Request;
use ossup_core::sign::{Credentials, RefreshRefused, SignError, SignatureVersion, Signer, Signing};
use ossup_core::time::Timestamp;
use ossup_core::upload::{Cancel, End};
use ossup_emulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Action, DEFAULT_REGION, Operation, Rule};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, info_span};
use tracing_core::span::Current;

use crate::adapter::Adapter;
use crate::scene::{FOR_EVER, PART, Scene};

/// Writes down everything that is said, at every level, by anybody.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    text: String,
    spans: HashMap<u64, &'static Metadata<'static>>,
}

thread_local! {
    /// The spans that this thread is in.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn innermost() -> Option<u64> {
    ENTERED.with_borrow(|entered| entered.last().copied())
}

impl Everything {
    fn say(&self, what: &str, fields: impl FnOnce(&mut dyn Visit)) {
        struct Line<'a>(&'a mut String);
        impl Visit for Line<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, " {field}={value:?}");
            }
        }
        let mut said = self.0.lock().unwrap();
        said.text.push_str(what);
        fields(&mut Line(&mut said.text));
        said.text.push('\n');
    }

    fn name(&self, span: Option<u64>) -> &'static str {
        let name = |span| self.0.lock().unwrap().spans.get(&span).map(|span| span.name());
        span.and_then(name).unwrap_or("nothing")
    }

    fn said(&self) -> String {
        self.0.lock().unwrap().text.clone()
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let parent = span.parent().map(Id::into_u64).or_else(|| innermost().filter(|_| span.is_contextual()));
        let what = format!("span {} in {}:", span.metadata().name(), self.name(parent));
        self.say(&what, |line| span.record(line));
        let spans = &mut self.0.lock().unwrap().spans;
        let id = spans.len() as u64 + 1;
        spans.insert(id, span.metadata());
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.say("record", |line| values.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        self.say(&format!("{} {}", metadata.level(), metadata.target()), |line| event.record(line));
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(Vec::pop);
    }

    fn current_span(&self) -> Current {
        match innermost() {
            Some(span) => Current::new(Id::from_u64(span), self.0.lock().unwrap().spans[&span]),
            None => Current::none(),
        }
    }
}

/// As much as HTTP clients say short of [`log::Level::Trace`], which the documents warn of.
impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.say(&format!("log {} {} {}", record.level(), record.target(), record.args()), |_| {});
    }

    fn flush(&self) {}
}

/// Signs by address: whoever has the address may send the request.
struct ByAddress(Endpoint);

impl Signer for ByAddress {
    fn sign(&self, request: &Request, now: Timestamp) -> Result<http::Request<()>, SignError> {
        let credentials = Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
        let (endpoint, version) = (&self.0, SignatureVersion::V4);
        let signing = Signing { endpoint, credentials: &credentials, version, additional_headers: &[] };
        let address = signing.presign(request, now, Duration::from_secs(600))?;
        let mut signed = http::Request::new(());
        *signed.method_mut() = request.method().clone();
        *signed.uri_mut() = address;
        *signed.headers_mut() = request.headers().clone();
        Ok(signed)
    }

    fn refresh(&self, _: &AuthProblem, _: Timestamp) -> Result<(), RefreshRefused> {
        Err(RefreshRefused("there is nothing else".into()))
    }
}

/// Uploads by such addresses, with failures that HTTP clients have words for.
fn by_address(scene: &Scene) {
    let endpoint: Endpoint = scene.emulator.endpoint().parse().unwrap();
    let endpoint = endpoint.with_region(DEFAULT_REGION.parse().unwrap());
    let client = scene.adapter.client(&endpoint, ByAddress(endpoint.clone()), FOR_EVER);
    let on = |action, part| Rule::on(Operation::UploadPart, action).part(part).nth(1);
    scene.emulator.faults().add(on(Action::LoseAnswer, 1));
    scene.emulator.faults().add(on(Action::CutIn { after: 1000 }, 2));
    scene.emulator.faults().add(on(Action::refuse(503, "SlowDown"), 3));
    scene.write(3 * PART);
    let outcome = client.upload(scene.describe(), |_| {}).unwrap();
    assert!(matches!(outcome.end, End::Completed(_)), "{outcome:?}");
}

/// Temporary credentials, and what of them is secret.
fn temporary(scene: &Scene) -> (Credentials, [String; 2]) {
    let issued = scene.emulator.model().issue_credentials(Duration::from_secs(3600));
    let secrets = [issued.access_key_secret, issued.security_token.unwrap()];
    (Credentials::temporary(issued.access_key_id, secrets[0].clone(), secrets[1].clone()), secrets)
}

/// Uploads with troubles of all kinds, and says what is secret.
fn eventful(scene: &Scene) -> Vec<String> {
    let ((first, secrets), (second, more)) = (temporary(scene), temporary(scene));
    let mut secrets = [secrets, more].concat();
    scene.keys.set(first, Some(second));
    let faults = scene.emulator.faults();
    let on = |action, part| Rule::on(Operation::UploadPart, action).part(part).nth(1);
    faults.add(on(Action::refuse(403, "SecurityTokenExpired"), 1));
    faults.add(on(Action::refuse(503, "SlowDown"), 2));
    faults.add(on(Action::LoseAnswer, 3));
    faults.add(Rule::on(Operation::CompleteMultipartUpload, Action::refuse(403, "SignatureDoesNotMatch")));
    scene.write(3 * PART);
    let callback = Callback::new("http://127.0.0.1:1/", "hidden-callback-body=${size}").unwrap();
    let callback = callback.variable("token", "hidden-callback-token").unwrap();
    let outcome = scene.upload(scene.describe().callback(callback.clone()));
    assert!(matches!(outcome.end, End::Failed(_)), "{outcome:?}");
    // What there is for developers to print has none either.
    let printed = format!("{outcome:?} {:?} {callback:?}", scene.describe().callback(callback.clone()));
    faults.clear();
    let discarded = scene.upload_and(scene.describe().callback(callback), |control| {
        control.cancel(Cancel::Discard);
    });
    let printed = format!("{printed} {discarded:?}");
    for secret in &secrets {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    secrets.extend(["hidden-callback-body".to_owned(), "hidden-callback-token".to_owned()]);
    secrets
}

/// Words that a signature does not go without, in headers and in addresses.
const WORDS: [&str; 6] =
    ["Authorization", "OSS4-HMAC", "OSS ", "Signature=", "x-oss-signature=", "x-oss-credential="];

#[test]
fn the_traces_tell_what_is_done_and_no_secret() {
    let everything = Everything::default();
    // Drivers have threads of their own, so it must be the subscriber of all threads. Other tests may talk in between.
    tracing::subscriber::set_global_default(everything.clone()).unwrap();
    log::set_boxed_logger(Box::new(everything.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    for adapter in Adapter::ALL {
        let before = everything.said().len();
        let secrets = info_span!("ours").in_scope(|| {
            by_address(&Scene::new(adapter));
            eventful(&Scene::new(adapter))
        });
        let said = everything.said().split_off(before);
        for expected in [
            // The HTTP clients were heard, too.
            "log DEBUG",
            "span upload in ours:",
            "span request in upload:",
            "operation=\"UploadPart\" part=2",
            "span checkpoint in upload:",
            "span refresh in upload: why=\"SecurityTokenExpired\"",
            "to be repeated: part 2",
            "503",
            "Refreshed",
            "SignatureDoesNotMatch",
            "discarded",
        ] {
            assert!(said.contains(expected), "{adapter:?}: {expected} in {said}");
        }
        for secret in secrets.iter().map(String::as_str).chain(WORDS) {
            assert!(!said.contains(secret), "{adapter:?}: {secret} in {said}");
        }
    }
}
