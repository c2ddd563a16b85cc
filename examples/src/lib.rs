//! The examples of `docs/embedding.md` are beside this folder, one program each. Here is nothing but the check that what
//! the documentation shows compiles.

/// Bring your own stack.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Embedding;

/// Coming from the iOS or Android SDK.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migrating.md")]
pub struct Migrating;
