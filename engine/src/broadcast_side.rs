//! The side of a join that every task has whole, marked so that the scheduler leaves it so.
//!
//! The scheduler turns such joins into ones that exchange both sides if it does not know the size of the side, or estimates
//! that it has no rows; and the other way round. It does not look at what is above: an aggregate that was planned over one
//! partition would be computed for each of several. The mark claims a size of one byte and an unknown number of rows: with a
//! threshold of two bytes, marked sides are sent whole and no others are.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};

use crate::pass::{Pass, PassExec};

/// What the scheduler's threshold for sides to be sent whole must be: more than a marked side claims, less than any other.
pub(crate) const THRESHOLD_BYTES: usize = 2;

/// Marks the build side of a join that is to be sent whole; `None` if the node is not such a join.
pub(crate) fn marked(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(None) };
    if *join.partition_mode() != PartitionMode::CollectLeft && !join.null_aware {
        return Ok(None);
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    let left = match join.left().downcast_ref::<CoalescePartitionsExec>() {
        // The scheduler looks for this one directly below the join.
        Some(coalesce) => {
            let side: Arc<dyn ExecutionPlan> = Arc::new(BroadcastExec::new(Arc::clone(coalesce.input())));
            Arc::clone(join.left()).replace_children(vec![side], options)?
        }
        None => Arc::new(BroadcastExec::new(Arc::clone(join.left()))),
    };
    Arc::clone(node).replace_children(vec![left, Arc::clone(join.right())], options).map(Some)
}

/// Passes its input on.
pub(crate) type BroadcastExec = PassExec<Broadcast>;

#[derive(Debug)]
pub(crate) struct Broadcast;

impl Pass for Broadcast {
    const NAME: &'static str = "BroadcastExec";

    fn statistics(schema: &Schema) -> Statistics {
        let mut statistics = Statistics::new_unknown(schema);
        statistics.total_byte_size = Precision::Inexact(1);
        statistics
    }
}
