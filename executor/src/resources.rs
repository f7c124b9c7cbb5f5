//! The runtime environments of tasks: caches, object stores and spill directory are shared by all. Memory is per task, and
//! all tasks together stay within what the executor has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::Result;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::ExecutionPlan;
use engine::{ObjectStores, SpillingPool};

use crate::ExecutorConfig;

/// Where tasks spill, below the work directory, whose other entries are of jobs.
pub(crate) const SPILL_DIR: &str = "spill";

#[derive(Debug)]
pub(crate) struct Resources {
    shared: Arc<RuntimeEnv>,
    object_stores: Arc<ObjectStores>,
    /// What all tasks hold.
    all: Arc<dyn MemoryPool>,
    memory_bytes: usize,
    vcores: usize,
    /// For how many vcores tasks run.
    busy: Arc<AtomicUsize>,
}

impl Resources {
    /// The work directory must exist; spill files go into a directory of their own below it.
    pub(crate) fn new(config: &ExecutorConfig) -> Result<Self> {
        let (memory_bytes, object_stores) = (config.memory_bytes, Arc::clone(&config.object_stores));
        let vcores = config.vcores.max(1);
        let spill_dir = config.work_dir.join(SPILL_DIR);
        let shared = engine::runtime_env(memory_bytes, vcores, &spill_dir, Arc::clone(&object_stores))?;
        let all = Arc::new(GreedyMemoryPool::new(memory_bytes));
        Ok(Self { shared, object_stores, all, memory_bytes, vcores, busy: Arc::default() })
    }

    /// For planning-like work that needs no memory of its own.
    pub(crate) fn shared(&self) -> Arc<RuntimeEnv> {
        Arc::clone(&self.shared)
    }

    /// The plan with its scans of remote files reading through the executor's cache.
    pub(crate) fn cached(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        self.object_stores.cached(plan, &self.shared)
    }

    /// A pool of its own for a task: its part of the memory, by vcores. Those that no task has count too; if more run than
    /// there are vcores, the parts get smaller while they do.
    pub(crate) fn for_task(&self, vcores: u32) -> Result<Arc<RuntimeEnv>> {
        let (bytes, own, all) = (self.memory_bytes, vcores.max(1) as usize, self.vcores);
        let busy = Busy::new(&self.busy, own);
        let counted = Arc::clone(&self.busy);
        let part = move || bytes / counted.load(Ordering::Relaxed).max(all).max(own) * own;
        let pool = TaskPool { own: SpillingPool::new(part), all: Arc::clone(&self.all), _busy: busy };
        RuntimeEnvBuilder::from_runtime_env(&self.shared).with_memory_pool(engine::naming_consumers(pool)).build_arc()
    }
}

/// Counts the vcores of a task for as long as its pool lives.
#[derive(Debug)]
struct Busy {
    all: Arc<AtomicUsize>,
    own: usize,
}

impl Busy {
    fn new(all: &Arc<AtomicUsize>, own: usize) -> Self {
        all.fetch_add(own, Ordering::Relaxed);
        Self { all: Arc::clone(all), own }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

/// Shares a task's memory among its operators, and takes it from the memory of all tasks.
#[derive(Debug)]
struct TaskPool {
    own: SpillingPool,
    all: Arc<dyn MemoryPool>,
    _busy: Busy,
}

impl std::fmt::Display for TaskPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task({}, {})", self.own, self.all)
    }
}

impl MemoryPool for TaskPool {
    fn name(&self) -> &str {
        "task"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.all.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.own.try_grow(reservation, additional)?;
        self.all.try_grow(reservation, additional).inspect_err(|_| self.own.shrink(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.own.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_have_a_share_each_and_no_more_than_all_together() {
        let directory = tempfile::tempdir().expect("a directory");
        let resources = Resources::new(&ExecutorConfig::for_tests(directory.path(), 2, 100)).expect("resources");
        let reserve = |name: &str| {
            let task = resources.for_task(1).expect("a task");
            MemoryConsumer::new(name).register(&task.memory_pool)
        };
        let (first, second) = (reserve("a"), reserve("b"));
        assert!(first.try_grow(51).is_err());
        first.try_grow(50).expect("its share");
        let third = reserve("c");
        assert!(second.try_grow(34).is_err());
        second.try_grow(33).expect("its share of three");
        assert!(third.try_grow(18).is_err());
        third.try_grow(17).expect("what is left");
        drop(second);
        third.try_grow(33).expect("its share of two");
    }
}
