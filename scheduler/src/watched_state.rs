//! Ballista's state of the cluster, which knows who cannot be reached, and counts what its scheduling loop does with it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::error::Result;
use ballista_core::serde::protobuf::ExecutorHeartbeat;
use ballista_core::serde::scheduler::{ExecutorData, ExecutorMetadata};
use ballista_scheduler::cluster::{BoundTask, ClusterState, ClusterStateEventStream, ExecutorSlot};
use ballista_scheduler::config::TaskDistributionPolicy;
use ballista_scheduler::state::task_manager::JobInfoCache;

use crate::executors::Unreachable;

pub(crate) struct WatchedState {
    inner: Arc<dyn ClusterState>,
    unreachable: Arc<Unreachable>,
    /// How often slots were given back, which the loop does with every executor's report.
    reports: AtomicU64,
    #[cfg(test)]
    panics: std::sync::atomic::AtomicBool,
}

impl WatchedState {
    /// The heartbeats of executors that are `unreachable` are as old as can be.
    pub(crate) fn new(inner: Arc<dyn ClusterState>, unreachable: Arc<Unreachable>) -> Self {
        Self {
            inner,
            unreachable,
            reports: AtomicU64::new(0),
            #[cfg(test)]
            panics: std::sync::atomic::AtomicBool::new(false),
        }
    }

    /// How many reports of executors the loop has taken so far.
    pub(crate) fn reports(&self) -> u64 {
        self.reports.load(Ordering::Relaxed)
    }

    fn age(&self, heartbeat: &mut ExecutorHeartbeat) {
        if self.unreachable.contains(&heartbeat.executor_id) {
            heartbeat.timestamp = 0;
        }
    }

    #[cfg(test)]
    pub(crate) fn panic_at_next_report(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl ClusterState for WatchedState {
    async fn init(&self) -> Result<()> {
        self.inner.init().await
    }

    async fn bind_schedulable_tasks(
        &self,
        distribution: TaskDistributionPolicy,
        active_jobs: Arc<HashMap<JobId, JobInfoCache>>,
        executors: Option<HashSet<String>>,
    ) -> Result<Vec<BoundTask>> {
        self.inner.bind_schedulable_tasks(distribution, active_jobs, executors).await
    }

    async fn unbind_tasks(&self, executor_slots: Vec<ExecutorSlot>) -> Result<()> {
        #[cfg(test)]
        assert!(!self.panics.load(Ordering::Relaxed), "asked to panic");
        self.reports.fetch_add(1, Ordering::Relaxed);
        self.inner.unbind_tasks(executor_slots).await
    }

    async fn register_executor(&self, metadata: ExecutorMetadata, spec: ExecutorData) -> Result<()> {
        self.inner.register_executor(metadata, spec).await
    }

    async fn save_executor_metadata(&self, metadata: ExecutorMetadata) -> Result<()> {
        self.inner.save_executor_metadata(metadata).await
    }

    async fn get_executor_metadata(&self, executor_id: &str) -> Result<ExecutorMetadata> {
        self.inner.get_executor_metadata(executor_id).await
    }

    async fn registered_executor_metadata(&self) -> Vec<ExecutorMetadata> {
        self.inner.registered_executor_metadata().await
    }

    async fn save_executor_heartbeat(&self, heartbeat: ExecutorHeartbeat) -> Result<()> {
        self.inner.save_executor_heartbeat(heartbeat).await
    }

    async fn remove_executor(&self, executor_id: &str) -> Result<()> {
        self.inner.remove_executor(executor_id).await
    }

    fn executor_heartbeats(&self) -> HashMap<String, ExecutorHeartbeat> {
        let mut heartbeats = self.inner.executor_heartbeats();
        for heartbeat in heartbeats.values_mut() {
            self.age(heartbeat);
        }
        heartbeats
    }

    fn get_executor_heartbeat(&self, executor_id: &str) -> Option<ExecutorHeartbeat> {
        let mut heartbeat = self.inner.get_executor_heartbeat(executor_id)?;
        self.age(&mut heartbeat);
        Some(heartbeat)
    }

    async fn cluster_state_events(&self) -> Result<ClusterStateEventStream> {
        self.inner.cluster_state_events().await
    }
}
