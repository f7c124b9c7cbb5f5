//! Semi joins that take rows away before they are exchanged.
//!
//! In a join of a large input with one that a filter has reduced, only rows with the filtered keys can find a partner. Those
//! keys, when they are few, are sent to all tasks and compared before the large input is exchanged, or before it is
//! aggregated by the key (`x < (SELECT avg(y) … WHERE key = outer.key)`), which would else exchange a group for every key.
//! In one process a dynamic filter does the same; none crosses from one stage to another.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions, reset_plan_states};

/// The keys must be this many times fewer than the rows they are to reduce: their table is read twice.
const REDUCTION_MIN: usize = 20;
/// More keys are not worth the memory.
const KEYS_MAX: usize = 1_000_000;
/// Fewer rows are exchanged in less time than they are compared.
const ROWS_MIN: usize = 100_000;

/// What is reduced of a join's side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduced {
    /// What is aggregated by the key.
    Aggregates,
    /// The rows of a table.
    Tables,
}

/// The join with one side reduced; `None` if that promises nothing or would be wrong.
pub(crate) fn reduce(join: &HashJoinExec, what: Reduced) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    use JoinType as J;
    if join.null_aware || join.null_equality() != NullEquality::NullEqualsNothing {
        return Ok(None);
    }
    // Only a side whose rows do not appear without a partner.
    let may_reduce_right = matches!(join.join_type(), J::Inner | J::Left | J::LeftSemi | J::LeftAnti | J::LeftMark);
    let may_reduce_left = matches!(join.join_type(), J::Inner | J::Right | J::RightSemi | J::RightAnti | J::RightMark);
    for (left, right) in join.on() {
        if may_reduce_right
            && let Some(reduced) = reduce_side(join.right(), right, join.left(), left, what)?
        {
            return replaced(join, Arc::clone(join.left()), reduced).map(Some);
        }
        if may_reduce_left
            && let Some(reduced) = reduce_side(join.left(), left, join.right(), right, what)?
        {
            return replaced(join, reduced, Arc::clone(join.right())).map(Some);
        }
    }
    Ok(None)
}

fn replaced(join: &HashJoinExec, left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let join: Arc<dyn ExecutionPlan> = Arc::new(join.builder().build()?);
    join.replace_children(vec![left, right], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

type Key = Arc<dyn PhysicalExpr>;

/// `side` with only the rows whose `key` is among those that `other` filters.
fn reduce_side(
    side: &Arc<dyn ExecutionPlan>,
    key: &Key,
    other: &Arc<dyn ExecutionPlan>,
    other_key: &Key,
    what: Reduced,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (Some(key), Some(other_key)) = (index(key), index(other_key)) else { return Ok(None) };
    let input = match what {
        Reduced::Aggregates => aggregated(side, key),
        Reduced::Tables => is_table(side).then(|| Input { plan: Arc::clone(side), key: column_of(side, key) }),
    };
    let Some(input) = input else { return Ok(None) };
    let Some(input_rows) = rows_joined(&input.plan)?.filter(|rows| *rows >= ROWS_MIN) else { return Ok(None) };
    let Some((rows, (plan, column))) = smallest_source(other, other_key)? else { return Ok(None) };
    let is_comparable = *plan.schema().field(column).data_type() == input.key.data_type(&input.plan.schema())?;
    if rows > KEYS_MAX || rows.saturating_mul(REDUCTION_MIN) > input_rows || !is_comparable {
        return Ok(None);
    }
    // The keys are few, whatever their filter is estimated to pass in the end: every task gets them.
    let semi = semi_join(&input.plan, &input.key, &plan, column)?;
    with_input(side, &input.plan, semi).map(Some)
}

/// The rows whose `key` is in `column` of `source`, which each task has whole.
pub(crate) fn semi_join(
    rows: &Arc<dyn ExecutionPlan>,
    key: &Key,
    source: &Arc<dyn ExecutionPlan>,
    column: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let alias = source.schema().field(column).name().clone();
    let columns = vec![ProjectionExpr { expr: column_of(source, column), alias: alias.clone() }];
    // Operators share state between those who execute them: each place needs its own.
    let keys = ProjectionExec::try_new(columns, reset_plan_states(Arc::clone(source))?)?;
    let on: Vec<(Key, Key)> = vec![(Arc::new(Column::new(&alias, 0)), Arc::clone(key))];
    Ok(Arc::new(HashJoinExec::try_new(
        Arc::new(keys),
        Arc::clone(rows),
        on,
        None,
        &JoinType::RightSemi,
        None,
        PartitionMode::CollectLeft,
        NullEquality::NullEqualsNothing,
        false,
    )?))
}

/// What is reduced, and the key there.
struct Input {
    plan: Arc<dyn ExecutionPlan>,
    key: Key,
}

/// Follows output column `key` of a plan down to the rows that are aggregated by it.
fn aggregated(plan: &Arc<dyn ExecutionPlan>, key: usize) -> Option<Input> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return aggregated(projection.input(), index(&projection.expr().get(key)?.expr)?);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let key = filter.projection().as_ref().map_or(Some(key), |columns| columns.get(key).copied())?;
        return aggregated(filter.input(), key);
    }
    if plan.is::<CoalescePartitionsExec>() || plan.is::<RepartitionExec>() {
        return aggregated(plan.children().first()?, key);
    }
    let aggregate = plan.downcast_ref::<AggregateExec>()?;
    if !aggregate.group_expr().is_single() {
        return None;
    }
    let (expr, _) = aggregate.group_expr().expr().get(key)?;
    if aggregate.input().is::<AggregateExec>() {
        return aggregated(aggregate.input(), index(expr)?);
    }
    Some(Input { plan: Arc::clone(aggregate.input()), key: Arc::clone(expr) })
}

