//! Planning beside the threads that serve connections.

use tokio::runtime::Handle;

use crate::SqlState;
use crate::error::{Error, Result};

/// Runs `work` on a thread of its own. Planning a large statement is seconds without a pause: who waits for it can give up
/// at once, and other sessions are served meanwhile.
pub(crate) async fn aside<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = Handle::current();
    let planned = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    planned.unwrap_or_else(|panic| {
        Err(Error::Classified {
            sql_state: SqlState::INTERNAL_ERROR,
            message: format!("the planner failed: {panic}"),
            detail: None,
            hint: None,
            position: None,
        })
    })
}
