//! Filters that a join makes from its build side while the query runs, and that its probe side's scans apply.
//!
//! DataFusion makes one for every join. A filter that lets most rows pass costs more than it saves: half the time of a
//! join of all orders with their lines. So those that promise nothing are taken out of the scans again; a join whose
//! filter nobody reads does not make one. The others leave out row groups and pages. To look at each row before the other
//! columns are read, as `datafusion.execution.parquet.pushdown_filters` has it, takes up to twice as long as to read them all
//! and filter then, unless hardly a row passes.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::ExecutionPlan;

use crate::filter_pushdown::has_repeated_names;
use crate::reductions::{index, smallest_source};

/// Gives the plan of a task the dynamic filters that it can fill itself: the builds of its joins, and its top rows.
///
/// The scheduler plans without, because a filter cannot cross from one task to another.
pub fn push_dynamic_filters(plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
    push(plan, config, |join| Ok(passing(join)?.is_some_and(|fraction| fraction < TASK_FRACTION_MAX)))
}

/// Of the values of a key, how many may pass a filter in a task, whose build side's rows have been counted.
const TASK_FRACTION_MAX: f64 = 0.1;

/// Of the values of a key, how many may pass a filter that the scan applies to each row.
const ROWS_FRACTION_MAX: f64 = 0.02;

/// Makes dynamic filters for joins whose build side leaves out rows, and for top rows.
#[derive(Debug)]
pub(crate) struct SelectiveFilters;

