//! What is unfinished on the server: the uploads of a bucket, or beneath a prefix, whoever began them.
//!
//! For finding uploads that no checkpoint leads to. One request at a time, repeated and signed anew by the rules that
//! hold for those of an upload. To delete one of them is [`Upload::discard_id`](super::Upload::discard_id).

use std::time::Duration;

use crate::auth::AuthProblem;
use crate::error::{self, OssError};
use crate::object::BucketName;
use crate::operation::list_uploads::{self, ListedUpload, Marker};
use crate::options::ObjectOptions;
use crate::request::{Operation, Request, Response};
use crate::retry::RetryPolicy;

use super::effect::{TransportError, TransportKind};
use super::facts::{AuthNeed, Trouble};
use super::learn::auth_problem;
use super::outcome::Cause;
use super::tempo::{Auth, Failures, Retries};

/// How many pages are asked for, of up to 1,000 uploads each.
const MAX_PAGES: u32 = 100;

/// The number of the only wait there is at a time.
const ONLY: u32 = 0;

/// The state of a survey between two steps.
#[derive(Debug)]
pub struct Survey {
    bucket: BucketName,
    prefix: Option<String>,
    options: ObjectOptions,
    policy: RetryPolicy,
    retries: Retries,
    auth: Auth,
    failures: Failures,
    pages: u32,
    after: Option<Marker>,
    found: Vec<ListedUpload>,
}

/// What comes next. Each step holds the means to go on from it, so none can be left out or answered twice.
///
/// ```
/// use ossup_core::options::ObjectOptions;
/// use ossup_core::request::{Request, Response};
/// use ossup_core::retry::RetryPolicy;
/// use ossup_core::upload::survey::{Step, Survey};
///
/// # fn send(_: &Request) -> Response {
/// #     http::Response::new(bytes::Bytes::from_static(b"<ListMultipartUploadsResult/>"))
/// # }
/// let (options, policy) = (ObjectOptions::new(), RetryPolicy::default());
/// let mut step = Survey::new("bucket".parse()?, Some("films/"), &options, policy, 1).begin();
/// let found = loop {
///     step = match step {
///         Step::Send(request, asked) => asked.responded(&send(&request)),
///         Step::Wait(time, waiting) => {
///             std::thread::sleep(time);
///             waiting.elapsed()
///         }
///         Step::Refresh(_, refreshing) => refreshing.refused("there is only one key"),
///         Step::Done(found) => break found?,
///     }
/// };
/// assert!(found.uploads.is_empty() && found.all);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a survey goes on only when its step is taken"]
#[derive(Debug)]
pub enum Step {
    /// Sign and send this request.
    Send(Request, Asked),
    /// Let this much time pass.
    Wait(Duration, Waiting),
    /// Get new credentials, or set the clock that requests are signed with.
    Refresh(AuthProblem, Refreshing),
    /// It is over.
    Done(Result<Found, Cause>),
}

/// The unfinished uploads that were found.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The uploads, by key.
    pub uploads: Vec<ListedUpload>,
    /// Whether these are all. There may be more than anybody wants to look at.
    pub all: bool,
}

/// A request that is to be answered.
#[derive(Debug)]
pub struct Asked(Box<Survey>);

/// A wait that is to pass.
#[derive(Debug)]
pub struct Waiting(Box<Survey>);

/// A refresh that is to be made.
#[derive(Debug)]
pub struct Refreshing(Box<Survey>);

impl Survey {
    /// A survey of a bucket, or of the keys that begin with `prefix`. Of the options only those count that belong on such
    /// requests: who pays for them. `seed` decides the jitter of the waits.
    #[must_use]
    pub fn new(
        bucket: BucketName,
        prefix: Option<&str>,
        options: &ObjectOptions,
        policy: RetryPolicy,
        seed: u64,
    ) -> Self {
        Self {
            bucket,
            prefix: prefix.map(str::to_owned),
            options: options.clone(),
            retries: Retries::new(&policy, 1, seed),
            policy,
            auth: Auth::default(),
            failures: Failures::default(),
            pages: 0,
            after: None,
            found: Vec::new(),
        }
    }

