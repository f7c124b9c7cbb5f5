//! Answers CancelRequest: finds the session by its key and cancels its statement.

use std::sync::Arc;

use dashmap::DashMap;
use pgwire::messages::cancel::CancelRequest;
use sql::{CancelKey, Sessions};
use tokio::sync::Notify;

/// The connections a CancelRequest can reach. A statement that runs learns of it from its session; one that waits for a
/// slow client does not ask its session, and is told here.
#[derive(Clone, Default)]
pub struct Cancellations {
    connections: Arc<DashMap<CancelKey, Arc<Notify>>>,
}

impl Cancellations {
    /// Makes a connection reachable until the result is dropped.
    pub fn register(&self, key: CancelKey) -> Cancellation {
        let canceled = Arc::new(Notify::new());
        self.connections.insert(key, Arc::clone(&canceled));
        Cancellation { key, canceled, connections: Arc::clone(&self.connections) }
    }

    /// Whoever asks learns nothing, not even whether the key was right.
    pub fn cancel(&self, request: &CancelRequest, sessions: &Sessions) {
        let Some(secret) = request.secret_key.as_i32() else { return };
        let key = CancelKey { process_id: request.pid, secret };
        sessions.cancel(key);
        if let Some(canceled) = self.connections.get(&key) {
            canceled.notify_waiters();
        }
    }
}

/// One connection's place among the cancellations.
pub struct Cancellation {
    key: CancelKey,
    canceled: Arc<Notify>,
    connections: Arc<DashMap<CancelKey, Arc<Notify>>>,
}

impl Cancellation {
    /// Ends at the next CancelRequest.
    pub async fn canceled(&self) {
        self.canceled.notified().await;
    }
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        self.connections.remove(&self.key);
    }
}
