//! `ossup emulator`: an OSS look-alike that runs until Ctrl-C, and what to paste to use it.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::mpsc::channel;
use std::time::Duration;

use ossup_emulator::{Builder, Emulator, StartError};

use crate::args;
use crate::exit::{Code, Failure};
use crate::interrupt;
use crate::output::print;

/// How long requests under way have when it ends.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &args::Emulator) -> Result<(), Failure> {
    let (stop, stopped) = channel();
    interrupt::on_first(move || {
        let _ = stop.send(());
    })?;
    let mut builder = Emulator::builder().listen(args.listen).region(args.region.to_string()).grace(GRACE);
    if let Some(folder) = &args.data {
        builder = builder.data(folder);
    }
    if let Some(address) = args.admin {
        builder = builder.admin(address);
    }
    if args.https.is_some() {
        builder = builder.https();
    }
    if args.unsigned {
        builder = builder.without_signature_checks();
    }
    if args.remote_callbacks {
        builder = builder.remote_callbacks();
    }
    if let Some(args::Age(lifetime)) = args.upload_lifetime {
        builder = builder.configure(|config| config.upload_lifetime = Some(lifetime));
    }
    let emulator = args.bucket.iter().fold(builder, Builder::bucket).start();
    let emulator = emulator.map_err(|error| not_started(&error))?;
    if let (Some(file), Some(certificate)) = (&args.https, emulator.certificate()) {
        std::fs::write(file, certificate).map_err(|error| {
            Failure::new(Code::Client, format!("cannot write the certificate to {}: {error}", file.display()))
        })?;
    }
    print(usage(&emulator, args))?;
    // It comes, or else whoever could send it is gone.
    let _ = stopped.recv();
    emulator.stop();
    Ok(())
}

pub(crate) fn not_started(error: &StartError) -> Failure {
    let code = if matches!(error, StartError::Bucket { .. }) { Code::BadParameter } else { Code::Client };
    let message = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let failure = Failure::new(code, message);
    match error {
        StartError::Listen { .. } => {
            failure.note("Listen elsewhere: --listen 127.0.0.1:0 takes any port that is free.")
        }
        _ => failure,
    }
}

/// What it is, and how to use it.
fn usage(emulator: &Emulator, args: &args::Emulator) -> String {
    let endpoint = emulator.endpoint();
    let mut lines = vec![
        format!("# A look-alike of OSS is on {endpoint}. Its keys open nothing else. Ctrl-C ends it."),
        format!("# Buckets: {}", args.bucket.join(", ")),
        format!(
            "# To try it, with the environment below: ossup upload FILE oss://{}/",
            args.bucket.first().map_or("BUCKET", String::as_str)
        ),
        match &args.data {
            Some(folder) => format!("# What it stores is in {}", folder.display()),
            None => "# What it stores is in memory".to_owned(),
        },
    ];
    if emulator.address().ip().is_loopback() {
        lines.push(format!("# To look at it: {endpoint}/_console"));
    }
    if args.unsigned {
        lines.push("# Every request is allowed, signed or not".to_owned());
    }
    lines.extend(emulator.admin_endpoint().map(|admin| format!("# To make it fail: {admin}")));
    let mut text = format!("{}\n\n", lines.join("\n"));
    if let Some(file) = &args.https {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let quoted = file.display().to_string().replace('\'', r"'\''");
        text.push_str("# Its certificate, for ossup, Python and Node\n");
        for variable in ["OSS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            let _ = writeln!(text, "export {variable}='{quoted}'");
        }
        text.push('\n');
    }
    text.push_str(&emulator.instructions());
    text
}