    /// The first step.
    pub fn begin(self) -> Step {
        Box::new(self).ask()
    }

    fn ask(self: Box<Self>) -> Step {
        let (prefix, after) = (self.prefix.as_deref(), self.after.as_ref());
        let request = list_uploads::request(&self.bucket, prefix, after, &self.options);
        Step::Send(request, Asked(self))
    }

    fn learn(mut self: Box<Self>, response: &Response) -> Step {
        const OPERATION: Operation = Operation::ListMultipartUploads;
        if let Err(error) = error::check(OPERATION, response) {
            return self.refused(*error, error::retry_after(response));
        }
        self.auth.accepted(self.auth.epoch);
        let page = match list_uploads::parse(response) {
            Ok(page) => page,
            Err(malformed) => return self.retry(Trouble::Malformed(OPERATION, malformed.to_string()), None),
        };
        self.failures = Failures::default();
        self.pages += 1;
        self.found.extend(page.uploads);
        self.after = page.next;
        if self.after.is_some() && self.pages < MAX_PAGES {
            return self.ask();
        }
        Step::Done(Ok(Found { all: self.after.is_none(), uploads: self.found }))
    }

    fn refused(self: Box<Self>, error: OssError, asked: Option<Duration>) -> Step {
        use crate::retry::meaning::{Meaning, judge_error};
        match auth_problem(Operation::ListMultipartUploads, &error) {
            Some(problem) if self.auth.may_help(&problem) => {
                return self.refresh(problem, Trouble::Server(error));
            }
            Some(problem) => {
                let need = AuthNeed { problem, trouble: Box::new(Trouble::Server(error)) };
                return Step::Done(Err(need.into_cause(None)));
            }
            None => {}
        }
        match judge_error(Operation::ListMultipartUploads, &error).meaning {
            Meaning::Retry | Meaning::Throttled => self.retry(Trouble::Server(error), asked),
            _ => Step::Done(Err(Cause::Refused(Box::new(error)))),
        }
    }

    fn refresh(mut self: Box<Self>, problem: AuthProblem, trouble: Trouble) -> Step {
        self.auth.need = Some(AuthNeed { problem: problem.clone(), trouble: Box::new(trouble) });
        Step::Refresh(problem, Refreshing(self))
    }

    fn retry(mut self: Box<Self>, trouble: Trouble, asked: Option<Duration>) -> Step {
        match self.retries.next(&self.policy, &mut self.failures, trouble.blame(), asked) {
            Some(wait) => {
                self.retries.begins(ONLY, wait);
                Step::Wait(wait, Waiting(self))
            }
            None => Step::Done(Err(trouble.into_cause())),
        }
    }
}

impl Asked {
    /// The server answered, with whatever status.
    pub fn responded(self, response: &Response) -> Step {
        self.0.learn(response)
    }

    /// There is no answer.
    pub fn failed(self, error: TransportError) -> Step {
        let problem = AuthProblem::Unsigned { reason: error.message.clone() };
        let may_help = error.kind == TransportKind::Signing && self.0.auth.may_help(&problem);
        let trouble = Trouble::Transport(error);
        if may_help { self.0.refresh(problem, trouble) } else { self.0.retry(trouble, None) }
    }
}

impl Waiting {
    /// The time has passed.
    pub fn elapsed(mut self) -> Step {
        self.0.retries.ended(ONLY, false);
        self.0.ask()
    }
}

impl Refreshing {
    /// Requests will be signed with something better from now on.
    pub fn refreshed(mut self) -> Step {
        self.0.auth.refreshed();
        self.0.ask()
    }

