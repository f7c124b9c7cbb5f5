//! Semi and anti joins of a few rows with a large table, which stays where it is.
//!
//! Every task gets the few rows whole and finds out which of them have a partner in its part of the table. One that has none
//! there may have one elsewhere: what the tasks found is brought together, row by row. Rows may be equal, so that each gets a
//! number first: a random one, because the tasks that make the rows do not know of each other.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::JoinType;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions::math::random;
use datafusion::functions_aggregate::bool_and_or::bool_or_udaf;
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::not;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::reductions::{column_of, is_table};
use crate::task_join::TaskJoinExec;

/// Random numbers have 53 bits: two are different for any two rows of a query.
const NUMBERS: [&str; 2] = ["row number 1", "row number 2"];

/// The join with marks made by each task; `None` if it is not one of a few rows with a table. The caller knows that its left
/// rows are few.
pub(crate) fn mark(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let is_anti = match join.join_type() {
        JoinType::LeftSemi => false,
        JoinType::LeftAnti => true,
        _ => return Ok(None),
    };
    // Without tasks of the table nobody hands on the rows.
    let has_tasks = join.right().output_partitioning().partition_count() > 0;
    if join.null_aware || !has_tasks || !is_table(join.right()) || has_nested(&join.left().schema()) {
        return Ok(None);
    }
    let numbered = numbered(join.left())?;
    let join_type = if is_anti { JoinType::LeftMark } else { JoinType::LeftSemi };
    let in_task = HashJoinExec::try_new(
        Arc::clone(&numbered),
        Arc::clone(join.right()),
        join.on().to_vec(),
        join.filter().cloned(),
        &join_type,
        None,
        PartitionMode::CollectLeft,
        join.null_equality(),
        false,
    )?;
    let marked: Arc<dyn ExecutionPlan> = Arc::new(TaskJoinExec::new(Arc::new(in_task)));
    let together = together(&marked, numbered.schema().fields().len())?;
    let found = match is_anti {
        true => Arc::new(FilterExec::try_new(not(column_of(&together, numbered.schema().fields().len()))?, together)?),
        false => together,
    };
    let columns = match &join.projection {
        Some(columns) => columns.to_vec(),
        None => (0..join.left().schema().fields().len()).collect(),
    };
    Ok(Some(Arc::new(ProjectionExec::try_new(columns_of(&found, columns), found)?)))
}

/// A join that [`mark`] made, with its numbered rows in a stage of their own whatever else may divide them: tasks that make
/// the rows themselves number each row anew.
pub(crate) fn numbered_once(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let join = node.downcast_ref::<TaskJoinExec>().and_then(|task_join| task_join.join().downcast_ref::<HashJoinExec>());
    let Some(join) = join.filter(|join| matches!(join.join_type(), JoinType::LeftSemi | JoinType::LeftMark)) else {
        return Ok(None);
    };
    if join.left().is::<CoalescePartitionsExec>() {
        return Ok(None);
    }
    let left = Arc::new(CoalescePartitionsExec::new(Arc::clone(join.left()))) as _;
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(vec![left, Arc::clone(join.right())], options).map(Some)
}

/// Rows with lists and the like cannot be grouped.
fn has_nested(schema: &Schema) -> bool {
    schema.fields().iter().any(|field| field.data_type().is_nested())
}

/// The rows with two more columns that tell them apart.
fn numbered(rows: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = rows.schema();
    let mut columns = columns_of(rows, 0..schema.fields().len());
    for alias in NUMBERS {
        let number = ScalarFunctionExpr::try_new(random(), vec![], &schema, Arc::new(ConfigOptions::default()))?;
        columns.push(ProjectionExpr { expr: Arc::new(number), alias: alias.to_owned() });
    }
    Ok(Arc::new(ProjectionExec::try_new(columns, Arc::clone(rows))?))
}

/// The rows of all tasks, each one once, and whether a task marked it.
fn together(marked: &Arc<dyn ExecutionPlan>, columns: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = marked.schema();
    let groups = columns_of(marked, 0..columns).into_iter().map(|column| (column.expr, column.alias)).collect();
    let mut aggregates = Vec::new();
    if schema.fields().len() > columns {
        let any = AggregateExprBuilder::new(bool_or_udaf(), vec![column_of(marked, columns)]);
        aggregates.push(Arc::new(any.schema(Arc::clone(&schema)).alias("mark").build()?));
    }
    let filters = vec![None; aggregates.len()];
    Ok(Arc::new(AggregateExec::try_new(
        AggregateMode::SinglePartitioned,
        PhysicalGroupBy::new_single(groups),
        aggregates,
        filters,
        Arc::clone(marked),
        schema,
    )?))
}

fn columns_of(plan: &Arc<dyn ExecutionPlan>, columns: impl IntoIterator<Item = usize>) -> Vec<ProjectionExpr> {
    let schema = plan.schema();
    let column = |index: usize| ProjectionExpr {
        expr: column_of(plan, index) as Arc<dyn PhysicalExpr>,
        alias: schema.field(index).name().clone(),
    };
    columns.into_iter().map(column).collect()
}
