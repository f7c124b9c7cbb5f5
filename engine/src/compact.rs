//! Rows that sorts hand on without the buffers of rows that are elsewhere.
//!
//! A string of a view array lies in a buffer that it shares: with the whole column of the file or message that was read, or, if
//! rows were spilled, with all columns of their batch. A merge picks rows from several of those and keeps all of them in
//! memory, many times what it holds of them, and so does whatever collects its rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, UInt64Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{BinaryViewType, ByteViewType, DataType, StringViewType};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use crate::pass::{Pass, PassExec};

/// A column is copied if its buffers are so many times larger than what it uses of them.
const PINNED_PER_USED: usize = 2;

/// The plan with compact rows above its sorts, and below what merges sorted rows. What sorts take comes in batches of the
/// size that it leaves them in.
pub fn compact_sorts(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if let Some(sort) = node.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_none()) {
            let input = Arc::new(SplitExec::new(Arc::clone(sort.input())));
            let sort = with_input(node, input)?;
            return Ok(Transformed::yes(if has_views(&sort) { Arc::new(CompactExec::new(sort)) } else { sort }));
        }
        match node.downcast_ref::<SortPreservingMergeExec>() {
            Some(merge) if !merge.input().is::<CompactExec>() && has_views(&node) => {
                let input = Arc::new(CompactExec::new(Arc::clone(merge.input())));
                with_input(node, input).map(Transformed::yes)
            }
            _ => Ok(Transformed::no(node)),
        }
    })
    .data()
}

/// `node` above an operator that has all properties of the one that was there.
fn with_input(node: Arc<dyn ExecutionPlan>, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    node.replace_children(vec![input], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep))
}

fn has_views(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.schema().fields().iter().any(|field| is_view(field.data_type()))
}

fn is_view(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::BinaryView)
}

fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => compact_column::<StringViewType>(column),
        DataType::BinaryView => compact_column::<BinaryViewType>(column),
        _ => Arc::clone(column),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)?)
}

fn compact_column<T: ByteViewType>(column: &ArrayRef) -> ArrayRef {
    let views: &GenericByteViewArray<T> = column.as_byte_view();
    let pinned: usize = views.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    match pinned > PINNED_PER_USED * views.total_buffer_bytes_used() {
        true => Arc::new(views.gc()),
        false => Arc::clone(column),
    }
}

/// Passes its input on, compact.
type CompactExec = PassExec<Compact>;

#[derive(Debug)]
struct Compact;

impl Pass for Compact {
    const NAME: &'static str = "CompactExec";

    fn rows(rows: SendableRecordBatchStream, _batch_rows: usize) -> SendableRecordBatchStream {
        let schema = rows.schema();
        Box::pin(RecordBatchStreamAdapter::new(schema, rows.map(|batch| compact(&batch?))))
    }
}

/// Passes its input on in batches that are not too large. A sort cuts what it has sorted of a batch that is, and then counts
/// the buffers that the pieces share once for each: more than it has the memory for.
type SplitExec = PassExec<Split>;

#[derive(Debug)]
struct Split;

impl Pass for Split {
    const NAME: &'static str = "SplitExec";

    fn rows(rows: SendableRecordBatchStream, batch_rows: usize) -> SendableRecordBatchStream {
        let schema = rows.schema();
        let split = rows.flat_map(move |batch| match batch {
            Ok(batch) => stream::iter(split(batch, batch_rows)).left_stream(),
            error => stream::iter([error]).right_stream(),
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, split))
    }
}

/// `batch`, or copies of its parts.
fn split(batch: RecordBatch, rows_max: usize) -> impl Iterator<Item = Result<RecordBatch>> {
    let rows = batch.num_rows();
    let parts = if batch.num_columns() == 0 { 1 } else { rows.div_ceil(rows_max.max(1)).max(1) };
    (0..parts).map(move |part| {
        if parts == 1 {
            return Ok(batch.clone());
        }
        let (start, end) = (part * rows_max, (part * rows_max + rows_max).min(rows));
        let chosen = UInt64Array::from_iter_values(start as u64..end as u64);
        compact(&take_record_batch(&batch, &chosen)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringViewArray};
    use datafusion::arrow::compute::concat_batches;

    #[test]
    fn a_few_rows_do_not_keep_the_buffers_of_all() {
        let texts = StringViewArray::from_iter((0..10_000).map(|n| Some(format!("a text that is not inlined, {n}"))));
        let numbers = Int64Array::from_iter_values(0..10_000);
        let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(numbers)), ("t", Arc::new(texts))];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let pinned = |batch: &RecordBatch| -> usize {
            batch.column(1).as_string_view().data_buffers().iter().map(|buffer| buffer.capacity()).sum()
        };
        let few = batch.slice(5_000, 10);
        assert!(pinned(&few) > 200_000);
        let compacted = compact(&few).expect("the same rows");
        assert_eq!(compacted, few);
        assert!(pinned(&compacted) < 1_000);
        let all = compact(&batch).expect("the same rows");
        assert!(Arc::ptr_eq(all.column(1), batch.column(1)));
    }

    #[test]
    fn a_large_batch_becomes_several_that_share_nothing() {
        let texts = StringViewArray::from_iter((0..1_000).map(|n| Some(format!("a text that is not inlined, {n}"))));
        let batch = RecordBatch::try_from_iter([("t", Arc::new(texts) as ArrayRef)]).expect("a batch");
        let parts: Vec<RecordBatch> = split(batch.clone(), 300).collect::<Result<_>>().expect("parts");
        assert_eq!(parts.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [300, 300, 300, 100]);
        assert_eq!(concat_batches(&batch.schema(), &parts).expect("one schema"), batch);
        let sizes: usize = parts.iter().map(RecordBatch::get_array_memory_size).sum();
        assert!(sizes < 2 * batch.get_array_memory_size());
        let whole: Vec<RecordBatch> = split(batch.clone(), 1_000).collect::<Result<_>>().expect("one part");
        assert!(Arc::ptr_eq(whole[0].column(0), batch.column(0)));
        let empty: Vec<RecordBatch> = split(batch.slice(0, 0), 300).collect::<Result<_>>().expect("one part");
        assert_eq!(empty, [batch.slice(0, 0)]);
    }
}
