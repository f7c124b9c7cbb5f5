//! Names and labels of what the engine measures.

use metrics::{counter, histogram};
use std::time::Duration;

use crate::router::Route;

/// A query was routed.
pub(crate) fn query_routed(route: &Route) {
    counter!("arbalest_queries_routed_total", "route" => route.name()).increment(1);
}

/// A query was submitted once more, because what ran it was lost.
pub(crate) fn query_repeated() {
    counter!("arbalest_queries_repeated_total").increment(1);
}

/// A job on the cluster ended.
pub(crate) fn job_ended(outcome: &'static str, elapsed: Duration) {
    counter!("arbalest_jobs_total", "outcome" => outcome).increment(1);
    histogram!("arbalest_job_seconds").record(elapsed.as_secs_f64());
}
