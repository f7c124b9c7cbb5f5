//! Parsed query → logical plan. Reads a catalog snapshot and settings. What must be fetched for the relations that a query
//! names (versions of tables, lists of files) is fetched before, in `relations` and `in_place`; the rest does no I/O.

mod aside;
pub(crate) mod assign;
mod balance;
pub(crate) mod build;
mod cardinality;
mod casts;
mod catalog_rewrite;
mod column_names;
mod columns_read;
mod context;
mod decorrelate;
mod depth;
pub(crate) mod in_place;
mod integer_literals;
mod integer_results;
mod interval_literals;
mod like_escape;
mod literals;
pub(crate) mod nearest;
mod operators;
mod origins;
pub(crate) mod output_names;
mod parameters;
mod relations;
mod row_subqueries;
mod standard_forms;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{CatalogProviderList, TableProvider};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast;

use crate::catalog::CatalogSnapshot;
use crate::catalog::provider::SnapshotCatalog;
use crate::error::{Error, Result, datafusion_error_in};
use crate::parser::{Dialect, Statement};
use crate::privileges::Rights;
use crate::session::Session;
use crate::session::prepared::ColumnOrigin;
use crate::session::scope::StatementScope;
use crate::session::tables::TableContents;
use crate::session::temporary::TEMPORARY_SCHEMA;

use catalog_rewrite::{Uses, finish_plan, rewrite_catalog_statement};
use columns_read::{Stub, columns_read};
use decorrelate::decorrelate_rest;
use in_place::InPlace;
pub(crate) use aside::aside;
pub(crate) use parameters::bind;
use context::SearchPath;
use relations::Relations;
pub(crate) use relations::{TARGET, plan_view};

/// A query planned for one target.
pub(crate) struct PlannedQuery {
    pub logical: LogicalPlan,
    /// The result's columns with the names that the client sees; all nullable, because plans for different targets
    /// disagree about nullability.
    pub schema: SchemaRef,
    pub origins: Vec<Option<ColumnOrigin>>,
    pub parameter_types: Vec<Option<DataType>>,
    pub catalog_version: u64,
    /// It reads system tables only, which no executor has.
    pub only_catalog: bool,
    /// Oids of the tables and views that it names.
    pub relations: Vec<u32>,
    /// The tables that can be written, as it reads them.
    pub tables: Vec<(u32, TableContents)>,
    /// It reads what only another look can tell to be the same: files, tables of others, tables as they were.
    pub is_momentary: bool,
}

/// A state for planning a statement of this session against `snapshot`, to be run in this process.
pub(crate) fn session_state(session: &Session, snapshot: &Arc<CatalogSnapshot>) -> SessionState {
    started(session.sessions().engine.local_state(catalogs(session, snapshot), |config| configure(config, session, snapshot)))
}

/// The state as one in which time stands still while a statement runs, however many queries it is made of.
fn started(mut state: SessionState) -> SessionState {
    if let Some(scope) = StatementScope::current() {
        state.execution_props_mut().query_execution_start_time = Some(scope.started());
    }
    state
}

/// The same with other schemas to look names up in than the session's.
fn session_state_in(session: &Session, snapshot: &Arc<CatalogSnapshot>, search_path: &[String]) -> SessionState {
    let engine = &session.sessions().engine;
    engine.local_state(catalogs(session, snapshot), |config| {
        configure(config, session, snapshot);
        set_search_path(config, search_path, snapshot);
    })
}

/// The same for physical plans of the cluster.
pub(crate) async fn cluster_state(session: &Session, snapshot: &Arc<CatalogSnapshot>) -> SessionState {
    let engine = &session.sessions().engine;
    started(engine.cluster_state(catalogs(session, snapshot), |config| configure(config, session, snapshot)).await)
}

fn catalogs(session: &Session, snapshot: &Arc<CatalogSnapshot>) -> Arc<dyn CatalogProviderList> {
    SnapshotCatalog::new(Arc::clone(snapshot), session.system().schemas().clone()).into_list()
}

