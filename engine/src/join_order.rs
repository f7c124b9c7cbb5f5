//! Orders that the cluster would lose. A join keeps the order of its right side, so that a sort may stand below it; but the
//! scheduler, once it knows how many rows the sides have, may exchange them. So the sort is put above the join.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// The join below a sort; `None` if the node is not a join or has no order.
pub(crate) fn sorted(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if !(node.is::<HashJoinExec>() || node.is::<NestedLoopJoinExec>() || node.is::<CrossJoinExec>()) {
        return Ok(None);
    }
    let Some(ordering) = node.output_ordering().cloned() else { return Ok(None) };
    let children = node.children();
    let [left, right] = children.as_slice() else { return Ok(None) };
    // The sort below has no other use, unless it takes the first rows.
    let unsorted = match right.downcast_ref::<SortExec>() {
        Some(sort) if sort.fetch().is_none() && partitions(sort.input()) == partitions(right) => sort.input(),
        _ => right,
    };
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    let join = Arc::clone(node).replace_children(vec![Arc::clone(left), Arc::clone(unsorted)], options)?;
    Ok(Some(Arc::new(SortExec::new(ordering, join).with_preserve_partitioning(true))))
}

fn partitions(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.output_partitioning().partition_count()
}
