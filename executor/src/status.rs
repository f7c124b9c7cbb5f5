//! Tells the scheduler how tasks ended. A report that cannot be delivered is tried again: a lost one would leave the job
//! waiting for a task that has long ended.

use std::time::Duration;

use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{TaskStatus, UpdateTaskStatusParams};
use process::task::Tasks;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tracing::{error, warn};

/// After this many attempts the scheduler has given up this executor anyway.
const ATTEMPTS: u32 = 40;
const RETRY: Duration = Duration::from_millis(500);

/// Where ended tasks report to.
#[derive(Clone, Debug)]
pub(crate) struct StatusReporter {
    statuses: mpsc::UnboundedSender<TaskStatus>,
}

impl StatusReporter {
    pub(crate) fn start(tasks: &Tasks, scheduler: SchedulerGrpcClient<Channel>, executor_id: String) -> Self {
        // As many entries as there are ended tasks of running jobs: the scheduler bounds that.
        let (statuses, queue) = mpsc::unbounded_channel();
        tasks.spawn("task status reporter", report(queue, scheduler, executor_id));
        Self { statuses }
    }

    pub(crate) fn report(&self, status: TaskStatus) {
        if self.statuses.send(status).is_err() {
            error!("a task ended after its executor");
        }
    }
}

async fn report(
    mut queue: mpsc::UnboundedReceiver<TaskStatus>,
    mut scheduler: SchedulerGrpcClient<Channel>,
    executor_id: String,
) {
    while let Some(first) = queue.recv().await {
        let mut task_status = vec![first];
        while let Ok(next) = queue.try_recv() {
            task_status.push(next);
        }
        for attempt in 1..=ATTEMPTS {
            let params = UpdateTaskStatusParams { executor_id: executor_id.clone(), task_status: task_status.clone() };
            match scheduler.update_task_status(params).await {
                Ok(_) => break,
                Err(status) if attempt == ATTEMPTS => error!(%status, tasks = task_status.len(), "task statuses are lost"),
                Err(status) => {
                    warn!(%status, "cannot report task statuses, will try again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
