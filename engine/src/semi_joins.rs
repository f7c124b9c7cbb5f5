//! Semi joins with a filtered aggregate (`key IN (SELECT … GROUP BY … HAVING …)`) below inner joins. DataFusion leaves a semi
//! join where the subquery stood, above all joins of its FROM; the few keys that such a subquery leaves then remove nearly
//! all rows only after they were joined and, on the cluster, exchanged.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, Result};
use datafusion::logical_expr::utils::expr_to_columns;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Moves semi joins with a filtered aggregate to the input of inner joins whose columns they compare.
#[derive(Debug)]
pub(crate) struct SemiJoinsFirst;

impl OptimizerRule for SemiJoinsFirst {
    fn name(&self) -> &str {
        "semi_joins_first"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(semi) = &plan else { return Ok(Transformed::no(plan)) };
        if semi.join_type != JoinType::LeftSemi || !is_filtered_aggregate(&semi.right) {
            return Ok(Transformed::no(plan));
        }
        let lowered = match semi.left.as_ref() {
            LogicalPlan::Join(inner) => below_join(semi, inner)?,
            LogicalPlan::Projection(projection) => below_projection(semi, projection)?,
            _ => None,
        };
        Ok(lowered.map_or_else(|| Transformed::no(plan), Transformed::yes))
    }
}

fn is_filtered_aggregate(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_filtered_aggregate(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_filtered_aggregate(&alias.input),
        LogicalPlan::Filter(filter) => matches!(filter.input.as_ref(), LogicalPlan::Aggregate(_)),
        _ => false,
    }
}

fn below_join(semi: &Join, inner: &Join) -> Result<Option<LogicalPlan>> {
    if inner.join_type != JoinType::Inner {
        return Ok(None);
    }
    let columns = compared_columns(semi)?;
    let is_of = |schema: &DFSchema| columns.iter().all(|column| schema.has_column(column));
    let (left, right) = if is_of(inner.left.schema()) {
        (Arc::new(semi_join(semi, &inner.left, |expr| Ok(expr.clone()))?), Arc::clone(&inner.right))
    } else if is_of(inner.right.schema()) {
        (Arc::clone(&inner.left), Arc::new(semi_join(semi, &inner.right, |expr| Ok(expr.clone()))?))
    } else {
        return Ok(None);
    };
    Ok(Some(LogicalPlan::Join(Join { left, right, ..inner.clone() })))
}

/// Below a projection of plain columns.
fn below_projection(semi: &Join, projection: &Projection) -> Result<Option<LogicalPlan>> {
    if !projection.expr.iter().all(|expr| matches!(expr.clone().unalias(), Expr::Column(_))) {
        return Ok(None);
    }
    let sources: HashMap<Column, &Expr> = projection.schema.columns().into_iter().zip(&projection.expr).collect();
    let semi = semi_join(semi, &projection.input, |expr| {
        let renamed = expr.clone().transform(|expr| match &expr {
            Expr::Column(column) if sources.contains_key(column) => Ok(Transformed::yes(sources[column].clone().unalias())),
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(renamed.data)
    })?;
    let schema = Arc::clone(&projection.schema);
    let projection = Projection::try_new_with_schema(projection.expr.clone(), Arc::new(semi), schema)?;
    Ok(Some(LogicalPlan::Projection(projection)))
}

/// The columns of its left input that a semi join looks at.
fn compared_columns(semi: &Join) -> Result<HashSet<Column>> {
    let mut columns = HashSet::new();
    for (left, _) in &semi.on {
        expr_to_columns(left, &mut columns)?;
    }
    if let Some(filter) = &semi.filter {
        expr_to_columns(filter, &mut columns)?;
    }
    columns.retain(|column| !semi.right.schema().has_column(column));
    Ok(columns)
}

/// The same semi join of `left`, its expressions changed by `rename`.
fn semi_join(
    semi: &Join,
    left: &Arc<LogicalPlan>,
    rename: impl Fn(&Expr) -> Result<Expr>,
) -> Result<LogicalPlan> {
    let on = semi.on.iter().map(|(left, right)| Ok((rename(left)?, right.clone()))).collect::<Result<_>>()?;
    let filter = semi.filter.as_ref().map(rename).transpose()?;
    let (left, right) = (Arc::clone(left), Arc::clone(&semi.right));
    let join = Join::try_new(left, right, on, filter, semi.join_type, semi.join_constraint, semi.null_equality, false)?;
    Ok(LogicalPlan::Join(join))
}
