//! Memory pools and spill directories.

mod pool;

use std::path::Path;
use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryPool, TrackConsumersPool};
use datafusion::prelude::SessionConfig;

pub use pool::SpillingPool;

/// Rows per batch where memory is not short. A batch of wide rows is still in a core's cache when the next operator takes it.
pub const BATCH_ROWS: usize = 8_192;
const BATCH_ROWS_MIN: usize = 1_024;

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

/// Rows per batch for operators that share `bytes` among `partitions`: a merge holds some batches of each of its inputs, an
/// aggregate makes room for whole batches, and none of it can be spilled. A power of two, as files are often cut at multiples
/// of one.
fn batch_rows(bytes: usize, partitions: usize) -> usize {
    /// What suffices for [`BATCH_ROWS`] rows of a few hundred bytes.
    const SUFFICIENT_BYTES: usize = 64 << 20;
    let rows = (bytes / partitions.max(1)).saturating_mul(BATCH_ROWS) / SUFFICIENT_BYTES;
    (1 << rows.max(1).ilog2()).clamp(BATCH_ROWS_MIN, BATCH_ROWS)
}

/// Settings of operators that share `bytes` among `partitions`.
pub fn fit_to_memory(config: SessionConfig, bytes: usize, partitions: usize) -> SessionConfig {
    let rows = match batch_rows(bytes, partitions) {
        // A session may want larger ones.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_has_small_batches() {
        assert_eq!(batch_rows(8 << 30, 16), BATCH_ROWS);
        assert_eq!(batch_rows(64 << 20, 2), BATCH_ROWS / 2);
        assert_eq!(batch_rows(50 << 20, 2), BATCH_ROWS / 4);
        assert_eq!(batch_rows(1, 64), BATCH_ROWS_MIN);
        assert_eq!(batch_rows(usize::MAX, 1), BATCH_ROWS);
    }

    #[test]
    fn a_session_may_want_other_batches() {
        let rows = |wanted, bytes| fit_to_memory(SessionConfig::new().with_batch_size(wanted), bytes, 1).batch_size();
        assert_eq!(rows(65_536, 1 << 30), 65_536);
        assert_eq!(rows(65_536, 1 << 20), BATCH_ROWS_MIN);
        assert_eq!(rows(10, 1 << 20), 10);
    }
}
