//! The examples of `docs/embedding.md` are beside this folder, one program each. Here is nothing but the check that what
//! the documentation shows compiles.
