//! Which waiting task runs next, and where: queries share the executors evenly, whatever they ask for.
//!
//! An executor runs a few times as many tasks as it has cores (`engine::SLOTS_PER_VCORE`), whose threads take turns, and
//! one query gets no more slots of it than it has cores. So a query that comes while a long one holds all cores starts at
//! once and has half of them: this is processor sharing, which gives each query its time alone times the number of queries.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::config::BallistaConfig;
use ballista_core::execution_plans::{RangeShuffleReaderExec, ShuffleReaderExec};
use ballista_core::serde::protobuf::{AvailableVcores, job_status, task_status};
use ballista_core::serde::scheduler::TaskKey;
use ballista_scheduler::cluster::{BoundTask, ClusterState, DistributionPolicy};
use ballista_scheduler::state::execution_graph::{ExecutionGraph, TaskDescription, create_task_info};
use ballista_scheduler::state::execution_stage::{ExecutionStage, RunningStage};
use ballista_scheduler::state::task_manager::JobInfoCache;
use datafusion::error::Result;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use engine::SLOTS_PER_VCORE;
use parking_lot::Mutex;

use crate::executors::Unreachable;
use crate::metrics::Load;

/// Gives the next slot to the query that has fewest.
pub(crate) struct FairShares {
    /// Set once there is one: it is made with this policy in its configuration.
    cluster: OnceLock<Arc<dyn ClusterState>>,
    /// Which executors have had tasks of a job, and since when.
    executors: Mutex<HashMap<String, HashMap<String, Instant>>>,
    unreachable: Arc<Unreachable>,
}

impl FairShares {
    /// Executors that are `unreachable` get no tasks.
    pub(crate) fn new(unreachable: Arc<Unreachable>) -> Self {
        Self { cluster: OnceLock::new(), executors: Mutex::default(), unreachable }
    }

    pub(crate) fn set_cluster(&self, cluster: Arc<dyn ClusterState>) {
        // A scheduler has one; the first one given counts.
        let _ = self.cluster.set(cluster);
    }

    /// The executors that have had tasks of a job, and since when.
    pub(crate) fn executors_of(&self, job_id: &str) -> HashMap<String, Instant> {
        self.executors.lock().get(job_id).cloned().unwrap_or_default()
    }

    pub(crate) fn forget(&self, job_id: &str) {
        self.executors.lock().remove(job_id);
    }

    /// The cores of each executor, which is what one query may have of it.
    async fn vcores(&self) -> HashMap<String, usize> {
        let Some(cluster) = self.cluster.get() else { return HashMap::new() };
        let executors = cluster.registered_executor_metadata().await;
        let vcores = |slots: u32| (slots as usize / SLOTS_PER_VCORE).max(1);
        executors.into_iter().map(|executor| (executor.id, vcores(executor.specification.vcores))).collect()
    }
}

impl std::fmt::Debug for FairShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FairShares")
    }
}

/// A query that may have tasks waiting.
struct Candidate<'a> {
    id: &'a JobId,
    job: &'a JobInfoCache,
    queued_at: u64,
    /// Slots that its running tasks hold, by executor.
    slots: HashMap<String, usize>,
}

impl Candidate<'_> {
    fn all_slots(&self) -> usize {
        self.slots.values().sum()
    }

    /// How many more slots it may have of an executor.
    fn may_have(&self, executor: &AvailableVcores, vcores: &HashMap<String, usize>) -> usize {
        let of_all = vcores.get(&executor.executor_id).copied().unwrap_or(1);
        let more = of_all.saturating_sub(self.slots.get(&executor.executor_id).copied().unwrap_or(0));
        more.min(executor.vcores as usize)
    }
}

#[async_trait]
impl DistributionPolicy for FairShares {
    async fn bind_tasks(
        &self,
        mut budgets: Vec<&mut AvailableVcores>,
        running_jobs: Arc<HashMap<JobId, JobInfoCache>>,
    ) -> Result<Vec<BoundTask>> {
        budgets.retain(|budget| !self.unreachable.contains(&budget.executor_id));
        let vcores = self.vcores().await;
        let mut candidates = Vec::new();
        for (id, job) in running_jobs.iter() {
            if let Some(job_status::Status::Running(running)) = &job.status {
                let slots = slots_of(job.execution_graph.read().await.as_ref());
                candidates.push(Candidate { id, job, queued_at: running.queued_at, slots });
            }
        }
        let mut bound = Vec::new();
        loop {
            let Some(position) = next(&candidates) else { break };
            let candidate = &mut candidates[position];
            // Where it may have most; of those, where least else runs.
            let place = |budget: &AvailableVcores| (candidate.may_have(budget, &vcores), budget.vcores);
            let Some(budget) = budgets.iter_mut().max_by_key(|budget| place(budget)) else { break };
            let free = candidate.may_have(budget, &vcores);
            if free == 0 {
                candidates.swap_remove(position);
                continue;
            }
            let mut graph = candidate.job.execution_graph.write().await;
            let session_id = graph.session_id().to_owned();
            let task = graph.fetch_running_stage(&[]).and_then(|stage| bind(stage, &session_id, candidate.id, budget, free));
            drop(graph);
            match task {
                Some(task) => {
                    let mut executors = self.executors.lock();
                    executors.entry(candidate.id.to_string()).or_default().entry(task.0.clone()).or_insert_with(Instant::now);
                    drop(executors);
                    *candidate.slots.entry(task.0.clone()).or_default() += task.1.vcores_consumed as usize;
                    bound.push(task);
                }
                // None of its tasks waits.
                None => drop(candidates.swap_remove(position)),
            }
        }
        load(&running_jobs, &vcores).await.record();
        Ok(bound)
    }

