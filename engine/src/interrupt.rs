//! Stops operators that compute for long without coming up for air.
//!
//! Tasks are cancelled by dropping them, which happens when they yield. DataFusion's scans yield after some batches, but a join
//! of which each row has many partners computes for minutes between two batches of its input: joins yield too. And one whose
//! condition no pair of rows meets has no batch to yield after: its condition asks whether anybody still wants the answer.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};
use tokio_util::sync::CancellationToken;

/// How many joins above each other yield. A task that has its turn can ask 128 of them for a batch: with more it would never
/// come to the first.
const YIELDING_JOINS_MAX: usize = 32;

/// Ends the work of the plans it was installed in.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    token: CancellationToken,
}

impl Interrupt {
    pub fn new() -> Self {
        Self::default()
    }

    /// `plan` with its long loops under the control of this interrupt.
    pub fn install(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        self.install_below(plan, 0)
    }

    /// Below `joins_above` others.
    fn install_below(&self, plan: Arc<dyn ExecutionPlan>, joins_above: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let is_join = plan.is::<NestedLoopJoinExec>()
            || plan.is::<HashJoinExec>()
            || plan.is::<CrossJoinExec>()
            || plan.is::<SortMergeJoinExec>();
        let joins = joins_above + usize::from(is_join);
        let children = plan.children();
        let installed =
            children.iter().map(|child| self.install_below(Arc::clone(child), joins)).collect::<Result<Vec<_>>>()?;
        let is_same = children.iter().zip(&installed).all(|(old, new)| Arc::ptr_eq(old, new));
        // To compute the properties of a join of hundreds of tables again takes minutes.
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
        let node = if is_same { plan } else { plan.replace_children(installed, options)? };
        let node: Arc<dyn ExecutionPlan> = if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            match join.filter().map(|filter| self.interruptible(filter)) {
                Some(filter) => Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(Some(filter)).build()?),
                None => node,
            }
        } else if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            match join.filter().map(|filter| self.interruptible(filter)) {
                Some(filter) => Arc::new(join.builder().with_filter(Some(filter)).build()?),
                None => node,
            }
        } else {
            node
        };
        // A few rows of input can be a flood of output, during which no scan gives the task's turn away.
        Ok(if is_join && joins <= YIELDING_JOINS_MAX { Arc::new(CooperativeExec::new(node)) } else { node })
    }

    fn interruptible(&self, filter: &JoinFilter) -> JoinFilter {
        let condition = Interruptible { inner: Arc::clone(filter.expression()), interrupt: self.clone() };
        JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
    }

    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Waits until it is triggered.
    pub async fn triggered(&self) {
        self.token.cancelled().await;
    }
}

/// A condition that fails once nobody wants its answer.
#[derive(Debug)]
struct Interruptible {
    inner: Arc<dyn PhysicalExpr>,
    interrupt: Interrupt,
}

impl PhysicalExpr for Interruptible {
    fn data_type(&self, input_schema: &Schema) -> Result<DataType> {
        self.inner.data_type(input_schema)
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.inner.nullable(input_schema)
    }

    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.interrupt.token.is_cancelled() {
            return exec_err!("the query was cancelled");
        }
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self { inner, interrupt: self.interrupt.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

impl fmt::Display for Interruptible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for Interruptible {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Interruptible {}

impl Hash for Interruptible {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}
