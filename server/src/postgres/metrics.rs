//! Names and labels of what this front end measures.

use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge, histogram};

const PROTOCOL: &str = "postgres";

/// How a statement came in.
#[derive(Clone, Copy, Debug)]
pub enum StatementKind {
    Simple,
    Extended,
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Failed,
    Canceled,
}

/// Recorders, found once per listener: finding one by name costs more than recording.
#[derive(Clone)]
pub struct Metrics {
    connections: Gauge,
    connections_total: Counter,
    refused_total: Counter,
    rows_total: Counter,
    sent_bytes_total: Counter,
    received_bytes_total: Counter,
}

impl Metrics {
    pub fn new() -> Self {
        Self {
            connections: gauge!("arbalest_connections", "protocol" => PROTOCOL),
            connections_total: counter!("arbalest_connections_total", "protocol" => PROTOCOL),
            refused_total: counter!("arbalest_connections_refused_total", "protocol" => PROTOCOL),
            rows_total: counter!("arbalest_rows_sent_total", "protocol" => PROTOCOL),
            sent_bytes_total: counter!("arbalest_sent_bytes_total", "protocol" => PROTOCOL),
            received_bytes_total: counter!("arbalest_received_bytes_total", "protocol" => PROTOCOL),
        }
    }

    /// A client was let in; it has gone when the result is dropped.
    pub fn connected(&self) -> Connected {
        self.connections_total.increment(1);
        self.connections.increment(1);
        Connected(self.connections.clone())
    }

    /// A client was turned away.
    pub fn refused(&self) {
        self.refused_total.increment(1);
    }

    pub fn sent(&self, bytes: usize) {
        self.sent_bytes_total.increment(bytes as u64);
    }

    pub fn received(&self, bytes: usize) {
        self.received_bytes_total.increment(bytes as u64);
    }

    /// The last row of a statement was sent, or its error. What the session did for it is in `arbalest_statements_total`.
    pub fn statement_finished(&self, kind: StatementKind, outcome: Outcome, rows: u64, elapsed: Duration) {
        let kind = match kind {
            StatementKind::Simple => "simple",
            StatementKind::Extended => "extended",
        };
        let outcome = match outcome {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Canceled => "canceled",
        };
        self.rows_total.increment(rows);
        counter!("arbalest_postgres_statements_total", "kind" => kind, "outcome" => outcome).increment(1);
        histogram!("arbalest_postgres_statement_seconds", "kind" => kind).record(elapsed.as_secs_f64());
    }
}

/// A client that is connected.
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
