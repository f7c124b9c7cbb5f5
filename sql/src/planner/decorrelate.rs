//! Subqueries that name columns of an outer query, as joins: any of them, anywhere PostgreSQL allows one.
//!
//! DataFusion decorrelates those whose outer columns stand in simple equalities. This follows Neumann and Kemper,
//! *Unnesting Arbitrary Queries* (BTW 2015): the distinct values of the outer columns, the *domain*, are joined into the
//! subquery where it uses them, so that it yields the result for every value at once, and that is joined to the outer
//! query. What a node with an unlimited, ungrouped or empty input means is kept value by value.

mod domain;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue, Spans, TableReference, not_impl_err};
use datafusion::functions_aggregate::array_agg::array_agg;
use datafusion::functions_aggregate::count::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, ScalarFunction, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, Filter, Join, LogicalPlan, LogicalPlanBuilder, ScalarUDF, SubqueryAlias, lit, not, when,
};

use domain::Domain;

/// Rewrites a plan as the SQL planner made it, before types are coerced.
pub(crate) fn decorrelate(plan: LogicalPlan) -> Result<LogicalPlan> {
    Decorrelator::new(Scope::All).rewrite(plan)
}

/// The same for those subqueries only that DataFusion would refuse or, as it does with `IN` below an OR, answer as if there
/// were no NULL. It makes better plans of the others.
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
            LogicalPlan::Subquery(Subquery { subquery, outer_ref_columns, spans }) => {
                let subquery = Arc::new(self.rewrite(Arc::unwrap_or_clone(subquery))?);
                Ok(LogicalPlan::Subquery(Subquery { subquery, outer_ref_columns, spans }))
            }
            plan => self.rewrite(plan),
        }
    }

    /// A join whose right side names columns of its left side.
    fn attach_lateral(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let LogicalPlan::Join(join) = plan else { return Ok(plan) };
        let Some((subquery, alias)) = lateral(&join.right) else { return Ok(LogicalPlan::Join(join)) };
        let references = local_references(&subquery, &join.left)?;
        if references.is_empty() {
            // It names only columns further out: an ordinary side of the join until those are joined in.
            let right = with_alias(subquery, alias)?;
            return Ok(LogicalPlan::Join(Join { right: Arc::new(right), ..join }));
        }
        if self.scope == Scope::Rest && is_simple_lateral(&subquery)? {
            return Ok(LogicalPlan::Join(join));
        }
        if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
            return not_impl_err!("LATERAL in a {} join", join.join_type);
        }
        let columns = columns_of(&join.left).into_iter().chain(columns_of(&join.right)).collect();
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

    /// Joins the correlated subqueries of a node's expressions to its input.
    fn attach_subqueries(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = filter_after_join(plan)?;
        if !has_own_subqueries(&plan)? {
            return Ok(plan);
        }
        let is_filter = matches!(plan, LogicalPlan::Filter(_));
        let inputs = plan.inputs();
        let [input] = inputs.as_slice() else { return Ok(plan) };
        let mut input = (*input).clone();
        let original = columns_of(&input);
        let output = columns_of(&plan);
        let names = NamePreserver::new(&plan);
        let mut attached = false;
        let rewritten = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let left: Vec<Expr> = match self.scope == Scope::Rest && is_filter {
                true => split_conjunction(&expr).into_iter().filter(|term| is_semi_join(term)).cloned().collect(),
                false => vec![],
            };
            let rewritten = expr.transform_down(|expr| {
                if left.contains(&expr) {
                    return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
                }
                let replacement = match self.is_wanted(&expr, &input, is_filter)? {
                    true => self.attach(&expr, &mut input)?,
                    false => None,
                };
                Ok(match replacement {
                    Some(replacement) => {
                        attached = true;
                        Transformed::new(replacement, true, TreeNodeRecursion::Jump)
                    }
                    None => Transformed::no(expr),
                })
            })?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })?;
        let plan = rewritten.data;
        if !attached {
            return Ok(plan);
        }
        // These pass their input's columns on; the joined ones must not show.
        let passes_on = matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Window(_) | LogicalPlan::Limit(_));
        let expressions = plan.expressions();
        let plan = match plan {
            LogicalPlan::Filter(filter) => LogicalPlan::Filter(Filter::try_new(filter.predicate, Arc::new(input))?),
            plan => plan.with_new_exprs(expressions, vec![input])?,
        };
        if !passes_on {
            return Ok(plan);
        }
        let keep = if output.len() >= original.len() { output } else { original };
        project_columns(plan, keep)
    }

    /// The expression to put in place of a correlated subquery that is joined to `input`; `None` if it is not one.
    fn attach(&mut self, expr: &Expr, input: &mut LogicalPlan) -> Result<Option<Expr>> {
        let (Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. })) = expr
        else {
            return Ok(None);
        };
        let references = local_references(&subquery.subquery, input)?;
        if references.is_empty() {
            return match self.scope {
                Scope::All => Ok(None),
                Scope::Rest => self.attach_uncorrelated(expr, input),
            };
        }
        let domain = self.domain(references, input)?;
        let pushed = domain.push(self, subquery.subquery.as_ref().clone())?;
        let value = subquery.subquery.schema().columns().into_iter().next();
        let result = domain.name("value");
        let keys = domain.keys();
        let grouped = match (expr, value) {
            (Expr::Exists(_), _) => LogicalPlanBuilder::from(distinct(pushed, keys.clone())?)
                .project(keys.into_iter().chain([lit(true).alias(&result)]))?,
            (Expr::ScalarSubquery(_), Some(value)) => LogicalPlanBuilder::from(pushed)
                .aggregate(keys, [self.single_value.call(vec![Expr::Column(value)]).alias(&result)])?,
            (_, Some(value)) => LogicalPlanBuilder::from(pushed).aggregate(
                keys,
                [array_agg(Expr::Column(value)).alias(&result)],
            )?,
            (_, None) => return not_impl_err!("a subquery without columns"),
        };
        let left = std::mem::replace(input, LogicalPlanBuilder::empty(false).build()?);
        *input = domain.join(left, grouped.build()?, JoinType::Left, None)?;
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

    /// Whether a subquery in a node over `input` is to become a join here.
    fn is_wanted(&self, expr: &Expr, input: &LogicalPlan, is_filter: bool) -> Result<bool> {
        if self.scope == Scope::All {
            return Ok(true);
        }
        Ok(match expr {
            Expr::Exists(_) | Expr::SetComparison(_) => !is_filter,
            Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
                !is_filter || expr.nullable(input.schema())? || subquery.subquery.schema().fields().iter().any(|field| field.is_nullable())
            }
            Expr::ScalarSubquery(subquery) => !subquery.outer_ref_columns.is_empty() && !is_aggregate(&subquery.subquery),
            _ => false,
        })
    }

    /// As [`Decorrelator::attach`], for a subquery that names no outer columns.
    fn attach_uncorrelated(&mut self, expr: &Expr, input: &mut LogicalPlan) -> Result<Option<Expr>> {
        match expr {
            Expr::Exists(Exists { subquery, negated }) if subquery.outer_ref_columns.is_empty() => {
                let rows = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery)).limit(0, Some(1))?;
                let count = scalar(rows.aggregate(Vec::<Expr>::new(), [count(lit(1))])?.build()?);
                Ok(Some(if *negated { count.eq(lit(0_i64)) } else { count.gt(lit(0_i64)) }))
            }
            Expr::InSubquery(in_subquery)
                if in_subquery.subquery.outer_ref_columns.is_empty() && !in_subquery.expr.contains_outer() =>
            {
                Ok(Some(self.attach_in(in_subquery, input)?))
            }
            Expr::SetComparison(comparison) if comparison.subquery.outer_ref_columns.is_empty() => {
                let plan = Arc::clone(&comparison.subquery.subquery);
                let Some(value) = columns_of(&plan).into_iter().next() else {
                    return not_impl_err!("a subquery without columns");
                };
                let values = LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), [array_agg(Expr::Column(value))])?;
                Ok(Some(self.compare_set(comparison, scalar(values.build()?))))
            }
            _ => Ok(None),
        }
    }

    /// `x IN (SELECT y …)`: joins the distinct values of `y`, and where NULL can occur how many rows and values there are.
    fn attach_in(&mut self, in_subquery: &InSubquery, input: &mut LogicalPlan) -> Result<Expr> {
        let InSubquery { expr, subquery, negated } = in_subquery;
        let plan = Arc::clone(&subquery.subquery);
        let (Some(column), Some(field)) = (columns_of(&plan).into_iter().next(), plan.schema().fields().first().cloned()) else {
            return not_impl_err!("a subquery without columns");
        };
        let is_nullable = field.is_nullable() || expr.nullable(input.schema())?;
        self.domains += 1;
        let name = |of: &str| format!("__in{}_{of}", self.domains);
        let named = |of: &str| Expr::Column(Column::new_unqualified(name(of)));
        let value = Expr::Column(column);
        let values = LogicalPlanBuilder::from(Arc::clone(&plan))
            .filter(value.clone().is_not_null())?
            .project([value.clone().alias(name("value"))])?
            .build()?;
        let found = LogicalPlanBuilder::from(distinct(values, vec![named("value")])?)
            .project([named("value"), lit(true).alias(name("found"))])?
            .build()?;
        let left = std::mem::replace(input, LogicalPlanBuilder::empty(false).build()?);
        let mut joined = LogicalPlanBuilder::from(left).join_on(found, JoinType::Left, [expr.as_ref().clone().eq(named("value"))])?;
        let is_found = named("found").is_not_null();
        let result = if is_nullable {
            let counts = [count(lit(1)).alias(name("rows")), count(value).alias(name("values"))];
            let counts = LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), counts)?.build()?;
            joined = joined.cross_join(counts)?;
            let is_unknown = expr.as_ref().clone().is_null().or(named("values").lt(named("rows")));
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

    fn domain(&mut self, references: Vec<(Column, DataType)>, outer: &LogicalPlan) -> Result<Domain> {
        self.domains += 1;
        Domain::new(self.domains, references.into_iter().map(|(column, _)| column).collect(), outer)
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_))
}

