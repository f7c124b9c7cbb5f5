//! A subquery in place of a value may yield one row at most, and is NULL if it yields none. DataFusion joins an uncorrelated
//! one without looking, and takes it for NOT NULL if its column is.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use udfs::postgres::single_value;

/// Puts an aggregate that refuses a second row, and makes NULL of none, over every uncorrelated scalar subquery that could
/// yield them.
pub(super) fn check_scalar_subqueries(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| match expr {
                Expr::ScalarSubquery(subquery) if is_unchecked(&subquery) => {
                    Ok(Transformed::yes(Expr::ScalarSubquery(checked(subquery)?)))
                }
                expr => Ok(Transformed::no(expr)),
            })
        })
    })
    .map(|checked| checked.data)
}

fn is_unchecked(subquery: &Subquery) -> bool {
    let plan = subquery.subquery.as_ref();
    let has_nullable = plan.schema().fields().iter().any(|field| field.is_nullable());
    subquery.outer_ref_columns.is_empty()
        && (plan.max_rows().is_none_or(|rows| rows > 1) || (!has_nullable && !yields_one_row(plan)))
}

fn yields_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => yields_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => yields_one_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(relation) => relation.produce_one_row,
        _ => false,
    }
}

fn checked(subquery: Subquery) -> Result<Subquery> {
    let plan = subquery.subquery.as_ref().clone();
    let Some(column) = plan.schema().columns().into_iter().next() else { return Ok(subquery) };
    let value = single_value().call(vec![Expr::Column(column.clone())]).alias_qualified(column.relation, column.name);
    let plan = LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), [value])?.build()?;
    Ok(Subquery { subquery: Arc::new(plan), ..subquery })
}
