//! Whether this process should get new work: a registry of named conditions, all of which must hold.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::shutdown::Shutdown;

/// The conditions of one process, shared by clones.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    shutdown: Arc<OnceLock<Shutdown>>,
    conditions: Arc<Mutex<BTreeMap<&'static str, State>>>,
}

#[derive(Clone, Debug)]
enum State {
    Met,
    Unmet(String),
}

impl Readiness {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this process is not ready once `shutdown` drains.
    pub fn end_with(&self, shutdown: &Shutdown) {
        // A process has one shutdown; the first one given counts.
        let _ = self.shutdown.set(shutdown.clone());
    }

    /// Registers a condition that does not hold yet. A name registered before starts over.
    pub fn condition(&self, name: &'static str) -> Condition {
        self.conditions.lock().insert(name, State::Unmet("starting".into()));
        Condition { name, conditions: Arc::clone(&self.conditions) }
    }

    pub fn is_ready(&self) -> bool {
        self.unmet().is_empty()
    }

    /// What new work has to wait for, as (condition, reason); empty when ready.
    pub fn unmet(&self) -> Vec<(&'static str, String)> {
        let mut unmet: Vec<_> = self
            .conditions
            .lock()
            .iter()
            .filter_map(|(name, state)| match state {
                State::Met => None,
                State::Unmet(reason) => Some((*name, reason.clone())),
            })
            .collect();
        if self.shutdown.get().is_some_and(Shutdown::is_draining) {
            unmet.push(("process", "draining".into()));
        }
        unmet
    }
}

/// One condition, held by whoever knows whether it holds.
#[derive(Clone, Debug)]
pub struct Condition {
    name: &'static str,
    conditions: Arc<Mutex<BTreeMap<&'static str, State>>>,
}

impl Condition {
    pub fn met(&self) {
        self.conditions.lock().insert(self.name, State::Met);
    }

    /// `reason` is for people: `no executor has registered`.
    pub fn unmet(&self, reason: impl Into<String>) {
        self.conditions.lock().insert(self.name, State::Unmet(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_must_hold() {
        let shutdown = Shutdown::new();
        let readiness = Readiness::new();
        readiness.end_with(&shutdown);
        assert!(readiness.is_ready());

        let catalog = readiness.condition("catalog");
        let executors = readiness.condition("executors");
        assert_eq!(readiness.unmet(), [("catalog", "starting".into()), ("executors", "starting".into())]);
        catalog.met();
        executors.unmet("none has registered");
        assert_eq!(readiness.unmet(), [("executors", "none has registered".into())]);
        executors.met();
        assert!(readiness.is_ready());

        shutdown.start_drain();
        assert_eq!(readiness.unmet(), [("process", "draining".into())]);
    }
}
