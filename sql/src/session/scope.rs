//! What belongs to one statement while it runs. A session may run several at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use engine::ReadPoint;
use parking_lot::Mutex;

use super::tables::TableContents;

tokio::task_local! {
    static SCOPE: Arc<StatementScope>;
}

#[derive(Debug)]
pub(crate) struct StatementScope {
    /// What `now()` is in all of its queries.
    started: DateTime<Utc>,
    /// Tables as the statement sees them, by oid, if it is made of several queries.
    pub(super) pinned: Mutex<Option<BTreeMap<u32, TableContents>>>,
    /// When the statement sees its tables; `None` before the first.
    pub(super) read_point: Mutex<Option<ReadPoint>>,
    /// The statement is making what it has prepared: whether it was done must be known.
    committing: AtomicBool,
    /// The statement was cancelled, or is late, while it was making it: it is not to begin again.
    stopped: AtomicBool,
}

impl Default for StatementScope {
    fn default() -> Self {
        Self { started: Utc::now(), pinned: Mutex::default(), read_point: Mutex::default(), committing: AtomicBool::default(), stopped: AtomicBool::default() }
    }
}

impl StatementScope {
    pub(crate) fn started(&self) -> DateTime<Utc> {
        self.started
    }

    /// That of the statement which this task runs.
    pub(crate) fn current() -> Option<Arc<Self>> {
        SCOPE.try_with(Arc::clone).ok()
    }

    /// `work` as a part of the statement.
    pub(crate) async fn within<T>(scope: Option<Arc<Self>>, work: impl Future<Output = T>) -> T {
        match scope {
            Some(scope) => SCOPE.scope(scope, work).await,
            None => work.await,
        }
    }

    pub(super) fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Acquire)
    }

    /// The statement that this task runs sees tables as they are now.
    pub(crate) fn look_again() {
        if let Some(scope) = Self::current() {
            *scope.read_point.lock() = None;
        }
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether the statement that this task runs must not begin again.
    pub(crate) fn is_stopped() -> bool {
        Self::current().is_some_and(|scope| scope.stopped.load(Ordering::Acquire))
    }

    pub(super) fn set_committing(committing: bool) {
        if let Some(scope) = Self::current() {
            scope.committing.store(committing, Ordering::Release);
        }
    }
}
