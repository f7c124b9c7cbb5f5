//! Queries between GetFlightInfo and the end of DoGet: planned, found by their ticket, run when they are read.
//!
//! A ticket that nobody reads costs a plan, not an execution, and is forgotten after its time. A statement without a
//! result set has run already when its ticket is made: reading that gives its empty schema, however often.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arrow::array::RecordBatch;
use datafusion::scalar::ScalarValue;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use sql::{PreparedStatement, Response};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::caller::Caller;
use super::error;
use super::result_schema::ResultSchema;
use super::result_stream::ResultBatches;
use super::session::FlightSession;

/// Plans that wait to be read. More than that is a client that never reads.
const QUERIES_MAX: usize = 10_000;
/// Results that have been read and may be read again, until their time is over or newer ones need the room.
const READ_QUERIES_MAX: usize = 256;

pub(super) struct Query {
    pub(super) id: Uuid,
    pub(super) schema: ResultSchema,
    owner: String,
    session: Arc<FlightSession>,
    work: Work,
    cancelled: CancellationToken,
    state: Mutex<State>,
}

/// What is to be done to read a query.
pub(super) enum Work {
    /// Nothing: it has run.
    Done,
    /// Execute `statement` once for each row of parameters and give all results, one after another.
    Execute { statement: PreparedStatement, parameters: Arc<Vec<Vec<ScalarValue>>>, is_repeatable: bool },
}

struct State {
    is_started: bool,
    expires: Instant,
    expires_at: SystemTime,
}

impl Query {
    /// When its ticket ends to be valid.
    pub(super) fn expires_at(&self) -> SystemTime {
        self.state.lock().expires_at
    }

    pub(super) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// The result, run by reading it.
    pub(super) fn read(self: &Arc<Self>, queries: &Arc<Queries>) -> Result<ResultBatches, Status> {
        let reading = Reading { query: Arc::clone(self), queries: Arc::clone(queries) };
        let batches = match &self.work {
            Work::Done => stream::empty().boxed(),
            Work::Execute { is_repeatable, .. } => {
                let was_started = std::mem::replace(&mut self.state.lock().is_started, true);
                if was_started && !is_repeatable {
                    return Err(error::invalid("the result of this ticket has been read, and its statement is not run twice"));
                }
                Arc::clone(self).execute().boxed()
            }
        };
        let batches = batches.inspect(move |_| {
            // The stream owns the mark that it is being read.
            let _ = &reading;
        });
        Ok(ResultBatches::new(self.schema.clone(), batches))
    }

    fn execute(self: Arc<Self>) -> impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static {
        let rows = match &self.work {
            Work::Done => 0,
            Work::Execute { parameters, .. } => parameters.len(),
        };
        stream::iter(0..rows).then(move |row| Arc::clone(&self).execute_row(row)).try_flatten()
    }

    async fn execute_row(
        self: Arc<Self>,
        row: usize,
    ) -> Result<impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static, Status> {
        let (statement, parameters) = match &self.work {
            Work::Execute { statement, parameters, .. } if row < parameters.len() => (statement, &parameters[row]),
            _ => return Err(error::internal("a query was run that has nothing to run")),
        };
        let response = self.session.execute(statement, parameters).await?;
        let Response::Rows(rows) = response else {
            return Err(error::internal("a result set was promised, but the statement gave none"));
        };
        if !ResultSchema::of_statement(rows.schema()).promises_same(&self.schema) {
            return Err(error::internal("the result has another schema than was promised"));
        }
        Ok(rows.map_err(|error| error::status(&error)))
    }
}

/// Held by the stream of a result while it is read.
struct Reading {
    query: Arc<Query>,
    queries: Arc<Queries>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.queries.was_read(self.query.id);
    }
}

/// All queries of this server.
pub(super) struct Queries {
    ttl: Duration,
    /// Cancelled when running statements are to end: the parent of every query's own.
    cancel_all: CancellationToken,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    queries: HashMap<Uuid, Arc<Query>>,
    /// In the order in which they were read.
    read: VecDeque<Uuid>,
}

impl Queries {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, cancel_all: CancellationToken::new(), inner: Mutex::default() }
    }

    pub(super) fn add(
        &self,
        caller: &Caller,
        session: Arc<FlightSession>,
        schema: ResultSchema,
        work: Work,
    ) -> Result<Arc<Query>, Status> {
        let query = Arc::new(Query {
            id: Uuid::new_v4(),
            schema,
            owner: caller.user.clone(),
            session,
            work,
            cancelled: self.cancel_all.child_token(),
            state: Mutex::new(State {
                is_started: false,
                expires: Instant::now() + self.ttl,
                expires_at: SystemTime::now() + self.ttl,
            }),
        });
        let mut inner = self.inner.lock();
        if inner.queries.len() >= QUERIES_MAX {
            return Err(error::exhausted(format!("{QUERIES_MAX} query results wait to be read, no more are planned")));
        }
        inner.queries.insert(query.id, Arc::clone(&query));
        Ok(query)
    }

    /// The query `id` of the caller. Another user's is as unknown as one that never was.
    pub(super) fn get(&self, caller: &Caller, id: Uuid) -> Result<Arc<Query>, Status> {
        let query = self.inner.lock().queries.get(&id).cloned();
        query
            .filter(|query| query.owner == caller.user)
            .ok_or_else(|| error::not_found("the ticket is unknown, or it has expired or was cancelled"))
    }

    /// Gives the query more time.
    pub(super) fn renew(&self, query: &Query) {
        let mut state = query.state.lock();
        state.expires = Instant::now() + self.ttl;
        state.expires_at = SystemTime::now() + self.ttl;
    }

    /// Ends the query and whoever reads it, and forgets it.
    pub(super) fn cancel(&self, query: &Query) {
        query.cancelled.cancel();
        self.inner.lock().queries.remove(&query.id);
    }

    /// Ends everything that runs.
    pub(super) fn cancel_all(&self) {
        self.cancel_all.cancel();
    }

    /// Forgets the queries whose time is over and that nobody is reading.
    pub(super) fn forget_expired(&self) {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        inner.queries.retain(|_, query| Arc::strong_count(query) > 1 || query.state.lock().expires > now);
        let Inner { queries, read } = &mut *inner;
        read.retain(|id| queries.contains_key(id));
    }

    /// Forgets the queries of a session that is closed.
    pub(super) fn forget_session(&self, session_key: Uuid) {
        self.inner.lock().queries.retain(|_, query| {
            let keep = query.session.key != Some(session_key);
            if !keep {
                query.cancelled.cancel();
            }
            keep
        });
    }

    pub(super) fn count(&self) -> usize {
        self.inner.lock().queries.len()
    }

    fn was_read(&self, id: Uuid) {
        let mut inner = self.inner.lock();
        inner.read.retain(|read| *read != id);
        inner.read.push_back(id);
        while inner.read.len() > READ_QUERIES_MAX {
            if let Some(oldest) = inner.read.pop_front() {
                inner.queries.remove(&oldest);
            }
        }
    }
}
