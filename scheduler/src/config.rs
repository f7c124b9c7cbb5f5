//! What a scheduler needs to know, and what Ballista is told.

use std::net::IpAddr;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_scheduler::config::SchedulerConfig as BallistaConfig;
use engine::MESSAGE_BYTES_MAX;

#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    pub listen: IpAddr,
    /// 0 lets the operating system choose.
    pub port: u16,
}

/// An executor that was silent for six heartbeats is lost.
const EXECUTOR_TIMEOUT_SECONDS: u64 = 30;
const EXPIRE_INTERVAL_SECONDS: u64 = 5;

/// A draining executor may finish its tasks for this long.
const EXECUTOR_DRAIN_SECONDS: u64 = 3_600;

/// Graphs of finished jobs hold plans and in-memory tables; nobody asks for them after the status was delivered.
const FINISHED_STATE_SECONDS: u64 = 30;

impl SchedulerConfig {
    pub(crate) fn ballista(&self, port: u16) -> BallistaConfig {
        BallistaConfig {
            external_host: self.listen.to_string(),
            bind_host: self.listen.to_string(),
            bind_port: port,
            // Only pushed tasks can be cancelled, and pulling waits 50 ms for each stage.
            scheduling_policy: TaskSchedulingPolicy::PushStaged,
            grpc_server_max_decoding_message_size: MESSAGE_BYTES_MAX as u32,
            grpc_server_max_encoding_message_size: MESSAGE_BYTES_MAX as u32,
            grpc_client_max_message_size: MESSAGE_BYTES_MAX as u32,
            executor_timeout_seconds: EXECUTOR_TIMEOUT_SECONDS,
            expire_dead_executor_interval_seconds: EXPIRE_INTERVAL_SECONDS,
            no_executors_grace_period_seconds: EXECUTOR_TIMEOUT_SECONDS,
            executor_termination_grace_period: EXECUTOR_DRAIN_SECONDS,
            // A slow client may read a result for an hour: whoever reads it removes it.
            finished_job_data_clean_up_interval_seconds: 0,
            finished_job_state_clean_up_interval_seconds: FINISHED_STATE_SECONDS,
            override_logical_codec: Some(engine::logical_codec()),
            override_physical_codec: Some(engine::physical_codec()),
            override_config_producer: Some(std::sync::Arc::new(engine::cluster_session_config)),
            ..BallistaConfig::default()
        }
    }
}