/// The session's settings in DataFusion's terms.
fn configure(config: &mut SessionConfig, session: &Session, snapshot: &CatalogSnapshot) {
    session.settings(|settings| {
        let options = config.options_mut();
        options.catalog.default_catalog = snapshot.database.clone();
        options.execution.time_zone = Some(settings.time_zone().to_owned());
        // A number with a point is numeric, and exact.
        options.sql_parser.parse_float_as_decimal = session.dialect() == Dialect::Postgres;
        for (name, value) in settings.datafusion_options() {
            // SET has checked the value.
            if let Err(error) = options.set(name, value) {
                tracing::warn!(name, value, %error, "setting ignored");
            }
        }
    });
    let rights = Rights::in_session(session, snapshot);
    let may_look = |name: &String| snapshot.schema(name).is_none_or(|schema| rights.check_usage(schema).is_ok());
    let path: Vec<String> = session.lookup_path().into_iter().filter(may_look).collect();
    set_search_path(config, &path, snapshot);
}

fn set_search_path(config: &mut SessionConfig, search_path: &[String], snapshot: &CatalogSnapshot) {
    let path: Vec<String> = search_path.iter().filter(|name| snapshot.schema(name).is_some()).cloned().collect();
    let first = path.iter().find(|schema| *schema != TEMPORARY_SCHEMA).cloned().unwrap_or_else(|| crate::catalog::PUBLIC_SCHEMA.to_owned());
    config.options_mut().catalog.default_schema = first;
    config.set_extension(Arc::new(SearchPath(path)));
}

/// Plans a query of `statement`, which may be inside EXPLAIN or COPY.
pub(crate) async fn plan_query(
    session: &Session,
    state: &SessionState,
    snapshot: &Arc<CatalogSnapshot>,
    statement: &Statement,
    query: &ast::Statement,
    declared: &[Option<DataType>],
) -> Result<PlannedQuery> {
    plan_part(None, session, state, snapshot, statement, query, declared).await
}

/// Plans a query that a statement is made of. `target` is what the query names [`TARGET`].
pub(crate) async fn plan_part(
    target: Option<&Arc<dyn TableProvider>>,
    session: &Session,
    state: &SessionState,
    snapshot: &Arc<CatalogSnapshot>,
    statement: &Statement,
    query: &ast::Statement,
    declared: &[Option<DataType>],
) -> Result<PlannedQuery> {
    plan_query_of(&[], &session.role(), target, session, state, snapshot, statement, query, declared).await
}

/// The columns of [`TARGET`] that a query reads.
pub(crate) async fn columns_read_of_target(
    columns: SchemaRef,
    session: &Session,
    snapshot: &Arc<CatalogSnapshot>,
    statement: &Statement,
    query: &ast::Statement,
    declared: &[Option<DataType>],
) -> Result<BTreeSet<usize>> {
    let state = session_state(session, snapshot);
    let (query, in_place, _) = rewrite(session, &state, snapshot, query)?;
    let role = session.role();
    let planning = in_place::Planning { session, state: &state, snapshot, statement, role: &role };
    let target: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(Arc::clone(&columns)));
    let mut sources = Box::pin(relations::plan(&[], Some(&target), &in_place, planning, &query)).await?.sources;
    for (name, source) in &mut sources {
        if *name.table == *TARGET {
            *source = Arc::new(Stub { oid: 0, schema: Arc::clone(&columns) });
        }
    }
    let system = (session.dialect() == Dialect::Postgres).then_some(session.system());
    let plan = parameters::plan(&state, system, query, declared, sources).await?;
    Ok(columns_read(&plan)?.remove(&0).unwrap_or_default())
}

/// A query in forms that the library plans, what was taken out of it, and what it uses of the system's.
fn rewrite(
    session: &Session,
    state: &SessionState,
    snapshot: &CatalogSnapshot,
    query: &ast::Statement,
) -> Result<(ast::Statement, Vec<InPlace>, Uses)> {
    let mut query = query.clone();
    balance::balance_chains(&mut query);
    if let Some(depth_max) = depth::exceeded(&query) {
        return Err(Error::TooDeep { depth_max });
    }
    let in_place = in_place::take(&mut query)?;
    standard_forms::rewrite_queries(&mut query)?;
    like_escape::rewrite_escapes(&mut query);
    interval_literals::rewrite_intervals(&mut query);
    output_names::name_outputs(&mut query);
    column_names::distinguish_columns(&mut query, &|name| state.aggregate_functions().contains_key(name));
    literals::rewrite_casts(&mut query)?;
    let uses = match session.dialect() {
        Dialect::Postgres => {
            let uses = rewrite_catalog_statement(&mut query, &snapshot.database)?;
            integer_results::rewrite_counts(&mut query);
            integer_literals::rewrite_integers(&mut query);
            uses
        }
        Dialect::Generic => Uses::default(),
    };
    Ok((query, in_place, uses))
}

