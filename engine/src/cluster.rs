//! The scheduler as seen by a server: submit a plan, hear how it goes, cancel it, forget it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::serde::scheduler::PartitionLocation;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use tokio::sync::mpsc;

use crate::error::Result;

/// A job's name at the scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A query for the cluster.
pub struct JobSubmission {
    /// What people see in lists of jobs.
    pub name: String,
    /// Its settings go to the executors.
    pub context: Arc<SessionContext>,
    pub plan: Arc<dyn ExecutionPlan>,
}

/// What the scheduler says of a job.
#[derive(Debug)]
pub enum JobEvent {
    /// Queued, planned or running.
    Progress,
    /// Done: where the partitions of the result are, in the order of the result.
    Finished(Vec<PartitionLocation>),
    Failed(String),
    Cancelled,
}

impl JobEvent {
    /// No event follows this one.
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Self::Progress)
    }
}

/// A scheduler with its executors.
#[async_trait]
pub trait Cluster: Send + Sync + fmt::Debug {
    /// Queues a job. The receiver ends after a terminal event; if it ends without one, the scheduler lost the job.
    async fn submit(&self, submission: JobSubmission) -> Result<(JobId, mpsc::Receiver<JobEvent>)>;

    /// Asks for a job's end. A scheduler may lose the request while it plans, so ask again until an event says it ended.
    async fn cancel(&self, job: &JobId) -> Result<()>;

    /// Removes a finished job's files from the executors.
    async fn clean(&self, job: &JobId) -> Result<()>;

    /// Cores of all live executors.
    async fn vcores(&self) -> usize;

    /// Whether its executors are in this process, and know what it knows.
    fn is_embedded(&self) -> bool;

    /// Where the rows of finished jobs are read.
    fn fetcher(&self) -> Arc<dyn PartitionFetcher>;
}

/// Reads one partition of a finished job's result.
#[async_trait]
pub trait PartitionFetcher: Send + Sync {
    async fn fetch(&self, location: &PartitionLocation) -> Result<SendableRecordBatchStream>;
}
