//! Tells the scheduler every few seconds that this executor lives, or that it is about to end.

use std::time::Duration;

use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{ExecutorRegistration, ExecutorStatus, HeartBeatParams, executor_status::Status};
use process::shutdown::Shutdown;
use process::task::Tasks;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tracing::warn;

/// The scheduler gives an executor up after six of these.
const INTERVAL: Duration = Duration::from_secs(5);

/// The task ends after the heartbeat that says that this executor drains.
pub(crate) fn start(
    tasks: &Tasks,
    mut scheduler: SchedulerGrpcClient<Channel>,
    registration: ExecutorRegistration,
    shutdown: Shutdown,
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
            if let Err(status) = scheduler.heart_beat_from_executor(params).await {
                warn!(%status, "the scheduler did not answer a heartbeat");
            }
            if draining {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = shutdown.draining() => {}
            }
        }
    })
}
