//! What the tests of more than one crate share.
//!
//! * [`service`] — OSS as a few dozen lines: what it keeps, and what it answers
//! * [`world`] — the machine, that service, a disk and a source, and everything that can happen next
//! * [`worlds`] — the worlds that are searched
//! * [`product`] — worlds in which everything meets everything, and walks through them
//! * [`rendered`] — documentation that is rendered from the code
//! * [`explore`] — every order in which it can happen
//! * [`simulate`] — one seeded way through a large world
//! * [`story`] — the machine against a bucket that does as a script says
//! * [`link`] — a link in virtual time
//! * [`transcript`] — what the machine asks for, turn by turn, as text
//! * [`server`] — a signed request as a server sees it, and the signature it expects

pub mod explore;
pub mod link;
pub mod product;
pub mod rendered;
pub mod server;
pub mod service;
pub mod simulate;
pub mod story;
pub mod transcript;
pub mod world;
pub mod worlds;

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
