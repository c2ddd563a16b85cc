//! `ossup upload`: what the command line asks for as a job, and the watch over it while it is done.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::HumanBytes;
use ossup_core::callback::{BodyType, Callback, InvalidCallback};
use ossup_core::checkpoint::record_name;
use ossup_core::digest::Integrity;
use ossup_core::object::ObjectName;
use ossup_core::options::{Encryption, InvalidOption, ObjectOptions};
use ossup_core::plan::Plan;
use ossup_core::retry::RetryPolicy;
use ossup_core::upload::{
    Cancel, Changed, Notice, Outcome, Patience, Policy, Progress, Recheck, Resume, Unresumable,
};
use ossup_fs::FileSource;
use ossup_ureq::{FileUpload, UploadHandle};

use crate::args;
use crate::display::Display;
use crate::ending::{self, Ended, counted};
use crate::events::Events;
use crate::exit::{Code, Failure};
use crate::interrupt;
use crate::notice::Notices;
use crate::output::{print, shown, tell};
use crate::records::{Record, elsewhere};
use crate::settings;
use crate::typed::Typed;

/// How often a person sees how far it has come.
const TICK: Duration = Duration::from_millis(100);

/// What the watch over an upload waits for.
enum Event {
    Notice(Notice),
    Interrupt,
    Ended(Box<Outcome>),
}

pub(crate) fn run(args: &args::Upload) -> Result<(), Failure> {
    let mut begun = false;
    upload(args, &mut begun).inspect_err(|failure| {
        if !begun {
            // What went wrong is told in any case; that this could not be printed is not worth another word.
            let _ = Events::new(args.output).not_started(failure);
        }
    })
}

/// Does it; `begun` says whether there was anything to be watched.
fn upload(args: &args::Upload, begun: &mut bool) -> Result<(), Failure> {
    let started = Instant::now();
    check_order(args)?;
    let object = settings::object(&args.object, &args.file)?;
    let endpoint = settings::endpoint(&args.server)?;
    let client = settings::client_for(&endpoint, &args.server)?;
    let folder = if args.no_checkpoint { None } else { Some(settings::checkpoint_folder(&args.folder)?) };
    // A file that cannot be looked at is told about when it is opened.
    let len = std::fs::metadata(&args.file).map_or(0, |file| file.len());
    let policy = policy(&args.how, len);
    let (resume, larger) = (policy.resume, larger(&policy, len));
    let source = FileSource::open(&args.file).map_or_else(|_| String::new(), |source| source.full_path());
    let (authority, bucket, key) = (endpoint.authority(), object.bucket.as_str(), object.key.as_str());
    let record = folder.as_ref().map(|folder| folder.join(record_name(&authority, bucket, key, &source)));
    if args.dry_run {
        return preview(args, &format!("{object} at {endpoint}"), &policy, record.as_deref());
    }
    let elsewhere = folder.as_ref().and_then(|folder| elsewhere(folder, &authority, &object, &source));

    let (events, inbox) = channel();
    let upload = job(args, object.clone(), policy, folder)?.on_notice(report_to(&events));
    let interrupted = events.clone();
    interrupt::on_first(move || {
        // Nobody listens once the upload is over, which is then what happens next.
        let _ = interrupted.send(Event::Interrupt);
    })?;
    let handle = client.start(upload).map_err(|error| ending::not_started(&error))?;
    let how = if args.how.abort_on_interrupt { Cancel::Discard } else { Cancel::Keep };
    *begun = true;
    let mut watch = Watch {
        display: Display::new(args.progress, args.quiet),
        told: Events::new(args.output),
        notices: Notices::default(),
    };
    if let Some(larger) = larger {
        watch.say(&larger);
    }
    if let Some(elsewhere) = elsewhere {
        watch.say(&format!(
            "an unfinished upload of this file to this object is recorded for the endpoint {elsewhere}; it is left alone"
        ));
    }
    let (outcome, progress) = watch.until_the_end(handle, how, (events, inbox));

    let ended = Ended {
        file: &args.file,
        object: &object,
        progress,
        time: started.elapsed(),
        // It may have been taken away meanwhile, with its folder.
        recorded: record.is_some_and(|record| record.exists()),
        resume,
        endpoint: &endpoint,
        command: Typed::of_this_process(),
    };
    let judged = ended.judge(&outcome);
    watch.told.end(&ended, &outcome, &judged)?;
    let success = judged?;
    if !args.quiet {
        success.told.iter().for_each(|line| tell(line));
    }
    match (success.callback_body, args.output) {
        (Some(body), args::Output::Text) => print(body),
        _ => Ok(()),
    }
}

