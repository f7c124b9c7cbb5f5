//! What the Flight SQL front end counts. Names and labels are here only.

use metrics::{counter, gauge, histogram};
use std::time::{Duration, Instant};

/// A call was answered. `code` is the gRPC status known when its answer began: a stream may still fail.
pub(super) fn call_answered(method: &str, code: tonic::Code, elapsed: Duration) {
    let method = known_method(method);
    counter!("arbalest_flight_calls_total", "method" => method, "code" => format!("{code:?}")).increment(1);
    histogram!("arbalest_flight_call_seconds", "method" => method).record(elapsed.as_secs_f64());
}

/// What clients have here between their calls.
pub(super) fn kept(sessions: usize, prepared_statements: usize, queries: usize) {
    gauge!("arbalest_flight_sessions").set(sessions as f64);
    gauge!("arbalest_flight_prepared_statements").set(prepared_statements as f64);
    gauge!("arbalest_flight_queries").set(queries as f64);
}

/// Counts one result.
pub(super) struct ResultMetrics {
    started: Instant,
    rows: u64,
    bytes: u64,
}

impl ResultMetrics {
    pub(super) fn result_started() -> Self {
        gauge!("arbalest_flight_results_running").increment(1.0);
        Self { started: Instant::now(), rows: 0, bytes: 0 }
    }

    pub(super) fn sent(&mut self, rows: usize, bytes: usize) {
        self.rows += rows as u64;
        self.bytes += bytes as u64;
        counter!("arbalest_flight_rows_sent_total").increment(rows as u64);
        counter!("arbalest_flight_bytes_sent_total").increment(bytes as u64);
    }

    pub(super) fn result_finished(&self, is_complete: bool) {
        self.ended(if is_complete { "complete" } else { "failed" });
    }

    pub(super) fn result_abandoned(&self) {
        self.ended("abandoned");
    }

    fn ended(&self, outcome: &'static str) {
        let elapsed_ms = self.started.elapsed().as_millis() as u64;
        counter!("arbalest_flight_results_total", "outcome" => outcome).increment(1);
        tracing::debug!(outcome, rows = self.rows, bytes = self.bytes, elapsed_ms, "result ended");
    }
}

impl Drop for ResultMetrics {
    fn drop(&mut self) {
        gauge!("arbalest_flight_results_running").decrement(1.0);
    }
}

/// A client may call any path: only those that exist become label values.
fn known_method(method: &str) -> &'static str {
    const METHODS: [&str; 10] = [
        "Handshake", "ListFlights", "GetFlightInfo", "PollFlightInfo", "GetSchema", "DoGet", "DoPut", "DoExchange", "DoAction",
        "ListActions",
    ];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("other")
}
