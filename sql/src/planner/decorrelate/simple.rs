//! The subqueries that DataFusion makes a join of, and right: what it does not take away here is left to it, since it makes
//! better plans of these.

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Projection};

use super::references::{free_references, has_own_subqueries, has_subquery, names_outer};

/// Whether a term of a WHERE over `input` becomes a semi or an anti join.
pub(super) fn is_semi_join(term: &Expr, input: &LogicalPlan) -> Result<bool> {
    match term {
        Expr::Not(term) => match term.as_ref() {
            Expr::Exists(_) => is_semi_join(term, input),
            Expr::InSubquery(found) => is_in_join(found, !found.negated, input),
            _ => Ok(false),
        },
        // One that names no outer column would compare all pairs of rows.
        Expr::Exists(Exists { subquery, .. }) => {
            Ok(!free_references(&subquery.subquery)?.is_empty() && has_simple_references(&subquery.subquery, &[], |_| true)?)
        }
        Expr::InSubquery(found) => is_in_join(found, found.negated, input),
        _ => Ok(false),
    }
}

fn is_in_join(found: &InSubquery, negated: bool, input: &LogicalPlan) -> Result<bool> {
    let InSubquery { expr, subquery, .. } = found;
    if expr.column_refs().is_empty() || has_subquery(expr)? || names_outer(expr, input)? {
        return Ok(false);
    }
    if !negated {
        return has_simple_references(&subquery.subquery, &[], |_| true);
    }
    // NOT IN looks at NULLs among all rows of the subquery, not at those that fit the outer row.
    let is_nullable =
        expr.nullable(input.schema())? || subquery.subquery.schema().fields().iter().any(|field| field.is_nullable());
    // Whether a join has to mind NULLs is decided by the columns that its condition names, whatever it makes of them.
    let is_comparison_of_columns = matches!(expr.as_ref(), Expr::Column(_)) && is_of_columns(&subquery.subquery);
    Ok(free_references(&subquery.subquery)?.is_empty() && (!is_nullable || is_comparison_of_columns))
}

/// Whether the values of a subquery are computed from columns. Constants would be moved out of the condition of the join.
fn is_of_columns(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => projection.expr.iter().all(|expr| !expr.column_refs().is_empty()),
        LogicalPlan::TableScan(_) => true,
        _ => false,
    }
}

/// Whether a scalar subquery in a WHERE or a SELECT list becomes a join: an aggregate without groups of rows that are equal to
/// the outer ones in some columns.
pub(super) fn is_joined_aggregate(subquery: &Subquery) -> Result<bool> {
    let mut node = subquery.subquery.as_ref();
    let mut names = vec![];
    while let LogicalPlan::Projection(projection) = node {
        if has_own_references(node)? {
            return Ok(false);
        }
        names.extend(new_names(projection));
        node = &projection.input;
    }
    match node {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() && !has_own_references(node)? => {
            has_simple_references(&aggregate.input, &names, is_equality)
        }
        _ => Ok(false),
    }
}

/// The names that a projection gives to what are not columns of that name.
fn new_names(projection: &Projection) -> impl Iterator<Item = String> {
    projection.expr.iter().filter_map(|expr| match expr {
        Expr::Alias(alias) if !matches!(alias.expr.as_ref(), Expr::Column(column) if column.name == alias.name) => {
            Some(alias.name.clone())
        }
        _ => None,
    })
}

/// Whether all the outer columns that a plan names stand in filters at its top, in terms that `may_hold` them. The inner
/// columns of those terms are put out next to the plan's own: none may have one of the `names` of these.
fn has_simple_references(plan: &LogicalPlan, names: &[String], may_hold: fn(&Expr) -> bool) -> Result<bool> {
    match plan {
        _ if free_references(plan)?.is_empty() => Ok(true),
        LogicalPlan::Projection(projection) => {
            let names: Vec<String> = names.iter().cloned().chain(new_names(projection)).collect();
            Ok(!has_own_references(plan)? && has_simple_references(&projection.input, &names, may_hold)?)
        }
        LogicalPlan::Filter(filter) => {
            for term in split_conjunction(&filter.predicate) {
                let clashes = || term.column_refs().iter().any(|column| names.contains(&column.name));
                if names_outer(term, &filter.input)? && (has_subquery(term)? || !may_hold(term) || clashes()) {
                    return Ok(false);
                }
            }
            has_simple_references(&filter.input, names, may_hold)
        }
        _ => Ok(false),
    }
}

fn has_own_references(plan: &LogicalPlan) -> Result<bool> {
    Ok(plan.contains_outer_reference() || has_own_subqueries(plan)?)
}

/// `column = outer`, the one kind of term above which an aggregate can be computed for all outer rows at once.
fn is_equality(term: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = term else { return false };
    let is_outer = |expr: &Expr| expr.contains_outer() && expr.column_refs().is_empty();
    (matches!(left.as_ref(), Expr::Column(_)) && is_outer(right)) || (matches!(right.as_ref(), Expr::Column(_)) && is_outer(left))
}

/// Whether a lateral side of a join becomes a join of its own.
pub(super) fn is_simple_lateral(plan: &LogicalPlan) -> Result<bool> {
    let is_hard = plan.exists(|node| {
        let is_simple = matches!(
            node,
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::TableScan(_)
        );
        Ok(!is_simple || has_own_subqueries(node)?)
    })?;
    Ok(!is_hard)
}
