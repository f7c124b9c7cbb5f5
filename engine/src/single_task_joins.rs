//! Nested loop joins that keep rows of their left side run in one task on the cluster. Every task would have all rows of the
//! left side and some of the right, and could not know which of the left found a partner elsewhere.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::error::Result;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// The join with its right side brought together; `None` if the node is not such a join.
pub(crate) fn single_task(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else { return Ok(None) };
    if !keeps_left_rows(*join.join_type()) || join.right().output_partitioning().partition_count() == 1 {
        return Ok(None);
    }
    let right = Arc::new(CoalescePartitionsExec::new(Arc::clone(join.right())));
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(vec![Arc::clone(join.left()), right], options).map(Some)
}

fn keeps_left_rows(join_type: JoinType) -> bool {
    use JoinType as J;
    matches!(join_type, J::Left | J::Full | J::LeftSemi | J::LeftAnti | J::LeftMark)
}
