//! The `ossup` program: resumable uploads to Alibaba Cloud OSS.
//!
//! * `args` — the command line
//! * `settings` — endpoint, region, credentials, object and folder from it and from the environment
//! * `upload`, `status`, `emulator`, `demo` — the commands
//! * `display`, `notice`, `rate` — what one sees while an upload goes on
//! * `ending` — what one is told at the end
//! * `events` — the same for programs, and what happens before
//! * `typed` — the command that was run, and what to type next
//! * `records` — the checkpoints of a folder
//! * `output` — standard output and standard error
//! * `interrupt` — Ctrl-C and SIGTERM
//! * `exit` — what the program's exit code means

mod args;
mod demo;
mod display;
mod emulator;
mod ending;
mod events;
mod exit;
mod interrupt;
mod notice;
mod output;
mod records;
mod settings;
mod status;
mod strays;
mod typed;
mod upload;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way, too. Where to print them to has failed if this does.
            let _ = error.print();
            return if error.use_stderr() { exit::Code::BadParameter.into() } else { exit::Code::Ok.into() };
        }
    };
    let result = match args.command {
        Command::Upload(args) => upload::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Abort(args) => status::abort(&args),
        Command::Emulator(args) => emulator::run(&args),
        Command::Demo(args) => demo::run(&args),
    };
    match result {
        Ok(()) => exit::Code::Ok.into(),
        Err(failure) => {
            format!("ossup: {failure}").lines().for_each(output::tell);
            failure.code.into()
        }
    }
}
