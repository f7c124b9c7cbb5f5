//! A limit on subqueries inside the expressions of subqueries.

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// DataFusion checks its plans in a way that takes twice the time for each level: 0.2 s at this one, hours at forty.
pub(super) const SUBQUERY_LEVELS_MAX: usize = 16;

/// Whether subqueries in expressions (not those in FROM) are nested too deep to be planned.
pub(super) fn is_too_deep(plan: &LogicalPlan) -> Result<bool> {
    is_deeper(plan, SUBQUERY_LEVELS_MAX)
}

fn is_deeper(plan: &LogicalPlan, levels: usize) -> Result<bool> {
    let mut deeper = false;
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarSubquery(subquery)
                | Expr::Exists(Exists { subquery, .. })
                | Expr::InSubquery(InSubquery { subquery, .. })
                | Expr::SetComparison(SetComparison { subquery, .. }) = expr
                {
                    deeper |= match levels.checked_sub(1) {
                        Some(rest) => is_deeper(&subquery.subquery, rest)?,
                        None => true,
                    };
                }
                Ok(if deeper { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    Ok(deeper)
}
