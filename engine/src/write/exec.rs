//! The operator that writes.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexRequirement, OrderingRequirements, Partitioning, PhysicalExpr, PhysicalSortRequirement,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, CardinalityEffect, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements, PlanProperties,
};
use deltalake::kernel::Add;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::partitions::PartitionedWriter;

/// Where files are written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct WriteTarget {
    /// The URL of a table, with a slash at the end.
    pub(crate) location: String,
    /// Each file has rows of one value of each.
    pub(crate) partition_columns: Vec<String>,
    /// By which the rows of each file are sorted.
    pub(crate) sort_columns: Vec<SortColumn>,
}

/// A column by which rows are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortColumn {
    pub name: String,
    pub descending: bool,
    pub nulls_first: bool,
}

/// What the operator gives: a row for each file.
pub(super) fn report_schema() -> Schema {
    Schema::new(vec![Field::new("file", DataType::Utf8, false), Field::new("rows", DataType::Int64, false)])
}

/// Writes the rows of each partition of its input as files of a table, and gives one row for each file.
#[derive(Debug)]
pub(crate) struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    target: WriteTarget,
    /// By partitions first, so that one file is written at a time.
    ordering: Option<LexRequirement>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl WriteExec {
    pub(crate) fn try_new(input: Arc<dyn ExecutionPlan>, target: WriteTarget) -> Result<Self> {
        let schema = Arc::new(report_schema());
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let ordering = ordering(&input.schema(), &target)?;
        Ok(Self { input, target, ordering, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() })
    }

    pub(crate) fn target(&self) -> &WriteTarget {
        &self.target
    }

    fn partition_columns(&self) -> Option<Vec<Arc<dyn PhysicalExpr>>> {
        let schema = self.input.schema();
        let columns = self.target.partition_columns.iter().map(|name| col(name, &schema));
        columns.collect::<Result<Vec<_>>>().ok().filter(|columns| !columns.is_empty())
    }
}

impl DisplayAs for WriteExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteExec: location={}", self.target.location)?;
        if !self.target.partition_columns.is_empty() {
            write!(f, ", partitioned by [{}]", self.target.partition_columns.join(", "))?;
        }
        if !self.target.sort_columns.is_empty() {
            let names: Vec<&str> = self.target.sort_columns.iter().map(|column| column.name.as_str()).collect();
            write!(f, ", sorted by [{}]", names.join(", "))?;
        }
        Ok(())
    }
}

impl ExecutionPlan for WriteExec {
    fn name(&self) -> &str {
        "WriteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        // So that a partition of the table is not cut into as many files as there are tasks.
        let distribution = self.partition_columns().map_or(Distribution::UnspecifiedDistribution, Distribution::KeyPartitioned);
        InputDistributionRequirements::new(vec![distribution])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.ordering.clone().map(OrderingRequirements::new)]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // A few rows make one file.
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(Self::try_new(input, self.target.clone())?)),
            Err(children) => internal_err!("WriteExec takes one input, not {}", children.len()),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, Arc::clone(&context))?;
        let writer = PartitionedWriter::open(&self.target, &rows.schema(), &context)?;
        let written = MetricBuilder::new(&self.metrics).output_rows(partition);
        let schema = self.schema();
        let report = Arc::clone(&schema);
        let reports = stream::once(async move {
            let files = writer.write_all(rows).await?;
            let batch = reports(report, &files)?;
            written.add(batch.num_rows());
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, reports.boxed())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, _partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::Skip]
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(Arc::new(Statistics::new_unknown(&self.schema())))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Unknown
    }
}

fn ordering(schema: &SchemaRef, target: &WriteTarget) -> Result<Option<LexRequirement>> {
    let partitions = target.partition_columns.iter().map(|name| Ok(PhysicalSortRequirement::new(col(name, schema)?, None)));
    let sorted = target.sort_columns.iter().map(|column| {
        let options = SortOptions { descending: column.descending, nulls_first: column.nulls_first };
        Ok(PhysicalSortRequirement::new(col(&column.name, schema)?, Some(options)))
    });
    Ok(LexRequirement::new(partitions.chain(sorted).collect::<Result<Vec<_>>>()?))
}

fn reports(schema: SchemaRef, files: &[(Add, usize)]) -> Result<RecordBatch> {
    let json = files.iter().map(|(add, _)| serde_json::to_string(add).map(Some));
    let json: StringArray = json.collect::<Result<_, _>>().map_err(|error| DataFusionError::External(Box::new(error)))?;
    let rows: Int64Array = files.iter().map(|(_, rows)| i64::try_from(*rows).ok()).collect();
    Ok(RecordBatch::try_new(schema, vec![Arc::new(json), Arc::new(rows)])?)
}
