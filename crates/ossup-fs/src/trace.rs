//! What an upload says to `tracing`: a span for it, a span for each thing that is done for it, an event for each notice and
//! for the end. With the feature `tracing`; without it nothing is said, and this costs nothing.
//!
//! No span and no event has a secret in it: no signature, no key, no token, no callback, no answer's body.

#[cfg(feature = "tracing")]
pub(crate) use self::said::Trace;
#[cfg(not(feature = "tracing"))]
pub(crate) use self::unsaid::Trace;

#[cfg(feature = "tracing")]
mod said {
    use std::collections::HashMap;

    use ossup_core::object::ObjectName;
    use ossup_core::part::PartNumber;
    use ossup_core::request::Body;
    use ossup_core::upload::{Answer, Durability, Effect, EffectId, End, Notice, Outcome, Write};
    use tracing::field::{Empty, display};
    use tracing::{Span, debug_span, error, info, info_span, warn};

    /// The spans of one upload.
    #[derive(Default)]
    pub(crate) struct Trace {
        upload: Option<Span>,
        under_way: HashMap<EffectId, Span>,
    }

    impl Trace {
        pub(crate) fn of(object: &ObjectName, bytes: u64) -> Self {
            let upload = info_span!(target: "ossup", "upload", %object, bytes);
            Self { upload: Some(upload), under_way: HashMap::new() }
        }

        fn upload(&self) -> Span {
            self.upload.clone().unwrap_or_else(Span::none)
        }

        pub(crate) fn begins(&mut self, effect: &Effect) {
            let upload = self.upload();
            let span = match effect {
                Effect::Send(_, request) => {
                    let bytes = match request.body() {
                        Body::Empty => 0,
                        Body::Inline(bytes) => bytes.len() as u64,
                        Body::Source(range) => range.len(),
                    };
                    let operation = request.operation().name();
                    debug_span!(target: "ossup", parent: &upload, "request", operation, bytes, answer = Empty)
                }
                Effect::SendPart(_, part) => {
                    let (operation, bytes) = (part.operation().name(), part.range().len());
                    let part = part.part_number().map(PartNumber::get);
                    debug_span!(target: "ossup", parent: &upload, "request", operation, part, bytes, answer = Empty)
                }
                Effect::Save(_, write) => {
                    let (write, bytes) = match write {
                        Write::Replace(bytes) => ("replace", bytes.len()),
                        Write::Append(bytes, Durability::Written) => ("append", bytes.len()),
                        Write::Append(bytes, Durability::Durable) => ("append durably", bytes.len()),
                        _ => ("set aside", 0),
                    };
                    debug_span!(target: "ossup", parent: &upload, "checkpoint", write, bytes, answer = Empty)
                }
                Effect::Forget(_) => {
                    debug_span!(target: "ossup", parent: &upload, "checkpoint", write = "remove", answer = Empty)
                }
                Effect::Refresh(_, problem) => {
                    let why = match problem {
                        ossup_core::auth::AuthProblem::Refused { code, .. } => code.as_str(),
                        ossup_core::auth::AuthProblem::Unsigned { .. } => "not signed",
                        _ => "RequestTimeTooSkewed",
                    };
                    info_span!(target: "ossup", parent: &upload, "refresh", why, answer = Empty)
                }
                Effect::Hash(_, range, _) => {
                    let (offset, bytes) = (range.offset(), range.len());
                    debug_span!(target: "ossup", parent: &upload, "hash", offset, bytes, answer = Empty)
                }
                Effect::Inspect(_) => {
                    debug_span!(target: "ossup", parent: &upload, "inspect", answer = Empty)
                }
                Effect::Wait(_, time) => debug_span!(target: "ossup", parent: &upload, "wait", ?time),
                Effect::Stop(_) => return,
            };
            self.under_way.insert(effect.id(), span);
        }

        pub(crate) fn ends(&mut self, answer: &Answer) {
            if let Some(span) = self.under_way.remove(&answer.id()) {
                span.record("answer", display(answer));
            }
        }

        pub(crate) fn gives_up(&mut self, id: EffectId) {
            self.under_way.remove(&id);
        }

        pub(crate) fn notice(&mut self, notice: &Notice) {
            let upload = self.upload();
            match notice {
                Notice::Retrying { what, after_ms } => {
                    warn!(target: "ossup", parent: &upload, after_ms, "to be repeated: {what}");
                }
                Notice::Adapted { parallel, why } => {
                    info!(target: "ossup", parent: &upload, parallel, ?why, "parts in flight");
                }
                Notice::Refreshed | Notice::ClockSet | Notice::Adopted(_) => {
                    info!(target: "ossup", parent: &upload, "{notice:?}");
                }
                other => warn!(target: "ossup", parent: &upload, "{other:?}"),
            }
        }

        pub(crate) fn finished(&mut self, outcome: &Outcome) {
            let upload = self.upload();
            let report = &outcome.report;
            let (sent, resumed, retries) = (report.sent_bytes, report.resumed_bytes, report.retries);
            match &outcome.end {
                End::Completed(_) => {
                    info!(target: "ossup", parent: &upload, sent, resumed, retries, "completed");
                }
                End::Suspended { .. } => {
                    info!(target: "ossup", parent: &upload, sent, resumed, retries, "suspended");
                }
                End::Discarded(_) => {
                    info!(target: "ossup", parent: &upload, sent, resumed, retries, "discarded");
                }
                End::Failed(failed) => {
                    error!(target: "ossup", parent: &upload, sent, resumed, retries, resumable = failed.resumable, "{failed}");
                }
            }
            self.under_way.clear();
            self.upload = None;
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod unsaid {
    use ossup_core::object::ObjectName;
    use ossup_core::upload::{Answer, Effect, EffectId, Notice, Outcome};

    /// Nothing.
    #[derive(Default)]
    pub(crate) struct Trace;

    #[expect(clippy::unused_self, reason = "the other one has something to say")]
    impl Trace {
        pub(crate) fn of(_: &ObjectName, _: u64) -> Self {
            Self
        }

        pub(crate) fn begins(&mut self, _: &Effect) {}

        pub(crate) fn ends(&mut self, _: &Answer) {}

        pub(crate) fn gives_up(&mut self, _: EffectId) {}

        pub(crate) fn notice(&mut self, _: &Notice) {}

        pub(crate) fn finished(&mut self, _: &Outcome) {}
    }
}
