//! What server, scheduler and executor must agree on to run one query together.
//!
//! [`Engine`] plans and runs a query here or, through a [`Cluster`], on executors. The session states, functions and
//! codecs built in this crate are the same in every process.

mod broadcast;
mod broadcast_side;
mod checked_arithmetic;
mod cluster;
pub mod cluster_protocol;
mod codec;
mod compact;
mod config;
mod constants;
mod dimensions;
mod dynamic_filters;
mod endpoint;
mod error;
mod execution;
mod fault;
mod fetcher;
mod filter_pushdown;
mod functions;
mod gather;
mod interrupt;
mod job;
mod join_order;
mod large_limits;
mod marks;
mod memory;
mod metrics;
mod object_store;
mod offset;
mod pass;
mod physical_rules;
mod reductions;
mod remote_cluster;
mod repeat;
mod router;
mod selectivity;
mod semi_joins;
mod session_state;
mod single_task_joins;
mod replanning;
pub mod table_format;
mod task_join;
mod threads;
mod validator;
mod window_sort;
mod write;

pub use cluster::{Cluster, JobEvent, JobId, JobSubmission, PartitionFetcher};
pub use codec::{logical_codec, physical_codec};
pub use compact::compact_sorts;
pub use config::{EngineConfig, ExecutionMode, MESSAGE_BYTES_MAX, SLOTS_PER_VCORE};
pub use table_format::delta::{
    CommitError, DataFile, DeltaScan, DeltaTables, FILE_COLUMN, HistoryEntry, JointCommit, Journal, Moment, NewFile, Operation, ReadFor, ReadPoint, TableChanges, TableVersion, storable_type, without_views,
};
pub use dynamic_filters::push_dynamic_filters;
pub use endpoint::{watch, watched};
pub use error::{Error, Result};
pub use execution::{ClusterPlan, Engine, Execution, LocalPlan};
pub use fault::{Fault, FaultKind};
pub use fetcher::PooledFetcher;
pub use functions::function_registry;
pub use interrupt::Interrupt;
pub use large_limits::spill_large_limits;
pub use memory::{BATCH_ROWS, SpillingPool, fit_to_memory, naming_consumers, sweep_directory};
pub use crate::metrics::bytes_spilled;
pub use object_store::{MadeSecret, ObjectStores, Secrets, check_url, is_secret_name, secret_of};
pub use remote_cluster::RemoteCluster;
pub use repeat::INPUT_LOST;
pub use router::Route;
pub use session_state::{cluster_session_config, cluster_session_state, runtime_env};
pub use task_join::plain_joins;
pub use write::{SortColumn, write, write_file};
