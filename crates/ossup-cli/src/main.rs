//! The `ossup` program.

fn main() {}
