//! Plans a query, decides where it runs, and runs it.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::CatalogProviderList;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::cluster::Cluster;
use crate::compact::compact_sorts;
use crate::config::EngineConfig;
use crate::constants::{Constants, constants};
use crate::table_format::delta::DeltaTables;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::job::conform;
use crate::large_limits::spill_large_limits;
use crate::metrics;
use crate::object_store::ObjectStores;
use crate::repeat::{PAUSE, Query};
use crate::router::{self, Route};
use crate::session_state::{
    cluster_session_config, cluster_session_state, local_session_config, local_session_state, runtime_env,
};
use crate::replanning;
use crate::threads::{QueryHandle, QueryThreads};
use crate::validator;

/// The rows of a query. Dropping them stops the query, here or on the cluster.
pub type Execution = BoxStream<'static, Result<RecordBatch>>;

/// Runs queries for the sessions of one server.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    /// Registering functions takes milliseconds, so states are cloned from these two.
    local: SessionState,
    distributed: SessionState,
    cluster: Option<Arc<dyn Cluster>>,
    threads: QueryThreads,
    tables: DeltaTables,
}

/// A query planned for this process.
#[derive(Clone, Debug)]
pub struct LocalPlan {
    pub physical: Arc<dyn ExecutionPlan>,
    logical: LogicalPlan,
    /// The result, where planning has made it.
    row: Option<RecordBatch>,
}

/// A query planned for the cluster, which can run it.
#[derive(Clone, Debug)]
pub struct ClusterPlan {
    pub physical: Arc<dyn ExecutionPlan>,
    logical: LogicalPlan,
    state: SessionState,
}

impl Engine {
    pub fn new(config: EngineConfig, cluster: Option<Arc<dyn Cluster>>) -> Result<Self> {
        crate::memory::sweep_directory(&config.spill_dir).map_err(|error| Error::Location {
            location: config.spill_dir.display().to_string(),
            message: format!("the spill directory cannot be emptied: {error}"),
        })?;
        let object_stores = Arc::clone(&config.object_stores);
        let runtime = runtime_env(config.memory_bytes, config.parallelism, &config.spill_dir, object_stores)?;
        let local = local_session_state(local_session_config(config.parallelism, config.memory_bytes), Arc::clone(&runtime));
        let distributed = cluster_session_state(cluster_session_config(), Some(runtime))?;
        let threads = QueryThreads::start(config.parallelism)?;
        let tables = DeltaTables::new(Arc::clone(&config.object_stores));
        Ok(Self { config, local, distributed, cluster, threads, tables })
    }

    /// Where the files are.
    pub fn object_stores(&self) -> &Arc<ObjectStores> {
        &self.config.object_stores
    }

    /// The tables that can be written.
    pub fn tables(&self) -> &DeltaTables {
        &self.tables
    }

    pub fn runtime_env(&self) -> &Arc<RuntimeEnv> {
        self.local.runtime_env()
    }

    /// A state for planning and running here. `configure` changes a copy of the engine's settings.
    pub fn local_state(
        &self,
        catalogs: Arc<dyn CatalogProviderList>,
        configure: impl FnOnce(&mut SessionConfig),
    ) -> SessionState {
        derive(&self.local, catalogs, configure)
    }

    /// A state for planning for the cluster, with one partition per core of the live executors.
    pub async fn cluster_state(
        &self,
        catalogs: Arc<dyn CatalogProviderList>,
        configure: impl FnOnce(&mut SessionConfig),
    ) -> SessionState {
        let partitions = match &self.cluster {
            Some(cluster) => cluster.vcores().await.max(1),
            None => 1,
        };
        derive(&self.distributed, catalogs, |config| {
            config.options_mut().execution.target_partitions = partitions.try_into().unwrap_or(usize::MAX);
            configure(config);
        })
    }

    /// Plans `logical` for this process with a state from [`Engine::local_state`].
    pub async fn plan(&self, state: &SessionState, logical: &LogicalPlan) -> Result<LocalPlan> {
        let of_constants = |Constants { plan, row }| LocalPlan { physical: plan, logical: logical.clone(), row: Some(row) };
        if let Some(found) = constants(logical)? {
            return Ok(of_constants(found));
        }
        let optimized = state.optimize(logical)?;
        if let Some(found) = constants(&optimized)? {
            return Ok(of_constants(found));
        }
        let physical = state.query_planner().create_physical_plan(&optimized, state).await?;
        Ok(LocalPlan { physical, logical: logical.clone(), row: None })
    }

    /// Where a query should run that may run anywhere. Whether the cluster can run it is not asked.
    pub fn route(&self, plan: &LocalPlan) -> Route {
        router::choose(&plan.physical, self.config.local_bytes_max, self.cluster.is_some())
    }

    /// Plans `logical` for the cluster with a state from [`Engine::cluster_state`]. The error is why the cluster cannot run it.
    pub async fn plan_for_cluster(&self, state: SessionState, logical: &LogicalPlan) -> Result<ClusterPlan, String> {
        if self.cluster.is_none() {
            return Err("no cluster is configured".into());
        }
        let root = |error: DataFusionError| error.find_root().strip_backtrace();
        if let Some(reason) = validator::query_refusal(logical).map_err(root)? {
            return Err(reason);
        }
        let physical = state.create_physical_plan(logical).await.map_err(root)?;
        if let Some(reason) = validator::refusal(&physical).or_else(|| self.secret_refusal(&physical)) {
            return Err(reason);
        }
        Ok(ClusterPlan { physical, logical: logical.clone(), state })
    }

    /// The reason why executors of other processes cannot read what a plan reads: they do not have the secret.
    fn secret_refusal(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
        if self.cluster.as_ref().is_none_or(|cluster| cluster.is_embedded()) {
            return None;
        }
        validator::secret_refusal(plan, self.config.object_stores.secrets())
    }

