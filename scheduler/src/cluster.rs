//! The scheduler as a [`Cluster`] for a server in the same process.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::serde::scheduler::ExecutorMetadata;
use ballista_core::serde::protobuf::JobStatus;
use engine::cluster_protocol::{self as protocol, event_of};
use engine::{Cluster, Error, JobEvent, JobId, JobSubmission, PartitionFetcher, PooledFetcher, Result, SLOTS_PER_VCORE};
use tokio::sync::mpsc;

use crate::Ballista;
use crate::executors::Executors;
use crate::fairness::FairShares;
use crate::leases::Leases;
use crate::losses::Losses;

/// Statuses of one job. Ballista drops what does not fit, so this is far more than a job ever sends at once.
pub(crate) const STATUSES_MAX: usize = 1_024;

pub(crate) struct InProcessCluster {
    server: Ballista,
    executors: Arc<Executors>,
    policy: Arc<FairShares>,
    fetcher: Arc<PooledFetcher>,
    losses: Arc<Losses>,
    leases: Arc<Leases>,
}

impl InProcessCluster {
    pub(crate) fn new(
        server: Ballista,
        executors: Arc<Executors>,
        policy: Arc<FairShares>,
        losses: Arc<Losses>,
        leases: Arc<Leases>,
    ) -> Self {
        Self { server, executors, policy, fetcher: Arc::default(), losses, leases }
    }

    /// The executors that live and take work.
    pub(crate) async fn executors(&self) -> Vec<ExecutorMetadata> {
        self.executors.working().await
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
        self.leases.submitted(id.as_ref());
        let (events, job_events) = mpsc::channel(STATUSES_MAX);
        tokio::spawn(translate(id.to_string(), Arc::clone(&self.losses), received, events));
        Ok((JobId(id.to_string()), job_events))
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        self.server.cancel_job(job.0.clone().into()).await.map_err(unreachable)
    }

    async fn clean(&self, job: &JobId) -> Result<()> {
        // Ballista asks all executors but those that drain, whose files may still be read.
        for executor_id in self.policy.executors_of(&job.0).into_keys() {
            let (executors, job_id) = (Arc::clone(&self.executors), job.0.clone());
            tokio::spawn(async move { executors.remove_files(&executor_id, &job_id).await });
        }
        self.policy.forget(&job.0);
        self.leases.removed(&job.0);
        Ok(())
    }

    fn is_embedded(&self) -> bool {
        true
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
