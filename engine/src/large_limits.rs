//! ORDER BY with a LIMIT of more rows than memory holds.
//!
//! DataFusion keeps the first rows that it has seen in a heap, which cannot be spilled, and with GROUP BY is not even counted.
//! Where they may be too many for that, all rows are sorted, which spills, and the first of them taken. A filter that the heap
//! would have made ever narrower stays in the scan below it, and lets all rows through.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;

/// A heap may fill this part of the memory that its partition has. It also holds batches of which it needs single rows.
const SHARE: usize = 4;
/// What a heap needs for a row beside its values: keys, and where it is.
const ENTRY_BYTES: usize = 128;
/// A guess at a value of a type without a fixed size. If it is far too low, the query is planned again: see `replanning`.
const VALUE_BYTES: usize = 64;
/// A heap of groups makes room for so many times as many as it is to keep.
const GROUPS_PER_ROW: usize = 10;

/// The plan with sorts that spill in place of heaps that may not fit into the memory of `runtime`, in which `partitions` run at a
/// time; in place of all heaps if the `options` of the query allow none.
pub fn spill_large_limits(
    plan: Arc<dyn ExecutionPlan>,
    options: &ConfigOptions,
    runtime: &RuntimeEnv,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let heap_bytes_max = match (options.optimizer.enable_topk_aggregation, runtime.memory_pool.memory_limit()) {
        (false, _) => 0,
        (true, MemoryLimit::Finite(bytes)) => bytes / partitions.max(1) / SHARE,
        (true, _) => return Ok(plan),
    };
    plan.transform_up(|node| {
        let is_large = |rows: usize| rows.saturating_mul(row_bytes(&node.schema())) > heap_bytes_max;
        if let Some(sort) = node.downcast_ref::<SortExec>()
            && let Some(rows) = sort.fetch().filter(|rows| is_large(*rows))
        {
            return Ok(Transformed::yes(Arc::new(LocalLimitExec::new(Arc::new(sort.with_fetch(None)), rows)) as _));
        }
        if let Some(groups) = node.downcast_ref::<AggregateExec>()
            && let Some(limit) = groups.limit_options().filter(|limit| limit.descending().is_some())
            && is_large(limit.limit().saturating_mul(GROUPS_PER_ROW))
        {
            // The sort above has the limit, too.
            return Ok(Transformed::yes(Arc::new(groups.with_new_limit_options(None)) as _));
        }
        Ok(Transformed::no(node))
    })
    .data()
}

fn row_bytes(schema: &Schema) -> usize {
    ENTRY_BYTES + schema.fields().iter().map(|field| value_bytes(field.data_type())).sum::<usize>()
}

fn value_bytes(data_type: &DataType) -> usize {
    let elements = |length: &i32| usize::try_from(*length).unwrap_or(0);
    match data_type {
        DataType::Null | DataType::Boolean => 1,
        DataType::FixedSizeBinary(length) => elements(length),
        DataType::FixedSizeList(item, length) => elements(length).saturating_mul(value_bytes(item.data_type())),
        DataType::Struct(fields) => fields.iter().map(|field| value_bytes(field.data_type())).sum(),
        other => other.primitive_width().unwrap_or(VALUE_BYTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::Field;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
    use datafusion::physical_plan::displayable;
    use datafusion::physical_plan::empty::EmptyExec;

    /// A sort of single integers in two partitions with 1 MiB for each.
    fn shown(rows: usize, options: &ConfigOptions) -> String {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let key = PhysicalSortExpr::new_default(col("n", &schema).expect("a column"));
        let input = Arc::new(EmptyExec::new(schema).with_partitions(2));
        let sort = SortExec::new(LexOrdering::new([key]).expect("a key"), input).with_preserve_partitioning(true);
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(2 << 20, 1.0).build().expect("a runtime");
        let plan = spill_large_limits(Arc::new(sort.with_fetch(Some(rows))), options, &runtime, 2).expect("a plan");
        assert_eq!(datafusion::physical_plan::ExecutionPlanProperties::output_partitioning(&plan).partition_count(), 2);
        displayable(plan.as_ref()).indent(false).to_string()
    }

    #[test]
    fn only_heaps_that_may_not_fit_are_replaced() {
        let options = ConfigOptions::new();
        let few = shown(1_000, &options);
        assert!(few.starts_with("SortExec: TopK(fetch=1000)"), "{few}");
        for rows in [2_000, usize::MAX] {
            let many = shown(rows, &options);
            assert!(many.starts_with(&format!("LocalLimitExec: fetch={rows}\n  SortExec: expr=")), "{many}");
        }
        let mut spilling = ConfigOptions::new();
        spilling.optimizer.enable_topk_aggregation = false;
        let none = shown(1, &spilling);
        assert!(none.starts_with("LocalLimitExec: fetch=1\n  SortExec: expr="), "{none}");
    }

    #[test]
    fn nested_values_are_added_up() {
        let item = |data_type| Arc::new(Field::new("item", data_type, true));
        assert_eq!(value_bytes(&DataType::FixedSizeList(item(DataType::Float32), 1536)), 6144);
        assert_eq!(value_bytes(&DataType::Struct(vec![item(DataType::Int64), item(DataType::Utf8View)].into())), 72);
    }
}
