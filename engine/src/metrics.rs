//! Names and labels of what the engine measures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::physical_plan::ExecutionPlan;
use metrics::{counter, histogram};

use crate::router::Route;

/// A query was routed.
fn query_routed(route: &Route) {
    counter!("arbalest_queries_routed_total", "route" => route.name()).increment(1);
}

/// A query's rows are on their way; when they end, or nobody wants more, it is known how long it took.
pub(crate) struct RunningQuery {
    route: &'static str,
    started: Instant,
}

impl RunningQuery {
    pub(crate) fn start(route: &Route) -> Self {
        query_routed(route);
        Self { route: route.name(), started: Instant::now() }
    }
}

impl Drop for RunningQuery {
    fn drop(&mut self) {
        histogram!("arbalest_query_seconds", "route" => self.route).record(self.started.elapsed().as_secs_f64());
    }
}

/// A plan that runs in this process; when it ends, its operators know what they spilled.
pub(crate) struct RunningPlan(pub(crate) Arc<dyn ExecutionPlan>);

impl Drop for RunningPlan {
    fn drop(&mut self) {
        bytes_spilled(spilled_bytes(self.0.as_ref()));
    }
}

/// What the operators of a plan have spilled.
fn spilled_bytes(plan: &dyn ExecutionPlan) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    own + plan.children().into_iter().map(|child| spilled_bytes(child.as_ref())).sum::<usize>()
}

/// Operators wrote to the spill directory.
pub fn bytes_spilled(bytes: usize) {
    counter!("arbalest_spilled_bytes_total").increment(bytes as u64);
}

/// A query was submitted once more, because what ran it was lost.
pub(crate) fn query_repeated() {
    counter!("arbalest_queries_repeated_total").increment(1);
}

/// A query was planned again, because its joins did not fit into memory.
pub(crate) fn query_replanned() {
    counter!("arbalest_queries_replanned_total").increment(1);
}

/// A job on the cluster ended.
pub(crate) fn job_ended(outcome: &'static str, elapsed: Duration) {
    counter!("arbalest_jobs_total", "outcome" => outcome).increment(1);
    histogram!("arbalest_job_seconds").record(elapsed.as_secs_f64());
}

/// An object store refused a request, or could not be reached for long enough.
pub(crate) fn object_store_error(class: &'static str) {
    counter!("arbalest_object_store_errors_total", "class" => class).increment(1);
}

/// Parts of remote files were asked for.
pub(crate) fn object_parts(cached: usize, fetched: usize) {
    counter!("arbalest_object_cache_hits_total").increment(cached as u64);
    counter!("arbalest_object_cache_misses_total").increment(fetched as u64);
}

pub(crate) fn object_bytes_read(bytes: u64) {
    counter!("arbalest_object_store_read_bytes_total").increment(bytes);
}
