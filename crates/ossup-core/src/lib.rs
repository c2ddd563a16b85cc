//! Resumable uploads to Alibaba Cloud OSS as a state machine that performs no I/O.

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
