//! A look-alike of Alibaba Cloud OSS for tests, demos and offline work.
//!
//! It checks signatures as OSS does, answers with OSS's documents, headers and error codes, and can be told to fail:
//!
//! - [`Emulator`] listens on a socket; any OSS client in any language can talk to it.
//! - [`Model`] is the same without sockets: a request in, an answer out.
//! - [`Faults`], [`Clock`] and [`Journal`] say what goes wrong, what time it is, and what happened.
//!
//! ```
//! let emulator = ossup_emulator::Emulator::start()?;
//! assert!(emulator.endpoint().starts_with("http://127.0.0.1:"));
//! # Ok::<(), ossup_emulator::StartError>(())
//! ```

mod admin;
mod auth;
mod clock;
mod config;
mod console;
mod faults;
mod journal;
mod machine;
mod model;
mod server;
mod storage;

pub use clock::Clock;
pub use config::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Config, Credentials, DEFAULT_BUCKET, DEFAULT_REGION};
pub use faults::{Action, Conduct, Faults, Rule, RuleId};
pub use journal::{Entry, Fate, InFlight, Journal};
pub use model::{
    Body, BucketView, Calling, Delivery, DeliveryResult, Finished, Intake, Model, ObjectView, Operation,
    PartView, UploadView,
};
pub use server::{Builder, Emulator, StartError};
pub use storage::directory::OpenError;
