//! Builds DataFusion's `SessionState`, for queries run here and for queries run on the cluster. The only place that does.
//!
//! The two differ: on the cluster plans use what `ballista-core` sets, because a dynamic filter would wait for ever for a
//! stage that runs elsewhere, and an uncorrelated scalar subquery could not be decoded.

use std::sync::Arc;

use ballista_core::config::{BALLISTA_SHUFFLE_COMPRESSION_CODEC, BALLISTA_SHUFFLE_SORT_BASED_BATCH_SIZE};
use ballista_core::extension::SessionConfigExt;
use ballista_core::optimizer::with_ballista_optimizer_rules;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::optimizer::Optimizer;
use datafusion::prelude::SessionConfig;

use crate::checked_arithmetic::CheckedArithmetic;
use crate::codec::{logical_codec, physical_codec};
use crate::config::MESSAGE_BYTES_MAX;
use crate::endpoint::watch;
use crate::functions::register_functions;
use crate::memory::{BATCH_ROWS, fit_to_memory, memory_pool, spill_merge_fan_in};
use crate::object_store::ObjectStores;
use crate::semi_joins::SemiJoinsFirst;
use crate::write::query_planner;
use crate::{broadcast_side, physical_rules};

/// A join's build side that all partitions share, in this process: up to this many bytes, or rows if bytes are not known.
const BUILD_BYTES_MAX: usize = 128 << 20;
const BUILD_ROWS_MAX: usize = 5_000_000;

/// Memory, spill directory, object stores and caches for queries that run in one process on `parallelism` threads.
pub fn runtime_env(
    memory_bytes: usize,
    parallelism: usize,
    spill_dir: &std::path::Path,
    object_stores: Arc<ObjectStores>,
) -> Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(memory_pool(memory_bytes))
        .with_disk_manager_builder(
            DiskManagerBuilder::default()
                .with_mode(DiskManagerMode::Directories(vec![spill_dir.to_owned()]))
                .with_max_spill_merge_fan_in(spill_merge_fan_in(memory_bytes, parallelism)),
        )
        .with_object_store_registry(object_stores)
        // Files come, go and change while they are served.
        .with_object_list_cache_limit(0)
        .build_arc()
}

/// Settings of plans that run in this process on `parallelism` threads with a pool of `memory_bytes`.
pub(crate) fn local_session_config(parallelism: usize, memory_bytes: usize) -> SessionConfig {
    let config = common_session_config().with_target_partitions(parallelism);
    let mut config = fit_to_memory(config, memory_bytes, parallelism);
    let options = config.options_mut();
    // Exchanging both sides of a join costs more than building one side's table on one thread.
    options.optimizer.hash_join_single_partition_threshold = BUILD_BYTES_MAX;
    options.optimizer.hash_join_single_partition_threshold_rows = BUILD_ROWS_MAX;
    config
}

/// Settings of plans that are cut into stages. Scheduler and executors start from the same.
pub fn cluster_session_config() -> SessionConfig {
    // The settings that Ballista needs are applied when the extension is first added.
    let mut config = common_session_config()
        .upgrade_for_ballista()
        .with_ballista_logical_extension_codec(logical_codec())
        .with_ballista_physical_extension_codec(physical_codec())
        .with_ballista_grpc_client_max_message_size(MESSAGE_BYTES_MAX)
        .with_ballista_override_create_grpc_client_endpoint(watch())
        .with_ballista_broadcast_join_threshold_bytes(broadcast_side::THRESHOLD_BYTES)
        // Planning again after each stage never ends for some plans: an outer join one side of which turns out to be
        // empty, or a union of sorted constants. An error in it leaves the job waiting for ever.
        .with_ballista_adaptive_query_planner(false);
    let options = config.options_mut();
    // Sort-merge joins take one and a half times as long on TPC-H, and spill; these do not.
    options.optimizer.prefer_hash_join = true;
    // Which side to send to every task is decided in `broadcast`: DataFusion does not look at the kind of join,
    // and rows of outer and anti joins would be lost.
    options.optimizer.hash_join_single_partition_threshold = 0;
    options.optimizer.hash_join_single_partition_threshold_rows = 0;
    for (name, value) in [
        (BALLISTA_SHUFFLE_COMPRESSION_CODEC, "none".to_owned()),
        (BALLISTA_SHUFFLE_SORT_BASED_BATCH_SIZE, BATCH_ROWS.to_string()),
    ] {
        if let Err(error) = options.set(name, &value) {
            // Slower, not wrong.
            tracing::warn!(name, value, %error, "setting ignored");
        }
    }
    config
}

fn common_session_config() -> SessionConfig {
    let mut config = SessionConfig::new().with_batch_size(BATCH_ROWS).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.dialect = datafusion::common::config::Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.catalog.create_default_catalog_and_schema = false;
    // A table is all files below its directory.
    options.execution.listing_table_ignore_subdirectory = false;
    config
}

/// The state of a plan for this process.
pub(crate) fn local_session_state(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionState {
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime);
    let builder = builder.with_physical_optimizer_rules(physical_rules::local());
    let builder = builder.with_optimizer_rule(Arc::new(SemiJoinsFirst));
    let builder = builder.with_query_planner(query_planner());
    register_functions(builder).with_analyzer_rule(Arc::new(CheckedArithmetic::default())).build()
}

/// The state of a plan for the cluster. `config` must come from [`cluster_session_config`]; a plain one is upgraded.
pub fn cluster_session_state(config: SessionConfig, runtime: Option<Arc<RuntimeEnv>>) -> Result<SessionState> {
    let config = config.upgrade_for_ballista();
    let runtime = match runtime {
        Some(runtime) => runtime,
        // Plans name stores, and are decoded where nobody reads them.
        None => RuntimeEnvBuilder::new().with_object_store_registry(ObjectStores::unread()).build_arc()?,
    };
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime);
    let rules = with_ballista_optimizer_rules(&Optimizer::default().rules);
    let builder = builder.with_optimizer_rules(rules).with_optimizer_rule(Arc::new(SemiJoinsFirst));
    let builder = builder.with_physical_optimizer_rules(physical_rules::cluster()).with_query_planner(query_planner());
    let builder = register_functions(builder);
    Ok(builder.with_analyzer_rule(Arc::new(CheckedArithmetic::default())).build())
}
