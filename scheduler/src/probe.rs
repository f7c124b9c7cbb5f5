//! Finds executors that are gone, or cannot be reached, before they have missed enough heartbeats.
//!
//! One that cannot be reached may still reach the scheduler: its heartbeats say that it lives, and every task sent to it would
//! wait for a connection that brings no answer. Its heartbeats count for nothing until it answers again.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ballista_core::serde::protobuf::CancelTasksParams;
use ballista_core::serde::scheduler::ExecutorMetadata;
use futures::future::join_all;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::executors::{Client, Executors, Unreachable};

const INTERVAL: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// To a question that takes no time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// So many refusals in a row are no accident.
const REFUSALS_MAX: u32 = 2;
/// A machine may stand still for a while.
const SILENCES_MAX: u32 = 3;
/// One that has not registered again for so long will not come back.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// What an executor's port did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    Refused,
    Silent,
}

/// What is known of an executor.
struct Probed {
    executor: ExecutorMetadata,
    last_registered: Instant,
    last: Outcome,
    /// How often in a row.
    times: u32,
}

/// Asks every executor's port again and again, and keeps `unreachable` up to date. Does not end.
pub(crate) async fn run(executors: Arc<Executors>, unreachable: Arc<Unreachable>) {
    let mut known: HashMap<String, Probed> = HashMap::new();
    loop {
        sleep(INTERVAL).await;
        let now = Instant::now();
        let mut registered = HashSet::new();
        for executor in executors.registered().await {
            let id = executor.id.clone();
            registered.insert(id.clone());
            let new = Probed { executor, last_registered: now, last: Outcome::Answered, times: 0 };
            known.entry(id).or_insert(new).last_registered = now;
        }
        known.retain(|id, probed| {
            let is_kept = registered.contains(id) || unreachable.contains(id) && probed.last_registered + FORGET_AFTER > now;
            if !is_kept {
                unreachable.remove(id);
            }
            is_kept
        });
        executors.keep_clients(|id| known.contains_key(id));
        let asked = known.values_mut().filter_map(|probed| {
            let client = executors.client(&probed.executor)?;
            Some(async { (ask(&probed.executor, client).await, probed) })
        });
        for (outcome, probed) in join_all(asked).await {
            probed.take_note(outcome, &unreachable);
        }
    }
}

impl Probed {
    fn take_note(&mut self, outcome: Outcome, unreachable: &Unreachable) {
        self.times = if self.last == outcome { self.times.saturating_add(1) } else { 1 };
        self.last = outcome;
        let ExecutorMetadata { id, host, port, .. } = &self.executor;
        match outcome {
            Outcome::Answered if unreachable.remove(id) => info!(executor_id = id, host, port, "an executor answers again"),
            Outcome::Refused if self.times >= REFUSALS_MAX && unreachable.insert(id) => {
                warn!(executor_id = id, host, port, "an executor's port is closed");
            }
            Outcome::Silent if self.times >= SILENCES_MAX && unreachable.insert(id) => {
                warn!(executor_id = id, host, port, "an executor does not answer");
            }
            _ => {}
        }
    }
}

async fn ask(executor: &ExecutorMetadata, mut client: Client) -> Outcome {
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((executor.host.as_str(), executor.port))).await;
    if matches!(connected, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused) {
        return Outcome::Refused;
    }
    // Nothing to cancel: any answer will do.
    let nothing = CancelTasksParams { task_infos: vec![] };
    match timeout(ANSWER_TIMEOUT, client.cancel_tasks(nothing)).await {
        Ok(Ok(_)) => Outcome::Answered,
        Ok(Err(_)) | Err(_) => Outcome::Silent,
    }
}
