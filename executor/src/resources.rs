//! The runtime environments of tasks: caches, object stores and spill directory are shared by all, memory is per task.

use std::path::Path;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

#[derive(Debug)]
pub(crate) struct Resources {
    shared: Arc<RuntimeEnv>,
    bytes_per_vcore: usize,
}

impl Resources {
    /// `work_dir` must exist; spill files go into a directory of their own below it.
    pub(crate) fn new(memory_bytes: usize, vcores: usize, work_dir: &Path) -> Result<Self> {
        let shared = engine::runtime_env(memory_bytes, &work_dir.join("spill"))?;
        Ok(Self { shared, bytes_per_vcore: (memory_bytes / vcores.max(1)).max(1) })
    }

    /// For planning-like work that needs no memory of its own.
    pub(crate) fn shared(&self) -> Arc<RuntimeEnv> {
        Arc::clone(&self.shared)
    }

    /// What each partition of a task's sort keeps for merging, in bytes.
    pub(crate) fn sort_spill_reservation(&self) -> usize {
        engine::sort_spill_reservation(self.bytes_per_vcore, 1)
    }

    /// A pool of its own for a task, as large as its share of the vcores.
    pub(crate) fn for_task(&self, vcores: u32) -> Result<Arc<RuntimeEnv>> {
        let bytes = self.bytes_per_vcore.saturating_mul(vcores.max(1) as usize);
        RuntimeEnvBuilder::from_runtime_env(&self.shared).with_memory_pool(Arc::new(FairSpillPool::new(bytes))).build_arc()
    }
}
