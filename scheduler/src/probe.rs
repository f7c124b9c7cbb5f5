//! Finds executors that are gone before they have missed enough heartbeats: nothing listens on their port any more.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::serde::protobuf::ExecutorStoppedParams;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpc;
use ballista_scheduler::cluster::ClusterState;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::Ballista;

const INTERVAL: Duration = Duration::from_secs(1);
/// A host that does not answer at all is left to the heartbeats.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// So many refusals in a row are no accident.
const REFUSALS_MAX: u32 = 2;

/// Asks every executor's port again and again, and removes those that refuse. Does not end.
pub(crate) async fn run(server: Ballista, state: Arc<dyn ClusterState>) {
    let mut refusals: HashMap<String, u32> = HashMap::new();
    loop {
        sleep(INTERVAL).await;
        let executors = state.registered_executor_metadata().await;
        refusals.retain(|id, _| executors.iter().any(|executor| executor.id == *id));
        for executor in executors {
            let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((executor.host.as_str(), executor.port))).await;
            let is_refused = matches!(connected, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused);
            if !is_refused {
                refusals.remove(&executor.id);
                continue;
            }
            let count = refusals.entry(executor.id.clone()).or_default();
            *count += 1;
            if *count == REFUSALS_MAX {
                warn!(executor_id = executor.id, host = executor.host, port = executor.port, "an executor is gone");
                let gone = ExecutorStoppedParams { executor_id: executor.id, reason: "its port is closed".into() };
                if let Err(status) = server.executor_stopped(tonic::Request::new(gone)).await {
                    warn!(%status, "it cannot be removed");
                }
            }
        }
    }
}
