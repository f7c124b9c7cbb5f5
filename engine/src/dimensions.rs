//! Filtered dimensions compared first. In a chain of inner joins, whose order is that of FROM, a small filtered table may come
//! last: all rows of the others are joined before it takes most of them away. Here its keys are compared where the column that
//! it is joined by comes from; the join stays, for its other columns.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;

use crate::reductions::{column_of, index, is_table, rows, semi_join};

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
        let (left, right) = (join.left(), join.right());
        let sides = if is_dimension(right)? {
            let dimension = Dimension { plan: right, key: right_column };
            dimension.compare_below(left, left_column)?.map(|left| (left, Arc::clone(right)))
        } else if is_dimension(left)? {
            let dimension = Dimension { plan: left, key: left_column };
            dimension.compare_below(right, right_column)?.map(|right| (Arc::clone(left), right))
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

/// A dimension, and the column of it that is compared.
struct Dimension<'a> {
    plan: &'a Arc<dyn ExecutionPlan>,
    key: usize,
}

impl Dimension<'_> {
    /// `plan` with a semi join over the table that its `column` comes from, if there are joins between; `None` if that takes
    /// too few rows away.
    fn compare_below(&self, plan: &Arc<dyn ExecutionPlan>, column: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if plan.is::<HashJoinExec>() {
            return self.compare_at_source(plan, column);
        }
        through(plan, column, |input, column| self.compare_below(input, column))
    }

    /// Rows that are taken away must be of no use above: it goes down only through operators whose output rows have the values
    /// of a row of that input.
    fn compare_at_source(&self, plan: &Arc<dyn ExecutionPlan>, column: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if is_table(plan) {
            return self.compare(plan, column);
        }
        let Some(join) = plan.downcast_ref::<HashJoinExec>() else {
            return through(plan, column, |input, column| self.compare_at_source(input, column));
        };
        let Some((in_left, column)) = side(join, column) else { return Ok(None) };
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let children = match in_left {
            true => self.compare_at_source(&left, column)?.map(|left| vec![left, right]),
            false => self.compare_at_source(&right, column)?.map(|right| vec![left, right]),
        };
        children.map(|children| Arc::clone(plan).replace_children(children, options())).transpose()
    }

    /// The rows of `table` whose column is among the keys.
    fn compare(&self, table: &Arc<dyn ExecutionPlan>, column: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let semi = semi_join(table, &column_of(table, column), self.plan, self.key)?;
        let (Some(before), Some(after)) = (rows(table)?, rows(&semi)?) else { return Ok(None) };
        Ok((after as f64 <= before as f64 * FRACTION_MAX).then_some(semi))
    }
}

/// An operator with one input, which `change` has replaced; `None` if it has not, or if the column is not one of the input.
fn through(
    plan: &Arc<dyn ExecutionPlan>,
    column: usize,
    change: impl FnOnce(&Arc<dyn ExecutionPlan>, usize) -> Result<Option<Arc<dyn ExecutionPlan>>>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let children = plan.children();
    let (Some(column), [input]) = (passed_column(plan, column), children.as_slice()) else { return Ok(None) };
    let changed = change(input, column)?;
    changed.map(|input| Arc::clone(plan).replace_children(vec![input], options())).transpose()
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
