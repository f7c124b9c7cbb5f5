//! ORDER BY with a LIMIT of more rows than memory holds.
//!
//! DataFusion keeps the first rows that it has seen in a heap, which cannot be spilled. Where they may be too many for that, all
//! rows are sorted, which spills, and the first of them taken.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;

/// A heap may fill this part of the memory that its partition has. It also holds batches of which it needs single rows.
const SHARE: usize = 4;
/// What a heap needs for a row beside its values: keys, and where it is.
const ENTRY_BYTES: usize = 128;
/// What a value of a type without a fixed size takes, about.
const VALUE_BYTES: usize = 64;

/// The plan with sorts that spill in place of heaps that may not fit into the memory of `runtime`, in which `partitions` run at a
/// time.
pub fn spill_large_limits(
    plan: Arc<dyn ExecutionPlan>,
    runtime: &RuntimeEnv,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let MemoryLimit::Finite(bytes) = runtime.memory_pool.memory_limit() else { return Ok(plan) };
    let heap_bytes_max = bytes / partitions.max(1) / SHARE;
    plan.transform_up(|node| {
        let Some(sort) = node.downcast_ref::<SortExec>() else { return Ok(Transformed::no(node)) };
        match sort.fetch() {
            Some(rows) if rows.saturating_mul(row_bytes(&sort.schema())) > heap_bytes_max => {
                Ok(Transformed::yes(Arc::new(LocalLimitExec::new(Arc::new(sort.with_fetch(None)), rows))))
            }
            _ => Ok(Transformed::no(node)),
        }
    })
    .data()
}

fn row_bytes(schema: &Schema) -> usize {
    let value_bytes = |data_type: &DataType| data_type.primitive_width().unwrap_or(VALUE_BYTES);
    ENTRY_BYTES + schema.fields().iter().map(|field| value_bytes(field.data_type())).sum::<usize>()
}
