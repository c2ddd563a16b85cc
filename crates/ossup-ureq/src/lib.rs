//! Blocking resumable uploads to Alibaba Cloud OSS, on threads and ureq.
