//! Runs tasks on threads of their own, so that the ports answer while every core computes.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ballista_core::error::BallistaError;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::serde::BallistaCodec;
use ballista_core::serde::protobuf::{
    ExecutorRegistration, FailedTask, MultiTaskDefinition, OperatorMetricsSet, SuccessfulTask, TaskStatus, task_status,
};
use ballista_core::serde::scheduler::from_proto::get_task_definition_vec;
use ballista_core::serde::scheduler::{TaskDefinition, TaskKey};
use ballista_executor::execution_engine::{DefaultExecutionEngine, ExecutionEngine, QueryStageExecutor};
use ballista_executor::executor::{Executor, TasksDrainedFuture};
use ballista_executor::metrics::LoggingMetricsCollector;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use engine::Interrupt;
use futures::FutureExt;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tracing::{debug, info};

use crate::config::ExecutorConfig;
use crate::slots;
use crate::error::Error;
use crate::failure;
use crate::metrics;
use crate::resources::Resources;
use crate::settings::Settings;
use crate::stage;
use crate::status::StatusReporter;

/// Deep plans and long expressions recurse; only pages that are touched cost memory.
const STACK_BYTES: usize = 32 * 1024 * 1024;

type Codec = BallistaCodec<LogicalPlanNode, PhysicalPlanNode>;

pub(crate) struct TaskRunner {
    executor: Arc<Executor>,
    stages: Arc<dyn ExecutionEngine>,
    functions: Arc<BallistaFunctionRegistry>,
    codec: Codec,
    resources: Arc<Resources>,
    settings: Settings,
    /// `None` only while the runner is dropped.
    threads: Option<Runtime>,
    reporter: Mutex<Option<StatusReporter>>,
    /// Of the tasks that were accepted and have not ended.
    interrupts: Mutex<HashMap<TaskKey, Interrupt>>,
}

