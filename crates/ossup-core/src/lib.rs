//! Resumable uploads to Alibaba Cloud OSS as a state machine that performs no I/O.
//!
//! The machine, an [`Upload`](upload::Upload), says what to do next; whoever has sockets, files and a clock does it and
//! says what came of it. Here is all of that for one thing at a time; with threads or tasks, an effect is handed to a
//! worker instead, and `Blocked` waits for the next answer.
//!
//! ```no_run
//! use ossup_core::auth::AuthProblem;
//! use ossup_core::checkpoint::SourceIdentity;
//! use ossup_core::digest::{ContentDigest, Integrity};
//! use ossup_core::part::ByteRange;
//! use ossup_core::request::{Request, Response};
//! use ossup_core::upload::{
//!     Answer, Effect, Misuse, Outcome, SourceError, StoreError, TransportError, TransportKind, Turn, Upload,
//!     Write,
//! };
//!
//! /// What an embedder brings along.
//! trait World {
//!     /// Signs a request (see `ossup_core::sign`), sends it with its body, and reads the answer, whatever its status.
//!     fn send(&mut self, request: &Request) -> Result<Response, TransportError>;
//!     fn save(&mut self, write: &Write) -> Result<(), StoreError>;
//!     fn forget(&mut self) -> Result<(), StoreError>;
//!     fn inspect(&mut self) -> Result<SourceIdentity, SourceError>;
//!     fn hash(&mut self, range: ByteRange, what: Integrity) -> Result<ContentDigest, SourceError>;
//!     fn refresh(&mut self, problem: &AuthProblem) -> Result<(), String>;
//! }
//!
//! fn run(mut upload: Upload, world: &mut impl World) -> Result<Box<Outcome>, Misuse> {
//!     loop {
//!         match upload.turn() {
//!             Turn::Do(effect) => {
//!                 if let Some(answer) = execute(effect, world) {
//!                     upload.answer(answer)?;
//!                 }
//!             }
//!             Turn::Blocked => unreachable!("every effect was answered"),
//!             Turn::Finished(outcome) => return Ok(outcome),
//!         }
//!     }
//! }
//!
//! fn execute(effect: Effect, world: &mut impl World) -> Option<Answer> {
//!     Some(match effect {
//!         Effect::Send(ticket, request) => match world.send(&request) {
//!             Ok(response) => ticket.responded(response),
//!             Err(error) => ticket.failed(error),
//!         },
//!         Effect::SendPart(ticket, part) => match world.hash(part.range(), part.integrity()) {
//!             Ok(digest) => match part.with_digest(&digest) {
//!                 Ok(request) => match world.send(&request) {
//!                     Ok(response) => ticket.responded(response, digest),
//!                     Err(error) => ticket.failed(error, Some(digest)),
//!                 },
//!                 Err(error) => {
//!                     ticket.failed(TransportError::new(TransportKind::Signing, error.to_string()), None)
//!                 }
//!             },
//!             Err(error) => ticket.unreadable(error),
//!         },
//!         Effect::Save(ticket, write) => match world.save(&write) {
//!             Ok(()) => ticket.durable(),
//!             Err(error) => ticket.failed(error),
//!         },
//!         Effect::Forget(ticket) => match world.forget() {
//!             Ok(()) => ticket.durable(),
//!             Err(error) => ticket.failed(error),
//!         },
//!         Effect::Inspect(ticket) => match world.inspect() {
//!             Ok(identity) => ticket.found(identity),
//!             Err(error) => ticket.unreadable(error),
//!         },
//!         Effect::Hash(ticket, range, what) => match world.hash(range, what) {
//!             Ok(digest) => ticket.hashed(digest),
//!             Err(error) => ticket.unreadable(error),
//!         },
//!         Effect::Wait(ticket, time) => {
//!             std::thread::sleep(time);
//!             ticket.elapsed()
//!         }
//!         Effect::Refresh(ticket, problem) => match world.refresh(&problem) {
//!             Ok(()) => ticket.refreshed(),
//!             Err(reason) => ticket.refused(reason),
//!         },
//!         // Nothing is under way that could be stopped.
//!         Effect::Stop(_) => return None,
//!     })
//! }
//! ```
//!
//! An upload begins with [`Upload::start`](upload::Upload::start), or with [`Upload::resume`](upload::Upload::resume)
//! where a checkpoint of an earlier run is found. What it is to do is a [`Job`](upload::Job).
//!
//! To bring an HTTP stack, a store of checkpoints or a signing service of one's own, read `docs/embedding.md` and the
//! programs in `examples`; most will rather use `ossup-ureq`, which has all of it.
//!
//! By layer, each knowing only those above it: [`time`], [`object`], [`part`], [`digest`] and [`plan`] are the words;
//! [`endpoint`], [`request`], [`options`], [`callback`] and [`operation`] the protocol; [`sign`] the only way from a
//! request to one that can be sent; [`error`] and [`retry`] what answers mean; [`checkpoint`] the record; [`upload`] the
//! machine.
//!
//! # Features
//! There is one, and it is not for uploads: `explore` makes an upload and its tickets copyable, for tests that try every
//! continuation of a state.

pub mod auth;
pub mod callback;
pub mod checkpoint;
pub mod digest;
pub mod endpoint;
pub mod error;
pub mod object;
pub mod operation;
pub mod options;
pub mod part;
pub mod plan;
pub mod request;
pub mod retry;
pub mod sign;
pub mod time;
pub mod upload;
mod xml;
