//! Prepared statements: created and closed by actions, bound by DoPut, executed as often as the client likes.
//!
//! A handle is a random id that belongs to the user who got it. It stays the same when values are bound: they replace
//! those bound before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use arrow_flight::sql::{ActionCreatePreparedStatementRequest, DoPutPreparedStatementResult};
use arrow_flight::{FlightDescriptor, FlightInfo};
use dashmap::DashMap;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use parking_lot::Mutex;
use prost::bytes::Bytes;
use sql::{PreparedStatement, Statement};
use tonic::Status;
use uuid::Uuid;

use super::caller::Caller;
use super::error;
use super::flight_info::schema_bytes;
use super::messages::ActionCreatePreparedStatementResult;
use super::put_stream::PutStream;
use super::result_schema::ResultSchema;
use super::service::Service;
use super::session::FlightSession;
use super::{parameters, statement};

/// One user cannot exhaust the memory of all with plans.
const PREPARED_PER_USER_MAX: usize = 10_000;
/// Bound rows are kept until they are executed. Updates with many rows are not bound: they are run as they come.
const BOUND_ROWS_MAX: usize = 10_000;

pub(super) struct Prepared {
    owner: String,
    session: Arc<FlightSession>,
    statement: Statement,
    plan: PreparedStatement,
    bound: Mutex<Option<Bound>>,
    used: Mutex<Instant>,
}

/// What the next execution uses.
#[derive(Clone)]
struct Bound {
    /// Planned with the types of these values where the statement does not tell them.
    plan: PreparedStatement,
    rows: Arc<Vec<Vec<ScalarValue>>>,
}

/// All prepared statements of this server.
#[derive(Default)]
pub(super) struct PreparedStatements {
    by_handle: DashMap<Uuid, Arc<Prepared>>,
}

impl PreparedStatements {
    fn get(&self, caller: &Caller, handle: &[u8]) -> Result<Arc<Prepared>, Status> {
        let unknown = || error::not_found("the prepared statement is unknown, or it was closed or has expired (SQLSTATE 26000)");
        let id = Uuid::from_slice(handle).map_err(|_| unknown())?;
        let prepared = self.by_handle.get(&id).map(|prepared| Arc::clone(&prepared)).ok_or_else(unknown)?;
        if prepared.owner != caller.user {
            return Err(unknown());
        }
        *prepared.used.lock() = Instant::now();
        Ok(prepared)
    }

    pub(super) fn close_idle(&self, idle_max: Duration) {
        self.by_handle.retain(|_, prepared| prepared.used.lock().elapsed() <= idle_max);
    }

    pub(super) fn forget_session(&self, session_key: Uuid) {
        self.by_handle.retain(|_, prepared| prepared.session.key != Some(session_key));
    }

    pub(super) fn count(&self) -> usize {
        self.by_handle.len()
    }
}

pub(super) async fn create(
    service: &Service,
    caller: &Caller,
    request: ActionCreatePreparedStatementRequest,
) -> Result<ActionCreatePreparedStatementResult, Status> {
    statement::refuse_transaction(request.transaction_id.as_ref())?;
    let all = &service.prepared.by_handle;
    if all.len() >= PREPARED_PER_USER_MAX
        && all.iter().filter(|prepared| prepared.owner == caller.user).count() >= PREPARED_PER_USER_MAX
    {
        return Err(error::exhausted(format!("{PREPARED_PER_USER_MAX} prepared statements are open, no more are made")));
    }
    let (session, statement) = statement::one_statement(service, caller, &request.query)?;
    let plan = statement::prepare(&session, &statement).await?;
    let id = Uuid::new_v4();
    let result = ActionCreatePreparedStatementResult {
        prepared_statement_handle: Bytes::copy_from_slice(id.as_bytes()),
        dataset_schema: schema_bytes(statement::schema(&plan).client())?,
        parameter_schema: schema_bytes(&parameters::schema(caller, plan.parameter_types()))?,
        is_update: Some(plan.schema().is_none()),
    };
    let prepared = Prepared {
        owner: caller.user.clone(),
        session,
        statement,
        plan,
        bound: Mutex::new(None),
        used: Mutex::new(Instant::now()),
    };
    all.insert(id, Arc::new(prepared));
    Ok(result)
}

/// Closing what is closed already is no error: clients close in destructors.
pub(super) fn close(service: &Service, caller: &Caller, handle: &[u8]) {
    if let Ok(id) = Uuid::from_slice(handle) {
        service.prepared.by_handle.remove_if(&id, |_, prepared| prepared.owner == caller.user);
    }
}

