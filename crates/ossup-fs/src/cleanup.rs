//! How a client cleans up what uploads have left on the server.

use ossup_core::object::BucketName;
use ossup_core::options::ObjectOptions;
use ossup_core::upload::Policy;
use ossup_core::upload::survey::Survey;

/// How what uploads have left on the server is found and deleted.
///
/// ```
/// use ossup_core::options::ObjectOptions;
/// use ossup_fs::Cleanup;
///
/// let cleanup = Cleanup::new().options(ObjectOptions::new().request_payer(true));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cleanup {
    pub(crate) options: ObjectOptions,
    pub(crate) policy: Policy,
}

impl Cleanup {
    /// By the default policy, at the cost of whoever owns the bucket.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who pays for the requests. No other attribute of an object belongs on them.
    #[must_use]
    pub fn options(self, options: ObjectOptions) -> Self {
        Self { options, ..self }
    }

    /// How the requests are repeated. No other policy matters here.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// A survey of what is unfinished in a bucket, or of the keys that begin with `prefix`. For adapters; `seed` is any
    /// number.
    #[must_use]
    pub fn survey(&self, bucket: BucketName, prefix: Option<&str>, seed: u64) -> Survey {
        Survey::new(bucket, prefix, &self.options, self.policy.retry.clone(), seed)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use ossup_core::checkpoint::SourceIdentity;
    use ossup_core::time::Timestamp;
    use ossup_core::upload::survey::Step;
    use ossup_core::upload::{Effect, Job, Turn, Write};

    use crate::{Begun, CheckpointFolder};

    use super::*;

    /// Whether the first request of what has begun says that we pay.
    fn pays(mut begun: Begun) -> bool {
        loop {
            match begun.upload.turn() {
                Turn::Do(Effect::Save(ticket, _)) => begun.upload.answer(ticket.durable()).unwrap(),
                Turn::Do(Effect::Send(_, request)) => {
                    return request.headers().contains_key("x-oss-request-payer");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// What a run has written that asked for an upload id.
    fn record() -> Vec<u8> {
        let object = "oss://bucket/key".parse().unwrap();
        let mut job = Job::new(object, "host", SourceIdentity::of_len(1 << 20), Timestamp::from_unix(1));
        job.recording = ossup_core::upload::Recording::Checkpoint;
        job.policy.put_threshold = 0;
        job.policy.parallel = NonZeroU16::MIN;
        match ossup_core::upload::Upload::start(job, 1).turn() {
            Turn::Do(Effect::Save(_, Write::Replace(bytes))) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whoever_is_to_pay_pays_for_every_way_to_clean_up() {
        for we_pay in [false, true] {
            let cleanup = Cleanup::new().options(ObjectOptions::new().request_payer(we_pay));
            let object = "oss://bucket/key".parse().unwrap();
            assert_eq!(pays(Begun::discard_id(object, "U1".parse().unwrap(), &cleanup, 1)), we_pay);

            let folder = tempfile::tempdir().unwrap();
            let store = CheckpointFolder::open(folder.path().to_owned()).unwrap();
            store.lock("name").unwrap().apply(&Write::Replace(record().into())).unwrap();
            assert_eq!(pays(Begun::discard(&store, "name", "host", &cleanup, 1).unwrap()), we_pay);

            let survey = cleanup.survey("bucket".parse().unwrap(), None, 1);
            let Step::Send(request, _) = survey.begin() else { panic!("it asks nothing") };
            assert_eq!(request.headers().contains_key("x-oss-request-payer"), we_pay);
        }
    }
}
