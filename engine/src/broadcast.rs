//! Joins on the cluster whose smaller side is sent whole to every task, so that the larger one is not shuffled.
//!
//! DataFusion's own choice of such joins does not look at their kind: a task that has all rows of the build side but only
//! some of the probe side cannot know which build rows have no partner. Ballista takes such choices back, and makes others
//! after exchanges were put in. So the choice is made here: after join sides were ordered, before exchanges are put in.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use crate::marks::mark;
use crate::reductions::{Reduced, reduce};
use crate::task_join::is_driven_by_probe;

/// Marks hash joins to be run with a build side that every task has whole.
#[derive(Debug)]
pub(crate) struct BroadcastJoins;

impl PhysicalOptimizerRule for BroadcastJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let limits = Limits { tasks: config.execution.target_partitions };
        plan.transform_up(|plan| {
            let chosen = match plan.downcast_ref::<HashJoinExec>() {
                Some(join) if *join.partition_mode() == PartitionMode::Partitioned => choose(join, &limits)?,
                _ => None,
            };
            Ok(chosen.map_or_else(|| Transformed::no(plan), Transformed::yes))
        })
        .data()
    }

    fn name(&self) -> &str {
        "broadcast_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

struct Limits {
    /// How many tasks a stage has.
    tasks: usize,
}

impl Limits {
    /// Whether every task reads and hashes `build` bytes in less time than all of them take to exchange `probe` bytes.
    fn allow(&self, build: usize, probe: Option<usize>) -> bool {
        let is_cheaper = probe.is_none_or(|probe| build.saturating_mul(self.tasks.saturating_sub(1)) <= probe);
        build < BROADCAST_BYTES_MAX && (is_cheaper || build < SMALL_BYTES)
    }

    /// Whether every task reads, marks and hands on the left rows in less time than all of them take to exchange the right.
    fn allow_marks(&self, join: &HashJoinExec) -> bool {
        let (left, right) = (rows_bytes(join.left().as_ref()), rows_bytes(join.right().as_ref()));
        let is_cheaper = |left: usize, right: usize| left.saturating_mul(self.tasks).saturating_mul(2) <= right;
        left.zip(right).is_some_and(|(left, right)| left < BROADCAST_BYTES_MAX && is_cheaper(left, right))
    }
}

/// Of a build side: each task holds it in memory.
const BROADCAST_BYTES_MAX: usize = 128 << 20;
/// Less than this is read in less time than another stage takes to start.
const SMALL_BYTES: usize = 1 << 20;

/// What to put in the place of a join that would exchange both its sides: one that sends a side to all tasks, or that
/// exchanges less; `None` if there is none.
fn choose(join: &HashJoinExec, limits: &Limits) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let with_groups = reduce(join, Reduced::Aggregates)?;
    let join = with_groups.as_ref().and_then(|plan| plan.downcast_ref()).unwrap_or(join);
    if let Some(broadcast) = broadcast(join, limits)? {
        return Ok(Some(broadcast));
    }
    if let Some(marked) = with_marks(join, limits)? {
        return Ok(Some(marked));
    }
    let Some(with_tables) = reduce(join, Reduced::Tables)? else { return Ok(with_groups) };
    let sent_whole = match with_tables.downcast_ref::<HashJoinExec>() {
        Some(join) => broadcast(join, limits)?,
        None => None,
    };
    Ok(Some(sent_whole.unwrap_or(with_tables)))
}

/// The join with the rows of one side marked by all tasks; `None` if it keeps rows of both, or that is dearer than an exchange.
fn with_marks(join: &HashJoinExec, limits: &Limits) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let swapped = match join.join_type() {
        JoinType::RightSemi | JoinType::RightAnti => Some(join.swap_inputs(PartitionMode::Partitioned)?),
        _ => None,
    };
    let join = swapped.as_ref().and_then(|plan| plan.downcast_ref()).unwrap_or(join);
    if limits.allow_marks(join) { mark(join) } else { Ok(None) }
}

/// The join with one side as a build side for all tasks; `None` if that is dearer than an exchange, or would be wrong.
fn broadcast(join: &HashJoinExec, limits: &Limits) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if join.null_aware {
        return Ok(None);
    }
    let (left, right) = (rows_bytes(join.left().as_ref()), rows_bytes(join.right().as_ref()));
    let may_stay = is_driven_by_probe(*join.join_type()) && left.is_some_and(|left| limits.allow(left, right));
    let may_swap = join.join_type().supports_swap()
        && is_driven_by_probe(join.join_type().swap())
        && right.is_some_and(|right| limits.allow(right, left));
    match (may_stay, may_swap) {
        (true, true) if right < left => join.swap_inputs(PartitionMode::CollectLeft).map(Some),
        (true, _) => Ok(Some(Arc::new(join.builder().with_partition_mode(PartitionMode::CollectLeft).build()?))),
        (false, true) => join.swap_inputs(PartitionMode::CollectLeft).map(Some),
        (false, false) => Ok(None),
    }
}

/// The size of a plan's rows in memory, if their number is known.
fn rows_bytes(plan: &dyn ExecutionPlan) -> Option<usize> {
    let statistics = StatisticsContext::new().compute(plan, &StatisticsArgs::new()).ok()?;
    match statistics.num_rows.get_value() {
        Some(rows) => Some(rows.saturating_mul(row_bytes(&plan.schema()))),
        None => statistics.total_byte_size.get_value().copied(),
    }
}

fn row_bytes(schema: &Schema) -> usize {
    /// Of a value whose type has no fixed width.
    const VARIABLE_BYTES: usize = 32;
    let width = |data_type: &DataType| match data_type {
        DataType::Boolean | DataType::Null => 1,
        data_type => data_type.primitive_width().unwrap_or(VARIABLE_BYTES),
    };
    schema.fields().iter().map(|field| width(field.data_type())).sum::<usize>().max(8)
}
