//! A survey of what is unfinished on the server, done on the thread that asks for it.

use std::sync::Arc;
use std::thread;

use ossup_core::request::{Request, Response};
use ossup_core::sign::Signer;
use ossup_core::upload::survey::{Found, Step, Survey};
use ossup_core::upload::{Cause, TransportError, TransportKind};
use ureq::Agent;

use crate::line::{Caller, Line, Lines, Outgoing};
use crate::wire::Gate;
use crate::worker::now;

/// Takes the steps of a survey.
pub(crate) fn conduct(survey: Survey, signer: &dyn Signer, lines: &Lines) -> Result<Found, Cause> {
    let mut line = lines.take();
    let mut step = survey.begin();
    let result = loop {
        step = match step {
            Step::Send(request, asked) => match send(&mut line, signer, &request) {
                Ok(response) => asked.responded(&response),
                Err(error) => asked.failed(error),
            },
            Step::Wait(time, waiting) => {
                thread::sleep(time);
                waiting.elapsed()
            }
            Step::Refresh(problem, refreshing) => match signer.refresh(&problem, now()) {
                Ok(()) => refreshing.refreshed(),
                Err(error) => refreshing.refused(error.to_string()),
            },
            Step::Done(result) => break result,
        }
    };
    lines.give_back(line);
    result
}

fn send(line: &mut Line, signer: &dyn Signer, request: &Request) -> Result<Response, TransportError> {
    let ready = signer
        .sign(request, now())
        .map_err(|error| TransportError::new(TransportKind::Signing, error.to_string()))?;
    let outgoing =
        Outgoing { request: ready, len: 0, expects_continue: false, answer_within: request.answer_within() };
    line.send(&Arc::new(Unhurried), outgoing, &mut std::io::empty())
}

/// A caller whom nobody stops.
struct Unhurried;

impl Gate for Unhurried {
    fn open(&self) -> bool {
        true
    }
}

impl Caller for Unhurried {
    fn goes_over(&self, _: Agent) {}

    fn leaves(&self) -> bool {
        true
    }

    fn is_stopped(&self) -> bool {
        false
    }
}
