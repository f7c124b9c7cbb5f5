//! Sorts that windows need on the cluster. Rows of one partition need no sort by a column that a filter made constant, and
//! the plan has none; but a stage knows nothing of the filters of the stages before, and the window refuses to run.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, InputOrderMode};

/// The window over a sort; `None` if the node is not a window or needs none.
pub(crate) fn sorted(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(window) = window(node) else { return Ok(None) };
    let children = node.children();
    let [input] = children.as_slice() else { return Ok(None) };
    if window.partition_by().iter().all(|key| is_sorted_by(input, key)) {
        return Ok(None);
    }
    // What is above may rely on the order that the input has, so the sort keeps it; constants before it change nothing.
    let existing: Vec<PhysicalSortExpr> = input.output_ordering().into_iter().flatten().cloned().collect();
    let is_new = |key: &Arc<dyn PhysicalExpr>| !existing.iter().any(|sorted| sorted.expr.eq(key));
    let constant = window.partition_by().iter().filter(|key| is_new(key)).map(|key| PhysicalSortExpr::new_default(Arc::clone(key)));
    let rest = window.order_by().iter().filter(|key| is_new(&key.expr)).cloned();
    let Some(ordering) = LexOrdering::new(constant.chain(existing.iter().cloned()).chain(rest)) else { return Ok(None) };
    let sort = SortExec::new(ordering, Arc::clone(input)).with_preserve_partitioning(true);
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(vec![Arc::new(sort)], options).map(Some)
}

/// The first of the windows that a node computes, all of which have the same partitions. One that looks its partitions up
/// needs no order.
fn window(node: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn WindowExpr>> {
    if let Some(window) = node.downcast_ref::<WindowAggExec>() {
        return window.window_expr().first();
    }
    let window = node.downcast_ref::<BoundedWindowAggExec>()?;
    matches!(window.input_order_mode, InputOrderMode::Sorted).then(|| window.window_expr().first())?
}

/// Whether a sort in the same stage orders by `key`. Windows above it add columns and keep the order.
fn is_sorted_by(plan: &Arc<dyn ExecutionPlan>, key: &Arc<dyn PhysicalExpr>) -> bool {
    let holds = |ordering: &LexOrdering| ordering.iter().any(|sorted| sorted.expr.eq(key));
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        return holds(sort.expr());
    }
    if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() {
        return holds(merge.expr());
    }
    let is_window = plan.is::<WindowAggExec>() || plan.is::<BoundedWindowAggExec>();
    is_window && plan.children().into_iter().all(|input| is_sorted_by(input, key))
}
