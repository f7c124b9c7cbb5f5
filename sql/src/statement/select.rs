//! `SELECT`, `VALUES`, `WITH`: plans the query, routes it, runs it.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::sqlparser::ast;
use engine::{ClusterPlan, ExecutionMode, LocalPlan, Route};
use futures::StreamExt;

use crate::catalog::CatalogSnapshot;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner;
use crate::response::{Response, Rows};
use crate::session::Session;
use crate::session::prepared::{ColumnOrigin, Prepared, PreparedStatement, QueryPlan, moment};
use crate::session::scope::StatementScope;

/// How long a plan is good for that is good for a moment only: what executes what it has just prepared uses it.
const MOMENT: Duration = Duration::from_millis(100);
/// How often a query is planned while the catalog changes.
const ATTEMPTS_MAX: u32 = 5;

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    query: &ast::Statement,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let snapshot = session.catalog();
    let state = planner::session_state(session, &snapshot);
    let planned = planner::plan_query(session, &state, &snapshot, statement, query, declared).await?;
    Ok(PreparedStatement::new(Prepared {
        statement: statement.clone(),
        parameter_types: planned.parameter_types,
        plan: Some(QueryPlan {
            logical: planned.logical,
            catalog_version: planned.catalog_version,
            role: session.role(),
            only_catalog: planned.only_catalog,
            tables: planned.tables,
            moment: moment(planned.is_momentary),
        }),
        schema: Some(planned.schema),
        origins: planned.origins,
    }))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    parameters: &[ScalarValue],
) -> Result<Response> {
    let Some(query) = prepared.statement().ast.clone() else { return Ok(Response::Empty) };
    Ok(Response::Rows(rows(session, prepared, query, parameters).await?))
}

/// The rows of `query`, which is the prepared statement or a part of it.
pub(super) async fn rows(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    query: Arc<ast::Statement>,
    parameters: &[ScalarValue],
) -> Result<Rows> {
    let inner = prepared.inner();
    let routed = route(session, prepared, query, parameters, false).await?;
    let promised = match &inner.schema {
        Some(schema) => {
            let now = planner::describe(&routed.logical, &routed.snapshot).0;
            let names = |schema: &SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
            if names(&now) != names(schema) {
                return Err(Error::StalePlan);
            }
            Arc::clone(schema)
        }
        None => planner::describe(&routed.logical, &routed.snapshot).0,
    };
    rows_of(session, prepared.sql(), routed, &promised, "SELECT")
}

/// The rows of `query`, which is a part of the prepared statement, and where its columns are from. It runs in this process: its
/// rows may be asked for slowly, and executors do not keep them.
pub(super) async fn rows_here(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    query: Arc<ast::Statement>,
    parameters: &[ScalarValue],
) -> Result<(Rows, Vec<Option<ColumnOrigin>>)> {
    let routed = route(session, prepared, query, parameters, true).await?;
    let (promised, origins) = planner::describe(&routed.logical, &routed.snapshot);
    Ok((rows_of(session, prepared.sql(), routed, &promised, "FETCH")?, origins))
}

/// Runs what was planned. Its rows are as `promised`; `command` is the word of their command tag.
pub(super) fn rows_of(
    session: &Session,
    sql: &str,
    routed: Routed,
    promised: &SchemaRef,
    command: &'static str,
) -> Result<Rows> {
    // A parameter can change the type of a column; the client was told before there were values.
    let promised = with_types(promised, &routed.plan.physical().schema());
    let engine = &session.sessions().engine;
    let execution = match routed.plan {
        Plan::Local(plan) => engine.run_local(&routed.state, &plan),
        Plan::Cluster(plan) => engine.run_distributed(sql.to_owned(), plan, Arc::clone(&promised))?,
    };
    let schema = Arc::clone(&promised);
    let batches = execution.map(move |batch| rename(batch?, &schema)).boxed();
    Ok(Rows::new(promised, batches, command))
}

/// A query with its values, planned for where it is to run.
pub(super) struct Routed {
    pub state: SessionState,
    pub snapshot: Arc<CatalogSnapshot>,
    pub logical: LogicalPlan,
    pub plan: Plan,
    pub route: Route,
}

pub(super) enum Plan {
    Local(LocalPlan),
    Cluster(ClusterPlan),
}

impl Plan {
    pub fn physical(&self) -> &Arc<dyn ExecutionPlan> {
        match self {
            Self::Local(plan) => &plan.physical,
            Self::Cluster(plan) => &plan.physical,
        }
    }
}

/// Decides where a query runs. In `auto`, a plan that the cluster cannot run stays here.
pub(super) async fn route(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    query: Arc<ast::Statement>,
    parameters: &[ScalarValue],
    here: bool,
) -> Result<Routed> {
    let text = prepared.sql();
    let (session, prepared, parameters) = (Arc::clone(session), prepared.clone(), parameters.to_vec());
    planner::aside(text, async move { plan_and_place(&session, &prepared, &query, &parameters, here).await }).await
}

