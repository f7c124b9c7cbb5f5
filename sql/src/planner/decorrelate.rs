//! Subqueries that name columns of an outer query, as joins: any of them, anywhere PostgreSQL allows one.
//!
//! DataFusion decorrelates those whose outer columns stand in simple equalities. This follows Neumann and Kemper,
//! *Unnesting Arbitrary Queries* (BTW 2015): the distinct values of the outer columns, the *domain*, are joined into the
//! subquery where it uses them, so that it yields the result for every value at once, and that is joined to the outer
//! query. What a node with an unlimited, ungrouped or empty input means is kept value by value.

mod domain;
mod references;
mod simple;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue, Spans, TableReference, not_impl_err};
use datafusion::functions_aggregate::array_agg::array_agg;
use datafusion::functions_aggregate::count::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, ScalarFunction, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, Filter, Join, LogicalPlan, LogicalPlanBuilder, ScalarUDF, SubqueryAlias, lit, not, when,
};

use domain::Domain;
use references::{free_references, has_own_subqueries, has_subquery, local_references, subquery_of};
use simple::{is_joined_aggregate, is_semi_join, is_simple};

/// Rewrites a plan as the SQL planner made it, before types are coerced.
pub(crate) fn decorrelate(plan: LogicalPlan) -> Result<LogicalPlan> {
    Decorrelator::new(Scope::All).rewrite(plan)
}

/// The same for those subqueries only that DataFusion would refuse or, as it does with `IN` below an OR, answer as if there
/// were no NULL.
pub(crate) fn decorrelate_rest(plan: LogicalPlan) -> Result<LogicalPlan> {
    if has_subqueries(&plan)? { Decorrelator::new(Scope::Rest).rewrite(plan) } else { Ok(plan) }
}

/// Which subqueries become joins here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Rest,
}

struct Decorrelator {
    scope: Scope,
    /// Makes the names of columns unique.
    domains: usize,
    single_value: Arc<AggregateUDF>,
    compare_any: Arc<ScalarUDF>,
    compare_all: Arc<ScalarUDF>,
    array_or_empty: Arc<ScalarUDF>,
}

impl Decorrelator {
    fn new(scope: Scope) -> Self {
        Self {
            scope,
            domains: 0,
            single_value: Arc::new(udfs::postgres::single_value()),
            compare_any: Arc::new(udfs::postgres::compare_any()),
            compare_all: Arc::new(udfs::postgres::compare_all()),
            array_or_empty: Arc::new(udfs::postgres::array_or_empty()),
        }
    }

    /// From the leaves up, innermost subqueries first: what is left of outer columns then belongs to queries further out.
    fn rewrite(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.map_children(|child| Ok(Transformed::yes(self.rewrite(child)?)))?.data;
        let plan = plan.map_subqueries(|subquery| Ok(Transformed::yes(self.rewrite_subquery(subquery)?)))?.data;
        let plan = self.attach_lateral(plan)?;
        self.attach_subqueries(plan)
    }

    /// `map_subqueries` hands out the `Subquery` nodes themselves.
    fn rewrite_subquery(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        match plan {
            LogicalPlan::Subquery(Subquery { subquery, spans, .. }) => {
                let subquery = Arc::new(self.rewrite(Arc::unwrap_or_clone(subquery))?);
                let outer_ref_columns = free_references(&subquery)?;
                Ok(LogicalPlan::Subquery(Subquery { subquery, outer_ref_columns, spans }))
            }
            plan => self.rewrite(plan),
        }
    }