/// What is easily typed instead of a file and an object.
fn check_order(args: &args::Upload) -> Result<(), Failure> {
    if args.file == Path::new("-") {
        return Err(Failure::new(Code::BadParameter, "standard input cannot be uploaded")
            .note("To be resumed and proved, it has to be read again: save it to a file first."));
    }
    if args.file.starts_with("oss:") && !args.object.starts_with("oss:") {
        return Err(Failure::new(Code::BadParameter, "the file comes first, and then the object")
            .note("ossup upload FILE oss://bucket/key"));
    }
    Ok(())
}

/// Says what would be sent, and from where.
fn preview(args: &args::Upload, to: &str, policy: &Policy, record: Option<&Path>) -> Result<(), Failure> {
    let source = FileSource::open(&args.file).map_err(|error| ending::not_started(&error.into()))?;
    let len = source.identity().len;
    let how = if len <= policy.put_threshold {
        "in one request".to_owned()
    } else {
        let plan = Plan::new(len, policy.part_size).map_err(|error| wrong(&error))?;
        format!("in {} of {}", counted(plan.count().into(), "part"), HumanBytes(plan.part_size()))
    };
    let (file, len) = (args.file.display().to_string(), HumanBytes(len));
    print(format!("{}: {len} to {}, {how}\n", shown(&file), shown(to)))?;
    match record.filter(|record| record.exists()) {
        Some(record) => print(format!("an earlier run has got so far:\n{}\n", Record::at(record))),
        None => print("no earlier run is recorded\n"),
    }
}

/// What is to be said of parts that are larger than was asked for.
fn larger(policy: &Policy, len: u64) -> Option<String> {
    let size = Plan::new(len, policy.part_size).ok()?.part_size();
    (size > policy.part_size && len > policy.put_threshold).then(|| {
        format!(
            "parts of {} instead of {}: an upload has at most 10,000 of them",
            HumanBytes(size),
            HumanBytes(policy.part_size)
        )
    })
}

/// A listener that hands notices to the watch.
fn report_to(events: &Sender<Event>) -> impl FnMut(&Notice) + Send + 'static {
    let events = events.clone();
    move |notice| {
        let _ = events.send(Event::Notice(notice.clone()));
    }
}

/// What is told while an upload goes on.
struct Watch {
    display: Display,
    told: Events,
    notices: Notices,
}