async fn plan_and_place(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    query: &ast::Statement,
    parameters: &[ScalarValue],
    here: bool,
) -> Result<Routed> {
    let (statement, prepared) = (prepared.statement(), prepared.inner());
    let mut attempts = ATTEMPTS_MAX;
    loop {
        let snapshot = session.catalog();
        let state = planner::session_state(session, &snapshot);
        let (logical, types, only_catalog) = match current_plan(session, prepared, &snapshot).await? {
            Some(plan) => (plan.logical.clone(), prepared.parameter_types.clone(), plan.only_catalog),
            None => {
                let planned =
                    planner::plan_query(session, &state, &snapshot, statement, query, &prepared.parameter_types).await?;
                (planned.logical, planned.parameter_types, planned.only_catalog)
            }
        };
        attempts -= 1;
        if attempts > 0 && session.catalog().version != snapshot.version {
            // What has changed the catalog may have changed tables too, of which this has seen some before and some after.
            StatementScope::look_again();
            continue;
        }
        let logical = planner::bind(&logical, &types, parameters)?;
        return place(session, statement, state, snapshot, logical, only_catalog || here).await;
    }
}

/// The plan of a prepared statement, if it is still good for the catalog and the tables that there are now.
pub(super) async fn current_plan<'a>(
    session: &Session,
    prepared: &'a Prepared,
    snapshot: &CatalogSnapshot,
) -> Result<Option<&'a QueryPlan>> {
    let Some(plan) = prepared.plan.as_ref().filter(|plan| plan.catalog_version == snapshot.version && plan.role == session.role()) else { return Ok(None) };
    if let Some(moment) = &plan.moment
        && moment.lock().take().is_none_or(|made| made.elapsed() > MOMENT)
    {
        return Ok(None);
    }
    Ok(session.is_current(&plan.tables).await?.then_some(plan))
}

/// Plans a query for where it is to run.
pub(super) async fn place(
    session: &Arc<Session>,
    statement: &Statement,
    state: SessionState,
    snapshot: Arc<CatalogSnapshot>,
    logical: LogicalPlan,
    only_catalog: bool,
) -> Result<Routed> {
    let mode = session.settings(|settings| settings.execution_mode());
    let engine = &session.sessions().engine;
    let plan_here = async || engine.plan(&state, &logical).await.map_err(|error| in_statement(error, statement));
    let plan_for_cluster = async || {
        let state = planner::cluster_state(session, &snapshot).await;
        engine.plan_for_cluster(state, &logical).await
    };
    let (plan, route) = match mode {
        _ if only_catalog => (Plan::Local(plan_here().await?), Route::Local { reason: "reads the catalog only".into() }),
        ExecutionMode::Distributed => match plan_for_cluster().await {
            Ok(plan) => (Plan::Cluster(plan), Route::forced(mode)),
            // What no engine can plan is an error of the statement; else it is one of the mode.
            Err(reason) => {
                plan_here().await?;
                return Err(engine::Error::NotDistributable { reason }.into());
            }
        },
        ExecutionMode::Local => (Plan::Local(plan_here().await?), Route::forced(mode)),
        ExecutionMode::Auto => {
            let plan = plan_here().await?;
            match engine.route(&plan) {
                route @ Route::Local { .. } => (Plan::Local(plan), route),
                route @ Route::Distributed { .. } => match plan_for_cluster().await {
                    Ok(plan) => (Plan::Cluster(plan), route),
                    Err(reason) => {
                        (Plan::Local(plan), Route::Local { reason: format!("the cluster cannot run it: {reason}") })
                    }
                },
            }
        }
    };
    Ok(Routed { state, snapshot, logical, plan, route })
}

/// Planning errors that name a place in the text.
fn in_statement(error: engine::Error, statement: &Statement) -> Error {
    match error {
        engine::Error::DataFusion(error) => crate::error::datafusion_error_in(&error, statement.text()),
        error => error.into(),
    }
}

/// `names` and metadata of one schema with the types of another.
fn with_types(names: &SchemaRef, types: &SchemaRef) -> SchemaRef {
    let same = names.fields().iter().zip(types.fields()).all(|(a, b)| a.data_type() == b.data_type());
    if same {
        return Arc::clone(names);
    }
    let fields: Vec<_> = names
        .fields()
        .iter()
        .zip(types.fields())
        .map(|(name, field)| Arc::new(name.as_ref().clone().with_data_type(field.data_type().clone())))
        .collect();
    Arc::new(arrow::datatypes::Schema::new(fields))
}

/// The batch's columns under the names that the client was told.
fn rename(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
        .map_err(|error| Error::from(engine::Error::from(error)))
}
