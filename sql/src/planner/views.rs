//! The views that a statement names: each is planned from its text, so that it is good for tables as they are now.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{ResolvedTableReference, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, TableSource};
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::sqlparser::ast;

use super::context::resolve;
use crate::catalog::object::{Definition, ViewDefinition};
use crate::catalog::{CatalogSnapshot, TableKind};
use crate::error::{Error, Result};
use crate::parser;
use crate::session::Session;

/// Views that read views that read views: each is planned within the planning of the one before.
const DEPTH_MAX: usize = 32;

/// What a statement names.
pub(super) struct Views {
    pub(super) sources: HashMap<ResolvedTableReference, Arc<dyn TableSource>>,
    /// Oids of the tables and views that are in the catalog.
    pub(super) relations: Vec<u32>,
    /// There are views, and neither they nor the statement read anything but system tables.
    pub(super) only_catalog: bool,
}

/// Plans the views that `query` names, which is itself that of the last of `within`.
pub(super) async fn plan(
    within: &[u32],
    session: &Session,
    state: &SessionState,
    snapshot: &Arc<CatalogSnapshot>,
    query: &ast::Statement,
) -> Result<Views> {
    let statement = DataFusionStatement::Statement(Box::new(query.clone()));
    let mut views = Views { sources: HashMap::new(), relations: vec![], only_catalog: true };
    for reference in state.resolve_table_references(&statement)? {
        let resolved = resolve(state, reference);
        let schema = snapshot.schema(&resolved.schema).filter(|_| *resolved.catalog == *snapshot.database);
        let Some(table) = schema.and_then(|schema| schema.tables.get(&*resolved.table)) else { continue };
        if !views.relations.contains(&table.oid) {
            views.relations.push(table.oid);
        }
        let object = snapshot.object(table.oid).filter(|_| table.kind == TableKind::View);
        let Some(Definition::View(view)) = object.map(|object| &object.definition) else {
            views.only_catalog = false;
            continue;
        };
        if views.sources.contains_key(&resolved) {
            continue;
        }
        if within.contains(&table.oid) {
            return Err(Error::RecursiveView { name: table.name.clone() });
        }
        if within.len() >= DEPTH_MAX {
            return Err(Error::TooDeep { depth_max: DEPTH_MAX });
        }
        let (logical, only_catalog) = plan_view(&[within, &[table.oid]].concat(), session, snapshot, &table.name, view).await?;
        views.only_catalog &= only_catalog;
        let source = provider_as_source(Arc::new(ViewTable::new(logical, Some(view.query.clone()))));
        views.sources.insert(resolved, source);
    }
    views.only_catalog &= !views.sources.is_empty();
    Ok(views)
}

/// The plan of a view, with the columns that it had when it was made.
async fn plan_view(
    views: &[u32],
    session: &Session,
    snapshot: &Arc<CatalogSnapshot>,
    name: &str,
    view: &ViewDefinition,
) -> Result<(LogicalPlan, bool)> {
    let state = super::session_state_in(session, snapshot, &view.search_path);
    let statement = parser::parse(&view.query, view.dialect)?.remove(0);
    let query = statement.ast.clone().ok_or_else(|| Error::unsupported("a view without a query"))?;
    let planned = super::plan_query_of(views, session, &state, snapshot, &statement, &query, &[]).await?;
    let schema = Arc::clone(planned.logical.schema());
    if schema.fields().len() < view.columns.fields().len() {
        return Err(Error::OutdatedView { name: name.to_owned() });
    }
    let columns: Vec<Expr> = schema
        .iter()
        .zip(view.columns.fields())
        .map(|((qualifier, field), column)| {
            let expr = Expr::from((qualifier, field));
            let expr = match field.data_type() == column.data_type() {
                true => expr,
                false => expr.cast_to(column.data_type(), &schema)?,
            };
            Ok(expr.alias_qualified(None::<TableReference>, column.name()))
        })
        .collect::<Result<_>>()?;
    let logical = LogicalPlanBuilder::from(planned.logical).project(columns)?.build()?;
    Ok((logical, planned.only_catalog))
}
