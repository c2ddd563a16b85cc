//! A survey of what is unfinished on the server, done by the task that asks for it.

use std::sync::Arc;

use ossup_core::request::{Request, Response};
use ossup_core::sign::Signer;
use ossup_core::upload::survey::{Found, Step, Survey};
use ossup_core::upload::{Cause, TransportError, TransportKind};
use tokio::sync::watch;

use crate::blocking::off_reactor;
use crate::body::Content;
use crate::feed::Feed;
use crate::http_client::{Http, Outgoing};
use crate::task::{Stop, now};

/// Takes the steps of a survey.
pub(crate) async fn conduct(
    survey: Survey,
    signer: Arc<dyn Signer>,
    http: Arc<Http>,
) -> Result<Found, Cause> {
    let mut step = survey.begin();
    loop {
        step = match step {
            Step::Send(request, asked) => match send(&http, &signer, request).await {
                Ok(response) => asked.responded(&response),
                Err(error) => asked.failed(error),
            },
            Step::Wait(time, waiting) => {
                tokio::time::sleep(time).await;
                waiting.elapsed()
            }
            Step::Refresh(problem, refreshing) => {
                let signer = Arc::clone(&signer);
                match off_reactor(move || signer.refresh(&problem, now())).await {
                    Ok(()) => refreshing.refreshed(),
                    Err(error) => refreshing.refused(error.to_string()),
                }
            }
            Step::Done(result) => return result,
        }
    }
}

async fn send(http: &Http, signer: &Arc<dyn Signer>, request: Request) -> Result<Response, TransportError> {
    let answer_within = request.answer_within();
    let signer = Arc::clone(signer);
    let request = off_reactor(move || signer.sign(&request, now()))
        .await
        .map_err(|error| TransportError::new(TransportKind::Signing, error.to_string()))?;
    let content = Content::Inline(bytes::Bytes::new());
    // Nobody stops it: whoever does not want the answer any more drops the future.
    let (_keep, stop) = watch::channel(false);
    let outgoing = Outgoing { request, content, expects_continue: false, answer_within };
    http.send(&Arc::new(Feed::default()), outgoing, &mut Stop(stop)).await
}
