//! A look-alike of Alibaba Cloud OSS for tests, demos and offline work.
