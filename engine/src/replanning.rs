//! Queries that do not fit into memory are planned once more with operators that spill: joins and limits that sort.
//!
//! A hash join holds one of its inputs in memory, whole, and is faster by half; a heap holds the rows of a LIMIT, and every text
//! buffer that one of them points into. Which inputs are too large is not known before.

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tracing::info;

use crate::error::{Error, Result};
use crate::execution::Execution;
use crate::fault::{Fault, FaultKind};
use crate::metrics;
use crate::task_join::TaskJoinExec;

/// Sort-merge joins are planned for partitioned inputs only.
const PARTITIONS_MIN: usize = 2;

/// The state for planning such a query again.
pub(crate) fn with_spilling_operators(state: &SessionState) -> SessionState {
    let mut state = state.clone();
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = false;
    // This also keeps executors from sorting with heaps: see `large_limits`.
    options.optimizer.enable_topk_aggregation = false;
    options.execution.target_partitions = options.execution.target_partitions.max(PARTITIONS_MIN);
    state
}

/// Whether a plan has operators that another plan could do without.
pub(crate) fn has_unspillable_operators(plan: &dyn ExecutionPlan) -> bool {
    let is_join = plan.is::<TaskJoinExec>() || plan.downcast_ref::<HashJoinExec>().is_some_and(|join| !join.null_aware);
    let is_heap = plan.downcast_ref::<SortExec>().is_some_and(|sort| sort.fetch().is_some());
    is_join || is_heap || plan.children().into_iter().any(|child| has_unspillable_operators(child.as_ref()))
}

/// Runs `again` if the query runs out of memory before it has given a row.
pub(crate) fn or_again(first: Execution, again: impl FnOnce() -> BoxFuture<'static, Result<Execution>> + Send + 'static) -> Execution {
    let run = Run { rows: first, again: Some(Box::new(again)) };
    stream::unfold(run, |mut run| async move {
        let next = run.next().await?;
        Some((next, run))
    })
    .boxed()
}

struct Run {
    rows: Execution,
    /// `None` once it cannot or need not be run again.
    again: Option<Box<dyn FnOnce() -> BoxFuture<'static, Result<Execution>> + Send>>,
}

impl Run {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        let next = self.rows.next().await;
        match &next {
            Some(Ok(batch)) if batch.num_rows() == 0 => return next,
            Some(Err(error)) if is_out_of_memory(error) => {}
            _ => self.again = None,
        }
        let Some(again) = self.again.take() else { return next };
        info!("the query ran out of memory and is planned again with operators that spill");
        metrics::query_replanned();
        // What it holds is needed.
        self.rows = stream::empty().boxed();
        match again().await {
            Ok(rows) => {
                self.rows = rows;
                self.rows.next().await
            }
            // Why it cannot be planned so is of less use to the client than why it failed.
            Err(error) => {
                info!(%error, "the query cannot be planned with operators that spill");
                next
            }
        }
    }
}

fn is_out_of_memory(error: &Error) -> bool {
    let fault = match error {
        Error::DataFusion(error) => Fault::of(error),
        Error::JobFailed { message } => Fault::from_text(message),
        _ => None,
    };
    fault.is_some_and(|fault| fault.kind == FaultKind::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use datafusion::arrow::datatypes::Schema;
    use datafusion::error::DataFusionError;

    fn exhausted() -> Result<RecordBatch> {
        Err(DataFusionError::ResourcesExhausted("too little".into()).context("while joining").into())
    }

    fn rows(count: usize) -> Result<RecordBatch> {
        let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).expect("a batch"))
    }

    async fn counts(first: Vec<Result<RecordBatch>>, second: Vec<Result<RecordBatch>>) -> Vec<Option<usize>> {
        let again = || async { Ok(stream::iter(second).boxed()) };
        let run = or_again(stream::iter(first).boxed(), move || Box::pin(again()));
        run.map(|batch| batch.ok().map(|batch| batch.num_rows())).collect().await
    }

    #[tokio::test]
    async fn once_and_only_before_the_first_row() {
        assert_eq!(counts(vec![rows(0), exhausted()], vec![rows(7)]).await, [Some(0), Some(7)]);
        assert_eq!(counts(vec![exhausted()], vec![exhausted(), rows(7)]).await[0], None);
        assert_eq!(counts(vec![rows(1), exhausted()], vec![rows(7)]).await, [Some(1), None]);
        let other = || Err(Error::JobCancelled);
        assert_eq!(counts(vec![other()], vec![rows(7)]).await, [None]);
    }
}
