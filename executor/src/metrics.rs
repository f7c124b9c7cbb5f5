//! Names and labels of what an executor measures.

use std::time::Duration;

use datafusion::physical_plan::metrics::MetricsSet;
use metrics::{counter, gauge, histogram};

pub(crate) fn task_started() {
    gauge!("arbalest_executor_tasks").increment(1.0);
}

pub(crate) fn task_ended(succeeded: bool, elapsed: Duration) {
    gauge!("arbalest_executor_tasks").decrement(1.0);
    let outcome = if succeeded { "ok" } else { "failed" };
    counter!("arbalest_executor_tasks_total", "outcome" => outcome).increment(1);
    histogram!("arbalest_executor_task_seconds").record(elapsed.as_secs_f64());
}

/// A task has written its output for the next stage, or for the client.
pub(crate) fn bytes_shuffled(bytes: u64) {
    counter!("arbalest_shuffle_written_bytes_total").increment(bytes);
}

/// What the operators of a task have spilled.
pub(crate) fn spilled(operators: &[MetricsSet]) {
    engine::bytes_spilled(operators.iter().filter_map(MetricsSet::spilled_bytes).sum());
}
