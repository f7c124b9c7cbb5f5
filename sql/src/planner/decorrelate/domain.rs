//! The distinct values of the outer columns of one subquery, and how they are joined into each kind of node.

use std::sync::Arc;

use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result, TableReference, not_impl_err};
use datafusion::datasource::provider_as_source;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::logical_plan::{Distinct, FetchType, SkipType, Subquery};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, BinaryExpr, DistinctOn, Expr, Filter, Join, Limit, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, RecursiveQuery, Sort, SubqueryAlias, Unnest, Window, WindowFunctionDefinition, lit, when,
};

use super::references::{free_references, subquery_of};
use super::{Decorrelator, columns_of, distinct, join_on_keys, project_columns};

pub(super) struct Domain {
    number: usize,
    /// The outer columns.
    references: Vec<Column>,
    /// One row for each combination of their values, in columns named by [`Domain::key`].
    plan: LogicalPlan,
    /// Whether it may hold values that the outer query, which has a limit, does not.
    is_superset: bool,
    /// The tables of recursive queries that the domain was pushed into, by name: they have the keys already.
    work_tables: Vec<(String, LogicalPlan)>,
}

impl Domain {
    pub(super) fn new(number: usize, references: Vec<Column>, outer: &LogicalPlan) -> Result<Self> {
        // Its rows are computed here and again where they are joined: here must be all that may be there.
        let Transformed { data: outer, transformed: is_superset, .. } = without_limits(outer)?;
        let varies = outer.exists(|node| {
            Ok(matches!(node, LogicalPlan::Limit(_)) || node.expressions().iter().any(Expr::is_volatile))
        })?;
        if varies {
            return not_impl_err!("outer columns of a query with a volatile function or with a LIMIT in a subquery");
        }
        let plan = LogicalPlanBuilder::empty(false).build()?;
        let mut domain = Self { number, references, plan, is_superset, work_tables: vec![] };
        let columns = domain.references.iter().enumerate().map(|(index, column)| {
            Expr::Column(column.clone()).alias(domain.name(&format!("key{index}")))
        });
        let values = LogicalPlanBuilder::from(outer).project(columns.collect::<Vec<_>>())?.build()?;
        domain.plan = distinct(values, domain.keys())?;
        Ok(domain)
    }

    pub(super) fn is_superset(&self) -> bool {
        self.is_superset
    }

    /// A name that no other column has.
    pub(super) fn name(&self, of: &str) -> String {
        format!("__outer{}_{of}", self.number)
    }

    fn key(&self, index: usize) -> Column {
        Column::new_unqualified(self.name(&format!("key{index}")))
    }

    fn key_columns(&self) -> Vec<Column> {
        (0..self.references.len()).map(|index| self.key(index)).collect()
    }

    pub(super) fn keys(&self) -> Vec<Expr> {
        self.key_columns().into_iter().map(Expr::Column).collect()
    }

    /// Joins the outer query with a plan that has the keys.
    pub(super) fn join(&self, left: LogicalPlan, right: LogicalPlan, join_type: JoinType, filter: Option<Expr>) -> Result<LogicalPlan> {
        join_on_keys(left, right, (self.references.clone(), self.key_columns()), join_type, filter)
    }

