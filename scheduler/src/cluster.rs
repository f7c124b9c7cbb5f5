//! The scheduler as a [`Cluster`] for a server in the same process.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::serde::scheduler::ExecutorMetadata;
use ballista_scheduler::cluster::ClusterState;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpc;
use ballista_core::serde::protobuf::{CleanJobDataParams, JobStatus, executor_status};
use ballista_scheduler::scheduler_server::timestamp_secs;
use engine::cluster_protocol::{self as protocol, event_of};
use engine::{Cluster, Error, JobEvent, JobId, JobSubmission, PartitionFetcher, PooledFetcher, Result, SLOTS_PER_VCORE};
use tokio::sync::mpsc;

use crate::Ballista;
use crate::config::EXECUTOR_TIMEOUT_SECONDS;
use crate::losses::Losses;

/// Statuses of one job. Ballista drops what does not fit, so this is far more than a job ever sends at once.
pub(crate) const STATUSES_MAX: usize = 1_024;

pub(crate) struct InProcessCluster {
    server: Ballista,
    state: Arc<dyn ClusterState>,
    fetcher: Arc<PooledFetcher>,
    losses: Arc<Losses>,
}

impl InProcessCluster {
    pub(crate) fn new(server: Ballista, state: Arc<dyn ClusterState>, losses: Arc<Losses>) -> Self {
        Self { server, state, fetcher: Arc::default(), losses }
    }

    /// The executors that live and take work.
    pub(crate) async fn executors(&self) -> Vec<ExecutorMetadata> {
        let heartbeats = self.state.executor_heartbeats();
        let alive_since = timestamp_secs().saturating_sub(EXECUTOR_TIMEOUT_SECONDS);
        let takes_work = |id: &str| {
            heartbeats.get(id).is_none_or(|heartbeat| {
                let status = heartbeat.status.as_ref().and_then(|status| status.status.as_ref());
                heartbeat.timestamp >= alive_since && matches!(status, None | Some(executor_status::Status::Active(_)))
            })
        };
        let mut executors = self.state.registered_executor_metadata().await;
        executors.retain(|executor| takes_work(&executor.id));
        executors
    }

    pub(crate) async fn state(&self) -> protocol::ClusterState {
        let mut state = protocol::ClusterState::default();
        for executor in self.executors().await {
            state.executors += 1;
            state.vcores += executor.specification.vcores / SLOTS_PER_VCORE as u32;
        }
        state
    }
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
        tokio::spawn(translate(id.to_string(), Arc::clone(&self.losses), received, events));
        Ok((JobId(id.to_string()), job_events))
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        self.server.cancel_job(job.0.clone().into()).await.map_err(unreachable)
    }

    async fn clean(&self, job: &JobId) -> Result<()> {
        self.losses.forget(&job.0);
        let request = tonic::Request::new(CleanJobDataParams { job_id: job.0.clone(), remove_stage_ids: vec![] });
        match self.server.clean_job_data(request).await {
            Ok(_) => Ok(()),
            Err(status) => Err(Error::Unreachable { peer: "scheduler".into(), message: status.to_string() }),
        }
    }

    async fn vcores(&self) -> usize {
        self.state().await.vcores as usize
    }

    fn fetcher(&self) -> Arc<dyn PartitionFetcher> {
        Arc::clone(&self.fetcher) as Arc<dyn PartitionFetcher>
    }
}

fn unreachable(error: ballista_core::error::BallistaError) -> Error {
    Error::Unreachable { peer: "scheduler".into(), message: error.to_string() }
}

/// Ballista's statuses as events, until the job ends or nobody listens.
async fn translate(
    job_id: String,
    losses: Arc<Losses>,
    mut statuses: mpsc::Receiver<JobStatus>,
    events: mpsc::Sender<JobEvent>,
) {
    while let Some(status) = statuses.recv().await {
        let Some(event) = event_of(losses.checked(&job_id, status)) else { continue };
        let terminal = event.is_terminal();
        if events.send(event).await.is_err() || terminal {
            return;
        }
    }
}
