//! Memory pools and spill directories.

mod pool;

use std::path::Path;
use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryPool, TrackConsumersPool};
use datafusion::prelude::SessionConfig;

use crate::batch_rows::{BATCH_ROWS, rows_within};

pub use pool::SpillingPool;

/// How many of the largest consumers an out-of-memory error names.
const CONSUMERS_NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(3).expect("3 is not zero");

/// The pool of a process.
pub(crate) fn memory_pool(bytes: usize) -> Arc<dyn MemoryPool> {
    naming_consumers(SpillingPool::new(move || bytes))
}

/// A pool whose errors name the largest consumers.
pub fn naming_consumers(pool: impl MemoryPool + 'static) -> Arc<dyn MemoryPool> {
    Arc::new(TrackConsumersPool::new(pool, CONSUMERS_NAMED))
}

/// How many spilled files a merge reads at once: each holds some batches in memory, and several merges run at a time.
/// `bytes` is the pool's size.
pub(crate) fn spill_merge_fan_in(bytes: usize, partitions: usize) -> usize {
    /// Two batches of wide rows, counted twice as DataFusion does, and as much for what is computed from them.
    const FILE_BYTES: usize = 32 << 20;
    (bytes / partitions.max(1) / FILE_BYTES).clamp(2, 64)
}

/// What each partition of a sort keeps for merging what it spilled: DataFusion's 10 MB, less in a pool that a few of those
/// would fill. `bytes` is the pool's size.
fn sort_spill_reservation(bytes: usize, partitions: usize) -> usize {
    const SHARE: usize = 16;
    (bytes / partitions.max(1) / SHARE).min(10 << 20)
}

/// Settings of operators that share `bytes` among `partitions`.
pub fn fit_to_memory(config: SessionConfig, bytes: usize, partitions: usize) -> SessionConfig {
    let rows = match rows_within(bytes, partitions) {
        // A session may want even larger batches.
        BATCH_ROWS => config.batch_size(),
        rows => rows.min(config.batch_size()),
    };
    config.with_batch_size(rows).with_sort_spill_reservation_bytes(sort_spill_reservation(bytes, partitions))
}

/// Makes `directory` exist and be empty: what an earlier process left there is garbage.
pub fn sweep_directory(directory: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(directory)
}