impl TaskRunner {
    pub(crate) fn new(config: &ExecutorConfig, registration: ExecutorRegistration) -> Result<Self, Error> {
        let resources = Arc::new(Resources::new(config)?);
        let functions = Arc::new(engine::function_registry()?);
        let stages: Arc<dyn ExecutionEngine> = Arc::new(DefaultExecutionEngine::new());
        let shared = resources.shared();
        let executor = Arc::new(Executor::new(
            registration,
            &config.work_dir.display().to_string(),
            Arc::new(move |_| Ok(Arc::clone(&shared))),
            Arc::new(engine::cluster_session_config),
            Arc::clone(&functions),
            Arc::new(LoggingMetricsCollector::default()),
            slots(config),
            Arc::clone(&stages),
        ));
        let threads = tokio::runtime::Builder::new_multi_thread()
            // A join may compute for long before it gives its thread away: the operating system takes turns.
            .worker_threads(slots(config).max(1))
            .thread_name("arbalest-task")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|source| Error::Threads { source })?;
        let settings = Settings::new(config.memory_bytes, config.vcores);
        let codec = Codec::new(engine::logical_codec(), engine::physical_codec());
        Ok(Self {
            executor,
            stages,
            functions,
            codec,
            resources,
            settings,
            threads: Some(threads),
            reporter: Mutex::default(),
            interrupts: Mutex::default(),
        })
    }

    pub(crate) fn report_to(&self, reporter: StatusReporter) {
        *self.reporter.lock() = Some(reporter);
    }

    /// What users are told of this executor.
    fn node(&self) -> String {
        let registration = &self.executor.metadata;
        format!("{}:{}", registration.host.as_deref().unwrap_or("localhost"), registration.port)
    }

    /// Ends when no task runs.
    pub(crate) async fn drained(&self) {
        TasksDrainedFuture(Arc::clone(&self.executor)).await;
    }

    pub(crate) async fn cancel(&self, job_id: String, stage_id: usize, task_id: usize) {
        let key = TaskKey { job_id: job_id.clone().into(), stage_id, task_id };
        // Before the task is aborted: that waits for the operator that computes now.
        if let Some(interrupt) = self.interrupts.lock().get(&key) {
            interrupt.trigger();
        }
        let cancelled = self.executor.cancel_task(key.job_id, stage_id, task_id).await;
        debug!(job_id, stage_id, task_id, ?cancelled, "cancel task");
    }

    /// Decodes tasks that share a plan and starts each.
    pub(crate) fn launch(self: &Arc<Self>, mut tasks: MultiTaskDefinition) -> Result<(), BallistaError> {
        let functions = &self.functions;
        let settings = self.settings.of(std::mem::take(&mut tasks.props));
        let definitions = get_task_definition_vec(
            tasks,
            Arc::clone(&self.executor.runtime_producer),
            settings,
            functions.scalar_functions.clone(),
            functions.aggregate_functions.clone(),
            functions.window_functions.clone(),
            functions.higher_order_functions.clone(),
            self.codec.clone(),
        )?;
        let Some(threads) = &self.threads else {
            return Err(BallistaError::Internal("the executor has stopped".into()));
        };
        for task in definitions {
            let runner = Arc::clone(self);
            let interrupt = Interrupt::new();
            // Before it runs, so that no request to cancel comes too early.
            self.interrupts.lock().insert(key(&task), interrupt.clone());
            threads.spawn(async move {
                let status = runner.run(task, interrupt).await;
                if let Some(reporter) = runner.reporter.lock().as_ref() {
                    reporter.report(status);
                }
            });
        }
        Ok(())
    }

    /// Runs a task to its end; what went wrong is in the status.
    async fn run(&self, task: TaskDefinition, interrupt: Interrupt) -> TaskStatus {
        metrics::task_started();
        let started = Instant::now();
        let start_exec_time = unix_milliseconds();
        let key = key(&task);
        let mut status = TaskStatus {
            task_id: task.task_id as u32,
            job_id: task.job_id.clone().into(),
            stage_id: task.stage_id as u32,
            stage_attempt_num: task.stage_attempt_num as u32,
            launch_time: task.launch_time,
            start_exec_time,
            end_exec_time: 0,
            metrics: vec![],
            status: None,
        };
        let outcome = {
            // A task that panics must say so, or its job waits for ever.
            let execution = AssertUnwindSafe(self.execute(task, key.clone(), &interrupt, &mut status)).catch_unwind();
            let mut execution = pin!(execution.map(|ended| ended.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))));
            tokio::select! {
                biased;
                () = interrupt.triggered() => {
                    // It can be aborted once it was polled for the first time.
                    let known = self.executor.cancel_task(key.job_id.clone(), key.stage_id, key.task_id).await;
                    if known.is_ok_and(|known| known) { execution.await } else { Err(BallistaError::Cancelled) }
                }
                outcome = &mut execution => outcome,
            }
        };
        self.interrupts.lock().remove(&key);
        status.end_exec_time = unix_milliseconds();
        metrics::task_ended(outcome.is_ok(), started.elapsed());
        status.status = Some(match outcome {
            Ok(successful) => task_status::Status::Successful(successful),
            Err(error) => {
                let error = failure::of_task(error, &self.node());
                info!(job_id = status.job_id, stage_id = status.stage_id, task_id = status.task_id, %error, "task failed");
                task_status::Status::Failed(FailedTask::from(error))
            }
        });
        status
    }

    async fn execute(
        &self,
        task: TaskDefinition,
        key: TaskKey,
        interrupt: &Interrupt,
        status: &mut TaskStatus,
    ) -> Result<SuccessfulTask, BallistaError> {
        // Tasks of a union run some of its branches each. The scheduler takes metrics of another number of operators for an
        // error, forgets the task and waits for it for ever; it does without metrics.
        let has_metrics = !has_union(&task.plan);
        let sent = stage::measured(task.plan.as_ref());
        let runtime = self.resources.for_task(task.vcores_consumed)?;
        let settings = task.session_config.options();
        let vcores = task.vcores_consumed as usize;
        let plan = stage::runnable(self.resources.cached(task.plan)?, settings, &runtime, vcores, interrupt)?;
        let run = stage::measured(plan.as_ref());
        let stage: Arc<dyn QueryStageExecutor> = self.stages.create_query_stage_exec(
            task.job_id,
            task.stage_id,
            task.task_id,
            task.global_output_partition_ids,
            plan,
            &self.executor.work_dir,
            &task.session_config,
        )?;
        let functions = task.function_registry;
        let context = Arc::new(TaskContext::new(
            Some(format!("{}/{}/{}", key.job_id, key.stage_id, key.task_id)),
            task.session_id,
            task.session_config,
            functions.scalar_functions.clone(),
            functions.higher_order_functions.clone(),
            functions.aggregate_functions.clone(),
            functions.window_functions.clone(),
            runtime,
        ));
        let partitions = self.executor.execute_query_stage(key, Arc::clone(&stage), context).await?;
        metrics::bytes_shuffled(partitions.iter().map(|partition| partition.num_bytes).sum());
        let measured = stage.collect_plan_metrics();
        metrics::spilled(&measured);
        if has_metrics {
            status.metrics = stage::metrics_of_sent(&sent, &run, measured)
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<Vec<OperatorMetricsSet>, _>>()?;
        }
        Ok(SuccessfulTask {
            executor_id: self.executor.metadata.id.clone(),
            partitions,
            runtime_stats: stage.collect_runtime_stats_reports(),
            // The next stage merges by this state: without it the answer would be wrong, so that an error fails the task.
            window_state: stage.collect_window_state_reports()?,
            task_column_stats: stage.collect_column_stats(),
        })
    }
}

