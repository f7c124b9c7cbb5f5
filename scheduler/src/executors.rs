//! The executors that a scheduler knows, and connections to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ballista_core::serde::protobuf::RemoveJobDataParams;
use ballista_core::serde::protobuf::executor_grpc_client::ExecutorGrpcClient;
use ballista_core::serde::protobuf::executor_status::Status;
use ballista_core::serde::scheduler::ExecutorMetadata;
use ballista_scheduler::cluster::ClusterState;
use ballista_scheduler::scheduler_server::timestamp_secs;
use parking_lot::Mutex;
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};
use tracing::warn;

use crate::config::EXECUTOR_TIMEOUT_SECONDS;

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// An executor that is out of reach for longer sweeps its files when it starts again.
const REMOVAL_ATTEMPTS: u32 = 60;
const REMOVAL_RETRY: Duration = Duration::from_secs(5);

/// The executors that do not answer, whatever their heartbeats say.
#[derive(Debug, Default)]
pub(crate) struct Unreachable(Mutex<HashSet<String>>);

impl Unreachable {
    pub(crate) fn contains(&self, executor_id: &str) -> bool {
        self.0.lock().contains(executor_id)
    }

    /// Whether it was not among them.
    pub(crate) fn insert(&self, executor_id: &str) -> bool {
        self.0.lock().insert(executor_id.to_owned())
    }

    /// Whether it was among them.
    pub(crate) fn remove(&self, executor_id: &str) -> bool {
        self.0.lock().remove(executor_id)
    }
}

pub(crate) type Client = ExecutorGrpcClient<Channel>;

pub(crate) struct Executors {
    state: Arc<dyn ClusterState>,
    clients: Mutex<HashMap<String, Client>>,
}

impl Executors {
    pub(crate) fn new(state: Arc<dyn ClusterState>) -> Self {
        Self { state, clients: Mutex::default() }
    }

    pub(crate) async fn registered(&self) -> Vec<ExecutorMetadata> {
        self.state.registered_executor_metadata().await
    }

    /// Those that live and take work.
    pub(crate) async fn working(&self) -> Vec<ExecutorMetadata> {
        let heartbeats = self.state.executor_heartbeats();
        let alive_since = timestamp_secs().saturating_sub(EXECUTOR_TIMEOUT_SECONDS);
        let takes_work = |id: &str| {
            heartbeats.get(id).is_none_or(|heartbeat| {
                let status = heartbeat.status.as_ref().and_then(|status| status.status.as_ref());
                heartbeat.timestamp >= alive_since && matches!(status, None | Some(Status::Active(_)))
            })
        };
        let mut executors = self.registered().await;
        executors.retain(|executor| takes_work(&executor.id));
        executors
    }

    /// A connection, made at first use and again when it breaks. `None` if the executor gave no address.
    pub(crate) fn client(&self, executor: &ExecutorMetadata) -> Option<Client> {
        if let Some(client) = self.clients.lock().get(&executor.id) {
            return Some(client.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{}:{}", executor.host, executor.grpc_port)).ok()?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT).tcp_nodelay(true);
        let client = ExecutorGrpcClient::new(engine::watched(endpoint).connect_lazy());
        self.clients.lock().insert(executor.id.clone(), client.clone());
        Some(client)
    }

    /// Closes connections that nobody needs.
    pub(crate) fn keep_clients(&self, is_needed: impl Fn(&str) -> bool) {
        self.clients.lock().retain(|id, _| is_needed(id));
    }

    /// Removes a job's files from an executor, as soon as it can be reached.
    pub(crate) async fn remove_files(&self, executor_id: &str, job_id: &str) {
        for _ in 0..REMOVAL_ATTEMPTS {
            let executor = self.registered().await.into_iter().find(|executor| executor.id == executor_id);
            if let Some(mut client) = executor.and_then(|executor| self.client(&executor)) {
                let job = RemoveJobDataParams { job_id: job_id.to_owned(), remove_stage_ids: vec![] };
                match client.remove_job_data(job).await {
                    Ok(_) => return,
                    Err(status) => warn!(executor_id, job_id, %status, "a job's files cannot be removed, will try again"),
                }
            }
            sleep(REMOVAL_RETRY).await;
        }
    }
}