    /// Gives all columns but the keys the qualifier `alias`.
    pub(super) fn qualify(&self, plan: LogicalPlan, alias: &TableReference) -> Result<LogicalPlan> {
        let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(plan), alias.clone())?);
        let keys = self.key_columns();
        let columns = columns_of(&plan).into_iter().map(|column| match keys.iter().any(|key| key.name == column.name) {
            true => {
                let name = column.name.clone();
                Expr::Column(column).alias(name)
            }
            false => Expr::Column(column),
        });
        LogicalPlanBuilder::from(plan).project(columns.collect::<Vec<_>>())?.build()
    }

    fn is_used_in(&self, plan: &LogicalPlan) -> Result<bool> {
        let is_ours = |reference: &Expr| match reference {
            Expr::OuterReferenceColumn(_, column) => self.references.contains(column),
            _ => false,
        };
        if free_references(plan)?.iter().any(is_ours) {
            return Ok(true);
        }
        plan.exists(|node| Ok(self.work_table(node).is_some()))
    }

    /// What to put in place of the scan of a recursive query's own rows.
    fn work_table(&self, plan: &LogicalPlan) -> Option<&LogicalPlan> {
        let LogicalPlan::TableScan(scan) = plan else { return None };
        let (_, table) = self.work_tables.iter().find(|(name, _)| scan.table_name.table() == name)?;
        Some(table)
    }

    fn is_used_by(&self, exprs: &[Expr]) -> Result<bool> {
        for expr in exprs {
            if expr.exists(|expr| match (expr, subquery_of(expr)) {
                (Expr::OuterReferenceColumn(_, column), _) => Ok(self.references.contains(column)),
                (_, Some(subquery)) => self.is_used_in(&subquery.subquery),
                _ => Ok(false),
            })? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The outer columns in an expression become the keys. In subqueries within they become outer references to the keys,
    /// which are attached when the node has its new input.
    fn resolve(&self, expr: Expr) -> Result<Expr> {
        let in_subquery = |subquery: &Subquery| -> Result<Subquery> {
            Ok(Subquery {
                subquery: Arc::new(self.resolve_plan(subquery.subquery.as_ref().clone())?),
                outer_ref_columns: subquery.outer_ref_columns.clone(),
                spans: subquery.spans.clone(),
            })
        };
        let resolved = expr.transform_up(|expr| {
            Ok(Transformed::yes(match expr {
                Expr::OuterReferenceColumn(field, column) => match self.references.iter().position(|known| *known == column) {
                    Some(index) => Expr::Column(self.key(index)),
                    None => Expr::OuterReferenceColumn(field, column),
                },
                Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(in_subquery(&subquery)?),
                Expr::Exists(mut exists) => {
                    exists.subquery = in_subquery(&exists.subquery)?;
                    Expr::Exists(exists)
                }
                Expr::InSubquery(mut expr) => {
                    expr.subquery = in_subquery(&expr.subquery)?;
                    Expr::InSubquery(expr)
                }
                Expr::SetComparison(mut comparison) => {
                    comparison.subquery = in_subquery(&comparison.subquery)?;
                    Expr::SetComparison(comparison)
                }
                expr => expr,
            }))
        })?;
        Ok(resolved.data)
    }

    fn resolve_all(&self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|expr| self.resolve(expr)).collect()
    }

    fn resolve_plan(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let renamed = plan.transform_up_with_subqueries(|plan| {
            plan.map_expressions(|expr| {
                expr.transform_up(|expr| {
                    Ok(match expr {
                        Expr::OuterReferenceColumn(field, column) => {
                            let index = self.references.iter().position(|known| *known == column);
                            let column = index.map_or(column, |index| self.key(index));
                            Transformed::yes(Expr::OuterReferenceColumn(field, column))
                        }
                        expr => Transformed::no(expr),
                    })
                })
            })
        })?;
        Ok(renamed.data)
    }

    /// The plan for every row of the domain at once: its columns and the keys.
    pub(super) fn push(&self, decorrelator: &mut Decorrelator, plan: LogicalPlan) -> Result<LogicalPlan> {
        if !self.is_used_in(&plan)? {
            return LogicalPlanBuilder::from(plan).cross_join(self.plan.clone())?.build();
        }
        if let Some(work_table) = self.work_table(&plan) {
            return Ok(work_table.clone());
        }
        match plan {
            LogicalPlan::RecursiveQuery(recursive) => self.push_recursive(decorrelator, recursive),
            LogicalPlan::Projection(Projection { expr, input, .. }) => {
                let input = self.push_into(decorrelator, input)?;
                let exprs = self.resolve_named(expr)?.into_iter().chain(self.keys()).collect();
                decorrelator.attach_subqueries(LogicalPlan::Projection(Projection::try_new(exprs, input)?))
            }
            LogicalPlan::Filter(Filter { predicate, input, .. }) => {
                let input = self.push_into(decorrelator, input)?;
                decorrelator.attach_subqueries(LogicalPlan::Filter(Filter::try_new(self.resolve(predicate)?, input)?))
            }
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
                let input = self.push(decorrelator, Arc::unwrap_or_clone(input))?;
                self.qualify(input, &alias)
            }
            LogicalPlan::Subquery(Subquery { subquery, .. }) => self.push(decorrelator, Arc::unwrap_or_clone(subquery)),
            LogicalPlan::Aggregate(aggregate) => self.push_aggregate(decorrelator, aggregate),
            LogicalPlan::Sort(Sort { expr, input, fetch: None }) => {
                let input = self.push_into(decorrelator, input)?;
                let expr = self.resolve_sort(expr)?;
                decorrelator.attach_subqueries(LogicalPlan::Sort(Sort { expr, input, fetch: None }))
            }
            LogicalPlan::Limit(limit) => self.push_limit(decorrelator, limit),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                Ok(LogicalPlan::Distinct(Distinct::All(self.push_into(decorrelator, input)?)))
            }
            LogicalPlan::Distinct(Distinct::On(DistinctOn { on_expr, select_expr, sort_expr, input, .. })) => {
                let input = self.push_into(decorrelator, input)?;
                let on = self.keys().into_iter().chain(self.resolve_all(on_expr)?).collect();
                let select = self.resolve_named(select_expr)?.into_iter().chain(self.keys()).collect();
                let keys = self.keys().into_iter().map(|key| key.sort(true, false));
                let sort = match sort_expr {
                    Some(sort) => Some(keys.chain(self.resolve_sort(sort)?).collect()),
                    None => None,
                };
                Ok(LogicalPlan::Distinct(Distinct::On(DistinctOn::try_new(on, select, sort, input)?)))
            }
            LogicalPlan::Window(Window { window_expr, input, .. }) => {
                let input = self.push_into(decorrelator, input)?;
                let windows = window_expr.into_iter().map(|expr| self.partition(expr)).collect::<Result<_>>()?;
                decorrelator.attach_subqueries(LogicalPlan::Window(Window::try_new(windows, input)?))
            }
            LogicalPlan::Join(join) => self.push_join(decorrelator, join),
            LogicalPlan::Union(union) => {
                let mut inputs = Vec::with_capacity(union.inputs.len());
                for input in union.inputs {
                    let columns = columns_of(&input).into_iter().chain(self.key_columns()).collect();
                    inputs.push(project_columns(self.push(decorrelator, Arc::unwrap_or_clone(input))?, columns)?);
                }
                self.union(inputs)
            }
            LogicalPlan::Values(values) => {
                let names = values.schema.field_names();
                let mut inputs = Vec::with_capacity(values.values.len());
                for row in values.values {
                    let exprs = self.resolve_all(row)?.into_iter().zip(&names).map(|(expr, name)| expr.alias(name));
                    inputs.push(LogicalPlanBuilder::from(self.plan.clone()).project(exprs.chain(self.keys()))?.build()?);
                }
                self.union(inputs)
            }
            LogicalPlan::Unnest(Unnest { input, exec_columns, options, .. }) => {
                let input = self.push(decorrelator, Arc::unwrap_or_clone(input))?;
                LogicalPlanBuilder::from(input).unnest_columns_with_options(exec_columns, options)?.build()
            }
            other => not_impl_err!("outer columns within {}", other.display()),
        }
    }

    fn push_into(&self, decorrelator: &mut Decorrelator, plan: Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
        self.push(decorrelator, Arc::unwrap_or_clone(plan)).map(Arc::new)
    }

    /// Output columns keep their names when their expressions change.
    fn resolve_named(&self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        exprs
            .into_iter()
            .map(|expr| {
                let (qualifier, name) = expr.qualified_name();
                let resolved = self.resolve(expr)?;
                Ok(if resolved.qualified_name() == (qualifier.clone(), name.clone()) {
                    resolved
                } else {
                    resolved.alias_qualified(qualifier, name)
                })
            })
            .collect()
    }

    fn resolve_sort(&self, sort: Vec<SortExpr>) -> Result<Vec<SortExpr>> {
        sort.into_iter().map(|sort| Ok(SortExpr { expr: self.resolve(sort.expr)?, ..sort })).collect()
    }

    fn push_aggregate(&self, decorrelator: &mut Decorrelator, aggregate: Aggregate) -> Result<LogicalPlan> {
        let input = self.push_into(decorrelator, aggregate.input)?;
        let is_scalar = aggregate.group_expr.is_empty();
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return not_impl_err!("GROUPING SETS in a correlated subquery");
        }
        let aggregates = self.resolve_named(aggregate.aggr_expr.clone())?;
        let groups = self.resolve_named(aggregate.group_expr)?.into_iter().chain(self.keys()).collect();
        let grouped = LogicalPlan::Aggregate(Aggregate::try_new(input, groups, aggregates)?);
        let grouped = decorrelator.attach_subqueries(grouped)?;
        if !is_scalar {
            return Ok(grouped);
        }
        // An aggregate of no rows is a row: the keys that have none get it here.
        let found = self.name("found");
        let inner = |index: usize| self.name(&format!("group{index}"));
        let outputs: Vec<Column> = aggregate.schema.columns();
        let mut exprs: Vec<Expr> = outputs.iter().cloned().map(Expr::Column).collect();
        exprs.extend(self.keys().into_iter().enumerate().map(|(index, key)| key.alias(inner(index))));
        exprs.push(lit(true).alias(&found));
        let grouped = LogicalPlanBuilder::from(grouped).project(exprs)?.build()?;
        let inner_keys = (0..self.references.len()).map(|index| Column::new_unqualified(inner(index))).collect();
        let joined = join_on_keys(self.plan.clone(), grouped, (self.key_columns(), inner_keys), JoinType::Left, None)?;
        let is_missing = Expr::Column(Column::new_unqualified(found)).is_null();
        let mut exprs = self.keys();
        for ((column, expr), field) in outputs.into_iter().zip(&aggregate.aggr_expr).zip(aggregate.schema.fields()) {
            let default = match aggregate_function(expr) {
                Some(function) => function.default_value(field.data_type())?,
                None => field.data_type().try_into()?,
            };
            let value = Expr::Column(column.clone());
            exprs.push(match default.is_null() {
                true => value,
                false => when(is_missing.clone(), lit(default)).otherwise(value)?.alias_qualified(column.relation, column.name),
            });
        }
        LogicalPlanBuilder::from(joined).project(exprs)?.build()
    }

    /// Every row of a recursive query carries the keys of the row that it started from.
    fn push_recursive(&self, decorrelator: &mut Decorrelator, recursive: RecursiveQuery) -> Result<LogicalPlan> {
        let RecursiveQuery { name, static_term, recursive_term, is_distinct, .. } = recursive;
        let columns = |plan: &LogicalPlan| columns_of(plan).into_iter().chain(self.key_columns()).collect::<Vec<_>>();
        let start_columns = columns(&static_term);
        let start = project_columns(self.push(decorrelator, Arc::unwrap_or_clone(static_term))?, start_columns)?;
        // The work table's columns all bear its name; the keys get their own back.
        let schema = Arc::new(start.schema().as_arrow().clone());
        let source = provider_as_source(Arc::new(CteWorkTable::new(&name, schema)));
        let scan = LogicalPlanBuilder::scan(name.as_str(), source, None)?.build()?;
        let keys = self.key_columns();
        let exprs = columns_of(&scan).into_iter().map(|column| match keys.iter().any(|key| key.name == column.name) {
            true => {
                let name = column.name.clone();
                Expr::Column(column).alias(name)
            }
            false => Expr::Column(column),
        });
        let work_table = LogicalPlanBuilder::from(scan).project(exprs.collect::<Vec<_>>())?.build()?;
        let mut work_tables = self.work_tables.clone();
        work_tables.push((name.clone(), work_table));
        let within = Self { references: self.references.clone(), plan: self.plan.clone(), work_tables, ..*self };
        let step_columns = columns(&recursive_term);
        let step = within.push(decorrelator, Arc::unwrap_or_clone(recursive_term))?;
        let step = project_columns(step, step_columns)?;
        LogicalPlanBuilder::from(start).to_recursive_query(name, step, is_distinct)?.build()
    }

    /// The first rows of each key.
    fn push_limit(&self, decorrelator: &mut Decorrelator, limit: Limit) -> Result<LogicalPlan> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?) else {
            return not_impl_err!("LIMIT of an expression in a correlated subquery");
        };
        if let LogicalPlan::Projection(projection) = limit.input.as_ref()
            && matches!(projection.input.as_ref(), LogicalPlan::Sort(_))
        {
            // Ordered by a column that is not in the result.
            let limited = Limit { input: Arc::clone(&projection.input), ..limit.clone() };
            let projected = Projection::try_new(projection.expr.clone(), Arc::new(LogicalPlan::Limit(limited)))?;
            return self.push(decorrelator, LogicalPlan::Projection(projected));
        }
        let columns: Vec<Column> = columns_of(&limit.input).into_iter().chain(self.key_columns()).collect();
        let (input, sort) = match Arc::unwrap_or_clone(limit.input) {
            LogicalPlan::Sort(sort) => (sort.input, self.resolve_sort(sort.expr)?),
            other => (Arc::new(other), vec![]),
        };
        let input = self.push_into(decorrelator, input)?;
        let number = self.name("number");
        let mut window = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]);
        window.params.partition_by = self.keys();
        window.params.window_frame = datafusion::logical_expr::WindowFrame::new((!sort.is_empty()).then_some(true));
        window.params.order_by = sort;
        let window = Expr::from(window).alias(&number);
        let numbered = decorrelator.attach_subqueries(LogicalPlan::Window(Window::try_new(vec![window], input)?))?;
        let number = Expr::Column(Column::new_unqualified(number));
        let skip = u64::try_from(skip).unwrap_or(u64::MAX);
        let fetch = fetch.map(|fetch| skip.saturating_add(u64::try_from(fetch).unwrap_or(u64::MAX)));
        let wanted = [Some(number.clone().gt(lit(skip))), fetch.map(|last| number.lt_eq(lit(last)))];
        let mut builder = LogicalPlanBuilder::from(numbered);
        if let Some(predicate) = conjunction(wanted.into_iter().flatten()) {
            builder = builder.filter(predicate)?;
        }
        project_columns(builder.build()?, columns)
    }

    /// A window function for each key by itself, under its old name.
    fn partition(&self, expr: Expr) -> Result<Expr> {
        let (qualifier, name) = expr.qualified_name();
        let partitioned = self.resolve(expr)?.transform_up(|expr| {
            Ok(match expr {
                Expr::WindowFunction(mut window) => {
                    window.params.partition_by.extend(self.keys());
                    Transformed::yes(Expr::WindowFunction(window))
                }
                expr => Transformed::no(expr),
            })
        })?;
        Ok(partitioned.data.unalias().alias_qualified(qualifier, name))
    }

    fn push_join(&self, decorrelator: &mut Decorrelator, join: Join) -> Result<LogicalPlan> {
        let columns: Vec<Column> = join.schema.columns().into_iter().chain(self.key_columns()).collect();
        let (on_left, on_right): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
        let condition: Vec<Expr> = on_left.into_iter().chain(on_right).chain(join.filter.clone()).collect();
        let in_left = self.is_used_in(&join.left)?;
        let in_right = self.is_used_in(&join.right)?;
        let in_condition = self.is_used_by(&condition)?;
        // Which side's rows are all kept, or are the only ones: the keys must come from there.
        let (to_left, to_right) = match join.join_type {
            JoinType::Inner => (in_left || !in_right, in_right),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (true, in_right),
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (in_left, true),
            JoinType::Full => (true, true),
        };
        if join.join_type == JoinType::Full && (in_condition || in_left || in_right) {
            return not_impl_err!("outer columns within a FULL JOIN");
        }
        let left = if to_left { self.push_into(decorrelator, join.left)? } else { join.left };
        let right = if to_right { self.push_into(decorrelator, join.right)? } else { join.right };
        let mut on = Vec::with_capacity(join.on.len());
        for (left, right) in join.on {
            on.push((self.resolve(left)?, self.resolve(right)?));
        }
        let mut filter: Vec<Expr> = join.filter.into_iter().map(|filter| self.resolve(filter)).collect::<Result<_>>()?;
        let (mut left, mut right) = (left, right);
        if to_left && to_right {
            // Keep the keys of the side whose rows are kept, and compare the others with them.
            let other = |index: usize| self.name(&format!("joined{index}"));
            let keeps_left = !matches!(
                join.join_type,
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
            );
            let renamed = if keeps_left { &mut right } else { &mut left };
            let names = self.key_columns();
            let exprs: Vec<Expr> = columns_of(renamed)
                .into_iter()
                .map(|column| match names.iter().position(|key| *key == column) {
                    Some(index) => Expr::Column(column).alias(other(index)),
                    None => Expr::Column(column),
                })
                .collect();
            *renamed = Arc::new(LogicalPlanBuilder::from(Arc::clone(renamed)).project(exprs)?.build()?);
            for (index, key) in self.keys().into_iter().enumerate() {
                let joined = Expr::Column(Column::new_unqualified(other(index)));
                filter.push(Expr::BinaryExpr(BinaryExpr::new(Box::new(key), Operator::IsNotDistinctFrom, Box::new(joined))));
            }
        }
        let joined = Join::try_new(
            left,
            right,
            on,
            conjunction(filter),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let joined = decorrelator.attach_subqueries(LogicalPlan::Join(joined))?;
        project_columns(joined, columns)
    }

    fn union(&self, inputs: Vec<LogicalPlan>) -> Result<LogicalPlan> {
        let mut inputs = inputs.into_iter();
        let Some(first) = inputs.next() else { return not_impl_err!("a union of nothing") };
        // The names of the first input's columns are those of the union.
        let columns = columns_of(&first);
        let mut builder = LogicalPlanBuilder::from(first);
        for input in inputs {
            builder = builder.union(input)?;
        }
        let union = builder.build()?;
        let renamed = columns_of(&union).into_iter().zip(columns).map(|(column, wanted)| {
            if column == wanted { Expr::Column(column) } else { Expr::Column(column).alias_qualified(wanted.relation, wanted.name) }
        });
        LogicalPlanBuilder::from(union).project(renamed.collect::<Vec<_>>())?.build()
    }
}

/// A plan of which the rows of `plan` are some, whichever rows its limits take.
fn without_limits(plan: &LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    plan.clone().transform_down(|mut node| {
        let mut changed = false;
        while let LogicalPlan::Limit(Limit { input, .. }) | LogicalPlan::Sort(Sort { input, fetch: Some(_), .. }) = node {
            node = Arc::unwrap_or_clone(input);
            changed = true;
        }
        let passes_more = match &node {
            // A row more of their input is a row more of theirs, if one at all.
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Sort(_) => true,
            LogicalPlan::Join(join) => join.join_type == JoinType::Inner,
            _ => false,
        };
        let next = if passes_more { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Jump };
        Ok(Transformed::new(node, changed, next))
    })
}

fn aggregate_function(expr: &Expr) -> Option<&AggregateUDF> {
    match expr {
        Expr::AggregateFunction(function) => Some(function.func.as_ref()),
        Expr::Alias(alias) => aggregate_function(&alias.expr),
        _ => None,
    }
}
