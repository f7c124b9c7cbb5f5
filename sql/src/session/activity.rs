//! What a session runs now, for `pg_stat_activity`.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::{Session, TransactionStatus};
use crate::catalog::session_info::Activity;

/// Longer statements are cut, as PostgreSQL cuts them at `track_activity_query_size`.
const QUERY_CHARACTERS_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct SessionActivity {
    client_address: Option<SocketAddr>,
    started: i64,
    statement: Mutex<StatementActivity>,
}

#[derive(Debug, Default)]
struct StatementActivity {
    /// Statements that run now: suspended portals count.
    running: usize,
    started: Option<i64>,
    text: String,
}

impl SessionActivity {
    pub(super) fn new(client_address: Option<SocketAddr>) -> Self {
        Self { client_address, started: now_micros(), statement: Mutex::default() }
    }

    pub(super) fn statement_started(&self, text: &str) {
        let mut statement = self.statement.lock();
        statement.running += 1;
        statement.started = Some(now_micros());
        statement.text.clear();
        statement.text.extend(text.chars().take(QUERY_CHARACTERS_MAX));
    }

    pub(super) fn statement_ended(&self) {
        let mut statement = self.statement.lock();
        statement.running = statement.running.saturating_sub(1);
    }
}

impl Session {
    /// This session as a row of `pg_stat_activity`.
    pub(super) fn activity(&self) -> Activity {
        let statement = self.activity.statement.lock();
        let state = match self.transaction_status() {
            _ if statement.running > 0 => "active",
            TransactionStatus::Idle => "idle",
            TransactionStatus::InTransaction => "idle in transaction",
            TransactionStatus::Failed => "idle in transaction (aborted)",
        };
        Activity {
            process_id: self.key.process_id,
            user: self.user.clone(),
            application_name: self.setting("application_name").unwrap_or_default(),
            client_address: self.activity.client_address,
            session_start: self.activity.started,
            query_start: statement.started,
            state,
            query: statement.text.clone(),
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now_micros() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}