    /// Nothing better can be had, for this reason.
    pub fn refused(mut self, reason: impl Into<String>) -> Step {
        let reason = Some(reason.into());
        match self.0.auth.need.take() {
            Some(need) => Step::Done(Err(need.into_cause(reason))),
            // It was made by one.
            None => self.0.ask(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each request by the next of these; what it came to, and the queries that were sent.
    fn survey(answers: &[(u16, &str)]) -> (Result<Found, Cause>, Vec<String>) {
        let mut answers = answers.iter();
        let mut queries = Vec::new();
        let (bucket, options) = ("bucket".parse().unwrap(), ObjectOptions::new().request_payer(true));
        let mut step = Survey::new(bucket, Some("films/"), &options, RetryPolicy::default(), 1).begin();
        loop {
            step = match step {
                Step::Send(request, asked) => {
                    assert_eq!(request.headers()["x-oss-request-payer"], "requester");
                    queries.push(format!("{:?}", request.query()));
                    match answers.next() {
                        Some((0, _)) => asked.failed(TransportError::new(TransportKind::Broken, "reset")),
                        Some((1, why)) => asked.failed(TransportError::unsigned(why)),
                        Some((status, body)) => {
                            let mut response =
                                http::Response::new(bytes::Bytes::copy_from_slice(body.as_bytes()));
                            *response.status_mut() = http::StatusCode::from_u16(*status).unwrap();
                            asked.responded(&response)
                        }
                        None => panic!("asked once too often: {queries:?}"),
                    }
                }
                Step::Wait(_, waiting) => waiting.elapsed(),
                Step::Refresh(AuthProblem::Refused { code, .. }, refreshing)
                    if code == "InvalidAccessKeyId" =>
                {
                    refreshing.refused("there is no other")
                }
                Step::Refresh(_, refreshing) => refreshing.refreshed(),
                Step::Done(result) => return (result, queries),
            }
        }
    }

    fn page(id: &str, more: bool) -> String {
        format!(
            "<ListMultipartUploadsResult><IsTruncated>{more}</IsTruncated><NextKeyMarker>films/a</NextKeyMarker>\
             <NextUploadIdMarker>{id}</NextUploadIdMarker><Upload><Key>films/a</Key><UploadId>{id}</UploadId></Upload>\
             </ListMultipartUploadsResult>"
        )
    }

    fn error(code: &str) -> String {
        format!("<Error><Code>{code}</Code></Error>")
    }

    #[test]
    fn pages_are_asked_for_until_the_last_and_troubles_are_got_over() {
        let (one, two) = (page("U1", true), page("U2", false));
        let expired = error("SecurityTokenExpired");
        let (found, queries) =
            survey(&[(500, ""), (200, &one), (0, ""), (403, &expired), (200, "<html>"), (200, &two)]);
        let found = found.unwrap();
        let ids: Vec<_> = found.uploads.iter().map(|upload| upload.upload_id.as_str()).collect();
        assert_eq!((ids, found.all), (vec!["U1", "U2"], true));
        assert!(queries[1] == queries[0] && queries[2..].iter().all(|query| *query == queries[2]));
        assert!(queries[2].contains("upload-id-marker") && queries[2].contains("films/"));
    }

    #[test]
    fn a_list_without_end_is_cut_off_and_says_so() {
        let pages: Vec<String> = (0..MAX_PAGES).map(|n| page(&format!("U{n}"), true)).collect();
        let answers: Vec<_> = pages.iter().map(|page| (200, page.as_str())).collect();
        let found = survey(&answers).0.unwrap();
        assert_eq!((found.uploads.len(), found.all), (100, false));
    }

    #[test]
    fn refusals_are_final_and_credentials_are_refreshed_once() {
        let (denied, expired) = (error("AccessDenied"), error("SecurityTokenExpired"));
        assert!(matches!(survey(&[(403, &denied)]).0, Err(Cause::Refused(_))));
        let twice = [(403, expired.as_str()), (403, &expired)];
        assert!(matches!(survey(&twice).0, Err(Cause::CredentialsRefused { reason: None, .. })));
        let invalid = error("InvalidAccessKeyId");
        let (result, _) = survey(&[(403, &invalid)]);
        assert!(matches!(result, Err(Cause::CredentialsRefused { reason: Some(_), .. })));
        assert!(survey(&[(1, "expired"), (200, &page("U1", false))]).0.is_ok());
        let unsigned: Vec<_> = (0..9).map(|_| (1, "expired")).collect();
        assert!(matches!(survey(&unsigned).0, Err(Cause::Unsigned { reason: None, .. })));
        let failing: Vec<_> = (0..8).map(|_| (500, "")).collect();
        assert!(matches!(survey(&failing).0, Err(Cause::ServerFailing(_))));
    }
}
