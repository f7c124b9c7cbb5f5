//! Writing in a logical plan, and its physical plan.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, internal_err};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use url::Url;

use super::exec::{SortColumn, WriteExec, WriteTarget, report_schema};

/// A plan that writes the rows of `rows` as files of the table at `location`, one row for each file: its report, which
/// [`NewFile::from_json`](crate::NewFile::from_json) reads, and how many rows it has. Values of `partition_columns` are not
/// in the files; the rows of each file are sorted by `sort_columns`.
pub fn write(rows: LogicalPlan, location: &Url, partition_columns: &[String], sort_columns: &[SortColumn]) -> Result<LogicalPlan> {
    let (partition_columns, sort_columns) = (partition_columns.to_vec(), sort_columns.to_vec());
    let target = WriteTarget { location: location.to_string(), partition_columns, sort_columns };
    let schema = Arc::new(DFSchema::try_from(report_schema())?);
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(WriteNode { input: rows, target, schema }) }))
}

#[derive(Clone, Debug)]
struct WriteNode {
    input: LogicalPlan,
    target: WriteTarget,
    schema: DFSchemaRef,
}

impl PartialEq for WriteNode {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target && self.input == other.input
    }
}

impl Eq for WriteNode {}

impl PartialOrd for WriteNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input).filter(|order| *order != Ordering::Equal || self == other)
    }
}

impl Hash for WriteNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.target.hash(state);
        self.input.hash(state);
    }
}

impl UserDefinedLogicalNodeCore for WriteNode {
    fn name(&self) -> &str {
        "Write"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Write: {}", self.target.location)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match <[_; 1]>::try_from(inputs) {
            Ok([input]) => Ok(Self { input, target: self.target.clone(), schema: Arc::clone(&self.schema) }),
            Err(inputs) => internal_err!("Write takes one input, not {}", inputs.len()),
        }
    }
}

/// The planner of all states: DataFusion's, which knows our node.
pub(crate) fn query_planner() -> Arc<dyn QueryPlanner + Send + Sync> {
    Arc::new(EnginePlanner)
}

#[derive(Debug)]
struct EnginePlanner;

#[async_trait]
impl QueryPlanner for EnginePlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(WritePlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

struct WritePlanner;

#[async_trait]
impl ExtensionPlanner for WritePlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        match (node.as_any().downcast_ref::<WriteNode>(), physical_inputs) {
            (Some(node), [input]) => Ok(Some(Arc::new(WriteExec::try_new(Arc::clone(input), node.target.clone())?))),
            _ => Ok(None),
        }
    }
}
