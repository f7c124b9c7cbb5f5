//! How many rows a batch has. Joins, sorts and groups gain from large batches. What only passes rows on, as an export does,
//! works best on batches that are still in a core's cache when they are sent.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;

/// Rows per batch. Twice DataFusion's default: fewer, larger batches gain 10 to 20 % on TPC-H and cost little memory.
pub const BATCH_ROWS: usize = 16_384;
const BATCH_ROWS_MIN: usize = 1_024;
/// A batch that is passed on has about so many bytes: half of a core's second cache.
const PASSED_ON_BYTES: usize = 2 << 20;

/// Rows per batch for operators that share `bytes` among `partitions`: a merge holds some batches of each of its inputs, an
/// aggregate makes room for whole batches, and none of it can be spilled.
pub(crate) fn rows_within(bytes: usize, partitions: usize) -> usize {
    /// What suffices for [`BATCH_ROWS`] rows of a few hundred bytes.
    const SUFFICIENT_BYTES: usize = 128 << 20;
    let rows = (bytes / partitions.max(1)).saturating_mul(BATCH_ROWS) / SUFFICIENT_BYTES;
    power_of_two_within(rows)
}

/// Makes the batches of `plan`, which is optimized, smaller where that is faster. What a session has set instead of
/// `default_rows` stays.
pub(crate) fn choose_batch_rows(state: &mut SessionState, plan: &LogicalPlan, default_rows: usize) -> Result<()> {
    if state.config().batch_size() == default_rows && passes_on(plan)? {
        let rows = rows_passed_on(plan.schema().as_arrow());
        if rows < default_rows {
            state.config_mut().options_mut().execution.batch_size = ConfigNonZeroUsize::try_new(rows)?;
        }
    }
    Ok(())
}

/// Whether each row that is read is sent or not, one after another.
fn passes_on(plan: &LogicalPlan) -> Result<bool> {
    let mut passes_on = true;
    plan.apply(|node| {
        use LogicalPlan as P;
        passes_on = matches!(
            node,
            P::TableScan(_) | P::Projection(_) | P::Filter(_) | P::SubqueryAlias(_) | P::Limit(_) | P::Union(_)
        );
        Ok(if passes_on { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(passes_on)
}

fn rows_passed_on(schema: &Schema) -> usize {
    let row: usize = schema.fields().iter().map(|field| guessed_bytes(field.data_type())).sum();
    power_of_two_within(PASSED_ON_BYTES / row.max(1))
}

/// Files are often cut at a multiple of a power of two, so that no rows are left over.
fn power_of_two_within(rows: usize) -> usize {
    (1 << rows.max(1).ilog2()).clamp(BATCH_ROWS_MIN, BATCH_ROWS)
}

/// What a value of the type takes, where nothing is known about the values.
fn guessed_bytes(data_type: &DataType) -> usize {
    /// A string or a list: as a view or an offset, and its content.
    const OF_ANY_LENGTH: usize = 24;
    match data_type {
        DataType::Boolean => 1,
        DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).unwrap_or(OF_ANY_LENGTH),
        DataType::Struct(fields) => fields.iter().map(|field| guessed_bytes(field.data_type())).sum(),
        other => other.primitive_width().unwrap_or(OF_ANY_LENGTH),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    /// The rows of a batch chosen for a query on tables with one column of numbers and with thirty of strings.
    async fn chosen(sql: &str, configured: usize) -> usize {
        let context = SessionContext::new_with_config(SessionConfig::new().with_batch_size(configured));
        let strings: Vec<_> = (0..30).map(|column| format!("s{column} VARCHAR")).collect();
        for table in ["CREATE TABLE narrow (n BIGINT)".to_owned(), format!("CREATE TABLE wide ({})", strings.join(","))] {
            context.sql(&table).await.unwrap();
        }
        let mut state = context.state();
        let plan = state.optimize(&state.create_logical_plan(sql).await.unwrap()).unwrap();
        choose_batch_rows(&mut state, &plan, BATCH_ROWS).unwrap();
        state.config().batch_size()
    }

    #[tokio::test]
    async fn wide_rows_that_are_passed_on_come_in_small_batches() {
        assert_eq!(chosen("SELECT * FROM wide WHERE s1 <> 'x' LIMIT 10", BATCH_ROWS).await, 2_048);
        assert_eq!(chosen("SELECT * FROM wide UNION ALL SELECT * FROM wide", BATCH_ROWS).await, 2_048);
        assert_eq!(chosen("SELECT s1, s2 FROM wide", BATCH_ROWS).await, BATCH_ROWS);
        assert_eq!(chosen("SELECT * FROM narrow", BATCH_ROWS).await, BATCH_ROWS);
    }

    #[tokio::test]
    async fn other_queries_have_large_batches() {
        for sql in ["SELECT * FROM wide ORDER BY s1", "SELECT DISTINCT * FROM wide", "SELECT * FROM wide, narrow"] {
            assert_eq!(chosen(sql, BATCH_ROWS).await, BATCH_ROWS, "{sql}");
        }
    }

    #[tokio::test]
    async fn what_is_set_stays() {
        assert_eq!(chosen("SELECT * FROM wide", 8_192).await, 8_192);
    }

    #[test]
    fn little_memory_has_small_batches() {
        assert_eq!(rows_within(8 << 30, 16), BATCH_ROWS);
        assert_eq!(rows_within(128 << 20, 2), BATCH_ROWS / 2);
        assert_eq!(rows_within(100 << 20, 2), BATCH_ROWS / 4);
        assert_eq!(rows_within(1, 64), BATCH_ROWS_MIN);
        assert_eq!(rows_within(usize::MAX, 1), BATCH_ROWS);
    }
}
