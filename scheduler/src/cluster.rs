//! The scheduler as a [`Cluster`] for a server in the same process.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_scheduler::cluster::ClusterState;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpc;
use ballista_core::serde::protobuf::{CleanJobDataParams, JobStatus, job_status};
use ballista_core::serde::scheduler::PartitionLocation;
use engine::{Cluster, Error, JobEvent, JobId, JobSubmission, PartitionFetcher, PooledFetcher, Result};
use tokio::sync::mpsc;

use crate::Ballista;

/// Statuses of one job. Ballista drops what does not fit, so this is far more than a job ever sends at once.
const STATUSES_MAX: usize = 1_024;

/// What the scheduler calls a job that was cancelled.
const CANCELLED: &str = "Cancelled";

pub(crate) fn in_process(server: Ballista, state: Arc<dyn ClusterState>) -> Arc<dyn Cluster> {
    Arc::new(InProcessCluster { server, state, fetcher: Arc::new(PooledFetcher::default()) })
}

struct InProcessCluster {
    server: Ballista,
    state: Arc<dyn ClusterState>,
    fetcher: Arc<PooledFetcher>,
}

impl fmt::Debug for InProcessCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessCluster").field("endpoint", &self.server.scheduler_endpoint).finish_non_exhaustive()
    }
}

#[async_trait]
impl Cluster for InProcessCluster {
    async fn submit(&self, submission: JobSubmission) -> Result<(JobId, mpsc::Receiver<JobEvent>)> {
        let (statuses, received) = mpsc::channel(STATUSES_MAX);
        let JobSubmission { name, context, plan } = submission;
        let id = self.server.submit_physical_plan(&name, context, plan, Some(statuses)).await.map_err(unreachable)?;
        let (events, job_events) = mpsc::channel(STATUSES_MAX);
        tokio::spawn(translate(received, events));
        Ok((JobId(id.to_string()), job_events))
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        self.server.cancel_job(job.0.clone().into()).await.map_err(unreachable)
    }

    async fn clean(&self, job: &JobId) -> Result<()> {
        let request = tonic::Request::new(CleanJobDataParams { job_id: job.0.clone(), remove_stage_ids: vec![] });
        match self.server.clean_job_data(request).await {
            Ok(_) => Ok(()),
            Err(status) => Err(Error::Unreachable { peer: "scheduler".into(), message: status.to_string() }),
        }
    }

    async fn vcores(&self) -> usize {
        let executors = self.state.registered_executor_metadata().await;
        executors.iter().map(|executor| executor.specification.vcores as usize).sum()
    }

    fn fetcher(&self) -> Arc<dyn PartitionFetcher> {
        Arc::clone(&self.fetcher) as Arc<dyn PartitionFetcher>
    }
}

fn unreachable(error: ballista_core::error::BallistaError) -> Error {
    Error::Unreachable { peer: "scheduler".into(), message: error.to_string() }
}

/// Ballista's statuses as events, until the job ends or nobody listens.
async fn translate(mut statuses: mpsc::Receiver<JobStatus>, events: mpsc::Sender<JobEvent>) {
    while let Some(status) = statuses.recv().await {
        let Some(event) = event_of(status) else { continue };
        let terminal = event.is_terminal();
        if events.send(event).await.is_err() || terminal {
            return;
        }
    }
}

fn event_of(status: JobStatus) -> Option<JobEvent> {
    use job_status::Status as S;
    Some(match status.status? {
        S::Queued(_) | S::Running(_) => JobEvent::Progress,
        S::Failed(failed) if failed.error == CANCELLED => JobEvent::Cancelled,
        S::Failed(failed) => JobEvent::Failed(failed.error),
        S::Successful(job) => {
            let locations: std::result::Result<Vec<PartitionLocation>, _> =
                job.partition_location.into_iter().map(TryInto::try_into).collect();
            match locations {
                Ok(locations) => JobEvent::Finished(locations),
                Err(error) => JobEvent::Failed(format!("the result's locations cannot be read: {error}")),
            }
        }
    })
}