impl PhysicalOptimizerRule for SelectiveFilters {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        push(plan, config, |join| is_reduced(join.left()))
    }

    fn name(&self) -> &str {
        "selective_dynamic_filters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Pushes all dynamic filters down, and removes those that could go astray and those of joins that `pays` says no to.
fn push(
    plan: Arc<dyn ExecutionPlan>,
    config: &ConfigOptions,
    pays: impl Fn(&HashJoinExec) -> Result<bool>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let pushed = FilterPushdown::new_post_optimization().optimize(Arc::clone(&plan), config)?;
    let (mut useless, mut selective) = (HashSet::new(), HashSet::new());
    pushed.apply(|node| {
        let filters: Vec<u64> = node.dynamic_expressions_produced().iter().filter_map(|filter| filter.expression_id()).collect();
        // A filter's column is found below by its name, which must mean one column.
        let is_useful = || -> Result<bool> {
            Ok(!has_repeated_names(node)? && node.downcast_ref::<HashJoinExec>().map_or(Ok(true), &pays)?)
        };
        if !filters.is_empty() && !is_useful()? {
            useless.extend(filters);
        } else if let Some(join) = node.downcast_ref::<HashJoinExec>()
            && passing(join)?.is_some_and(|fraction| fraction < ROWS_FRACTION_MAX)
        {
            selective.extend(filters);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if useless.is_empty() && selective.is_empty() {
        return Ok(pushed);
    }
    let mut originals = leaves(&plan)?.into_iter();
    let restored = pushed.transform_up(|node| {
        if !node.children().is_empty() {
            return Ok(Transformed::no(node));
        }
        // The rule changes leaves, not their number or order.
        let Some(original) = originals.next() else { return Ok(Transformed::no(node)) };
        let kept = without(&node, &original, &useless)?.unwrap_or_else(|| Arc::clone(&node));
        let scan = with_row_filter(&kept, &selective)?.unwrap_or(kept);
        Ok(if Arc::ptr_eq(&scan, &node) { Transformed::no(node) } else { Transformed::yes(scan) })
    })?;
    Ok(restored.data)
}

/// The scan with its filters applied to each row; `None` if one of them is not `selective`, which would be applied so too.
fn with_row_filter(
    plan: &Arc<dyn ExecutionPlan>,
    selective: &HashSet<u64>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some((scan, source)) = parquet(plan) else { return Ok(None) };
    let Some(predicate) = source.filter() else { return Ok(None) };
    for filter in split_conjunction(&predicate) {
        if !is_one_of(filter, selective)? {
            return Ok(None);
        }
    }
    let source = source.clone().with_pushdown_filters(true);
    let scan = FileScanConfigBuilder::from(scan.clone()).with_source(Arc::new(source)).build();
    Ok(Some(DataSourceExec::from_data_source(scan)))
}

/// Whether a filter is, or holds, one of those that joins make.
fn is_one_of(filter: &Arc<dyn PhysicalExpr>, ids: &HashSet<u64>) -> Result<bool> {
    filter.exists(|expr| Ok(expr.expression_id().is_some_and(|id| ids.contains(&id))))
}

fn leaves(plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
    let mut leaves = Vec::new();
    plan.apply(|node| {
        if node.children().is_empty() {
            leaves.push(Arc::clone(node));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(leaves)
}

/// The scan `original` with the filters that `pushed` has, except `useless` ones; `None` if it has none of those.
fn without(
    pushed: &Arc<dyn ExecutionPlan>,
    original: &Arc<dyn ExecutionPlan>,
    useless: &HashSet<u64>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (Some((_, pushed)), Some((scan, original))) = (parquet(pushed), parquet(original)) else { return Ok(None) };
    let Some(predicate) = pushed.filter() else { return Ok(None) };
    let mut kept = Vec::new();
    let mut removed = false;
    for filter in split_conjunction(&predicate) {
        match is_one_of(filter, useless)? {
            true => removed = true,
            false => kept.push(Arc::clone(filter)),
        }
    }
    if !removed {
        return Ok(None);
    }
    let source = if kept.is_empty() { original.clone() } else { pushed.with_predicate(conjunction(kept)) };
    let scan = FileScanConfigBuilder::from(scan.clone()).with_source(Arc::new(source)).build();
    Ok(Some(DataSourceExec::from_data_source(scan)))
}

fn parquet(plan: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &ParquetSource)> {
    let scan = plan.downcast_ref::<DataSourceExec>()?;
    let config = (scan.data_source().as_ref() as &dyn std::any::Any).downcast_ref::<FileScanConfig>()?;
    let source = (config.file_source().as_ref() as &dyn std::any::Any).downcast_ref::<ParquetSource>()?;
    Some((config, source))
}

/// Whether a plan leaves out some of the rows of its tables. A filter of all keys of a table lets everything pass.
fn is_reduced(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| {
        let limits = node.is::<GlobalLimitExec>() || node.is::<LocalLimitExec>();
        let filters = node.is::<FilterExec>() || node.is::<AggregateExec>();
        let scans = || parquet(node).and_then(|(_, source)| source.filter()).is_some_and(|predicate| has_static_filter(&predicate));
        let sorts = || node.downcast_ref::<SortExec>().is_some_and(|sort| sort.fetch().is_some());
        Ok(limits || filters || scans() || sorts())
    })
}

fn has_static_filter(predicate: &Arc<dyn PhysicalExpr>) -> bool {
    split_conjunction(predicate).into_iter().any(|filter| filter.downcast_ref::<DynamicFilterPhysicalExpr>().is_none())
}

/// The part of the probe side's keys that the build side has, if statistics tell.
fn passing(join: &HashJoinExec) -> Result<Option<f64>> {
    let statistics = |plan: &Arc<dyn ExecutionPlan>| StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
    let (build, probe) = (statistics(join.left())?, statistics(join.right())?);
    let (Some(build_rows), Some(probe_rows)) = (build.num_rows.get_value(), probe.num_rows.get_value()) else { return Ok(None) };
    let mut least: Option<f64> = None;
    for (build_key, key) in join.on() {
        let Some(column) = index(key).and_then(|index| probe.column_statistics.get(index)) else { continue };
        let range = || column.min_value.get_value()?.distance(column.max_value.get_value()?)?.checked_add(1);
        // As many values as rows is the most there can be; strings have no range.
        let values = column.distinct_count.get_value().copied().or_else(range).unwrap_or(*probe_rows).min(*probe_rows);
        // Rows of a build side that joins have multiplied have no more keys than the table that the keys are from.
        let source = index(build_key).map_or(Ok(None), |column| smallest_source(join.left(), column))?;
        let keys = source.map_or(*build_rows, |(rows, _)| rows.min(*build_rows));
        let fraction = keys as f64 / values.max(1) as f64;
        least = Some(least.map_or(fraction, |least| least.min(fraction)));
    }
    Ok(least)
}
