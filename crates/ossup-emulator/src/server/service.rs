//! One request on a connection: its body fed to the model, its answer sent, its faults carried out.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::body::{Cut, Outgoing, Pace};
use super::callback::{self, Caller};
use crate::faults::Conduct;
use crate::model::{Body, Finished, Intake, Model};
use crate::{admin, console};

/// How long the client may be silent in the middle of a body.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// How long the rest of a body is read that nobody wants, so that the client gets to the answer.
const LINGER: Duration = Duration::from_secs(30);

/// Serves one request. An error ends the connection without an answer.
pub(super) async fn serve(
    model: Arc<Model>,
    console: bool,
    caller: Arc<Caller>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Cut> {
    let (head, mut body) = request.into_parts();
    if console && let Some(response) = console::handle(&model, &head) {
        return Ok(response.map(|body| Outgoing::new(body.into(), &Conduct::default())));
    }
    let asks_for_key = head.method == Method::GET && head.uri.path() == callback::PUBLIC_KEY_PATH;
    if asks_for_key && console::is_local(console::host(&head)) {
        let key = caller.public_key().ok_or(Cut::Close)?;
        return Ok(Response::new(Outgoing::new(key.into(), &Conduct::default())));
    }
    let mut intake = model.begin(&head);
    let conduct = intake.conduct().clone();
    let end = if conduct.reset { Cut::Reset } else { Cut::Close };
    let mut stall = conduct.stall;
    if intake.is_decided() {
        if !conduct.close && !head.headers.contains_key(header::EXPECT) {
            // A client that is still sending would not see the answer if the connection were closed now.
            tokio::spawn(linger(body));
        }
    } else if !body.is_end_stream() || conduct.cut_in.is_some() {
        silence(std::mem::take(&mut stall)).await;
        match read(&mut intake, &mut body, &conduct).await {
            Read::Whole | Read::Short => {}
            Read::Cut => {
                intake.cut();
                return Err(end);
            }
            // Dropped, it is in the journal as abandoned.
            Read::Gone => return Err(Cut::Close),
        }
    }
    // What is here whole is done, as OSS does it, even if the client leaves now: then nobody waits for this any more.
    let done = tokio::spawn(finish(model, caller, intake, stall)).await;
    let response = done.map_err(|_| Cut::Close)?;
    silence(conduct.stall_answer).await;
    if conduct.lose_answer {
        return Err(end);
    }
    let mut response = response.map(|body| Outgoing::new(body, &conduct));
    if conduct.close {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Does what is asked for, and calls the application if that is asked for too.
async fn finish(model: Arc<Model>, caller: Arc<Caller>, intake: Intake, stall: Duration) -> Response<Body> {
    silence(stall).await;
    let settled = if intake.copies() {
        // Reads all of the source: others are served meanwhile.
        let model = model.clone();
        match tokio::task::spawn_blocking(move || model.settle(intake)).await {
            Ok(settled) => settled,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    } else {
        model.settle(intake)
    };
    match settled {
        Finished::Answered(response) => response,
        Finished::Calling(calling) => {
            let result = caller.deliver(calling.delivery()).await;
            model.called(*calling, result)
        }
    }
}

/// Serves one request of the admin interface.
pub(super) async fn administer(
    model: Arc<Model>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Cut> {
    let (head, body) = request.into_parts();
    let limited = Limited::new(body, admin::MAX_REQUEST).collect();
    let body = tokio::time::timeout(BODY_WITHIN, limited).await;
    let body = body.map_err(|_| Cut::Close)?.map_err(|_| Cut::Close)?;
    let response = admin::handle(&model, &Request::from_parts(head, body.to_bytes()));
    Ok(response.map(|body| Outgoing::new(body.into(), &Conduct::default())))
}

enum Read {
    Whole,
    /// The client stopped sending.
    Short,
    /// The client went away.
    Gone,
    /// A rule ends the connection.
    Cut,
}

async fn read(intake: &mut Intake, body: &mut Incoming, conduct: &Conduct) -> Read {
    if conduct.cut_in == Some(0) {
        return Read::Cut;
    }
    let mut pace = conduct.pace.map(Pace::new);
    loop {
        let frame = match tokio::time::timeout(BODY_WITHIN, body.frame()).await {
            Err(_) => return Read::Short,
            Ok(None) => return Read::Whole,
            Ok(Some(Err(_))) => return Read::Gone,
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(mut piece) = frame.into_data() else { continue };
        if let Some(cut) = conduct.cut_in {
            piece.truncate(cut.saturating_sub(intake.received()) as usize);
        }
        if let Some(pace) = &mut pace {
            tokio::time::sleep_until(pace.take(piece.len(), Instant::now())).await;
        }
        intake.write(piece);
        if conduct.cut_in.is_some_and(|cut| intake.received() >= cut) {
            return Read::Cut;
        }
    }
}

/// A sleep of no time at all would last until the timer's next tick.
async fn silence(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

async fn linger(mut body: Incoming) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(LINGER, rest).await;
}
