//! A query on the cluster as a stream of its rows, in order. Dropping it cancels the job until the scheduler says it ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ballista_core::serde::scheduler::PartitionLocation;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream;
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::cluster::{Cluster, JobEvent, JobId, JobSubmission, PartitionFetcher};
use crate::error::{Error, Result};
use crate::execution::Execution;
use crate::metrics;

/// Partitions opened ahead of the one being read. They hold an open file or connection each, not their rows.
const PARTITIONS_AHEAD: usize = 4;

/// A cancel that arrives while the scheduler plans is lost, so it is repeated this often.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// After this long a job that will not end is not asked again.
const CANCEL_PATIENCE: Duration = Duration::from_secs(60);

/// What is made of the partitions of a result.
pub(crate) type Merge = Box<dyn FnOnce(Vec<Execution>) -> Result<Execution> + Send>;

/// Submits a query and returns its rows; the stream waits for the job, then reads the result's partitions in order, or
/// merges them.
pub(crate) async fn run_job(
    cluster: Arc<dyn Cluster>,
    submission: JobSubmission,
    merge: Option<Merge>,
) -> Result<Execution> {
    let (id, events) = cluster.submit(submission).await?;
    debug!(job_id = %id, "job submitted");
    let job = Job { id, cluster, events: Some(events), started: Instant::now() };
    let rows = stream::once(async move {
        let finished = job.finish().await?;
        match merge {
            Some(merge) => merge_partitions(finished, merge).await,
            None => Ok(read_partitions(finished)),
        }
    });
    Ok(rows.try_flatten().boxed())
}

/// Owns a job at the scheduler: cancels it when dropped before its end, removes its files when dropped after.
struct Job {
    id: JobId,
    cluster: Arc<dyn Cluster>,
    /// `None` once a terminal event was seen.
    events: Option<mpsc::Receiver<JobEvent>>,
    started: Instant,
}

/// A job that ended well, and where its rows are.
struct FinishedJob {
    job: Job,
    locations: VecDeque<PartitionLocation>,
}

impl Job {
    /// Waits for the job's end.
    async fn finish(mut self) -> Result<FinishedJob> {
        let event = match self.events.as_mut() {
            Some(events) => next_terminal(events).await,
            None => None,
        };
        self.events = None;
        let elapsed = self.started.elapsed();
        match event {
            Some(JobEvent::Finished(locations)) => {
                metrics::job_ended("finished", elapsed);
                Ok(FinishedJob { job: self, locations: locations.into() })
            }
            Some(JobEvent::Failed(message)) => {
                metrics::job_ended("failed", elapsed);
                Err(Error::JobFailed { message })
            }
            Some(JobEvent::Cancelled) => {
                metrics::job_ended("cancelled", elapsed);
                Err(Error::JobCancelled)
            }
            Some(JobEvent::Progress) | None => {
                metrics::job_ended("lost", elapsed);
                Err(Error::JobLost)
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Outside a runtime the process is ending, and the scheduler and its files with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (id, cluster) = (self.id.clone(), Arc::clone(&self.cluster));
        match self.events.take() {
            Some(events) => drop(runtime.spawn(cancel_until_ended(id, cluster, events, self.started))),
            None => drop(runtime.spawn(clean(id, cluster))),
        }
    }
}

async fn next_terminal(events: &mut mpsc::Receiver<JobEvent>) -> Option<JobEvent> {
    while let Some(event) = events.recv().await {
        if event.is_terminal() {
            return Some(event);
        }
    }
    None
}

async fn cancel_until_ended(
    id: JobId,
    cluster: Arc<dyn Cluster>,
    mut events: mpsc::Receiver<JobEvent>,
    started: Instant,
) {
    let deadline = Instant::now() + CANCEL_PATIENCE;
    while Instant::now() < deadline {
        if let Err(error) = cluster.cancel(&id).await {
            warn!(job_id = %id, %error, "cannot cancel job, will try again");
        }
        if tokio::time::timeout(CANCEL_INTERVAL, next_terminal(&mut events)).await.is_ok() {
            metrics::job_ended("cancelled", started.elapsed());
            clean(id, cluster).await;
            return;
        }
    }
    warn!(job_id = %id, "job did not end although cancelled, its files are removed when it does");
    next_terminal(&mut events).await;
    clean(id, cluster).await;
}

async fn clean(id: JobId, cluster: Arc<dyn Cluster>) {
    if let Err(error) = cluster.clean(&id).await {
        warn!(job_id = %id, %error, "cannot remove the files of a finished job");
    }
}

/// The rows of a finished job: partition after partition, the next ones opened ahead. The job's files are removed when
/// the stream ends or is dropped.
fn read_partitions(finished: FinishedJob) -> Execution {
    let FinishedJob { job, locations } = finished;
    let rows = opened(locations, job.cluster.fetcher()).buffered(PARTITIONS_AHEAD).try_flatten();
    held(job, rows)
}

/// What `merge` makes of the rows of a finished job, with all its partitions open at once.
async fn merge_partitions(finished: FinishedJob, merge: Merge) -> Result<Execution> {
    let FinishedJob { job, locations } = finished;
    let partitions = opened(locations, job.cluster.fetcher()).buffered(PARTITIONS_AHEAD).try_collect().await?;
    Ok(held(job, merge(partitions)?))
}

/// The partitions of a result as they are opened, one after the other.
fn opened(
    locations: VecDeque<PartitionLocation>,
    fetcher: Arc<dyn PartitionFetcher>,
) -> impl Stream<Item = impl Future<Output = Result<Execution>> + Send> + Send {
    stream::iter(locations).map(move |location| {
        let fetcher = Arc::clone(&fetcher);
        async move { fetcher.fetch(&location).await.map(|rows| named(rows, &location)) }
    })
}

/// Rows that hold their job until the last of them was read.
fn held(job: Job, rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static) -> Execution {
    let until_read = stream::poll_fn(move |_| {
        let _ = &job;
        std::task::Poll::Ready(None)
    });
    rows.chain(until_read).boxed()
}

/// The rows of a partition. Its file is complete: whatever goes wrong is on the way.
fn named(rows: SendableRecordBatchStream, location: &PartitionLocation) -> Execution {
    let executor = &location.executor_meta;
    let peer = format!("executor {}:{}", executor.host, executor.port);
    rows.map_err(move |error| Error::Unreachable { peer: peer.clone(), message: error.find_root().strip_backtrace() }).boxed()
}

/// `batch` with the columns of `schema`: the cluster plans without view types, so its strings are cast.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    use datafusion::arrow::array::RecordBatchOptions;
    use datafusion::arrow::compute::cast;
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
