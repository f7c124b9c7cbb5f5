//! Which columns of which relations a query reads, for roles that may read some columns only.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, TableSource};

/// A relation that is only looked at: it has columns, and no rows.
#[derive(Debug)]
pub(super) struct Stub {
    pub(super) oid: u32,
    pub(super) schema: SchemaRef,
}

impl TableSource for Stub {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

/// Indexes of columns by the oid of their relation.
pub(super) type ColumnsRead = BTreeMap<u32, BTreeSet<usize>>;

/// The columns of [`Stub`]s that a plan, which has not been optimized, names anywhere.
pub(super) fn columns_read(plan: &LogicalPlan) -> Result<ColumnsRead> {
    let mut read = ColumnsRead::new();
    visit(plan, &[], &mut read)?;
    mark_all(plan, &mut read);
    Ok(read)
}

/// `outer`: the plans whose columns a subquery can name too.
fn visit(plan: &LogicalPlan, outer: &[&LogicalPlan], read: &mut ColumnsRead) -> Result<()> {
    let inputs = plan.inputs();
    let around: Vec<&LogicalPlan> = outer.iter().chain(&inputs).copied().collect();
    let mut subqueries = vec![];
    for expr in plan.expressions() {
        expr.apply(|expr| {
            match expr {
                Expr::Column(column) => mark_named(&inputs, column, read),
                Expr::OuterReferenceColumn(_, column) => mark_named(outer, column, read),
                Expr::ScalarSubquery(subquery) => subqueries.push(subquery.clone()),
                Expr::InSubquery(within) => subqueries.push(within.subquery.clone()),
                Expr::Exists(exists) => subqueries.push(exists.subquery.clone()),
                Expr::SetComparison(comparison) => subqueries.push(comparison.subquery.clone()),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    for subquery in &subqueries {
        visit(&subquery.subquery, &around, read)?;
        mark_all(&subquery.subquery, read);
    }
    for input in &inputs {
        visit(input, &around, read)?;
    }
    Ok(())
}

fn mark_named(plans: &[&LogicalPlan], column: &Column, read: &mut ColumnsRead) {
    for plan in plans {
        if let Some(index) = plan.schema().maybe_index_of_column(column) {
            mark(plan, index, read);
        }
    }
}

fn mark_all(plan: &LogicalPlan, read: &mut ColumnsRead) {
    for index in 0..plan.schema().fields().len() {
        mark(plan, index, read);
    }
}

/// Finds where a column of a plan comes from. What an expression computes is made of columns that are marked with it.
fn mark(plan: &LogicalPlan, index: usize, read: &mut ColumnsRead) {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let source: &dyn Any = scan.source.as_ref();
            let index = scan.projection.as_ref().and_then(|projection| projection.get(index).copied()).unwrap_or(index);
            if let Some(stub) = source.downcast_ref::<Stub>() {
                read.entry(stub.oid).or_default().insert(index);
            }
        }
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Values(_) | LogicalPlan::Distinct(Distinct::On(_)) => {}
        LogicalPlan::Window(window) => {
            if index < window.input.schema().fields().len() {
                mark(&window.input, index, read);
            }
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => mark(&join.right, index, read),
                _ if index < left => mark(&join.left, index, read),
                JoinType::LeftMark => {}
                _ => mark(&join.right, index - left, read),
            }
        }
        LogicalPlan::Unnest(_) | LogicalPlan::Extension(_) => {
            for input in plan.inputs() {
                mark_all(input, read);
            }
        }
        // The columns of the others are those of each input.
        other => {
            for input in other.inputs() {
                if index < input.schema().fields().len() {
                    mark(input, index, read);
                }
            }
        }
    }
}
