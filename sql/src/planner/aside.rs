//! Planning beside the threads that serve connections.

use tokio::runtime::Handle;

use crate::SqlState;
use crate::error::{Error, Result};

/// A statement of at most so many bytes is planned in less time than a millisecond or two.
const SMALL_BYTES: usize = 128;

/// Plans `statement`, which is `work`, on a thread of its own. To plan a large statement takes seconds without a pause: who
/// waits for it can give up at once, and other sessions are served meanwhile. A small one would wait for the thread longer
/// than it takes.
pub(crate) async fn aside<T: Send + 'static>(
    statement: &str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    if statement.len() <= SMALL_BYTES {
        return work.await;
    }
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
