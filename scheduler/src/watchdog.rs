//! Finds out that scheduling has stopped: Ballista schedules in one loop, which a panic ends while its ports still answer.

use std::sync::Arc;
use std::time::Duration;

use ballista_core::serde::protobuf::UpdateTaskStatusParams;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpc;
use tokio::time::{Instant, sleep, timeout};
use tracing::error;

use crate::Ballista;
use crate::cluster::InProcessCluster;
use crate::watched_state::WatchedState;

pub(crate) const INTERVAL: Duration = Duration::from_secs(5);
/// No event takes the loop so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Gives the loop an empty report of an executor every `interval`. Ends when it has not taken one for `patience`.
pub(crate) async fn run(
    server: Ballista,
    cluster: Arc<InProcessCluster>,
    state: Arc<WatchedState>,
    interval: Duration,
    patience: Duration,
) {
    loop {
        sleep(interval).await;
        // Where nobody takes work there is nothing to schedule.
        let Some(executor) = cluster.executors().await.into_iter().next() else { continue };
        let reports = state.reports();
        let report = UpdateTaskStatusParams { executor_id: executor.id, task_status: vec![] };
        let posted = timeout(patience, server.update_task_status(tonic::Request::new(report))).await;
        match posted {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => return error!(%status, "the scheduling loop takes no events"),
            Err(_) => return error!("the scheduling loop has been full for too long"),
        }
        let deadline = Instant::now() + patience;
        while state.reports() == reports && !cluster.executors().await.is_empty() {
            if Instant::now() > deadline {
                return error!("the scheduling loop does nothing");
            }
            sleep(POLL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ballista_core::serde::protobuf::executor_resource::Resource;
    use ballista_core::serde::protobuf::{
        ExecutorOperatingSystemSpecification, ExecutorRegistration, ExecutorResource, ExecutorSpecification,
        ExecutorStatus, HeartBeatParams, RegisterExecutorParams, executor_status,
    };
    use ballista_core::BALLISTA_PROTOCOL_VERSION;

    use super::*;
    use crate::config::RESULT_PATIENCE;
    use crate::{Scheduler, SchedulerConfig};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_loop_that_has_stopped_is_noticed() {
        let listen = Ipv4Addr::LOCALHOST.into();
        let config = SchedulerConfig { listen, port: 0, jobs_max: 1, result_patience: RESULT_PATIENCE };
        let scheduler = Scheduler::build(config).await.expect("a scheduler");
        // Anything that accepts connections is an executor as long as it gets no task.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = u32::from(listener.local_addr().expect("an address").port());
        let accepting = tokio::spawn(async move {
            let mut connections = vec![];
            while let Ok((connection, _)) = listener.accept().await {
                connections.push(connection);
            }
        });
        let registration = ExecutorRegistration {
            id: "executor".into(),
            host: Some("127.0.0.1".into()),
            port,
            grpc_port: port,
            specification: Some(ExecutorSpecification {
                resources: vec![ExecutorResource { resource: Some(Resource::Vcores(1)) }],
            }),
            os_info: Some(ExecutorOperatingSystemSpecification::default()),
            ballista_protocol_version: BALLISTA_PROTOCOL_VERSION,
        };
        let params = RegisterExecutorParams { metadata: Some(registration.clone()) };
        scheduler.server.register_executor(tonic::Request::new(params)).await.expect("registered");
        let status = ExecutorStatus { status: Some(executor_status::Status::Active(String::new())) };
        let heartbeat = HeartBeatParams {
            executor_id: "executor".into(),
            metrics: vec![],
            status: Some(status),
            metadata: Some(registration),
        };
        scheduler.server.heart_beat_from_executor(tonic::Request::new(heartbeat)).await.expect("it lives");

        let state = Arc::clone(&scheduler.state);
        let (server, cluster) = (scheduler.server.clone(), Arc::clone(&scheduler.cluster));
        let (interval, patience) = (Duration::from_millis(5), Duration::from_secs(1));
        let watching = tokio::spawn(run(server, cluster, Arc::clone(&state), interval, patience));
        let first = state.reports();
        while state.reports() < first + 5 {
            assert!(!watching.is_finished(), "a loop that works is taken for stopped");
            sleep(POLL).await;
        }
        state.panic_at_next_report();
        timeout(Duration::from_secs(30), watching).await.expect("it is noticed").expect("no panic here");
        accepting.abort();
    }
}