    /// A join whose right side names columns of its left side.
    fn attach_lateral(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let LogicalPlan::Join(join) = plan else { return Ok(plan) };
        let Some((subquery, alias)) = lateral(&join.right) else { return Ok(LogicalPlan::Join(join)) };
        let (subquery, alias) = (subquery.clone(), alias.cloned());
        let references = local_references(&subquery, &join.left)?;
        if references.is_empty() {
            // It names only columns further out: an ordinary side of the join until those are joined in.
            let right = with_alias(subquery, alias)?;
            return Ok(LogicalPlan::Join(Join { right: Arc::new(right), ..join }));
        }
        if self.scope == Scope::Rest && is_simple(&subquery)? {
            return Ok(LogicalPlan::Join(join));
        }
        if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
            return not_impl_err!("LATERAL in a {} join", join.join_type);
        }
        let columns = columns_of(&join.left).into_iter().chain(columns_of(&join.right)).collect();
        let subquery = self.rewrite_all(subquery)?;
        let domain = self.domain(references, &join.left)?;
        let right = domain.push(self, subquery)?;
        // The columns get the alias's qualifier; those of the domain keep their own names.
        let right = match alias {
            Some(alias) => domain.qualify(right, &alias)?,
            None => right,
        };
        let left = Arc::unwrap_or_clone(join.left);
        let joined = domain.join(left, right, join.join_type, join.filter)?;
        project_columns(joined, columns)
    }

    /// Joins the subqueries of a node's expressions to its input.
    fn attach_subqueries(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = filter_after_join(plan)?;
        if !has_own_subqueries(&plan)? {
            return Ok(plan);
        }
        match plan {
            LogicalPlan::Filter(filter) => self.attach_to_filter(filter),
            LogicalPlan::Join(join) => self.attach_to_join(join),
            plan => self.attach_to_node(plan),
        }
    }

    /// The terms that take rows away for less come first: the others are then computed for the rest, and joins of a FROM list
    /// find their conditions next to them.
    fn attach_to_filter(&mut self, filter: Filter) -> Result<LogicalPlan> {
        let Filter { predicate, input, .. } = filter;
        let (mut plain, mut left, mut joined) = (vec![], vec![], vec![]);
        for term in split_conjunction_owned(predicate) {
            if !has_subquery(&term)? {
                plain.push(term);
            } else if self.scope == Scope::Rest && is_semi_join(&term, &input)? {
                left.push(term);
            } else {
                joined.push(term);
            }
        }
        let input = filtered(Arc::unwrap_or_clone(input), plain)?;
        let input = filtered(input, left)?;
        match conjunction(joined) {
            Some(predicate) => self.attach_to_node(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?)),
            None => Ok(input),
        }
    }

    fn attach_to_node(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let inputs = plan.inputs();
        let [input] = inputs.as_slice() else { return Ok(plan) };
        let mut joined = (*input).clone();
        let original = columns_of(&joined);
        let output = columns_of(&plan);
        let replaced = self.replace_subqueries(plan, &mut joined)?;
        if !replaced.transformed {
            return Ok(replaced.data);
        }
        let plan = replaced.data;
        // These pass their input's columns on; the joined ones must not show.
        let passes_on =
            matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Window(_) | LogicalPlan::Limit(_));
        let expressions = plan.expressions();
        let plan = match plan {
            LogicalPlan::Filter(filter) => LogicalPlan::Filter(Filter::try_new(filter.predicate, Arc::new(joined))?),
            plan => plan.with_new_exprs(expressions, vec![joined])?,
        };
        if !passes_on {
            return Ok(plan);
        }
        let keep = if output.len() >= original.len() { output } else { original };
        project_columns(plan, keep)
    }

    /// The node with the values of its subqueries, which are joined to `input`, in their places.
    fn replace_subqueries(&mut self, plan: LogicalPlan, input: &mut LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let names = NamePreserver::new(&plan);
        let joins_aggregates = matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Projection(_));
        let mut replaced = Transformed::no(plan);
        // The correlated ones first: what is joined for the others is no part of the query that they belong to.
        for correlated in [true, false] {
            replaced = replaced.transform_data(|plan| {
                plan.map_expressions(|expr| {
                    let name = names.save(&expr);
                    let replaced = expr.transform_up(|expr| {
                        let replacement = match (&expr, subquery_of(&expr)) {
                            (_, None) => None,
                            (_, Some(subquery)) if free_references(&subquery.subquery)?.is_empty() == correlated => None,
                            (Expr::ScalarSubquery(subquery), _)
                                if self.scope == Scope::Rest && joins_aggregates && is_joined_aggregate(subquery)? =>
                            {
                                None
                            }
                            (expr, _) if joins_aggregates || self.scope == Scope::All => self.attach(expr, input)?,
                            // The cluster's planner looks for values of subqueries in filters and SELECT lists only.
                            (expr, _) => self.attach_joined(expr, input)?,
                        };
                        Ok(replacement.map_or_else(|| Transformed::no(expr), Transformed::yes))
                    })?;
                    Ok(replaced.update_data(|expr| name.restore(expr)))
                })
            })?;
        }
        Ok(replaced)
    }

    /// An outer join, whose condition cannot be looked at after it: each subquery is joined to the side that it names.
    fn attach_to_join(&mut self, join: Join) -> Result<LogicalPlan> {
        let columns = join.schema.columns();
        let Some(filter) = join.filter else { return Ok(LogicalPlan::Join(join)) };
        let (mut left, mut right) = (Arc::unwrap_or_clone(join.left), Arc::unwrap_or_clone(join.right));
        let filter = filter.transform_up(|expr| {
            let replacement = self.attach_to_side(&expr, &mut left, &mut right)?;
            Ok(replacement.map_or_else(|| Transformed::no(expr), Transformed::yes))
        })?;
        let (left, right) = (Arc::new(left), Arc::new(right));
        let Join { on, join_type, join_constraint, null_equality, null_aware, .. } = join;
        let join = Join::try_new(left, right, on, Some(filter.data), join_type, join_constraint, null_equality, null_aware)?;
        project_columns(LogicalPlan::Join(join), columns)
    }

    fn attach_to_side(&mut self, expr: &Expr, left: &mut LogicalPlan, right: &mut LogicalPlan) -> Result<Option<Expr>> {
        let Some(subquery) = subquery_of(expr) else { return Ok(None) };
        let in_left = !local_references(&subquery.subquery, left)?.is_empty();
        let in_right = !local_references(&subquery.subquery, right)?.is_empty();
        match (in_left, in_right) {
            (true, true) => not_impl_err!("a subquery in the condition of an outer join that names columns of both sides"),
            (true, false) => self.attach(expr, left),
            (false, true) => self.attach(expr, right),
            (false, false) if !free_references(&subquery.subquery)?.is_empty() => Ok(None),
            (false, false) => {
                if let Expr::InSubquery(found) = expr {
                    let operand = found.expr.column_refs();
                    let names = |side: &LogicalPlan| operand.iter().any(|column| side.schema().has_column(column));
                    match (names(left), names(right)) {
                        (true, true) => {}
                        (_, false) => return self.attach_joined(expr, left),
                        (false, true) => return self.attach_joined(expr, right),
                    }
                }
                self.attach_value(expr, left)
            }
        }
    }

    /// As [`Decorrelator::attach`], with the values of uncorrelated subqueries joined too.
    fn attach_joined(&mut self, expr: &Expr, input: &mut LogicalPlan) -> Result<Option<Expr>> {
        match subquery_of(expr) {
            Some(subquery) if free_references(&subquery.subquery)?.is_empty() => match expr {
                Expr::InSubquery(_) => self.attach(expr, input),
                expr => self.attach_value(expr, input),
            },
            _ => self.attach(expr, input),
        }
    }

    /// An uncorrelated subquery as a column of `input`, the same in every row.
    fn attach_value(&mut self, expr: &Expr, input: &mut LogicalPlan) -> Result<Option<Expr>> {
        if let Expr::InSubquery(InSubquery { expr, subquery, negated }) = expr {
            let values = array_of(&subquery.subquery)?;
            let values = self.joined_value(input, values)?;
            let found = self.compare(&self.compare_any, expr.as_ref().clone(), "=", values);
            return Ok(Some(if *negated { not(found) } else { found }));
        }
        let value = match expr {
            Expr::ScalarSubquery(_) => Some(expr.clone()),
            expr => self.attach(expr, input)?,
        };
        let Some(value) = value else { return Ok(None) };
        let joined = value.transform_up(|expr| match &expr {
            Expr::ScalarSubquery(subquery) => {
                let plan = subquery.subquery.as_ref().clone();
                Ok(Transformed::yes(self.joined_value(input, single_row(plan, &self.single_value)?)?))
            }
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(Some(joined.data))
    }

    /// The expression to put in place of a subquery that is joined to `input`; `None` if it stays, or is none.
    fn attach(&mut self, expr: &Expr, input: &mut LogicalPlan) -> Result<Option<Expr>> {
        let Some(subquery) = subquery_of(expr) else { return Ok(None) };
        if free_references(&subquery.subquery)?.is_empty() {
            return match self.scope {
                Scope::All => Ok(None),
                Scope::Rest => self.attach_uncorrelated(expr, input),
            };
        }
        let references = local_references(&subquery.subquery, input)?;
        if references.is_empty() {
            return Ok(None);
        }
        let plan = self.rewrite_all(subquery.subquery.as_ref().clone())?;
        let domain = self.domain(references, input)?;
        let may_be_several = matches!(expr, Expr::ScalarSubquery(_)) && plan.max_rows().is_none_or(|rows| rows > 1);
        if domain.is_superset() && may_be_several {
            // Several for a row that the limit leaves out would be an error.
            return not_impl_err!("a subquery that may yield several rows for a row of a query with LIMIT");
        }
        let value = first_column(&plan);
        let pushed = domain.push(self, plan)?;
        let result = domain.name("value");
        let keys = domain.keys();
        let grouped = match expr {
            Expr::Exists(_) => LogicalPlanBuilder::from(distinct(pushed, keys.clone())?)
                .project(keys.into_iter().chain([lit(true).alias(&result)]))?,
            Expr::ScalarSubquery(_) => LogicalPlanBuilder::from(pushed)
                .aggregate(keys, [self.single_value.call(vec![value?]).alias(&result)])?,
            _ => LogicalPlanBuilder::from(pushed).aggregate(keys, [array_agg(value?).alias(&result)])?,
        };
        *input = domain.join(take(input)?, grouped.build()?, JoinType::Left, None)?;
        let result = Expr::Column(Column::new_unqualified(result));
        Ok(Some(match expr {
            Expr::Exists(Exists { negated, .. }) => {
                if *negated { result.is_null() } else { result.is_not_null() }
            }
            Expr::InSubquery(InSubquery { expr, negated, .. }) => {
                let found = self.compare(&self.compare_any, expr.as_ref().clone(), "=", result);
                if *negated { not(found) } else { found }
            }
            Expr::SetComparison(comparison) => self.compare_set(comparison, result),
            _ => result,
        }))
    }

    /// A plan without correlated subqueries. What it names of other queries then belongs to those around it.
    fn rewrite_all(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let scope = std::mem::replace(&mut self.scope, Scope::All);
        let rewritten = self.rewrite(plan);
        self.scope = scope;
        rewritten
    }

    /// As [`Decorrelator::attach`], for a subquery that names no outer columns.
    fn attach_uncorrelated(&mut self, expr: &Expr, input: &mut LogicalPlan) -> Result<Option<Expr>> {
        match expr {
            Expr::Exists(Exists { subquery, negated }) => {
                let mut rows = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery));
                if subquery.subquery.max_rows().is_none() {
                    rows = rows.limit(0, Some(1))?;
                }
                let count = scalar(rows.aggregate(Vec::<Expr>::new(), [count(lit(1))])?.build()?);
                Ok(Some(if *negated { count.eq(lit(0_i64)) } else { count.gt(lit(0_i64)) }))
            }
            // Its operand may be of a query further out, which is joined in later.
            Expr::InSubquery(found) if !found.expr.contains_outer() => Ok(Some(self.attach_in(found, input)?)),
            Expr::SetComparison(comparison) if !comparison.expr.contains_outer() => {
                Ok(Some(self.compare_set(comparison, scalar(array_of(&comparison.subquery.subquery)?))))
            }
            _ => Ok(None),
        }
    }

    /// Joins the one row of a plan of one column, and names the column.
    fn joined_value(&mut self, input: &mut LogicalPlan, plan: LogicalPlan) -> Result<Expr> {
        self.domains += 1;
        let name = format!("__value{}", self.domains);
        let value = first_column(&plan)?;
        let row = LogicalPlanBuilder::from(plan).project([value.alias(&name)])?.build()?;
        *input = LogicalPlanBuilder::from(take(input)?).cross_join(row)?.build()?;
        Ok(Expr::Column(Column::new_unqualified(name)))
    }

    /// `x IN (SELECT y …)`: joins the distinct values of `y`, and where NULL can occur how many rows and values there are.
    fn attach_in(&mut self, in_subquery: &InSubquery, input: &mut LogicalPlan) -> Result<Expr> {
        let InSubquery { expr, subquery, negated } = in_subquery;
        let plan = Arc::clone(&subquery.subquery);
        let value = first_column(&plan)?;
        let is_nullable = value.nullable(plan.schema())? || expr.nullable(input.schema())?;
        self.domains += 1;
        let name = |of: &str| format!("__in{}_{of}", self.domains);
        let named = |of: &str| Expr::Column(Column::new_unqualified(name(of)));
        let mut operand = expr.as_ref().clone();
        if !matches!(operand, Expr::Column(_)) {
            // Computed once, and not in the condition of the join, where the cluster's planner takes no subquery.
            let columns = columns_of(input).into_iter().map(Expr::Column).chain([operand.alias(name("operand"))]);
            *input = LogicalPlanBuilder::from(take(input)?).project(columns.collect::<Vec<_>>())?.build()?;
            operand = named("operand");
        }
        let values = LogicalPlanBuilder::from(Arc::clone(&plan))
            .filter(value.clone().is_not_null())?
            .project([value.clone().alias(name("value"))])?
            .build()?;
        let found = LogicalPlanBuilder::from(distinct(values, vec![named("value")])?)
            .project([named("value"), lit(true).alias(name("found"))])?
            .build()?;
        let condition = operand.clone().eq(named("value"));
        let mut joined = LogicalPlanBuilder::from(take(input)?).join_on(found, JoinType::Left, [condition])?;
        let is_found = named("found").is_not_null();
        let result = if is_nullable {
            let counts = [count(lit(1)).alias(name("rows")), count(value).alias(name("values"))];
            let counts = LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), counts)?.build()?;
            joined = joined.cross_join(counts)?;
            let is_unknown = operand.is_null().or(named("values").lt(named("rows")));
            when(is_found, lit(true))
                .when(named("rows").eq(lit(0_i64)), lit(false))
                .when(is_unknown, lit(ScalarValue::Boolean(None)))
                .otherwise(lit(false))?
        } else {
            is_found
        };
        *input = joined.build()?;
        Ok(if *negated { not(result) } else { result })
    }

    fn compare_set(&self, comparison: &SetComparison, values: Expr) -> Expr {
        let function = match comparison.quantifier {
            SetQuantifier::Any => &self.compare_any,
            SetQuantifier::All => &self.compare_all,
        };
        let operator = match comparison.op.to_string().as_str() {
            "!=" => "<>".to_owned(),
            operator => operator.to_owned(),
        };
        self.compare(function, comparison.expr.as_ref().clone(), &operator, values)
    }

    fn compare(&self, function: &Arc<ScalarUDF>, left: Expr, operator: &str, values: Expr) -> Expr {
        let values = Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&self.array_or_empty), vec![values]));
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), vec![left, lit(operator), values]))
    }

    fn domain(&mut self, references: Vec<Column>, outer: &LogicalPlan) -> Result<Domain> {
        self.domains += 1;
        Domain::new(self.domains, references, outer)
    }
}

