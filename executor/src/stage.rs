//! A task's plan as it runs here, and its metrics as the scheduler expects them.
//!
//! Between stages strings and binaries travel as plain arrays: a view array brings along every buffer that it points into,
//! and rows scattered over partitions point into all of them. Within a task they are views, which scan, compare and
//! group faster.

use std::sync::Arc;

use ballista_core::execution_plans::ShuffleReaderExec;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use engine::Interrupt;

/// The plan to run in place of `stage`, which is a shuffle writer over the operators of the task, with `vcores` in `runtime`.
pub(crate) fn runnable(
    stage: Arc<dyn ExecutionPlan>,
    config: &ConfigOptions,
    runtime: &RuntimeEnv,
    vcores: usize,
    interrupt: &Interrupt,
) -> Result<Arc<dyn ExecutionPlan>> {
    let stage = engine::spill_large_limits(engine::plain_joins(stage)?, config, runtime, vcores)?;
    let stage = engine::push_dynamic_filters(stage, config)?;
    let stage = interrupt.install(engine::compact_sorts(stage)?)?;
    write_plain(stage.transform_up(read_plain).data()?)
}

/// A shuffle reader reads plain arrays and makes views of them.
fn read_plain(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(reader) = node.downcast_ref::<ShuffleReaderExec>() else { return Ok(Transformed::no(node)) };
    let (schema, plain) = (node.schema(), plain_schema(&node.schema()));
    if schema == plain || reader.coalesce.is_some() {
        return Ok(Transformed::no(node));
    }
    let reader = match reader.broadcast {
        true => {
            let locations = reader.partition.first().cloned().unwrap_or_default();
            ShuffleReaderExec::try_new_broadcast(reader.stage_id, locations, plain, reader.upstream_partition_count)?
        }
        false => {
            let partitioning = node.output_partitioning().clone();
            ShuffleReaderExec::try_new(reader.stage_id, reader.partition.clone(), plain, partitioning)?
        }
    };
    Ok(Transformed::yes(cast(Arc::new(reader), &schema)?))
}

/// The writer at the root of a stage gets plain arrays.
fn write_plain(stage: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let children = stage.children();
    let [rows] = children.as_slice() else { return Ok(stage) };
    let (schema, plain) = (rows.schema(), plain_schema(&rows.schema()));
    if schema == plain {
        return Ok(stage);
    }
    let rows = cast(Arc::clone(rows), &plain)?;
    stage.replace_children(vec![rows], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// The columns of `rows` as those of `schema`.
fn cast(rows: Arc<dyn ExecutionPlan>, schema: &SchemaRef) -> Result<Arc<dyn ExecutionPlan>> {
    let columns = rows.schema();
    let exprs = columns.fields().iter().zip(schema.fields()).enumerate().map(|(index, (from, to))| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(from.name(), index));
        let expr = match from.data_type() == to.data_type() {
            true => column,
            false => Arc::new(CastExpr::new(column, to.data_type().clone(), None)),
        };
        ProjectionExpr { expr, alias: to.name().clone() }
    });
    Ok(Arc::new(ProjectionExec::try_new(exprs.collect::<Vec<_>>(), rows)?))
}

fn plain_schema(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(plain_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn plain_field(field: &FieldRef) -> FieldRef {
    match plain_type(field.data_type()) {
        Some(data_type) => Arc::new(Field::clone(field).with_data_type(data_type)),
        None => Arc::clone(field),
    }
}

/// A type without views; `None` if it has none.
fn plain_type(data_type: &DataType) -> Option<DataType> {
    let plain = match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::ListView(field) => DataType::List(plain_field(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(plain_field(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(plain_field(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect::<Fields>()),
        DataType::Map(field, sorted) => DataType::Map(plain_field(field), *sorted),
        _ => return None,
    };
    (plain != *data_type).then_some(plain)
}

/// The operators that keep metrics, in the order in which metrics are collected.
pub(crate) fn measured(plan: &dyn ExecutionPlan) -> Vec<String> {
    let own = plan.metrics().map(|_| plan.name().to_owned());
    own.into_iter().chain(plan.children().into_iter().flat_map(|child| measured(child.as_ref()))).collect()
}

/// The metrics of the operators that the scheduler sent, without those of operators that were put in here. The scheduler
/// takes another number for an error, forgets the task and waits for it for ever; it does without metrics, so that is
/// what it gets if the plans cannot be compared.
pub(crate) fn metrics_of_sent(sent: &[String], run: &[String], metrics: Vec<MetricsSet>) -> Vec<MetricsSet> {
    if run.len() != metrics.len() {
        return vec![];
    }
    let mut expected = sent.iter().peekable();
    let kept: Vec<MetricsSet> = run
        .iter()
        .zip(metrics)
        .filter_map(|(name, metrics)| expected.next_if(|sent| is_same(sent, name)).map(|_| metrics))
        .collect();
    if kept.len() == sent.len() { kept } else { vec![] }
}

/// A sort that was to keep a few rows may run as one that sorts all.
fn is_same(sent: &str, run: &str) -> bool {
    sent == run || sent.strip_suffix("(TopK)") == Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_travel_as_plain_arrays_at_any_depth() {
        let item = |data_type| Arc::new(Field::new("item", data_type, true));
        let nested = DataType::List(item(DataType::Struct(Fields::from(vec![Field::new("x", DataType::Utf8View, true)]))));
        let plain = DataType::List(item(DataType::Struct(Fields::from(vec![Field::new("x", DataType::Utf8, true)]))));
        assert_eq!(plain_type(&nested), Some(plain.clone()));
        assert_eq!(plain_type(&plain), None);
        assert_eq!(plain_type(&DataType::BinaryView), Some(DataType::Binary));
        assert_eq!(plain_type(&DataType::Int64), None);
    }

    #[test]
    fn the_scheduler_gets_metrics_of_its_own_operators_or_none() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let metrics = |count| vec![MetricsSet::new(); count];
        let sent = names(&["Writer", "Filter", "Reader"]);
        let run = names(&["Writer", "Projection", "Filter", "Projection", "Reader"]);
        assert_eq!(metrics_of_sent(&sent, &run, metrics(5)).len(), 3);
        let (heap, sort) = (names(&["Writer", "SortExec(TopK)", "Reader"]), names(&["Writer", "Limit", "SortExec", "Reader"]));
        assert_eq!(metrics_of_sent(&heap, &sort, metrics(4)).len(), 3);
        assert!(metrics_of_sent(&sent, &names(&["Writer", "Reader"]), metrics(2)).is_empty());
        assert!(metrics_of_sent(&sent, &run, metrics(4)).is_empty());
    }
}
