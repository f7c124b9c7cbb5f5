//! The threads on which queries compute, so that those that serve connections answer while every core is busy.

use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use futures::stream::{self, StreamExt};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::execution::Execution;
use crate::interrupt::Interrupt;

/// Deep plans and long expressions recurse; only pages that are touched cost memory.
const STACK_BYTES: usize = 32 << 20;
/// Batches computed ahead of the client.
const BATCHES_AHEAD: usize = 2;

#[derive(Debug)]
pub(crate) struct QueryThreads {
    threads: Handle,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl QueryThreads {
    pub(crate) fn start(count: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count.max(1))
            .thread_name("arbalest-query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|source| Error::Threads { source })?;
        Ok(Self { threads: runtime.handle().clone(), runtime: Some(runtime) })
    }

    pub(crate) fn handle(&self) -> QueryHandle {
        QueryHandle(self.threads.clone())
    }
}

/// Lets others compute on the threads while they are there.
#[derive(Clone, Debug)]
pub(crate) struct QueryHandle(Handle);

impl QueryHandle {
    /// Plans where the stack is deep enough for any query.
    pub(crate) async fn plan(&self, state: SessionState, logical: LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        let planned = self.0.spawn(async move { state.create_physical_plan(&logical).await });
        match planned.await {
            Ok(planned) => Ok(planned?),
            Err(error) => Err(Error::Panicked { message: error.to_string() }),
        }
    }

    /// The rows of the stream that `open` makes, computed here. Dropping them ends the work.
    pub(crate) fn run(
        &self,
        open: impl FnOnce() -> Result<SendableRecordBatchStream> + Send + 'static,
        interrupt: Interrupt,
    ) -> Execution {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let work = self.0.spawn(async move {
            let mut rows = match open() {
                Ok(rows) => rows,
                Err(error) => return drop(sender.send(Err(error)).await),
            };
            while let Some(batch) = rows.next().await {
                let failed = batch.is_err();
                if sender.send(batch.map_err(Error::from)).await.is_err() || failed {
                    return;
                }
            }
        });
        let running = RunningQuery { receiver, work: Some(work), interrupt };
        stream::unfold(running, |mut running| async move { Some((running.next().await?, running)) }).boxed()
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        // Dropping a runtime inside another one would block and panic.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct RunningQuery {
    receiver: mpsc::Receiver<Result<RecordBatch>>,
    /// `None` once it ended.
    work: Option<JoinHandle<()>>,
    interrupt: Interrupt,
}

impl RunningQuery {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        if let Some(batch) = self.receiver.recv().await {
            return Some(batch);
        }
        // No batch is the end of the rows, or the end of a task that panicked.
        let ended = self.work.take()?.await;
        ended.err().map(|panic| Err(Error::Panicked { message: panic.to_string() }))
    }
}

impl Drop for RunningQuery {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            self.interrupt.trigger();
            work.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::Schema;
    use datafusion::physical_plan::EmptyRecordBatchStream;

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_query() {
        let threads = QueryThreads::start(1).expect("threads");
        let handle = threads.handle();
        let exploded: Vec<_> = handle.run(|| panic!("it explodes"), Interrupt::new()).collect().await;
        assert!(matches!(exploded.as_slice(), [Err(Error::Panicked { message })] if message.contains("it explodes")));
        let empty = || Ok(Box::pin(EmptyRecordBatchStream::new(Arc::new(Schema::empty()))) as SendableRecordBatchStream);
        assert!(handle.run(empty, Interrupt::new()).next().await.is_none());
    }
}
