//! The outer columns that a subquery names.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::lateral;

/// The columns of queries around it that a plan names, each once, as `Expr::OuterReferenceColumn`. A name belongs to the
/// nearest query that has it: names that a subquery within takes from the plan itself are not among them.
pub(super) fn free_references(plan: &LogicalPlan) -> Result<Vec<Expr>> {
    let mut found = Vec::new();
    let mut lateral_columns = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::Join(join) = node
            && lateral(&join.right).is_some()
        {
            lateral_columns.push(Arc::clone(&join.left));
        }
        node.apply_expressions(|expr| {
            add_references(expr, &|column| node.inputs().iter().any(|input| input.schema().has_column(column)), &mut found)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    found.retain(|reference| {
        !column_named(reference).is_some_and(|column| lateral_columns.iter().any(|left| left.schema().has_column(column)))
    });
    Ok(found)
}

/// Those of an expression whose own columns are those that `has` knows.
fn add_references(expr: &Expr, has: &dyn Fn(&Column) -> bool, found: &mut Vec<Expr>) -> Result<()> {
    expr.apply(|expr| {
        let references = match (expr, subquery_of(expr)) {
            (Expr::OuterReferenceColumn(..), _) => vec![expr.clone()],
            (_, Some(subquery)) => {
                let mut references = free_references(&subquery.subquery)?;
                references.retain(|reference| !column_named(reference).is_some_and(has));
                references
            }
            _ => vec![],
        };
        for reference in references {
            if !found.contains(&reference) {
                found.push(reference);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether an expression names a column of a query around that of `input`, itself or in a subquery.
pub(super) fn names_outer(expr: &Expr, input: &LogicalPlan) -> Result<bool> {
    let mut found = Vec::new();
    add_references(expr, &|column| input.schema().has_column(column), &mut found)?;
    Ok(!found.is_empty())
}

/// Those columns among the references of `plan` that `outer` has.
pub(super) fn local_references(plan: &LogicalPlan, outer: &LogicalPlan) -> Result<Vec<Column>> {
    let references = free_references(plan)?;
    let columns = references.iter().filter_map(column_named).filter(|column| outer.schema().has_column(column));
    Ok(columns.cloned().collect())
}

fn column_named(reference: &Expr) -> Option<&Column> {
    match reference {
        Expr::OuterReferenceColumn(_, column) => Some(column),
        _ => None,
    }
}

/// The subquery that an expression is, if it is one.
pub(super) fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(subquery),
        _ => None,
    }
}

/// Whether an expression holds a subquery.
pub(super) fn has_subquery(expr: &Expr) -> Result<bool> {
    expr.exists(|expr| Ok(subquery_of(expr).is_some()))
}

/// Whether a node's own expressions hold a subquery.
pub(super) fn has_own_subqueries(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found = has_subquery(expr)?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
