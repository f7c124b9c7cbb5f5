//! Runs a query again whose job was lost together with the machines that ran it, as long as the client has seen no row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use futures::stream;
use tracing::warn;

use crate::cluster::{Cluster, JobSubmission};
use crate::error::{Error, Result};
use crate::execution::Execution;
use crate::fault::Fault;
use crate::gather::Gathering;
use crate::job::{Merge, run_job};
use crate::metrics;
use crate::threads::QueryHandle;

/// How often a query is run again.
const REPEATS_MAX: u32 = 2;
/// A scheduler that was waited for so long is not waited for again: clients are to know within a minute.
const SILENCE_MAX: Duration = Duration::from_secs(25);
/// A scheduler that is restarted needs a moment, and its executors until their next heartbeat to find it.
pub(crate) const PAUSE: Duration = Duration::from_secs(3);

/// A query that can be submitted more than once.
pub(crate) struct Query {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) name: String,
    pub(crate) context: Arc<SessionContext>,
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// Where the last step of the plan is taken, if it merges what the others computed; `None`: on the cluster.
    pub(crate) threads: Option<QueryHandle>,
    /// Before it is run again.
    pub(crate) pause: Duration,
}

impl Query {
    /// The rows of the query, which must only read.
    pub(crate) fn run(self) -> Execution {
        let run = Run { query: self, rows: None, has_sent: false, repeats: 0, silence: Duration::ZERO };
        stream::unfold(Some(run), |run| async move {
            let mut run = run?;
            match run.next().await? {
                Ok(batch) => Some((Ok(batch), Some(run))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    async fn submit(&self) -> Result<Execution> {
        let (name, context) = (self.name.clone(), Arc::clone(&self.context));
        let gathering = self.threads.clone().zip(Gathering::of(&self.plan));
        let plan = Arc::clone(gathering.as_ref().map_or(&self.plan, |(_, gathering)| gathering.tasks()));
        let task_context = self.context.task_ctx();
        let merge = gathering.map(|(threads, gathering)| {
            Box::new(move |partitions| gathering.run(partitions, &threads, task_context)) as Merge
        });
        run_job(Arc::clone(&self.cluster), JobSubmission { name, context, plan }, merge).await
    }
}

struct Run {
    query: Query,
    /// `None`: to be submitted.
    rows: Option<Execution>,
    has_sent: bool,
    repeats: u32,
    /// For how long the scheduler was waited for in vain.
    silence: Duration,
}

impl Run {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let next = match &mut self.rows {
                Some(rows) => rows.next().await,
                None => {
                    let started = Instant::now();
                    match self.query.submit().await {
                        Ok(rows) => {
                            self.rows = Some(rows);
                            continue;
                        }
                        Err(error) => {
                            self.silence += started.elapsed();
                            Some(Err(error))
                        }
                    }
                }
            };
            let may_repeat = self.repeats < REPEATS_MAX && !self.has_sent && self.silence < SILENCE_MAX;
            match next {
                Some(Err(error)) if may_repeat && error.is_loss() => {
                    self.repeats += 1;
                    warn!(%error, repeat = self.repeats, "the query is run again");
                    metrics::query_repeated();
                    self.rows = None;
                    tokio::time::sleep(self.query.pause).await;
                }
                next => {
                    self.has_sent |= matches!(&next, Some(Ok(batch)) if batch.num_rows() > 0);
                    return next.map(|next| next.map_err(Error::of_loss));
                }
            }
        }
    }
}

/// What the scheduler says of jobs that it gave up because of their executors.
const LOSSES: [&str; 4] = [INPUT_LOST, "rejected by executor", "times, most recent failure reason", "no executors"];

/// What our scheduler and executors say.
pub const INPUT_LOST: &str = "what the query had computed was lost with an executor";

impl Error {
    /// Whether scheduler, executors or the network between were the cause, and not the query.
    fn is_loss(&self) -> bool {
        match self {
            // Without executors the scheduler has waited for one already.
            Self::JobLost | Self::Unreachable { .. } => true,
            // A fault of a store or disk was tried again where it occurred.
            Self::JobFailed { message } => {
                let is_loss = LOSSES.iter().any(|loss| message.contains(loss)) || is_broken_connection(message);
                is_loss && Fault::from_text(message).is_none()
            }
            Self::DataFusion(error) => is_broken_connection(&error.find_root().strip_backtrace()),
            _ => false,
        }
    }

    /// The error for somebody who cannot run the query again.
    fn of_loss(self) -> Self {
        match self {
            Self::JobFailed { message } if is_broken_connection(&message) => {
                Self::Unreachable { peer: "an executor".into(), message: "the connection broke".into() }
            }
            Self::DataFusion(error) if is_broken_connection(&error.find_root().strip_backtrace()) => {
                Self::Unreachable { peer: "an executor".into(), message: "the connection broke".into() }
            }
            error => error,
        }
    }
}

/// What gRPC says of a peer that is gone. Nothing in this process or on a disk is described so.
fn is_broken_connection(message: &str) -> bool {
    ["h2 protocol error", "transport error", "error reading a body from connection", "tcp connect error"]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{JobEvent, JobId, PartitionFetcher};
    use ballista_core::serde::scheduler::PartitionLocation;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::execution::SendableRecordBatchStream;
    use datafusion::physical_plan::empty::EmptyExec;
    use parking_lot::Mutex;
    use tokio::sync::mpsc;

    /// Ends its jobs as the script says.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<JobEvent>>);

    #[async_trait::async_trait]
    impl Cluster for Scripted {
        async fn submit(&self, _: JobSubmission) -> Result<(JobId, mpsc::Receiver<JobEvent>)> {
            let (events, received) = mpsc::channel(1);
            let event = self.0.lock().pop();
            if let Some(event) = event {
                events.send(event).await.expect("somebody listens");
            }
            Ok((JobId("job".into()), received))
        }

        async fn cancel(&self, _: &JobId) -> Result<()> {
            Ok(())
        }

        async fn clean(&self, _: &JobId) -> Result<()> {
            Ok(())
        }

        fn is_embedded(&self) -> bool {
            true
        }

        async fn vcores(&self) -> usize {
            1
        }

        fn fetcher(&self) -> Arc<dyn PartitionFetcher> {
            Arc::new(Nothing)
        }
    }

    struct Nothing;

    #[async_trait::async_trait]
    impl PartitionFetcher for Nothing {
        async fn fetch(&self, _: &PartitionLocation) -> Result<SendableRecordBatchStream> {
            Err(Error::JobLost)
        }
    }

    /// `script` is read from its end.
    async fn run(script: Vec<JobEvent>) -> (Vec<Result<RecordBatch>>, usize) {
        let cluster = Arc::new(Scripted(Mutex::new(script)));
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]));
        let query = Query {
            cluster: Arc::clone(&cluster) as Arc<dyn Cluster>,
            name: "test".into(),
            context: Arc::new(SessionContext::new()),
            plan: Arc::new(EmptyExec::new(schema)),
            threads: None,
            pause: Duration::ZERO,
        };
        let rows = query.run().collect().await;
        let left = cluster.0.lock().len();
        (rows, left)
    }

    #[tokio::test]
    async fn a_lost_job_is_run_again() {
        let lost = || JobEvent::Failed("task could not be prepared or was rejected by executor".into());
        let (rows, left) = run(vec![JobEvent::Finished(vec![]), lost(), lost()]).await;
        assert!(rows.is_empty() && left == 0);
        let (rows, left) = run(vec![JobEvent::Finished(vec![]), lost(), lost(), lost()]).await;
        assert!(matches!(rows.as_slice(), [Err(Error::JobFailed { .. })]) && left == 1, "{rows:?}");
        let (rows, _) = run(vec![]).await;
        assert!(matches!(rows.as_slice(), [Err(Error::JobLost)]), "{rows:?}");
    }

    #[tokio::test]
    async fn a_failed_or_cancelled_one_is_not() {
        let (rows, left) = run(vec![JobEvent::Finished(vec![]), JobEvent::Failed("divide by zero".into())]).await;
        assert!(matches!(rows.as_slice(), [Err(Error::JobFailed { .. })]) && left == 1);
        let (rows, left) = run(vec![JobEvent::Finished(vec![]), JobEvent::Cancelled]).await;
        assert!(matches!(rows.as_slice(), [Err(Error::JobCancelled)]) && left == 1);
    }
}