/// Whether a node's own expressions hold a subquery.
fn has_own_subqueries(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found = expr.exists(|expr| Ok(is_subquery(expr)))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether a plan holds a subquery, in an expression or as a lateral side of a join.
fn has_subqueries(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Subquery(_)) || has_own_subqueries(node)?))
}

/// What DataFusion makes a semi or an anti join when it is a term of a WHERE.
fn is_semi_join(term: &Expr) -> bool {
    match term {
        Expr::Not(term) => is_semi_join(term),
        Expr::InSubquery(InSubquery { expr, .. }) => !matches!(expr.exists(|expr| Ok(is_subquery(expr))), Ok(true) | Err(_)),
        Expr::Exists(_) => true,
        _ => false,
    }
}

/// An inner join whose condition holds a subquery, as a filter over the join.
fn filter_after_join(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner && join.filter.is_some() => {
            let Some(filter) = join.filter.clone() else { return Ok(LogicalPlan::Join(join)) };
            if !filter.exists(|expr| Ok(is_subquery(expr)))? {
                return Ok(LogicalPlan::Join(join));
            }
            let join = LogicalPlan::Join(Join { filter: None, ..join });
            Ok(LogicalPlan::Filter(Filter::try_new(filter, Arc::new(join))?))
        }
        plan => Ok(plan),
    }
}

