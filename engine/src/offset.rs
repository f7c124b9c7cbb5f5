//! OFFSET without LIMIT over sorted rows.
//!
//! Which rows it leaves out depends on their order. DataFusion's enforcement of orders knows that of operators that fetch a
//! number of rows; one that only skips some it takes for one that passes all on: it removes the sort below it if nobody above
//! asks for an order, and moves one from above to below it. While it runs, such operators fetch more rows than there are.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;

/// More rows than there are, to which some can be added.
const ALL: usize = usize::MAX / 4;

/// With a number of rows to fetch, if the operator only skips some; `None` if not.
pub(crate) fn guarded(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    Ok(match node.downcast_ref::<GlobalLimitExec>() {
        Some(limit) if limit.skip() > 0 && limit.fetch().is_none() => {
            Some(Arc::new(GlobalLimitExec::new(Arc::clone(limit.input()), limit.skip(), Some(ALL))))
        }
        _ => None,
    })
}

/// Without the number that [`guarded`] put in, and what was pushed down of it.
pub(crate) fn unguarded(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(limit) = node.downcast_ref::<GlobalLimitExec>() {
        let is_guarded = limit.fetch().is_some_and(|fetch| fetch >= ALL);
        return Ok(is_guarded.then(|| Arc::new(GlobalLimitExec::new(Arc::clone(limit.input()), limit.skip(), None)) as _));
    }
    let is_guarded = (node.is::<SortExec>() || node.is::<SortPreservingMergeExec>() || node.is::<CoalescePartitionsExec>())
        && node.fetch().is_some_and(|fetch| fetch >= ALL);
    Ok(if is_guarded { node.with_fetch(None) } else { None })
}
