//! Filtered dimensions compared first. In a chain of inner joins, whose order is that of FROM, a small filtered table may come
//! last: all rows of the others are joined before it takes most of them away. Here its keys are compared where the column that
//! it is joined by comes from; the join stays, for its other columns.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions, reset_plan_states};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::repartition::RepartitionExec;

use crate::reductions::{Key, column_of, index, is_table, rows};

/// A dimension: so few rows that to read and hash them twice is nothing.
const DIMENSION_ROWS_MAX: usize = 1_000;
/// Of the rows of the other table, how many may have a key of the dimension.
const FRACTION_MAX: f64 = 0.5;

/// Compares keys of filtered dimensions below other joins.
#[derive(Debug)]
pub(crate) struct DimensionsFirst;

impl PhysicalOptimizerRule for DimensionsFirst {
    /// From the top: a dimension that was reduced by another reduces the next.
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| {
            let lowered = match plan.downcast_ref::<HashJoinExec>() {
                Some(join) if *join.join_type() == JoinType::Inner && is_equality(join) => lower(join)?,
                _ => None,
            };
            Ok(lowered.map_or_else(|| Transformed::no(plan), Transformed::yes))
        })
        .data()
    }

    fn name(&self) -> &str {
        "dimensions_first"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn is_equality(join: &HashJoinExec) -> bool {
    join.null_equality() == NullEquality::NullEqualsNothing && !join.null_aware
}

/// The join with the keys of one side compared deep in the other; `None` if neither side is a filtered dimension.
fn lower(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    for (left_key, right_key) in join.on() {
        let (Some(left_column), Some(right_column)) = (index(left_key), index(right_key)) else { continue };
        let sides = if is_dimension(join.right())? {
            compare_below(join.left(), left_column, join.right(), right_column)?.map(|left| (left, Arc::clone(join.right())))
        } else if is_dimension(join.left())? {
            compare_below(join.right(), right_column, join.left(), left_column)?.map(|right| (Arc::clone(join.left()), right))
        } else {
            None
        };
        if let Some((left, right)) = sides {
            let join: Arc<dyn ExecutionPlan> = Arc::new(join.builder().build()?);
            return join.replace_children(vec![left, right], options()).map(Some);
        }
    }
    Ok(None)
}

fn options() -> ReplaceChildrenOptions {
    ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)
}

/// Whether a plan is a small table of which a filter, or a dimension of its own, leaves out rows.
fn is_dimension(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    Ok(is_filtered_table(plan) && rows(plan)?.is_some_and(|rows| rows <= DIMENSION_ROWS_MAX))
}

fn is_filtered_table(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return *join.join_type() == JoinType::RightSemi && is_table(join.right());
    }
    match plan.downcast_ref::<ProjectionExec>() {
        Some(projection) => is_filtered_table(projection.input()),
        None => plan.is::<FilterExec>() && is_table(plan),
    }
}

/// `plan` with a semi join over the table that its `column` comes from, if there are joins between; `None` if that takes
/// too few rows away.
fn compare_below(
    plan: &Arc<dyn ExecutionPlan>,
    column: usize,
    dimension: &Arc<dyn ExecutionPlan>,
    key: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    match plan.downcast_ref::<HashJoinExec>() {
        Some(_) => descend(plan, column, &|table, column| semi_join(table, column, dimension, key)),
        None => match plan.children().as_slice() {
            // Down to the first join: with none between, the join itself is the first.
            [input] => match passed_column(plan, column) {
                Some(column) => match compare_below(input, column, dimension, key)? {
                    Some(input) => Arc::clone(plan).replace_children(vec![input], options()).map(Some),
                    None => Ok(None),
                },
                None => Ok(None),
            },
            _ => Ok(None),
        },
    }
}

type Insert<'a> = &'a dyn Fn(&Arc<dyn ExecutionPlan>, usize) -> Result<Option<Arc<dyn ExecutionPlan>>>;

/// Replaces the table that a column comes from. Rows that it takes away must be of no use above: it goes only through
/// operators whose output rows have the values of a row of that input.
fn descend(plan: &Arc<dyn ExecutionPlan>, column: usize, insert: Insert) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if is_table(plan) {
        return insert(plan, column);
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let Some((in_left, column)) = side(join, column) else { return Ok(None) };
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let children = match in_left {
            true => descend(&left, column, insert)?.map(|left| vec![left, right]),
            false => descend(&right, column, insert)?.map(|right| vec![left, right]),
        };
        return children.map(|children| Arc::clone(plan).replace_children(children, options())).transpose();
    }
    let children = plan.children();
    let (Some(column), [input]) = (passed_column(plan, column), children.as_slice()) else { return Ok(None) };
    let input = descend(input, column, insert)?;
    input.map(|input| Arc::clone(plan).replace_children(vec![input], options())).transpose()
}

/// The side and the column there that an output column of a join comes from, if the join never makes it NULL.
fn side(join: &HashJoinExec, column: usize) -> Option<(bool, usize)> {
    use JoinType as J;
    let column = join.projection.as_ref().map_or(Some(column), |columns| columns.get(column).copied())?;
    let left_columns = join.left().schema().fields().len();
    match join.join_type() {
        J::Inner if column >= left_columns => Some((false, column - left_columns)),
        J::Inner | J::LeftSemi => Some((true, column)),
        J::Left if column < left_columns => Some((true, column)),
        J::LeftAnti if !join.null_aware => Some((true, column)),
        J::Right if column >= left_columns => Some((false, column - left_columns)),
        J::RightSemi | J::RightAnti => Some((false, column)),
        _ => None,
    }
}

/// The input column that an output column of an operator with one input is.
fn passed_column(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Option<usize> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return index(&projection.expr().get(column)?.expr);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return filter.projection().as_ref().map_or(Some(column), |columns| columns.get(column).copied());
    }
    (plan.is::<CoalescePartitionsExec>() || plan.is::<RepartitionExec>()).then_some(column)
}

/// The rows of `table` whose column is among the keys of the dimension.
fn semi_join(
    table: &Arc<dyn ExecutionPlan>,
    column: usize,
    dimension: &Arc<dyn ExecutionPlan>,
    key: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let name = dimension.schema().field(key).name().clone();
    let keys = vec![ProjectionExpr { expr: column_of(dimension, key), alias: name.clone() }];
    // Operators share state between those who execute them: each place needs its own.
    let keys = ProjectionExec::try_new(keys, reset_plan_states(Arc::clone(dimension))?)?;
    let on: Vec<(Key, Key)> = vec![(Arc::new(Column::new(&name, 0)), column_of(table, column))];
    let semi: Arc<dyn ExecutionPlan> = Arc::new(HashJoinExec::try_new(
        Arc::new(keys),
        Arc::clone(table),
        on,
        None,
        &JoinType::RightSemi,
        None,
        PartitionMode::CollectLeft,
        NullEquality::NullEqualsNothing,
        false,
    )?);
    let (Some(before), Some(after)) = (rows(table)?, rows(&semi)?) else { return Ok(None) };
    Ok((after as f64 <= before as f64 * FRACTION_MAX).then_some(semi))
}
