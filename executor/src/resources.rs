//! The runtime environments of tasks: caches, object stores and spill directory are shared by all. Memory is per task, and
//! all tasks together stay within what the executor has.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::ExecutionPlan;
use engine::ObjectStores;

use crate::ExecutorConfig;

#[derive(Debug)]
pub(crate) struct Resources {
    shared: Arc<RuntimeEnv>,
    object_stores: Arc<ObjectStores>,
    /// What all tasks hold.
    all: Arc<dyn MemoryPool>,
    bytes_per_vcore: usize,
}

impl Resources {
    /// The work directory must exist; spill files go into a directory of their own below it.
    pub(crate) fn new(config: &ExecutorConfig) -> Result<Self> {
        let (memory_bytes, object_stores) = (config.memory_bytes, Arc::clone(&config.object_stores));
        let shared = engine::runtime_env(memory_bytes, &config.work_dir.join("spill"), Arc::clone(&object_stores))?;
        let all = Arc::new(GreedyMemoryPool::new(memory_bytes));
        Ok(Self { shared, object_stores, all, bytes_per_vcore: (memory_bytes / config.vcores.max(1)).max(1) })
    }

    /// For planning-like work that needs no memory of its own.
    pub(crate) fn shared(&self) -> Arc<RuntimeEnv> {
        Arc::clone(&self.shared)
    }

    /// The plan with its scans of remote files reading through the executor's cache.
    pub(crate) fn cached(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        self.object_stores.cached(plan, &self.shared)
    }

    /// What each partition of a task's sort keeps for merging, in bytes.
    pub(crate) fn sort_spill_reservation(&self) -> usize {
        engine::sort_spill_reservation(self.bytes_per_vcore, 1)
    }

    /// A pool of its own for a task, as large as its share of the vcores. More tasks than vcores may run: together they get
    /// what there is.
    pub(crate) fn for_task(&self, vcores: u32) -> Result<Arc<RuntimeEnv>> {
        let bytes = self.bytes_per_vcore.saturating_mul(vcores.max(1) as usize);
        let pool = TaskPool { own: FairSpillPool::new(bytes), all: Arc::clone(&self.all) };
        RuntimeEnvBuilder::from_runtime_env(&self.shared).with_memory_pool(Arc::new(pool)).build_arc()
    }
}

/// Shares a task's memory among its operators, and takes it from the memory of all tasks.
#[derive(Debug)]
struct TaskPool {
    own: FairSpillPool,
    all: Arc<dyn MemoryPool>,
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
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn tasks_have_a_share_each_and_no_more_than_all_together() {
        let directory = tempfile::tempdir().expect("a directory");
        let resources = Resources::new(&ExecutorConfig {
            scheduler: String::new(),
            listen: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            advertise_host: None,
            work_dir: directory.path().to_owned(),
            vcores: 2,
            memory_bytes: 100,
            object_stores: ObjectStores::unread(),
        })
        .expect("resources");
        let reserve = |name: &str| {
            let task = resources.for_task(1).expect("a task");
            MemoryConsumer::new(name).register(&task.memory_pool)
        };
        let (first, second, third) = (reserve("a"), reserve("b"), reserve("c"));
        assert!(first.try_grow(51).is_err());
        first.try_grow(50).expect("its share");
        second.try_grow(40).expect("less than its share");
        assert!(third.try_grow(11).is_err());
        third.try_grow(10).expect("what is left");
        drop(second);
        third.try_grow(40).expect("what the second had");
    }
}