pub(super) fn get_schema(service: &Service, caller: &Caller, handle: &[u8]) -> Result<ResultSchema, Status> {
    let prepared = service.prepared.get(caller, handle)?;
    let bound = prepared.bound.lock().clone();
    Ok(statement::schema(bound.as_ref().map_or(&prepared.plan, |bound| &bound.plan)))
}

/// A new execution with the values bound last.
pub(super) async fn get_flight_info(
    service: &Service,
    caller: &Caller,
    descriptor: FlightDescriptor,
    handle: &[u8],
) -> Result<FlightInfo, Status> {
    let prepared = service.prepared.get(caller, handle)?;
    let Bound { plan, rows } = prepared.executable()?;
    statement::start(service, caller, descriptor, Arc::clone(&prepared.session), plan, rows).await
}

/// Binds the rows of the stream for the next executions.
pub(super) async fn bind(service: &Service, caller: &Caller, handle: Bytes, stream: PutStream) -> Result<DoPutPreparedStatementResult, Status> {
    let prepared = service.prepared.get(caller, &handle)?;
    let expected = prepared.plan.parameter_types().len();
    let mut rows = Vec::new();
    let mut batches = stream.batches();
    while let Some(batch) = batches.try_next().await? {
        if rows.len() + batch.num_rows() > BOUND_ROWS_MAX {
            return Err(error::invalid(format!("at most {BOUND_ROWS_MAX} rows can be bound to a query")));
        }
        rows.append(&mut parameters::rows(&batch, expected)?);
    }
    let plan = prepared.plan_for(&prepared.types_with(rows.first().map_or(&[], Vec::as_slice))).await?;
    *prepared.bound.lock() = Some(Bound { plan, rows: Arc::new(rows) });
    // Always there: Java's driver takes an absent handle for an empty one.
    Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
}

/// Executes the statement once for each row of the stream and gives the rows affected in all. Without any batch it is
/// executed with what was bound before, or without parameters.
pub(super) async fn update(service: &Service, caller: &Caller, handle: &[u8], stream: PutStream) -> Result<i64, Status> {
    let prepared = service.prepared.get(caller, handle)?;
    let expected = prepared.plan.parameter_types().len();
    let mut affected = 0;
    if expected == 0 || !stream.has_schema() {
        let Bound { plan, rows } = prepared.executable()?;
        for row in rows.iter() {
            affected = statement::add_affected(affected, statement::run(&prepared.session, &plan, row).await?);
        }
        return Ok(affected);
    }
    let mut batches = stream.batches();
    let mut plan = prepared.plan.clone();
    let mut planned_types = plan.parameter_types().to_vec();
    while let Some(batch) = batches.try_next().await? {
        for row in parameters::rows(&batch, expected)? {
            let types = prepared.types_with(&row);
            if types != planned_types {
                plan = prepared.plan_for(&types).await?;
                planned_types = types;
            }
            affected = statement::add_affected(affected, statement::run(&prepared.session, &plan, &row).await?);
        }
    }
    Ok(affected)
}

impl Prepared {
    /// What to execute when nothing comes with the request.
    fn executable(&self) -> Result<Bound, Status> {
        let expected = self.plan.parameter_types().len();
        if expected == 0 {
            return Ok(Bound { plan: self.plan.clone(), rows: Arc::new(vec![Vec::new()]) });
        }
        self.bound.lock().clone().ok_or_else(|| {
            error::invalid(format!("the statement has {expected} parameters, and none are bound (SQLSTATE 08P01)"))
        })
    }

    /// The types of the parameters, those of `values` where the statement alone does not tell.
    fn types_with(&self, values: &[ScalarValue]) -> Vec<Option<DataType>> {
        let mut types = self.plan.parameter_types().to_vec();
        for (data_type, value) in types.iter_mut().zip(values) {
            if data_type.is_none() && !value.is_null() {
                *data_type = Some(value.data_type());
            }
        }
        types
    }

    /// The plan for parameters of these types: the type of a result may depend on them, as in `SELECT ?`.
    async fn plan_for(&self, types: &[Option<DataType>]) -> Result<PreparedStatement, Status> {
        if types == self.plan.parameter_types() {
            return Ok(self.plan.clone());
        }
        self.session.prepare(&self.statement, types).await
    }
}
