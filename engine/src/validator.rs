//! Refuses a plan that would be wrong on the cluster or that an executor could not decode.
//!
//! A task carries its stage's plan restricted to its input partitions. The scheduler knows how to restrict a closed list
//! of leaves; any other leaf is left whole, so that each task returns all its rows, without an error.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use prost::Message;

use crate::codec::physical_codec;
use crate::config::MESSAGE_BYTES_MAX;
use crate::object_store::{Secrets, secret_of};

/// A plan deeper than this stays here: every process that touches a stage recurses over it, on stacks of 32 MiB.
const PLAN_DEPTH_MAX: usize = 400;

/// The reason why no plan of a query can run on the cluster.
pub(crate) fn query_refusal(query: &LogicalPlan) -> Result<Option<String>> {
    let mut refusal = None;
    query.apply_with_subqueries(|node| {
        if let LogicalPlan::Window(window) = node
            && window.window_expr.iter().any(has_filter)
        {
            // It would be lost on the wire.
            refusal = Some("the FILTER of a window function cannot be sent to executors".to_owned());
        }
        Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(refusal)
}

fn has_filter(window: &Expr) -> bool {
    match window {
        Expr::WindowFunction(function) => function.params.filter.is_some(),
        Expr::Alias(alias) => has_filter(&alias.expr),
        _ => false,
    }
}

/// The reason why `plan`, planned for the cluster, cannot run there.
pub(crate) fn refusal(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    refuse_node(plan, 0).or_else(|| refuse_encoding(plan))
}

/// The reason why other processes cannot read the files of `plan`: a secret that was made in this one.
pub(crate) fn secret_refusal(plan: &Arc<dyn ExecutionPlan>, secrets: &Secrets) -> Option<String> {
    let of_scan = |scan: &DataSourceExec| {
        let source: &dyn std::any::Any = scan.data_source().as_ref();
        let url: &url::Url = source.downcast_ref::<FileScanConfig>()?.object_store_url.as_ref();
        let name = secret_of(url).filter(|name| secrets.is_made(name))?;
        Some(format!("executors do not have the secret {name}, which was made in SQL: add it to the file of their --secrets"))
    };
    let here = plan.downcast_ref::<DataSourceExec>().and_then(of_scan);
    here.or_else(|| plan.children().into_iter().find_map(|child| secret_refusal(child, secrets)))
}

fn refuse_node(plan: &Arc<dyn ExecutionPlan>, depth: usize) -> Option<String> {
    if depth > PLAN_DEPTH_MAX {
        return Some(format!("the plan is more than {PLAN_DEPTH_MAX} operators deep"));
    }
    if matches!(plan.output_partitioning(), Partitioning::Range(_)) {
        return Some(format!("{} is range partitioned, which tasks cannot be restricted to", plan.name()));
    }
    let children = plan.children();
    if children.is_empty() {
        return refuse_leaf(plan);
    }
    children.into_iter().find_map(|child| refuse_node(child, depth + 1))
}

fn refuse_leaf(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    if plan.is::<EmptyExec>() || plan.is::<PlaceholderRowExec>() {
        // Their partition count is lost on the wire.
        let partitions = plan.output_partitioning().partition_count();
        return (partitions > 1).then(|| format!("{} has {partitions} partitions", plan.name()));
    }
    let Some(scan) = plan.downcast_ref::<DataSourceExec>() else {
        return Some(format!("{} cannot be divided among tasks", plan.name()));
    };
    let source: &dyn std::any::Any = scan.data_source().as_ref();
    if let Some(files) = source.downcast_ref::<FileScanConfig>() {
        // An executor would take compressed text for text, and find no rows.
        let is_compressed = files.file_compression_type != FileCompressionType::UNCOMPRESSED;
        return is_compressed.then(|| "tasks cannot read compressed text files".into());
    }
    match source.downcast_ref::<MemorySourceConfig>() {
        // The limit would be lost when the scheduler restricts the scan to a task's partitions.
        Some(_) if scan.fetch().is_some() => Some("a scan of rows in memory carries a limit".into()),
        Some(_) => None,
        None => Some("a data source cannot be divided among tasks".into()),
    }
}

fn refuse_encoding(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let node = match PhysicalPlanNode::try_from_physical_plan(Arc::clone(plan), physical_codec().as_ref()) {
        Ok(node) => node,
        Err(error) => {
            return Some(format!("the plan cannot be sent to executors: {}", error.find_root().strip_backtrace()));
        }
    };
    // Half the limit: the message also holds the settings and, for each task, its partitions.
    let (bytes, bytes_max) = (node.encoded_len(), MESSAGE_BYTES_MAX / 2);
    (bytes > bytes_max).then(|| format!("the plan takes {bytes} bytes, more than the {bytes_max} that a task message holds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
    use datafusion::arrow::record_batch::RecordBatch;
    use datafusion::physical_plan::filter::FilterExec;
    use datafusion::physical_plan::limit::GlobalLimitExec;
    use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
    use datafusion::physical_expr::expressions::lit;
    use datafusion::execution::{SendableRecordBatchStream, TaskContext};

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]))
    }

    fn memory(partitions: usize) -> MemorySourceConfig {
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).expect("batch");
        MemorySourceConfig::try_new(&vec![vec![batch]; partitions], schema(), None).expect("memory")
    }

    #[derive(Debug)]
    struct Endless;

    impl PartitionStream for Endless {
        fn schema(&self) -> &SchemaRef {
            static SCHEMA: std::sync::OnceLock<SchemaRef> = std::sync::OnceLock::new();
            SCHEMA.get_or_init(schema)
        }

        fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
            Box::pin(datafusion::physical_plan::EmptyRecordBatchStream::new(schema()))
        }
    }

    #[test]
    fn rows_in_memory_are_accepted() {
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(memory(2));
        let plan: Arc<dyn ExecutionPlan> = Arc::new(GlobalLimitExec::new(scan, 0, Some(1)));
        assert_eq!(refusal(&plan), None);
    }

    #[test]
    fn a_limit_inside_a_scan_of_memory_is_refused() {
        for partitions in [1, 2] {
            let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(memory(partitions).with_limit(Some(1)));
            assert!(refusal(&scan).is_some_and(|reason| reason.contains("limit")));
        }
    }

    #[test]
    fn an_unknown_leaf_is_refused() {
        let leaf = StreamingTableExec::try_new(schema(), vec![Arc::new(Endless), Arc::new(Endless)], None, vec![], false, None);
        let plan: Arc<dyn ExecutionPlan> = Arc::new(leaf.expect("streaming"));
        assert!(refusal(&plan).is_some_and(|reason| reason.contains("StreamingTableExec")));
    }

    #[test]
    fn a_very_deep_plan_is_refused() {
        let mut plan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(memory(1));
        for _ in 0..=PLAN_DEPTH_MAX {
            plan = Arc::new(FilterExec::try_new(lit(true), plan).expect("filter"));
        }
        assert!(refusal(&plan).is_some_and(|reason| reason.contains("deep")));
    }
}
