//! Ctrl-C, SIGTERM and SIGHUP: the first asks for an end, the second is the end.

use crate::exit::{Code, ENDED_AT_ONCE, Failure};

/// Calls `ask` at the first signal, in a thread of its own. The second ends the process at once, whatever it is doing.
pub(crate) fn on_first(ask: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let mut ask = Some(ask);
    let handle = move || match ask.take() {
        Some(ask) => ask(),
        None => std::process::exit(ENDED_AT_ONCE),
    };
    ctrlc::set_handler(handle).map_err(|error| {
        Failure::new(Code::Client, format!("the system does not let us handle Ctrl-C: {error}"))
    })
}
