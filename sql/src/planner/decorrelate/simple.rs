//! The subqueries that DataFusion makes a join of, and right: what it does not take away here is left to it, since it makes
//! better plans of these.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::Result;
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
            Ok(!free_references(&subquery.subquery)?.is_empty() && is_simple(&subquery.subquery)?)
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
        return is_simple(&subquery.subquery);
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
    let mut outputs = Outputs::default();
    while let LogicalPlan::Projection(projection) = node {
        if has_own_references(node)? || !outputs.add_all(projection) {
            return Ok(false);
        }
        node = &projection.input;
    }
    match node {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() && !has_own_references(node)? => {
            has_simple_references(&aggregate.input, &mut outputs, is_equality)
        }
        _ => Ok(false),
    }
}

/// Whether a subquery, or a lateral side of a join, names outer columns only in filters below its SELECT list.
pub(super) fn is_simple(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        _ if free_references(plan)?.is_empty() => Ok(true),
        LogicalPlan::Projection(projection) => {
            let mut outputs = Outputs::default();
            Ok(!has_own_references(plan)?
                && outputs.add_all(projection)
                && has_simple_references(&projection.input, &mut outputs, |_, _| true)?)
        }
        _ => Ok(false),
    }
}

/// Whether all the outer columns that a plan names stand in filters at its top, in terms that `may_hold` them.
fn has_simple_references(
    plan: &LogicalPlan,
    outputs: &mut Outputs,
    may_hold: fn(&Expr, &LogicalPlan) -> bool,
) -> Result<bool> {
    match plan {
        _ if free_references(plan)?.is_empty() => Ok(true),
        LogicalPlan::Filter(filter) => {
            for term in split_conjunction(&filter.predicate) {
                if !names_outer(term, &filter.input)? {
                    continue;
                }
                let mut columns = term.column_refs().into_iter();
                let are_told_apart = columns.all(|column| outputs.add(&column.name, &Expr::Column(column.clone())));
                if has_subquery(term)? || !may_hold(term, &filter.input) || !are_told_apart {
                    return Ok(false);
                }
            }
            has_simple_references(&filter.input, outputs, may_hold)
        }
        _ => Ok(false),
    }
}

/// What a subquery puts out: its SELECT list and the columns that are compared with outer ones. DataFusion tells them apart by
/// their names without qualifiers.
#[derive(Default)]
struct Outputs {
    by_name: HashMap<String, Expr>,
}

impl Outputs {
    /// Whether nothing else has the name.
    fn add(&mut self, name: &str, expr: &Expr) -> bool {
        self.by_name.entry(name.to_owned()).or_insert_with(|| expr.clone()) == expr
    }

    fn add_all(&mut self, projection: &Projection) -> bool {
        projection.expr.iter().all(|expr| self.add(&expr.qualified_name().1, &expr.clone().unalias()))
    }
}

fn has_own_references(plan: &LogicalPlan) -> Result<bool> {
    Ok(plan.contains_outer_reference() || has_own_subqueries(plan)?)
}

/// `column = outer` of one type, the one kind of term above which an aggregate can be computed for all outer rows at once: where
/// the column is converted, several of its values can be equal to the outer one.
fn is_equality(term: &Expr, input: &LogicalPlan) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = term else { return false };
    let is_outer = |expr: &Expr| expr.contains_outer() && expr.column_refs().is_empty();
    let is_pair = (matches!(left.as_ref(), Expr::Column(_)) && is_outer(right))
        || (matches!(right.as_ref(), Expr::Column(_)) && is_outer(left));
    match (left.get_type(input.schema()), right.get_type(input.schema())) {
        (Ok(left), Ok(right)) if left.is_integer() => is_pair && right.is_integer(),
        (Ok(left), Ok(right)) => is_pair && (left == right || (is_text(&left) && is_text(&right))),
        _ => false,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
