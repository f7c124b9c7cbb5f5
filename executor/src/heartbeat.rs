//! Tells the scheduler every few seconds that this executor lives, or that it is about to end.

use std::time::Duration;

use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{ExecutorRegistration, ExecutorStatus, HeartBeatParams, executor_status::Status};
use process::readiness::Condition;
use process::shutdown::Shutdown;
use process::task::Tasks;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tracing::warn;

/// The scheduler gives an executor up after four or five of these.
const INTERVAL: Duration = Duration::from_secs(5);
/// The scheduler is less patient with one that drains.
const DRAIN_INTERVAL: Duration = Duration::from_secs(1);

/// The task does not end by itself: while this executor drains, the scheduler must know that its tasks go on.
pub(crate) fn start(
    tasks: &Tasks,
    mut scheduler: SchedulerGrpcClient<Channel>,
    registration: ExecutorRegistration,
    shutdown: Shutdown,
    answers: Condition,
) -> JoinHandle<()> {
    tasks.spawn("executor heartbeat", async move {
        loop {
            let draining = shutdown.is_draining();
            let status = if draining { Status::Terminating(String::new()) } else { Status::Active(String::new()) };
            let params = HeartBeatParams {
                executor_id: registration.id.clone(),
                metrics: vec![],
                status: Some(ExecutorStatus { status: Some(status) }),
                // A scheduler that restarted registers the executor again from this.
                metadata: Some(registration.clone()),
            };
            match timeout(INTERVAL, scheduler.heart_beat_from_executor(params)).await {
                Ok(Ok(_)) => answers.met(),
                Ok(Err(status)) => {
                    warn!(%status, "the scheduler did not take a heartbeat");
                    answers.unmet(format!("it did not take the last heartbeat: {}", status.message()));
                }
                Err(_) => {
                    warn!("the scheduler did not answer a heartbeat");
                    answers.unmet("it did not answer the last heartbeat");
                }
            }
            if draining {
                sleep(DRAIN_INTERVAL).await;
                continue;
            }
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = shutdown.draining() => {}
            }
        }
    })
}
