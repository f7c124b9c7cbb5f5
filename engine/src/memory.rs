//! Memory pools and spill directories.

use std::path::Path;
use std::sync::Arc;

use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};

/// How many of the largest consumers an out-of-memory error names.
const CONSUMERS_NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(3).expect("3 is not zero");

/// A pool of `bytes`: operators that can spill share evenly what the others leave, and an error names the largest.
pub(crate) fn memory_pool(bytes: usize) -> Arc<dyn MemoryPool> {
    Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), CONSUMERS_NAMED))
}

/// What each partition of a sort keeps for merging what it spilled: DataFusion's 10 MB, less in a pool that a few of those
/// would fill. `bytes` is the pool's size.
pub fn sort_spill_reservation(bytes: usize, partitions: usize) -> usize {
    const SHARE: usize = 8;
    (bytes / partitions.max(1) / SHARE).min(10 << 20)
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
