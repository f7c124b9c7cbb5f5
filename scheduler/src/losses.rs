//! Which jobs have lost an executor that ran tasks of theirs.
//!
//! Ballista runs such tasks again, and those that had read their output. But it does not take back what a stage had
//! already handed on before it is run again: with tasks of several partitions, rows arrive twice (TPC-H with executors
//! killed at random: 7 wrong answers of 44). So a job that has lost an executor fails, and its server runs the query again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use ballista_core::serde::protobuf::{FailedJob, JobStatus, job_status};
use ballista_scheduler::cluster::{ClusterStateEvent, ClusterStateEventStream};
use engine::INPUT_LOST;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::fairness::FairShares;

#[derive(Debug)]
pub(crate) struct Losses {
    policy: Arc<FairShares>,
    /// When executors were last removed; as many as there were: each start has an id of its own. One that was out of reach for
    /// a while comes back with its id.
    removed: Mutex<HashMap<String, Instant>>,
    changes: watch::Sender<()>,
}

impl Losses {
    pub(crate) fn new(policy: Arc<FairShares>) -> Self {
        Self { policy, removed: Mutex::default(), changes: watch::Sender::new(()) }
    }

    /// Takes note of executors that are removed, until there are no more events.
    pub(crate) async fn watch(self: Arc<Self>, mut events: ClusterStateEventStream) {
        while let Some(event) = events.next().await {
            if let ClusterStateEvent::RemovedExecutor { executor_id } = event {
                self.removed.lock().insert(executor_id, Instant::now());
                self.changes.send_replace(());
            }
        }
    }

    /// Changes with every executor that is removed.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) fn has_lost(&self, job_id: &str) -> bool {
        let removed = self.removed.lock();
        let is_lost = |(executor, since): (&String, &Instant)| removed.get(executor).is_some_and(|removed| removed >= since);
        self.policy.executors_of(job_id).iter().any(is_lost)
    }

    /// The status, or that the job has failed if its result cannot be trusted.
    pub(crate) fn checked(&self, job_id: &str, status: JobStatus) -> JobStatus {
        let is_result = matches!(status.status, Some(job_status::Status::Successful(_)));
        if is_result && self.has_lost(job_id) { lost(job_id) } else { status }
    }
}

/// The status of a job that has lost an executor.
pub(crate) fn lost(job_id: &str) -> JobStatus {
    let failed = FailedJob { error: INPUT_LOST.to_owned(), queued_at: 0, started_at: 0, ended_at: 0 };
    JobStatus { job_id: job_id.to_owned(), job_name: String::new(), status: Some(job_status::Status::Failed(failed)) }
}