/// Whether a plan holds a subquery, in an expression or as a lateral side of a join.
fn has_subqueries(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Subquery(_)) || has_own_subqueries(node)?))
}

/// An inner join whose condition holds a subquery, as a filter over the join.
fn filter_after_join(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner && join.filter.is_some() => {
            let Some(filter) = join.filter.clone() else { return Ok(LogicalPlan::Join(join)) };
            if !has_subquery(&filter)? {
                return Ok(LogicalPlan::Join(join));
            }
            let join = LogicalPlan::Join(Join { filter: None, ..join });
            Ok(LogicalPlan::Filter(Filter::try_new(filter, Arc::new(join))?))
        }
        plan => Ok(plan),
    }
}

/// An uncorrelated subquery in place of a value.
fn scalar(plan: LogicalPlan) -> Expr {
    Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns: vec![], spans: Spans::new() })
}

/// The plan of a lateral right side, with the alias it goes by.
fn lateral(right: &LogicalPlan) -> Option<(&LogicalPlan, Option<&TableReference>)> {
    match right {
        LogicalPlan::Subquery(subquery) => Some((&subquery.subquery, None)),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((&subquery.subquery, Some(&alias.alias))),
            _ => None,
        },
        _ => None,
    }
}

fn with_alias(plan: LogicalPlan, alias: Option<TableReference>) -> Result<LogicalPlan> {
    match alias {
        Some(alias) => Ok(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(plan), alias)?)),
        None => Ok(plan),
    }
}

