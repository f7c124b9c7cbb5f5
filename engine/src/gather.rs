//! The last step of a query on the cluster, taken by the server that reads its result.
//!
//! Most plans end with one task that merges what all others have computed: sorted rows, the groups of each, one number of
//! each. For the scheduler that is another stage: planned, sent, run, written, reported and read again. The server reads the
//! partitions one by one anyway and merges them as they come.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::internal_datafusion_err;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::execution::Execution;
use crate::interrupt::Interrupt;
use crate::job::conform;
use crate::reductions::with_input;
use crate::threads::QueryHandle;

/// All are open at once, each over a connection with a window of memory, which a slow client holds.
const PARTITIONS_MAX: usize = 8;

/// A plan whose last step merges the partitions of another.
#[derive(Clone, Debug)]
pub(crate) struct Gathering {
    plan: Arc<dyn ExecutionPlan>,
    /// What tasks compute.
    tasks: Arc<dyn ExecutionPlan>,
}

impl Gathering {
    /// `None` if the last step is more than a merge.
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        let tasks = merged(plan)?;
        let partitions = tasks.output_partitioning().partition_count();
        ((2..=PARTITIONS_MAX).contains(&partitions)).then(|| Self { plan: Arc::clone(plan), tasks })
    }

    pub(crate) fn tasks(&self) -> &Arc<dyn ExecutionPlan> {
        &self.tasks
    }

    /// The rows of the plan from those of its tasks, one partition each.
    pub(crate) fn run(&self, partitions: Vec<Execution>, threads: &QueryHandle, context: Arc<TaskContext>) -> Result<Execution> {
        let plan = with_input(&self.plan, &self.tasks, source(&self.tasks, partitions)?)?;
        let rows = threads.run(move || Ok(execute_stream(plan, context)?), Interrupt::new());
        Ok(rows.map_err(own).boxed())
    }
}

/// What a plan merges before it does nothing but go over the rows once.
fn merged(plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    if plan.is::<SortPreservingMergeExec>() || plan.is::<CoalescePartitionsExec>() {
        return plan.children().first().map(|tasks| Arc::clone(tasks));
    }
    let goes_over_rows = plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.downcast_ref::<AggregateExec>().is_some_and(adds_up);
    match plan.children().as_slice() {
        [input] if goes_over_rows => merged(input),
        _ => None,
    }
}

/// Whether an aggregate combines one small row of each task.
fn adds_up(aggregate: &AggregateExec) -> bool {
    // Lists are all values of a task.
    let is_small = || aggregate.input().schema().fields().iter().all(|state| !state.data_type().is_nested());
    matches!(aggregate.mode(), AggregateMode::Final) && aggregate.group_expr().is_empty() && is_small()
}

/// Partitions that were fetched, in the place of the tasks that computed them.
fn source(tasks: &Arc<dyn ExecutionPlan>, partitions: Vec<Execution>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = tasks.schema();
    if partitions.is_empty() {
        return Ok(Arc::new(EmptyExec::new(schema)));
    }
    let partitions = partitions.into_iter().map(|rows| {
        Arc::new(Fetched { schema: Arc::clone(&schema), rows: Mutex::new(Some(rows)) }) as Arc<dyn PartitionStream>
    });
    let order = tasks.output_ordering().cloned();
    Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&schema), partitions.collect(), None, order, false, None)?))
}

/// The rows of a partition, which can be read once.
struct Fetched {
    schema: SchemaRef,
    rows: Mutex<Option<Execution>>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetched")
    }
}

impl PartitionStream for Fetched {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().take();
        let read_before = || futures::stream::iter([Err(internal_datafusion_err!("a partition was read before").into())]).boxed();
        let schema = Arc::clone(&self.schema);
        let of_tasks = move |batch: Result<RecordBatch>| Ok(conform(&batch.map_err(foreign)?, &schema).map_err(foreign)?);
        let rows = rows.unwrap_or_else(read_before).map(of_tasks);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

/// Our error on its way through DataFusion's operators.
fn foreign(error: Error) -> DataFusionError {
    match error {
        Error::DataFusion(error) => error,
        error => DataFusionError::External(Box::new(error)),
    }
}

fn own(error: Error) -> Error {
    match error {
        Error::DataFusion(DataFusionError::External(error)) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => DataFusionError::External(error).into(),
        },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringArray, StringViewArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};

    use crate::threads::QueryThreads;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false), Field::new("s", DataType::Utf8View, false)]))
    }

    /// Shuffle files hold no views.
    fn fetched(values: &[i64]) -> Execution {
        let texts = StringArray::from_iter_values(values.iter().map(|value| format!("text {value}")));
        let columns = [("x", Arc::new(Int64Array::from(values.to_vec())) as _), ("s", Arc::new(texts) as _)];
        futures::stream::iter([Ok(RecordBatch::try_from_iter(columns).expect("a batch"))]).boxed()
    }

    /// The merge of sorted partitions.
    fn merge(partitions: usize) -> Arc<dyn ExecutionPlan> {
        let order = LexOrdering::new([PhysicalSortExpr::new_default(col("x", &schema()).expect("a column"))]).expect("an order");
        let fetched = |_| Arc::new(Fetched { schema: schema(), rows: Mutex::new(None) }) as Arc<dyn PartitionStream>;
        let partitions = (0..partitions).map(fetched).collect();
        let tasks = StreamingTableExec::try_new(schema(), partitions, None, [order.clone()], false, None).expect("tasks");
        Arc::new(SortPreservingMergeExec::new(order, Arc::new(tasks)))
    }

    async fn gathered(partitions: Vec<Execution>) -> Result<Vec<RecordBatch>> {
        let threads = QueryThreads::start(1)?;
        let gathering = Gathering::of(&merge(2)).expect("a merge");
        gathering.run(partitions, &threads.handle(), Arc::new(TaskContext::default()))?.try_collect().await
    }

    #[tokio::test]
    async fn partitions_are_merged_in_order() {
        let batches = gathered(vec![fetched(&[1, 4, 5]), fetched(&[2, 3])]).await.expect("rows");
        let expected = StringViewArray::from_iter_values((1..=5).map(|value| format!("text {value}")));
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].column(1).as_ref(), &expected as &dyn datafusion::arrow::array::Array);
        assert!(gathered(vec![]).await.expect("no rows").is_empty());
    }

    #[tokio::test]
    async fn an_error_arrives_as_it_was() {
        let lost = || Err(Error::Unreachable { peer: "executor".into(), message: "gone".into() });
        let error = gathered(vec![fetched(&[1]), futures::stream::iter([lost()]).boxed()]).await;
        assert!(matches!(error, Err(Error::Unreachable { .. })), "{error:?}");
    }

    #[test]
    fn few_partitions_are_merged_here() {
        for (partitions, expected) in [(1, false), (2, true), (PARTITIONS_MAX, true), (PARTITIONS_MAX + 1, false)] {
            assert_eq!(Gathering::of(&merge(partitions)).is_some(), expected, "{partitions}");
        }
    }
}
