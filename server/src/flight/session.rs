//! Which `sql::Session` a call works in: the one that its cookie or token names, or the one of all stateless calls.
//!
//! A key costs nothing until its client changes something: only then a session is opened for it. A client without a key
//! works in a session that it shares with every other such client of the same user, so it may not change it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use dashmap::DashMap;
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;
use sql::{PreparedStatement, Response, Statement};
use tonic::Status;
use uuid::Uuid;

use super::caller::Caller;
use super::error;

/// One user cannot exhaust the sessions of all.
const SESSIONS_PER_USER_MAX: usize = 1_000;
/// Users that work without state, each of which has one session that is cheap to open again.
const STATELESS_USERS_MAX: usize = 1_000;

/// A session and who uses it. Whoever works in it holds the `Arc`; a session that nobody holds may be idle.
pub(super) struct FlightSession {
    pub(super) sql: Arc<sql::Session>,
    pub(super) user: String,
    /// `None`: the session of the stateless calls of `user`.
    pub(super) key: Option<Uuid>,
    used: Mutex<Instant>,
}

impl FlightSession {
    pub(super) async fn prepare(
        &self,
        statement: &Statement,
        parameter_types: &[Option<DataType>],
    ) -> Result<PreparedStatement, Status> {
        self.sql.prepare(statement, parameter_types).await.map_err(|error| error::status(&error))
    }

    pub(super) async fn execute(&self, statement: &PreparedStatement, parameters: &[ScalarValue]) -> Result<Response, Status> {
        let outcome = self.sql.execute(statement, parameters).await;
        // This protocol has no place for them, and the session would keep them for ever.
        for notice in self.sql.take_notices() {
            tracing::debug!(message = notice.message, "notice");
        }
        outcome.map_err(|error| error::status(&error))
    }
}

pub(super) struct FlightSessions {
    sql: Arc<sql::Sessions>,
    of_key: DashMap<Uuid, Arc<FlightSession>>,
    stateless: DashMap<String, Arc<FlightSession>>,
    sessions_max: usize,
    idle_max: Duration,
}

impl FlightSessions {
    pub(super) fn new(sql: Arc<sql::Sessions>, sessions_max: usize, idle_max: Duration) -> Self {
        Self { sql, of_key: DashMap::new(), stateless: DashMap::new(), sessions_max, idle_max }
    }

    /// The session to read in. Opens none for a key.
    pub(super) fn current(&self, caller: &Caller) -> Result<Arc<FlightSession>, Status> {
        if let Some(session) = self.existing(caller) {
            return Ok(session);
        }
        if let Some(session) = self.stateless.get(&caller.user) {
            return Ok(Arc::clone(&session));
        }
        if self.stateless.len() >= STATELESS_USERS_MAX {
            self.close_unused(&self.stateless, |_| true);
        }
        let session = self.open(caller, None)?;
        Ok(self.keep_first(&self.stateless, caller.user.clone(), session))
    }

    /// The session that the caller's key names, if it has been opened.
    pub(super) fn existing(&self, caller: &Caller) -> Option<Arc<FlightSession>> {
        let key = caller.session_key.as_ref()?;
        let session = Arc::clone(&*self.of_key.get(&key.id)?);
        *session.used.lock() = Instant::now();
        Some(session)
    }

    /// The session to change, opened if need be. `None` for a caller without a key.
    pub(super) fn own(&self, caller: &Caller) -> Result<Option<Arc<FlightSession>>, Status> {
        if let Some(session) = self.existing(caller) {
            return Ok(Some(session));
        }
        let Some(key) = &caller.session_key else { return Ok(None) };
        self.open_for(caller, key.id).map(Some)
    }

    /// Opens the session of the key `id`, which was just issued to the caller or is its own.
    pub(super) fn open_for(&self, caller: &Caller, id: Uuid) -> Result<Arc<FlightSession>, Status> {
        if self.of_key.len() >= self.sessions_max {
            return Err(error::exhausted(format!("the server has {} Flight SQL sessions, no more are opened", self.sessions_max)));
        }
        if self.of_key.iter().filter(|session| session.user == caller.user).count() >= SESSIONS_PER_USER_MAX {
            return Err(error::exhausted(format!("user \"{}\" has {SESSIONS_PER_USER_MAX} sessions, no more are opened", caller.user)));
        }
        let session = self.open(caller, Some(id))?;
        Ok(self.keep_first(&self.of_key, id, session))
    }

    /// Two first calls may come at once: the session that is there stays, the other is closed.
    fn keep_first<K: Eq + std::hash::Hash>(
        &self,
        sessions: &DashMap<K, Arc<FlightSession>>,
        key: K,
        opened: Arc<FlightSession>,
    ) -> Arc<FlightSession> {
        let kept = Arc::clone(&*sessions.entry(key).or_insert_with(|| Arc::clone(&opened)));
        if !Arc::ptr_eq(&kept, &opened) {
            self.sql.close(opened.sql.id());
        }
        kept
    }

    /// Closes the caller's session and cancels what runs in it. Gives its id if there was one.
    pub(super) fn close(&self, caller: &Caller) -> Option<Uuid> {
        let key = caller.session_key.as_ref()?;
        let (id, session) = self.of_key.remove(&key.id)?;
        self.sql.close(session.sql.id());
        Some(id)
    }

    /// Closes the sessions that nobody has used for a while.
    pub(super) fn close_idle(&self) {
        self.close_unused(&self.of_key, |session| session.used.lock().elapsed() > self.idle_max);
    }

    pub(super) fn count(&self) -> usize {
        self.of_key.len()
    }

    fn close_unused<K: Eq + std::hash::Hash>(
        &self,
        sessions: &DashMap<K, Arc<FlightSession>>,
        is_idle: impl Fn(&FlightSession) -> bool,
    ) {
        // Queries and prepared statements hold their session; one reference is the map's own.
        sessions.retain(|_, session| {
            let keep = Arc::strong_count(session) > 1 || !is_idle(session);
            if !keep {
                self.sql.close(session.sql.id());
            }
            keep
        });
    }

    fn open(&self, caller: &Caller, key: Option<Uuid>) -> Result<Arc<FlightSession>, Status> {
        let options = sql::SessionOptions {
            user: caller.user.clone(),
            database: None,
            dialect: sql::Dialect::Generic,
            settings: Vec::new(),
            client_address: caller.address,
        };
        let sql = self.sql.open(options).map_err(|error| error::status(&error))?;
        Ok(Arc::new(FlightSession { sql, user: caller.user.clone(), key, used: Mutex::new(Instant::now()) }))
    }
}

/// What a caller without a key is told when it wants to change its session.
pub(super) fn needs_session(what: &str) -> Status {
    error::invalid(format!(
        "{what} needs a session, and this connection has none\nHINT: Connect with a user name, or let the client keep \
         cookies (ADBC: adbc.flight.sql.rpc.with_cookie_middleware=true)."
    ))
}
