//! A join whose build side every task reads for itself, because that takes less time than another stage.
//!
//! The scheduler gives the build side of each [`HashJoinExec`] that is sent whole a stage of its own: planned, sent, run,
//! written, reported and read again, which takes milliseconds, and a join with nation and region takes two of them. It does
//! not know the joins here for what they are; it leaves their build side, which asks for one partition, whole in each task.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Statistics};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements, PlanProperties,
};

use crate::reductions::has_volatile_expression;

/// Of files, and of rows in memory, that each task reads.
const BUILD_BYTES_MAX: usize = 2 << 20;

/// The join for tasks that read its build side themselves; `None` if the node is not a join with such a side.
///
/// All rows of the result must come with a row of the probe side, of which each task has its own.
pub(crate) fn in_task(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(None) };
    let is_sent_whole = *join.partition_mode() == PartitionMode::CollectLeft && !join.null_aware;
    let bytes = match is_sent_whole && is_driven_by_probe(*join.join_type()) {
        true => build_bytes(join.left())?,
        false => None,
    };
    Ok(bytes.filter(|bytes| *bytes <= BUILD_BYTES_MAX).map(|_| Arc::new(TaskJoinExec { join: Arc::clone(node) }) as _))
}

/// Whether all rows of a join come with a row of its right side, of which each task has its own.
pub(crate) fn is_driven_by_probe(join_type: JoinType) -> bool {
    use JoinType as J;
    matches!(join_type, J::Inner | J::Right | J::RightSemi | J::RightAnti | J::RightMark)
}

/// The plan of a task with plain joins in place of ours.
pub fn plain_joins(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        Ok(match node.downcast_ref::<TaskJoinExec>() {
            Some(task_join) => Transformed::yes(Arc::clone(&task_join.join)),
            None => Transformed::no(node),
        })
    })
    .data()
}

/// What it takes to read a plan that is the same each time it is run: `None` if it might not be, or has several partitions.
fn build_bytes(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<usize>> {
    // A limit takes any rows.
    if plan.output_partitioning().partition_count() != 1 || plan.fetch().is_some() || has_volatile_expression(plan) {
        return Ok(None);
    }
    if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
        return Ok(scan_bytes(scan.data_source().as_ref()));
    }
    if !(plan.is::<FilterExec>() || plan.is::<ProjectionExec>() || plan.is::<TaskJoinExec>()) {
        return Ok(None);
    }
    let mut sum = 0usize;
    for child in plan.children() {
        match build_bytes(child)? {
            Some(bytes) => sum = sum.saturating_add(bytes),
            None => return Ok(None),
        }
    }
    Ok(Some(sum))
}

fn scan_bytes(source: &dyn DataSource) -> Option<usize> {
    let source: &dyn std::any::Any = source;
    if let Some(rows) = source.downcast_ref::<MemorySourceConfig>() {
        return Some(rows.partitions().iter().flatten().map(|batch| batch.get_array_memory_size()).sum());
    }
    let scan = source.downcast_ref::<FileScanConfig>()?;
    if scan.limit.is_some() || scan.file_compression_type != FileCompressionType::UNCOMPRESSED {
        return None;
    }
    let files = scan.file_groups.iter().flat_map(|group| group.iter());
    Some(files.map(|file| usize::try_from(file.effective_size()).unwrap_or(usize::MAX)).fold(0, usize::saturating_add))
}

/// Stands for its join.
#[derive(Clone, Debug)]
pub(crate) struct TaskJoinExec {
    join: Arc<dyn ExecutionPlan>,
}

impl TaskJoinExec {
    pub(crate) fn new(join: Arc<dyn ExecutionPlan>) -> Self {
        Self { join }
    }

    pub(crate) fn join(&self) -> &Arc<dyn ExecutionPlan> {
        &self.join
    }
}

impl DisplayAs for TaskJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.join.fmt_as(format, f)
    }
}