    /// Runs a plan in this process.
    pub fn run_local(&self, state: &SessionState, planned: &LocalPlan) -> Execution {
        let running = metrics::RunningQuery::start(&Route::Local { reason: String::new() });
        if let Some(row) = planned.row.clone() {
            return timed(stream::iter([Ok(row)]).boxed(), running);
        }
        let run = self.local_run(state);
        let first = run.start(Arc::clone(&planned.physical));
        timed(run.or_again(first, state, planned), running)
    }

    /// The same for somebody who wants to see what ran: the operators that are added to a plan before it runs are in it, and
    /// it has the metrics.
    pub fn analyze_local(&self, state: &SessionState, planned: &LocalPlan) -> Result<(Execution, Arc<dyn ExecutionPlan>)> {
        let running = metrics::RunningQuery::start(&Route::Local { reason: String::new() });
        let (run, interrupt) = (self.local_run(state), Interrupt::new());
        let plan = run.prepared(Arc::clone(&planned.physical), &interrupt)?;
        let (opening, opened) = (run.clone(), Arc::clone(&plan));
        let first = run.threads.run(move || opening.open(opened), interrupt);
        Ok((timed(run.or_again(first, state, planned), running), plan))
    }

    fn local_run(&self, state: &SessionState) -> LocalRun {
        let (threads, object_stores) = (self.threads.handle(), Arc::clone(&self.config.object_stores));
        LocalRun { threads, object_stores, context: state.task_ctx() }
    }

    /// Runs a plan on the cluster, which starts when the first batch is asked for. Its batches are given the types of `schema`.
    pub fn run_distributed(&self, name: String, plan: ClusterPlan, schema: SchemaRef) -> Result<Execution> {
        let running = metrics::RunningQuery::start(&Route::Distributed { reason: String::new() });
        let cluster = self.cluster.clone().ok_or(Error::NoCluster)?;
        let ClusterPlan { physical, logical, state } = plan;
        let threads = self.threads.handle();
        let query = move |state: SessionState, plan: Arc<dyn ExecutionPlan>| {
            let context = Arc::new(SessionContext::new_with_state(state));
            let threads = Some(threads.clone());
            Query { cluster: Arc::clone(&cluster), name: name.clone(), context, plan, threads, pause: PAUSE }.run()
        };
        let has_unspillable_operators = replanning::has_unspillable_operators(physical.as_ref());
        let mut rows = query(state.clone(), physical);
        if has_unspillable_operators {
            let threads = self.threads.handle();
            rows = replanning::or_again(rows, move || {
                Box::pin(async move {
                    let state = replanning::with_spilling_operators(&state);
                    let plan = threads.plan(state.clone(), logical).await?;
                    match validator::refusal(&plan) {
                        Some(reason) => Err(Error::NotDistributable { reason }),
                        None => Ok(query(state, plan)),
                    }
                })
            });
        }
        let rows = rows.map(move |batch| conform(&batch?, &schema)).boxed();
        Ok(timed(rows, running))
    }
}

/// The rows; how long they took is measured when they end.
fn timed(rows: Execution, running: metrics::RunningQuery) -> Execution {
    rows.inspect(move |_| {
        let _until_dropped = &running;
    })
    .boxed()
}

/// What a query that runs in this process needs.
#[derive(Clone)]
struct LocalRun {
    threads: QueryHandle,
    object_stores: Arc<ObjectStores>,
    context: Arc<TaskContext>,
}

impl LocalRun {
    fn start(&self, plan: Arc<dyn ExecutionPlan>) -> Execution {
        let (run, interrupt) = (self.clone(), Interrupt::new());
        let installed = interrupt.clone();
        self.threads.run(move || run.open(run.prepared(plan, &installed)?), interrupt)
    }

    /// The plan with what it needs to run here.
    fn prepared(&self, plan: Arc<dyn ExecutionPlan>, interrupt: &Interrupt) -> Result<Arc<dyn ExecutionPlan>> {
        let (runtime, config) = (self.context.runtime_env(), self.context.session_config());
        let plan = self.object_stores.cached(plan, &runtime)?;
        let plan = spill_large_limits(plan, config.options(), &runtime, config.target_partitions())?;
        Ok(interrupt.install(compact_sorts(plan)?)?)
    }

    fn open(&self, plan: Arc<dyn ExecutionPlan>) -> Result<SendableRecordBatchStream> {
        let running = metrics::RunningPlan(Arc::clone(&plan));
        let rows = execute_stream(plan, Arc::clone(&self.context))?;
        let schema = rows.schema();
        let rows = rows.inspect(move |_| {
            let _until_dropped = &running;
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    /// `first`, or if its hash joins did not fit into memory, the rows of a plan without them.
    fn or_again(self, first: Execution, state: &SessionState, planned: &LocalPlan) -> Execution {
        if !replanning::has_unspillable_operators(planned.physical.as_ref()) {
            return first;
        }
        let (logical, state) = (planned.logical.clone(), state.clone());
        replanning::or_again(first, move || {
            Box::pin(async move {
                let state = replanning::with_spilling_operators(&state);
                let run = Self { context: state.task_ctx(), ..self };
                let physical = run.threads.plan(state, logical).await?;
                Ok(run.start(physical))
            })
        })
    }
}

fn derive(
    template: &SessionState,
    catalogs: Arc<dyn CatalogProviderList>,
    configure: impl FnOnce(&mut SessionConfig),
) -> SessionState {
    let mut state = template.clone();
    state.register_catalog_list(catalogs);
    configure(state.config_mut());
    // `now()` is the start of the statement.
    state.mark_start_execution();
    state
}