impl Watch {
    /// Shows how an upload goes until it is over; ends it in this way when it is interrupted.
    fn until_the_end(
        &mut self,
        handle: UploadHandle,
        on_interrupt: Cancel,
        (events, inbox): (Sender<Event>, Receiver<Event>),
    ) -> (Outcome, Progress) {
        let control = handle.control();
        let waiter = thread::spawn(move || {
            let _ = events.send(Event::Ended(Box::new(handle.wait())));
        });
        loop {
            let event = inbox.recv_timeout(TICK);
            let (now, progress) = (Instant::now(), control.progress());
            match event {
                Ok(Event::Notice(notice)) => {
                    if let Some(line) = self.notices.line(&notice, now) {
                        self.say(&line);
                    }
                }
                Ok(Event::Interrupt) => {
                    control.cancel(on_interrupt);
                    self.say(match on_interrupt {
                        Cancel::Keep => "stopping; interrupt again to end at once",
                        Cancel::Discard => {
                            "stopping and deleting what was sent; interrupt again to end at once"
                        }
                    });
                }
                Ok(Event::Ended(outcome)) => {
                    self.progress(&progress, now);
                    self.display.clear();
                    return (*outcome, progress);
                }
                Err(RecvTimeoutError::Timeout) => self.progress(&progress, now),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // The waiter has died, of whatever the upload has died of.
        match waiter.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the waiter ends with its event"),
        }
    }

    fn say(&self, text: &str) {
        self.display.say(text);
        self.told.notice(text);
    }

    fn progress(&mut self, progress: &Progress, now: Instant) {
        self.display.progress(progress, now);
        self.told.progress(progress, now);
    }
}

fn job(
    args: &args::Upload,
    object: ObjectName,
    policy: Policy,
    folder: Option<PathBuf>,
) -> Result<FileUpload, Failure> {
    let attributes = &args.attributes;
    let mut upload = FileUpload::new(&args.file, object).policy(policy);
    if attributes.sse_kms_key_id.is_some() && attributes.sse != Some(args::Encryption::Kms) {
        return Err(Failure::new(Code::BadParameter, "--sse-kms-key-id goes with --sse KMS"));
    }
    if attributes.sse_kms_sm4 && attributes.sse != Some(args::Encryption::Kms) {
        return Err(Failure::new(Code::BadParameter, "--sse-kms-sm4 goes with --sse KMS"));
    }
    upload = upload.options(options(attributes).map_err(|error| wrong(&error))?);
    if let Some(callback) = callback(attributes).map_err(|error| wrong(&error))? {
        upload = upload.callback(callback);
    }
    Ok(match folder {
        Some(folder) => upload.checkpoint_folder(folder),
        None => upload,
    })
}

fn wrong(error: &dyn std::error::Error) -> Failure {
    Failure::new(Code::BadParameter, error.to_string())
}

/// The policy for a file of `len` bytes.
fn policy(how: &args::How, len: u64) -> Policy {
    let patience = if how.wait_for_network {
        Patience::UntilNetworkIsBack
    } else {
        Patience::Limited(Duration::from_secs(how.patience))
    };
    let adaptive = Policy::adaptive(len);
    Policy {
        part_size: if how.adaptive { adaptive.part_size } else { how.part_size.0 },
        most_parallel: adaptive.most_parallel.filter(|_| how.adaptive),
        parallel: how.parallel,
        put_threshold: how.put_threshold.0,
        integrity: match how.integrity {
            args::Integrity::Md5Crc => Integrity::Md5AndCrc,
            args::Integrity::Crc => Integrity::Crc,
            args::Integrity::None => Integrity::None,
        },
        resume: match how.resume {
            args::Resume::Never => Resume::Never,
            args::Resume::Checkpoint => Resume::FromCheckpoint,
            args::Resume::Adopt => Resume::Adopt,
        },
        unresumable: match how.if_unresumable {
            args::Unresumable::Restart => Unresumable::Restart,
            args::Unresumable::Fail => Unresumable::Fail,
        },
        changed: match how.if_changed {
            args::Changed::Keep => Changed::KeepMatching,
            args::Changed::Restart => Changed::Restart,
            args::Changed::Fail => Changed::Fail,
        },
        recheck: if how.recheck { Recheck::Always } else { Recheck::InDoubt },
        retry: RetryPolicy { attempts: how.attempts, patience, ..RetryPolicy::default() },
    }
}

fn options(attributes: &args::Attributes) -> Result<ObjectOptions, InvalidOption> {
    let mut options = ObjectOptions::new()
        .forbid_overwrite(attributes.forbid_overwrite)
        .request_payer(attributes.request_payer)
        .sequential(attributes.sequential)
        .complete_all(attributes.complete_all);
    if let Some(limit) = attributes.traffic_limit {
        options = options.traffic_limit(limit)?;
    }
    if let Some(value) = &attributes.content_type {
        options = options.content_type(value)?;
    }
    if let Some(value) = &attributes.cache_control {
        options = options.cache_control(value)?;
    }
    if let Some(value) = &attributes.content_disposition {
        options = options.content_disposition(value)?;
    }
    if let Some(value) = &attributes.content_encoding {
        options = options.content_encoding(value)?;
    }
    if let Some(value) = &attributes.expires {
        options = options.expires(value)?;
    }
    for (name, value) in &attributes.metadata {
        options = options.metadata(name, value)?;
    }
    for (name, value) in &attributes.tagging {
        options = options.tag(name, value)?;
    }
    if let Some(acl) = attributes.acl {
        options = options.acl(acl);
    }
    if let Some(class) = attributes.storage_class {
        options = options.storage_class(class);
    }
    let key_id = attributes.sse_kms_key_id.clone();
    options = match attributes.sse {
        None => options,
        Some(args::Encryption::Aes256) => options.encryption(Encryption::Aes256)?,
        Some(args::Encryption::Sm4) => options.encryption(Encryption::Sm4)?,
        Some(args::Encryption::Kms) => {
            options.encryption(Encryption::Kms { key_id, sm4: attributes.sse_kms_sm4 })?
        }
    };
    Ok(options)
}

fn callback(attributes: &args::Attributes) -> Result<Option<Callback>, InvalidCallback> {
    // The command line has either both or none.
    let (Some((url, more)), Some(body)) = (attributes.callback_url.split_first(), &attributes.callback_body)
    else {
        return Ok(None);
    };
    let callback = more.iter().try_fold(Callback::new(url, body)?, |callback, url| callback.url(url))?;
    let callback = callback.sni(attributes.callback_sni).body_type(match attributes.callback_body_type {
        args::CallbackBody::Form => BodyType::Form,
        args::CallbackBody::Json => BodyType::Json,
    });
    let callback = match &attributes.callback_host {
        Some(host) => callback.host(host)?,
        None => callback,
    };
    let mut variables = attributes.callback_var.iter();
    variables.try_fold(callback, |callback, (name, value)| callback.variable(name, value)).map(Some)
}
