//! What the engine needs to know, and the settings a session may change.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use crate::object_store::ObjectStores;

/// Largest gRPC message between server, scheduler and executors. A task carries its whole plan with every file name, so
/// that a table of 10,000 files needs far more than tonic's 4 MiB or Ballista's 16 MiB.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How this process plans and runs queries.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Memory that queries run in this process may hold before they spill, in bytes.
    pub memory_bytes: usize,
    /// Where queries run in this process spill. Swept at start; no user can name a path in it.
    pub spill_dir: PathBuf,
    /// Threads that run partitions of a query in this process.
    pub parallelism: usize,
    /// A query that reads at most this many bytes (exact statistics, after pruning) stays in this process.
    pub local_bytes_max: u64,
    pub object_stores: Arc<ObjectStores>,
}

/// Where a query is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecutionMode {
    /// The router decides from exact statistics.
    #[default]
    Auto,
    /// In this process.
    Local,
    /// On the cluster, or not at all.
    Distributed,
}

impl ExecutionMode {
    pub const NAMES: [&'static str; 3] = ["auto", "local", "distributed"];

    /// The name used in `SET arbalest.execution_mode`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Local => "local",
            Self::Distributed => "distributed",
        }
    }
}

impl FromStr for ExecutionMode {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Auto, Self::Local, Self::Distributed]
            .into_iter()
            .find(|mode| mode.name().eq_ignore_ascii_case(name.trim()))
            .ok_or(())
    }
}

/// Tasks that an executor runs at a time for each of its cores. One query has one of them: the others are for queries that
/// come while it runs.
pub const SLOTS_PER_VCORE: usize = 4;
