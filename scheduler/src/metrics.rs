//! What the scheduler measures: the load, and Ballista's own metrics of jobs, which it keeps in a registry apart from ours.

use std::sync::Arc;
use std::time::Duration;

use ballista_scheduler::metrics::default_metrics_collector;
use metrics::gauge;
use tokio::time::sleep;
use tracing::debug;

use crate::Ballista;
use crate::cluster::InProcessCluster;

/// What runs and what waits.
#[derive(Default)]
pub(crate) struct Load {
    /// Jobs that have tasks running.
    pub jobs_running: usize,
    /// Jobs that have none: the queue.
    pub jobs_waiting: usize,
    /// Partitions that could run if there were slots.
    pub tasks_pending: usize,
    /// Of all executors.
    pub vcores: usize,
    pub vcores_used: usize,
    /// Partitions that run.
    pub slots_used: usize,
}

impl Load {
    pub(crate) fn record(&self) {
        gauge!("arbalest_scheduler_jobs", "state" => "running").set(self.jobs_running as f64);
        gauge!("arbalest_scheduler_jobs", "state" => "waiting").set(self.jobs_waiting as f64);
        gauge!("arbalest_scheduler_tasks", "state" => "running").set(self.slots_used as f64);
        gauge!("arbalest_scheduler_tasks", "state" => "pending").set(self.tasks_pending as f64);
        gauge!("arbalest_scheduler_vcores", "state" => "used").set(self.vcores_used as f64);
        gauge!("arbalest_scheduler_vcores", "state" => "free").set(self.vcores.saturating_sub(self.vcores_used) as f64);
    }
}

/// Ballista's metrics in the Prometheus text format; empty when it has none.
pub fn render() -> String {
    match default_metrics_collector().and_then(|collector| collector.gather_metrics()) {
        Ok(Some((text, _content_type))) => String::from_utf8_lossy(&text).into_owned(),
        Ok(None) => String::new(),
        Err(error) => {
            debug!(%error, "the scheduler's metrics cannot be read");
            String::new()
        }
    }
}

const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// Records that nothing runs, which nobody else does: tasks are counted when some are bound. Does not end.
pub(crate) async fn while_idle(server: Ballista, cluster: Arc<InProcessCluster>) {
    loop {
        if server.running_job_number() == 0 {
            let jobs_waiting = server.pending_job_number();
            let vcores = cluster.state().await.vcores as usize;
            Load { jobs_waiting, vcores, ..Load::default() }.record();
        }
        sleep(IDLE_INTERVAL).await;
    }
}