    fn name(&self) -> &str {
        "fair shares"
    }
}

/// What runs and what waits now.
async fn load(running_jobs: &HashMap<JobId, JobInfoCache>, vcores: &HashMap<String, usize>) -> Load {
    let mut load = Load { vcores: vcores.values().sum(), ..Load::default() };
    let mut slots: HashMap<String, usize> = HashMap::new();
    for job in running_jobs.values() {
        let graph = job.execution_graph.read().await;
        let own = slots_of(graph.as_ref());
        load.tasks_pending += graph.available_tasks();
        match own.is_empty() {
            true => load.jobs_waiting += 1,
            false => load.jobs_running += 1,
        }
        own.into_iter().for_each(|(executor, count)| *slots.entry(executor).or_default() += count);
    }
    // An executor with more tasks than cores has its tasks take turns.
    load.vcores_used = vcores.iter().map(|(id, vcores)| slots.get(id).copied().unwrap_or(0).min(*vcores)).sum();
    load.slots_used = slots.values().sum();
    load
}

/// The one with the fewest slots; of those, the one that has waited longest.
fn next(candidates: &[Candidate<'_>]) -> Option<usize> {
    let order = |candidate: &Candidate<'_>| Reverse((candidate.all_slots(), candidate.queued_at));
    candidates.iter().enumerate().max_by_key(|(_, candidate)| order(candidate)).map(|(position, _)| position)
}

fn slots_of(graph: &(dyn ExecutionGraph + Send + Sync)) -> HashMap<String, usize> {
    let running = graph.stages().values().filter_map(|stage| match stage {
        ExecutionStage::Running(stage) => Some(&stage.task_infos),
        _ => None,
    });
    let mut slots = HashMap::new();
    for task in running.flatten() {
        if let task_status::Status::Running(running) = &task.task_status {
            *slots.entry(running.executor_id.clone()).or_default() += task.vcores_consumed as usize;
        }
    }
    slots
}

/// Takes up to `slots_max` waiting partitions of a stage as a task for an executor. Does what Ballista's own policies do,
/// which it does not offer to others (`bind_one` in its `cluster/mod.rs`).
fn bind(
    stage: &mut RunningStage,
    session_id: &str,
    job_id: &JobId,
    budget: &mut AvailableVcores,
    slots_max: usize,
) -> Option<BoundTask> {
    let is_collapse = collapses(&stage.plan);
    let partitions_max = match is_collapse {
        // Only a task that has all of the input gives a result.
        true => usize::MAX,
        false => (budget.vcores as usize).min(slots_max).min(partitions_per_task(stage)),
    };
    let partitions = stage.pending.next_slice(partitions_max);
    if partitions.is_empty() {
        return None;
    }
    // One thread drives a single partition, however many are its input.
    let vcores_consumed = if is_collapse { 1 } else { u32::try_from(partitions.len()).ok()? };
    let task_id = stage.task_infos.len();
    let task_attempt = partitions.iter().filter_map(|id| stage.task_failure_numbers.get(*id)).max().copied().unwrap_or(0);
    let mut info = create_task_info(budget.executor_id.clone(), task_id);
    info.global_input_partition_ids = partitions.clone();
    info.vcores_consumed = vcores_consumed;
    stage.task_infos.push(info);
    let task = TaskDescription {
        session_id: session_id.to_owned(),
        key: TaskKey { job_id: job_id.clone(), stage_id: stage.stage_id, task_id },
        stage_attempt_num: stage.stage_attempt_num,
        task_attempt,
        global_input_partition_ids: partitions,
        vcores_consumed,
        plan: Arc::clone(&stage.plan),
        session_config: Arc::clone(&stage.session_config),
    };
    budget.vcores = budget.vcores.saturating_sub(vcores_consumed);
    Some((budget.executor_id.clone(), task))
}

fn partitions_per_task(stage: &RunningStage) -> usize {
    let config = stage.session_config.options().extensions.get::<BallistaConfig>();
    config.map(BallistaConfig::max_partitions_per_task).filter(|max| *max > 0).unwrap_or(usize::MAX)
}

/// Whether a stage brings all partitions of its input together.
fn collapses(stage: &Arc<dyn ExecutionPlan>) -> bool {
    fn below(node: &Arc<dyn ExecutionPlan>) -> bool {
        if node.is::<ShuffleReaderExec>() || node.is::<RangeShuffleReaderExec>() {
            return false;
        }
        if node.output_partitioning().partition_count() == 1 {
            return true;
        }
        matches!(node.children().as_slice(), [child] if below(child))
    }
    matches!(stage.children().as_slice(), [child] if below(child))
}
