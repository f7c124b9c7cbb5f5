//! Names and labels of what an executor measures.

use std::time::Duration;

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
