//! Stories of single uploads: what the machine does about one thing at a time, in the order of an upload.

mod adopt;
mod callback;
mod cancel;
mod complete;
mod cost;
mod credentials;
mod discard;
mod doubt;
mod found;
mod guards;
mod initiate;
mod integrity;
mod mismatch;
mod misuse;
mod options;
mod progress;
mod resume;
mod retry;
mod small;
mod source;
