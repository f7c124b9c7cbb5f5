//! What the SQL planner asks of a session: tables of the snapshot, functions and settings of the state.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableFunctionArgs;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{DFSchema, DataFusionError, ResolvedTableReference, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::parser::Statement;

use super::operators::PostgresOperators;
use crate::session::system::System;

/// A state with the tables that one statement names, fetched before planning, which does no I/O.
pub(super) struct StatementContext<'a> {
    state: &'a SessionState,
    system: Option<&'a System>,
    tables: HashMap<ResolvedTableReference, Arc<dyn TableSource>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

/// The schemas in which names without one are looked up, in this order. All of them exist.
#[derive(Debug)]
pub(super) struct SearchPath(pub(super) Vec<String>);

/// What a name in a statement means.
pub(super) fn resolve(state: &SessionState, reference: TableReference) -> ResolvedTableReference {
    let catalog = &state.config_options().catalog;
    if let TableReference::Bare { table } = &reference
        && let Some(path) = state.config().get_extension::<SearchPath>()
        && let Some(provider) = state.catalog_list().catalog(&catalog.default_catalog)
    {
        let has_it = |name: &&String| provider.schema(name).is_some_and(|schema| schema.table_exist(table));
        if let Some(schema) = path.0.iter().find(has_it) {
            return reference.resolve(&catalog.default_catalog, schema);
        }
    }
    reference.resolve(&catalog.default_catalog, &catalog.default_schema)
}

impl<'a> StatementContext<'a> {
    /// The views that the statement names are there already.
    pub(super) async fn new(
        state: &'a SessionState,
        system: Option<&'a System>,
        statement: &Statement,
        views: HashMap<ResolvedTableReference, Arc<dyn TableSource>>,
    ) -> Result<Self> {
        let own = system.map(|_| Arc::new(PostgresOperators::default()) as Arc<dyn ExprPlanner>);
        let planners = own.into_iter().chain(state.expr_planners().iter().cloned()).collect();
        let mut context = Self { state, system, tables: views, planners };
        for reference in state.resolve_table_references(statement)? {
            let resolved = resolve(state, reference);
            if context.tables.contains_key(&resolved) {
                continue;
            }
            let schema = state.catalog_list().catalog(&resolved.catalog).and_then(|catalog| catalog.schema(&resolved.schema));
            // A name that is missing here may be a common table expression; planning reports it if not.
            let Some(schema) = schema else { continue };
            if let Some(table) = schema.table(&resolved.table).await? {
                context.tables.insert(resolved, provider_as_source(table));
            }
        }
        Ok(context)
    }
}

impl ContextProvider for StatementContext<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let name = resolve(self.state, name);
        self.tables.get(&name).cloned().ok_or_else(|| DataFusionError::Plan(format!("table '{name}' not found")))
    }

    fn get_table_function_source(&self, name: &str, arguments: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let function = self
            .state
            .table_functions()
            .get(name)
            .cloned()
            .ok_or_else(|| DataFusionError::Plan(format!("table function '{name}' not found")))?;
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_query_execution_start_time(self.state.execution_props().query_execution_start_time)
            .build();
        let simplifier = ExprSimplifier::new(context);
        let schema = DFSchema::empty();
        let arguments = arguments
            .into_iter()
            .map(|argument| simplifier.simplify(simplifier.coerce(argument, &schema)?))
            .collect::<Result<Vec<_>>>()?;
        let provider = function.create_table_provider_with_args(TableFunctionArgs::new(&arguments, self.state))?;
        Ok(provider_as_source(provider))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.state.relation_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let of_session = self.system.and_then(|system| system.function(name));
        of_session.or_else(|| self.state.scalar_functions().get(name).cloned())
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
