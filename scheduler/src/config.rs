//! What a scheduler needs to know, and what Ballista is told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_scheduler::config::{SchedulerConfig as BallistaConfig, TaskDistributionPolicy};
use engine::MESSAGE_BYTES_MAX;

use crate::fairness::FairShares;

#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    pub listen: IpAddr,
    /// 0 lets the operating system choose.
    pub port: u16,
    /// Jobs that may wait or run at a time. More are refused.
    pub jobs_max: usize,
    /// How long a result is kept of which no server says that it reads it.
    pub result_patience: Duration,
}

/// How long a result is kept by default of which no server says that it reads it.
pub const RESULT_PATIENCE: Duration = Duration::from_secs(60);

/// An executor that was silent for four or five heartbeats is lost.
pub(crate) const EXECUTOR_TIMEOUT_SECONDS: u64 = 22;
const EXPIRE_INTERVAL_SECONDS: u64 = 2;

/// A draining executor that was silent for so long is lost; one that is gone is forgotten after as long.
const EXECUTOR_DRAIN_SECONDS: u64 = 5;

/// Jobs whose executors are all lost wait so long for another one.
const NO_EXECUTORS_SECONDS: u64 = 15;

/// Graphs of finished jobs hold plans and in-memory tables; nobody asks for them after the status was delivered.
const FINISHED_STATE_SECONDS: u64 = 30;
/// Of the same task, for faults of disks and stores; after them its job fails.
const TASK_FAILURES_MAX: usize = 2;

impl SchedulerConfig {
    pub(crate) fn ballista(&self, port: u16, policy: Arc<FairShares>) -> BallistaConfig {
        BallistaConfig {
            external_host: self.listen.to_string(),
            bind_host: self.listen.to_string(),
            bind_port: port,
            // Only pushed tasks can be cancelled, and pulling waits 50 ms for each stage.
            scheduling_policy: TaskSchedulingPolicy::PushStaged,
            task_distribution: TaskDistributionPolicy::Custom(policy),
            grpc_server_max_decoding_message_size: MESSAGE_BYTES_MAX as u32,
            grpc_server_max_encoding_message_size: MESSAGE_BYTES_MAX as u32,
            grpc_client_max_message_size: MESSAGE_BYTES_MAX as u32,
            executor_timeout_seconds: EXECUTOR_TIMEOUT_SECONDS,
            expire_dead_executor_interval_seconds: EXPIRE_INTERVAL_SECONDS,
            no_executors_grace_period_seconds: NO_EXECUTORS_SECONDS,
            executor_termination_grace_period: EXECUTOR_DRAIN_SECONDS,
            // Clients of object stores have tried for long before, and a full disk seldom empties.
            task_max_failures: TASK_FAILURES_MAX,
            // A slow client may read a result for an hour: whoever reads it removes it.
            finished_job_data_clean_up_interval_seconds: 0,
            finished_job_state_clean_up_interval_seconds: FINISHED_STATE_SECONDS,
            override_create_grpc_client_endpoint: Some(engine::watch()),
            override_logical_codec: Some(engine::logical_codec()),
            override_physical_codec: Some(engine::physical_codec()),
            override_config_producer: Some(Arc::new(engine::cluster_session_config)),
            ..BallistaConfig::default()
        }
    }
}
