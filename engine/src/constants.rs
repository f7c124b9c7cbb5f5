//! Queries that are one row of constants, as `SELECT 1` and what pools of connections ask to see whether the server lives:
//! most of their time would go into rules for plans that read something, and into the way to another thread.

use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, Projection};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;

/// One row of constants, and the plan that computes it: the one that the planner would make.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    pub plan: Arc<dyn ExecutionPlan>,
    pub row: RecordBatch,
}

/// `None` for any other query. A plan that is not optimized may become one of constants by it.
pub(crate) fn constants(plan: &LogicalPlan) -> Result<Option<Constants>> {
    let LogicalPlan::Projection(Projection { expr, input, schema, .. }) = plan else { return Ok(None) };
    let LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, schema: nothing }) = input.as_ref() else {
        return Ok(None);
    };
    let columns = expr.iter().zip(schema.fields()).map(|(expr, field)| Some((literal(expr)?, field.name().clone())));
    let Some(columns) = columns.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let input = Arc::new(PlaceholderRowExec::new(Arc::new(nothing.as_arrow().clone())));
    let plan = ProjectionExec::try_new(columns, input)?;
    let nothing = RecordBatch::new_empty(plan.schema());
    let arrays = plan
        .expr()
        .iter()
        .map(|column| column.expr.evaluate(&nothing)?.into_array(1))
        .collect::<Result<Vec<_>>>()?;
    let row = RecordBatch::try_new(plan.schema(), arrays)?;
    Ok(Some(Constants { plan: Arc::new(plan), row }))
}

/// The constant below the names that it has.
fn literal(expr: &Expr) -> Option<Arc<dyn PhysicalExpr>> {
    match expr {
        Expr::Alias(alias) => literal(&alias.expr),
        Expr::Literal(value, metadata) => Some(Arc::new(Literal::new_with_metadata(value.clone(), metadata.clone()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::SessionContext;
    use futures::TryStreamExt;

    use super::*;

    async fn optimized(sql: &str) -> (SessionContext, LogicalPlan) {
        let context = SessionContext::new();
        let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
        (context, plan)
    }

    #[tokio::test]
    async fn is_what_the_planner_would_make() {
        let sql = "SELECT 1, 'two' AS name, 1 + 2 AS three, NULL, DATE '2024-01-01', 1.50, [1, 2], true AS name2";
        let (context, plan) = optimized(sql).await;
        let found = constants(&plan).unwrap().unwrap();
        let planned = context.state().create_physical_plan(&plan).await.unwrap();
        let shown = |plan: &dyn ExecutionPlan| displayable(plan).indent(true).to_string();
        assert_eq!(shown(found.plan.as_ref()), shown(planned.as_ref()));
        assert_eq!(found.plan.schema(), planned.schema());
        let rows: Vec<_> = planned.execute(0, context.task_ctx()).unwrap().try_collect().await.unwrap();
        assert_eq!(vec![found.row], rows);
    }

    #[tokio::test]
    async fn other_queries_are_planned() {
        for sql in [
            "SELECT random()",
            "SELECT 1 WHERE random() < 0.5",
            "SELECT 1 UNION ALL SELECT 2",
            "SELECT 1 LIMIT 0",
            "VALUES (1), (2)",
            "SELECT count(*)",
        ] {
            assert!(constants(&optimized(sql).await.1).unwrap().is_none(), "{sql}");
        }
    }
}
