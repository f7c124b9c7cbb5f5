//! Planning beside the threads that serve connections.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::runtime::Handle;

use crate::SqlState;
use crate::error::{Error, Result};
use crate::session::scope::StatementScope;

/// A statement of at most so many bytes is planned where it is: of few tables and terms, it takes less than the thread would.
const SMALL_BYTES: usize = 128;

/// Plans `statement`, which is `work`, on a thread of its own. To plan a large statement takes seconds without a pause: who
/// waits for it can give up at once, and other sessions are served meanwhile. A panic is an error of the statement.
pub(crate) async fn aside<T: Send + 'static>(
    statement: &str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    if statement.len() <= SMALL_BYTES {
        return AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    }
    let (runtime, scope) = (Handle::current(), StatementScope::current());
    match tokio::task::spawn_blocking(move || runtime.block_on(StatementScope::within(scope, work))).await {
        Ok(planned) => planned,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Err(panicked(panic.as_ref())),
            Err(error) => Err(failed(&error.to_string())),
        },
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    failed(text.unwrap_or("a panic without a text"))
}

fn failed(reason: &str) -> Error {
    Error::Classified {
        sql_state: SqlState::INTERNAL_ERROR,
        message: format!("the planner failed: {reason}"),
        detail: None,
        hint: None,
        position: None,
    }
}
