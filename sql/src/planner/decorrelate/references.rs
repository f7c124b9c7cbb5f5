//! The outer columns that a subquery names.

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
    add_references(plan, &mut found)?;
    Ok(found)
}

fn add_references(plan: &LogicalPlan, found: &mut Vec<Expr>) -> Result<()> {
    match plan {
        LogicalPlan::Join(join) if lateral(&join.right).is_some() => {
            add_references(&join.left, found)?;
            let references = free_references(&join.right)?;
            add_new(references.into_iter().filter(|reference| !is_column_of(reference, &join.left)), found);
        }
        plan => {
            for input in plan.inputs() {
                add_references(input, found)?;
            }
        }
    }
    plan.apply_expressions(|expr| {
        add_references_of(expr, &plan.inputs(), found)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Those of an expression over `inputs`.
fn add_references_of(expr: &Expr, inputs: &[&LogicalPlan], found: &mut Vec<Expr>) -> Result<()> {
    expr.apply(|expr| {
        if let Expr::OuterReferenceColumn(..) = expr {
            add_new([expr.clone()], found);
        } else if let Some(subquery) = subquery_of(expr) {
            let references = free_references(&subquery.subquery)?;
            let is_own = |reference: &Expr| inputs.iter().any(|input| is_column_of(reference, input));
            add_new(references.into_iter().filter(|reference| !is_own(reference)), found);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn add_new(references: impl IntoIterator<Item = Expr>, found: &mut Vec<Expr>) {
    for reference in references {
        if !found.contains(&reference) {
            found.push(reference);
        }
    }
}

fn is_column_of(reference: &Expr, plan: &LogicalPlan) -> bool {
    column_named(reference).is_some_and(|column| plan.schema().has_column(column))
}

/// Whether an expression names a column of a query around that of `input`, itself or in a subquery.
pub(super) fn names_outer(expr: &Expr, input: &LogicalPlan) -> Result<bool> {
    let mut found = Vec::new();
    add_references_of(expr, &[input], &mut found)?;
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
