//! Nested loop joins that keep rows of their left side run in one task on the cluster. Every task would have all rows of the
//! left side and some of the right, and could not know which of the left found a partner elsewhere.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// Brings the right side of such joins together.
#[derive(Debug)]
pub(crate) struct SingleTaskJoins;

impl PhysicalOptimizerRule for SingleTaskJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| Ok(single_task(&node)?.map_or_else(|| Transformed::no(node), Transformed::yes))).data()
    }

    fn name(&self) -> &str {
        "single_task_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn single_task(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
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