/// `plan` with `new` in the place of `old`, which is below it on a path of single inputs.
pub(crate) fn with_input(
    plan: &Arc<dyn ExecutionPlan>,
    old: &Arc<dyn ExecutionPlan>,
    new: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if Arc::ptr_eq(plan, old) {
        return Ok(new);
    }
    let children = plan.children().into_iter().map(|child| with_input(child, old, Arc::clone(&new))).collect::<Result<_>>()?;
    Arc::clone(plan).replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// The filtered table with the fewest rows that holds every value that a column of `plan` can have, and how many those are.
pub(crate) fn smallest_source(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Result<Option<(usize, Source)>> {
    let mut sources = Vec::new();
    find_sources(plan, column, &mut sources);
    let mut smallest: Option<(usize, Source)> = None;
    for source in sources {
        if let Some(rows) = rows(&source.0)?
            && smallest.as_ref().is_none_or(|(least, _)| rows < *least)
        {
            smallest = Some((rows, source));
        }
    }
    Ok(smallest)
}

/// A filtered table and one of its columns.
pub(crate) type Source = (Arc<dyn ExecutionPlan>, usize);

/// The filtered tables that hold every value that a column of `plan` can have.
fn find_sources(plan: &Arc<dyn ExecutionPlan>, column: usize, sources: &mut Vec<Source>) {
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        if is_table(plan) {
            sources.push((Arc::clone(plan), column));
            return;
        }
        let projected = filter.projection().as_ref().map_or(Some(column), |columns| columns.get(column).copied());
        if let Some(column) = projected {
            find_sources(filter.input(), column, sources);
        }
    } else if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        if let Some(column) = projection.expr().get(column).and_then(|projected| index(&projected.expr)) {
            find_sources(projection.input(), column, sources);
        }
    } else if plan.is::<CoalescePartitionsExec>() || plan.is::<RepartitionExec>() {
        plan.children().into_iter().for_each(|child| find_sources(child, column, sources));
    } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        find_in_join(join, column, sources);
    }
}

/// In an inner or semi join both sides have the values of a key.
fn find_in_join(join: &HashJoinExec, column: usize, sources: &mut Vec<Source>) {
    let column = match &join.projection {
        Some(columns) => match columns.get(column) {
            Some(column) => *column,
            None => return,
        },
        None => column,
    };
    let left_columns = join.left().schema().fields().len();
    let (in_left, column) = match join.join_type() {
        JoinType::Inner if column >= left_columns => (false, column - left_columns),
        JoinType::Inner | JoinType::LeftSemi => (true, column),
        JoinType::RightSemi => (false, column),
        _ => return,
    };
    let (own, other) = if in_left { (join.left(), join.right()) } else { (join.right(), join.left()) };
    find_sources(own, column, sources);
    for (left, right) in join.on() {
        let (own_key, other_key) = if in_left { (left, right) } else { (right, left) };
        if index(own_key) == Some(column)
            && let Some(column) = index(other_key)
        {
            find_sources(other, column, sources);
        }
    }
}

/// Whether a plan only reads a table, or filters and computes what it reads, and finds the same each time.
pub(crate) fn is_table(plan: &Arc<dyn ExecutionPlan>) -> bool {
    // A limit takes any rows.
    if plan.fetch().is_some() || has_volatile_expression(plan) {
        return false;
    }
    let passes = plan.is::<RepartitionExec>() || plan.is::<CoalescePartitionsExec>();
    match plan.children().as_slice() {
        [] => true,
        [input] => (passes || plan.is::<FilterExec>() || plan.is::<ProjectionExec>()) && is_table(input),
        _ => false,
    }
}

pub(crate) fn has_volatile_expression(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut found = false;
    let visited = plan.apply_expressions(&mut |expr| {
        found |= is_volatile(expr);
        Ok(TreeNodeRecursion::Continue)
    });
    found || visited.is_err()
}

pub(crate) fn column_of(plan: &Arc<dyn ExecutionPlan>, index: usize) -> Key {
    Arc::new(Column::new(plan.schema().field(index).name(), index))
}

/// The number of a plain column.
pub(crate) fn index(expr: &Key) -> Option<usize> {
    Some(expr.downcast_ref::<Column>()?.index())
}

/// How many rows a plan has, or the largest of the joins that it consists of: a dimension that is joined at the end is expected
/// to take rows away once more after its keys were compared at the beginning.
fn rows_joined(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<usize>> {
    let is_inner = |plan: &HashJoinExec| *plan.join_type() == JoinType::Inner;
    let mut most = rows(plan)?;
    if plan.is::<ProjectionExec>() || plan.downcast_ref().is_some_and(is_inner) {
        for input in plan.children().into_iter().filter(|input| input.is::<HashJoinExec>() || input.is::<ProjectionExec>()) {
            most = most.max(rows_joined(input)?);
        }
    }
    Ok(most)
}

/// How many rows a plan is expected to have.
pub(crate) fn rows(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<usize>> {
    let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new())?;
    Ok(statistics.num_rows.get_value().copied())
}