/// Whether a scalar subquery is an aggregate without groups, all that DataFusion decorrelates.
fn is_aggregate(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_aggregate(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_aggregate(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// Whether DataFusion decorrelates a lateral side of a join.
fn is_simple_lateral(plan: &LogicalPlan) -> Result<bool> {
    let is_hard = plan.exists(|node| {
        let is_simple = matches!(
            node,
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::TableScan(_)
        );
        Ok(!is_simple || has_own_subqueries(node)?)
    })?;
    Ok(!is_hard)
}

/// An uncorrelated subquery in place of a value.
fn scalar(plan: LogicalPlan) -> Expr {
    Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns: vec![], spans: Spans::new() })
}

/// The plan of a lateral right side, with the alias it goes by.
fn lateral(right: &LogicalPlan) -> Option<(LogicalPlan, Option<TableReference>)> {
    match right {
        LogicalPlan::Subquery(subquery) => Some((subquery.subquery.as_ref().clone(), None)),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((subquery.subquery.as_ref().clone(), Some(alias.alias.clone()))),
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

/// The outer columns that a plan names anywhere within.
fn outer_references(plan: &LogicalPlan) -> Result<Vec<(Column, DataType)>> {
    let mut found: Vec<(Column, DataType)> = Vec::new();
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::OuterReferenceColumn(field, column) = expr
                    && !found.iter().any(|(known, _)| known == column)
                {
                    found.push((column.clone(), field.data_type().clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Those outer columns that `outer` has.
fn local_references(plan: &LogicalPlan, outer: &LogicalPlan) -> Result<Vec<(Column, DataType)>> {
    let references = outer_references(plan)?;
    Ok(references.into_iter().filter(|(column, _)| outer.schema().has_column(column)).collect())
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