impl Drop for TaskRunner {
    fn drop(&mut self) {
        // Dropping a runtime inside another one would block and panic.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> BallistaError {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    BallistaError::Internal(format!("a task panicked: {}", text.unwrap_or("without a text")))
}

fn has_union(plan: &Arc<dyn ExecutionPlan>) -> bool {
    matches!(plan.name(), "UnionExec" | "InterleaveExec") || plan.children().into_iter().any(has_union)
}

fn key(task: &TaskDefinition) -> TaskKey {
    TaskKey { job_id: task.job_id.clone(), stage_id: task.stage_id, task_id: task.task_id }
}

fn unix_milliseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use ballista_core::execution_plans::ShuffleWriterExec;
    use datafusion::arrow::datatypes::{DataType, Schema};
    use datafusion::config::ConfigOptions;
    use datafusion::logical_expr::{Volatility, create_udf};
    use datafusion::physical_expr::ScalarFunctionExpr;
    use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
    use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

    use super::*;

    /// A task that calls a function of one row, which may panic.
    fn task(runner: &TaskRunner, task_id: usize, panics: bool) -> TaskDefinition {
        let function = create_udf("f", vec![], DataType::Int64, Volatility::Volatile, Arc::new(move |_| {
            assert!(!panics, "it explodes");
            Ok(datafusion::common::ScalarValue::from(1_i64).into())
        }));
        let options = Arc::new(ConfigOptions::default());
        let call = ScalarFunctionExpr::try_new(Arc::new(function), vec![], &Schema::empty(), options).expect("a call");
        let columns = vec![ProjectionExpr { expr: Arc::new(call), alias: "x".into() }];
        let row = Arc::new(PlaceholderRowExec::new(Arc::new(Schema::empty())));
        let rows = Arc::new(ProjectionExec::try_new(columns, row).expect("a projection"));
        let work_dir = runner.executor.work_dir.clone();
        let stage = ShuffleWriterExec::try_new("job".to_owned().into(), 1, rows, work_dir).expect("a stage");
        TaskDefinition {
            task_id,
            task_attempt_num: 0,
            job_id: "job".to_owned().into(),
            stage_id: 1,
            stage_attempt_num: 0,
            global_output_partition_ids: vec![0],
            vcores_consumed: 1,
            plan: Arc::new(stage),
            launch_time: 0,
            session_id: String::new(),
            session_config: runner.settings.of(vec![]),
            function_registry: Arc::clone(&runner.functions),
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_task() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = ExecutorConfig::for_tests(directory.path(), 1, 1 << 20);
        let runner = TaskRunner::new(&config, ExecutorRegistration::default()).expect("a runner");
        let mut outcomes = vec![];
        for (task_id, panics) in [(0, true), (1, false)] {
            outcomes.push(runner.run(task(&runner, task_id, panics), Interrupt::new()).await.status);
        }
        let [Some(task_status::Status::Failed(failed)), Some(task_status::Status::Successful(_))] = outcomes.as_slice() else {
            panic!("{outcomes:?}");
        };
        assert!(failed.error.contains("panicked") && failed.error.contains("it explodes"), "{}", failed.error);
    }
}
