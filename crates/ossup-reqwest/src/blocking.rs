//! Work that blocks, done where it holds up no other task.

use std::panic::resume_unwind;

/// Does something on one of tokio's threads for blocking work, in the span that this is polled in. If this future is dropped meanwhile it is done all the
/// same, and what came of it is dropped.
///
/// # Panics
/// With the panic of `work`.
pub(crate) async fn off_reactor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    #[cfg(feature = "tracing")]
    let work = {
        let here = tracing::Span::current();
        move || here.in_scope(work)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
