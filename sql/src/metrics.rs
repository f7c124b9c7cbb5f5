//! Names and labels of what sessions measure.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::error::Error;

pub(crate) fn session_opened() {
    gauge!("arbalest_sessions").increment(1.0);
}

pub(crate) fn session_closed() {
    gauge!("arbalest_sessions").decrement(1.0);
}

/// A statement ended: its rows were read, it failed, or it was dropped.
pub(crate) fn statement_finished(kind: &'static str, outcome: Result<(), &Error>, elapsed: Duration) {
    let outcome = match outcome {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.sql_state().code().to_owned(),
    };
    counter!("arbalest_statements_total", "kind" => kind, "outcome" => outcome).increment(1);
    histogram!("arbalest_statement_seconds", "kind" => kind).record(elapsed.as_secs_f64());
}