/// A plan out of its place.
fn take(plan: &mut LogicalPlan) -> Result<LogicalPlan> {
    Ok(std::mem::replace(plan, LogicalPlanBuilder::empty(false).build()?))
}

/// One row with an array of the values of a subquery.
fn array_of(plan: &Arc<LogicalPlan>) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(Arc::clone(plan)).aggregate(Vec::<Expr>::new(), [array_agg(first_column(plan)?)])?.build()
}

/// One row with the value of a scalar subquery.
fn single_row(plan: LogicalPlan, single_value: &AggregateUDF) -> Result<LogicalPlan> {
    let value = first_column(&plan)?;
    LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), [single_value.call(vec![value])])?.build()
}

/// What a subquery in place of a value yields.
fn first_column(plan: &LogicalPlan) -> Result<Expr> {
    match columns_of(plan).into_iter().next() {
        Some(column) => Ok(Expr::Column(column)),
        None => not_impl_err!("a subquery without columns"),
    }
}

fn filtered(input: LogicalPlan, terms: Vec<Expr>) -> Result<LogicalPlan> {
    match conjunction(terms) {
        Some(predicate) => Ok(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?)),
        None => Ok(input),
    }
}

fn columns_of(plan: &LogicalPlan) -> Vec<Column> {
    plan.schema().columns()
}

/// Each combination of the values of some columns once. Not DISTINCT: over rows that are distinct in more columns than
/// these, DataFusion takes it out.
fn distinct(plan: LogicalPlan, columns: Vec<Expr>) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(plan).aggregate(columns, Vec::<Expr>::new())?.build()
}

/// Only these columns, under their own names.
fn project_columns(plan: LogicalPlan, columns: Vec<Column>) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(plan).project(columns.into_iter().map(Expr::Column))?.build()
}

/// Joins on keys of which NULL equals NULL.
fn join_on_keys(
    left: LogicalPlan,
    right: LogicalPlan,
    keys: (Vec<Column>, Vec<Column>),
    join_type: JoinType,
    filter: Option<Expr>,
) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(left).join_detailed(right, join_type, keys, filter, NullEquality::NullEqualsNull)?.build()
}
