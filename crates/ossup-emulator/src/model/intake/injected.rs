//! Answers that rules give in place of the model's.

use http::{Response, StatusCode};

use super::Work;
use crate::faults::{Action, Conduct};
use crate::model::{Refusal, admit};

/// The answer that a rule gives instead of the model.
pub(super) fn strike(fault: Action, conduct: &mut Conduct) -> Work {
    match fault {
        Action::Refuse { status, code, retry_after } => {
            let refusal = injected(status, &code);
            Work::RefusedLate(match retry_after {
                Some(seconds) => refusal.header("retry-after", seconds),
                None => refusal,
            })
        }
        Action::RefuseEarly { status, code } => {
            conduct.close = true;
            Work::Refused(injected(status, &code))
        }
        Action::ErrorInOk { code } => Work::RefusedLate(injected(200, &code)),
        Action::AnswerInstead { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            let response = response.body(body.into());
            Work::Foreign(Box::new(response.unwrap_or_default()))
        }
        _ => Work::Refused(admit::denied()),
    }
}

/// A refusal that was asked for.
pub(super) fn injected(status: u16, code: &str) -> Refusal {
    // What is no answer cannot be written as a rule, only built as one.
    let answers = StatusCode::from_u16(status).ok().filter(|_| (200..=599).contains(&status));
    let status = answers.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Refusal::new(status, code.to_owned(), "This error was asked for.")
}
