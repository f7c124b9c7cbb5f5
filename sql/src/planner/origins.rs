//! For each column of a plan, the table column it is, traced through projections, filters, joins and subqueries.

use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::catalog::CatalogSnapshot;
use crate::session::prepared::ColumnOrigin;

/// One entry per output column; `None` for what is computed, aggregated or the result of UNION.
pub(super) fn of(plan: &LogicalPlan, snapshot: &CatalogSnapshot) -> Vec<Option<ColumnOrigin>> {
    (0..plan.schema().fields().len()).map(|index| trace(plan, index, snapshot)).collect()
}

fn trace(plan: &LogicalPlan, index: usize, snapshot: &CatalogSnapshot) -> Option<ColumnOrigin> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let column = column_of(projection.expr.get(index)?)?;
            let below = projection.input.schema().maybe_index_of_column(column)?;
            trace(&projection.input, below, snapshot)
        }
        LogicalPlan::Filter(filter) => trace(&filter.input, index, snapshot),
        LogicalPlan::Sort(sort) => trace(&sort.input, index, snapshot),
        LogicalPlan::Limit(limit) => trace(&limit.input, index, snapshot),
        LogicalPlan::Distinct(distinct) => trace(distinct.input(), index, snapshot),
        LogicalPlan::SubqueryAlias(alias) => trace(&alias.input, index, snapshot),
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match index < left {
                true => trace(&join.left, index, snapshot),
                false => trace(&join.right, index - left, snapshot),
            }
        }
        // Its own columns come after those of its input.
        LogicalPlan::Window(window) if index < window.input.schema().fields().len() => trace(&window.input, index, snapshot),
        LogicalPlan::TableScan(scan) => {
            let table = table_of(&scan.table_name, snapshot)?;
            let (attribute, _) = table.schema.column_with_name(scan.projected_schema.field(index).name())?;
            Some(ColumnOrigin { table_oid: table.oid, attribute: i16::try_from(attribute + 1).ok()? })
        }
        _ => None,
    }
}

fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => column_of(&alias.expr),
        _ => None,
    }
}

fn table_of<'a>(name: &TableReference, snapshot: &'a CatalogSnapshot) -> Option<&'a crate::catalog::Table> {
    let schema = snapshot.schema(name.schema().unwrap_or(crate::catalog::PUBLIC_SCHEMA))?;
    schema.tables.get(name.table()).map(AsRef::as_ref)
}