/// The same for the query of the last of `views`, which the others name, one the next, with the rights of `role`.
#[expect(clippy::too_many_arguments, reason = "one function behind two that are called")]
async fn plan_query_of(
    views: &[u32],
    role: &str,
    target: Option<&Arc<dyn TableProvider>>,
    session: &Session,
    state: &SessionState,
    snapshot: &Arc<CatalogSnapshot>,
    statement: &Statement,
    query: &ast::Statement,
    declared: &[Option<DataType>],
) -> Result<PlannedQuery> {
    let (query, in_place, uses) = rewrite(session, state, snapshot, query)?;
    let fail = |error| improve(datafusion_error_in(&error, statement.text()), snapshot);
    let system = session.system();
    let is_postgres = session.dialect() == Dialect::Postgres;
    let planning = in_place::Planning { session, state, snapshot, statement, role };
    let named = Box::pin(relations::plan(views, target, &in_place, planning, &query)).await?;
    let Relations { sources, oids, tables, only_catalog, is_momentary, in_part } = named;
    let system_functions = is_postgres.then_some(system);
    if !in_part.is_empty() {
        let mut stubs = sources.clone();
        stubs.extend(in_part.iter().map(|part| (part.name.clone(), part.stub())));
        let plan = parameters::plan(state, system_functions, query.clone(), declared, stubs).await.map_err(fail)?;
        relations::check_columns(&Rights::of(snapshot, role), &in_part, &columns_read(&plan)?)?;
    }
    let mut logical = parameters::plan(state, system_functions, query, declared, sources).await.map_err(fail)?;
    if uses.needs_finish() {
        logical = finish_plan(logical, &|name| system.function(name)).map_err(fail)?;
    }
    if is_postgres {
        logical = casts::rewrite_casts(logical).map_err(fail)?;
    }
    logical = decorrelate_rest(logical).map_err(fail)?;
    let logical = cardinality::check_scalar_subqueries(logical).map_err(fail)?;
    let parameter_types = parameters::types(&logical, declared).map_err(fail)?;
    let (schema, origins) = match has_branches(&logical).map_err(fail)? {
        // The branches' types become one only now.
        true => {
            let analyzed = state.analyzer().execute_and_check(logical.clone(), state.config_options(), |_, _| {});
            describe(&analyzed.map_err(fail)?, snapshot)
        }
        false => describe(&logical, snapshot),
    };
    Ok(PlannedQuery {
        logical,
        schema,
        origins,
        parameter_types,
        catalog_version: snapshot.version,
        only_catalog: uses.only_catalog() || only_catalog,
        relations: oids,
        tables,
        is_momentary,
    })
}

/// Whether a plan has a UNION or a CASE: their types are those of the first branch until the plan is analyzed.
fn has_branches(plan: &LogicalPlan) -> datafusion::error::Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found = matches!(node, LogicalPlan::Union(_));
        for expr in node.expressions() {
            found = found || expr.exists(|expr| Ok(matches!(expr, Expr::Case(_))))?;
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// The schema and the origins of a plan's columns, as a client is told.
pub(crate) fn describe(logical: &LogicalPlan, snapshot: &CatalogSnapshot) -> (SchemaRef, Vec<Option<ColumnOrigin>>) {
    let fields: Vec<Field> = logical
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let name = output_names::shown_name(field.name());
            Field::new(name, field.data_type().clone(), true).with_metadata(field.metadata().clone())
        })
        .collect();
    (Arc::new(Schema::new(fields)), origins::of(logical, snapshot))
}

/// Adds the nearest table name, which DataFusion does not know.
fn improve(error: Error, snapshot: &CatalogSnapshot) -> Error {
    match error {
        Error::UndefinedTable { name, nearest: None, position } => {
            let nearest = nearest::nearest_name(&name, snapshot.tables().map(|(_, table)| table.name.clone()));
            Error::UndefinedTable { name, nearest, position }
        }
        error => error,
    }
}