impl ExecutionPlan for TaskJoinExec {
    fn name(&self) -> &str {
        self.join.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.join.properties()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.join.input_distribution_requirements()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.join.maintains_input_order()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.join.children()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.join.apply_expressions(visit)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { join: Arc::clone(&self.join).replace_children(children, options)? }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.join.execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.join.metrics()
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.join.child_stats_requests(partition)
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.join.statistics_from_inputs(inputs, args)
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        self.join.cardinality_effect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::record_batch::RecordBatch;
    use datafusion::common::NullEquality;
    use datafusion::config::ConfigOptions;
    use datafusion::functions::math::random;
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::ScalarFunctionExpr;
    use datafusion::physical_expr::expressions::{BinaryExpr, col, lit};
    use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
    use datafusion::physical_plan::limit::GlobalLimitExec;

    fn rows(rows: usize, partitions: usize) -> Arc<dyn ExecutionPlan> {
        let values = Arc::new(Int64Array::from_iter_values(0..rows as i64)) as _;
        let batch = RecordBatch::try_from_iter([("x", values)]).expect("a batch");
        let (schema, partitions) = (batch.schema(), vec![vec![batch]; partitions]);
        DataSourceExec::from_data_source(MemorySourceConfig::try_new(&partitions, schema, None).expect("a source"))
    }

    fn join(build: Arc<dyn ExecutionPlan>, join_type: JoinType, mode: PartitionMode) -> Arc<dyn ExecutionPlan> {
        let probe = rows(10, 2);
        let on = vec![(col("x", &build.schema()).expect("a column"), col("x", &probe.schema()).expect("a column"))];
        let join = HashJoinExec::try_new(build, probe, on, None, &join_type, None, mode, NullEquality::NullEqualsNothing, false);
        Arc::new(join.expect("a join"))
    }

    fn is_in_task(build: Arc<dyn ExecutionPlan>) -> bool {
        in_task(&join(build, JoinType::Inner, PartitionMode::CollectLeft)).expect("decides").is_some()
    }

    #[test]
    fn a_small_side_is_read_in_each_task() {
        assert!(is_in_task(rows(10, 1)));
        let filtered = Arc::new(FilterExec::try_new(lit(true), rows(10, 1)).expect("a filter"));
        assert!(is_in_task(filtered));
        assert!(!is_in_task(rows(BUILD_BYTES_MAX / 8 + 1, 1)));
        // These are not the same in each task.
        assert!(!is_in_task(Arc::new(GlobalLimitExec::new(rows(10, 1), 0, Some(1)))));
        let options = Arc::new(ConfigOptions::default());
        let random = ScalarFunctionExpr::try_new(random(), vec![], &rows(1, 1).schema(), options).expect("a call");
        let sometimes = Arc::new(BinaryExpr::new(Arc::new(random), Operator::Lt, lit(0.5)));
        assert!(!is_in_task(Arc::new(FilterExec::try_new(sometimes, rows(10, 1)).expect("a filter"))));
        // The scheduler cuts the plan here.
        assert!(!is_in_task(Arc::new(CoalescePartitionsExec::new(rows(10, 2)))));
    }

    #[test]
    fn rows_that_have_no_partner_in_a_task_may_have_one_in_another() {
        for (join_type, expected) in [(JoinType::RightAnti, true), (JoinType::Left, false), (JoinType::LeftSemi, false)] {
            let join = join(rows(10, 1), join_type, PartitionMode::CollectLeft);
            assert_eq!(in_task(&join).expect("decides").is_some(), expected, "{join_type}");
        }
        let exchanged = join(rows(10, 1), JoinType::Inner, PartitionMode::Partitioned);
        assert!(in_task(&exchanged).expect("decides").is_none());
    }

    #[test]
    fn a_task_runs_plain_joins() {
        let inner = in_task(&join(rows(10, 1), JoinType::RightSemi, PartitionMode::CollectLeft)).expect("decides").expect("ours");
        let plan = Arc::new(CoalescePartitionsExec::new(inner)) as Arc<dyn ExecutionPlan>;
        let plain = plain_joins(Arc::clone(&plan)).expect("rewrites");
        assert!(plan.children()[0].is::<TaskJoinExec>() && plain.children()[0].is::<HashJoinExec>());
    }
}
