//! Casts that PostgreSQL makes otherwise than the engine: numbers to integers are rounded, values to text are what clients see.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, ScalarUDF};
use udfs::postgres::casts::{round_to_integer, text_output};

static ROUND: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(round_to_integer()));
static TEXT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(text_output()));

/// The same plan, of which names and types stay as they are.
pub(super) fn rewrite_casts(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut has_casts = false;
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            has_casts = has_casts || expr.exists(|expr| Ok(matches!(expr, Expr::Cast(cast) if is_target(cast.field.data_type()))))?;
        }
        Ok(if has_casts { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if !has_casts {
        return Ok(plan);
    }
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| Ok(rewrite(expr, &schema)))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(rewritten.data)
}

fn is_target(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int16 | DataType::Int32 | DataType::Int64) || data_type.is_string()
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::Cast(cast) = expr else { return Transformed::no(expr) };
    let target = cast.field.data_type();
    let function = match cast.expr.get_type(schema) {
        Ok(DataType::Float32 | DataType::Float64 | DataType::Decimal128(..)) if target.is_integer() => &ROUND,
        Ok(DataType::Float32 | DataType::Float64 | DataType::Timestamp(..) | DataType::List(_)) if target.is_string() => &TEXT,
        _ => return Transformed::no(Expr::Cast(cast)),
    };
    let Cast { expr, field } = cast;
    let call = Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), vec![*expr]));
    Transformed::yes(Expr::Cast(Cast { expr: Box::new(call), field }))
}
