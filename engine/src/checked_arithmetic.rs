//! `+`, `-` and `*` of integers and those and `/` of floats fail on overflow and on division by zero: replaces the operators,
//! which wrap around or yield infinity, by functions that every process knows. A logical rule, because the cluster builds its
//! own list of physical ones.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;
use udfs::arithmetic::checked::{Operation, checked};

#[derive(Debug)]
pub(crate) struct CheckedArithmetic {
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
    divide: Arc<ScalarUDF>,
}

impl Default for CheckedArithmetic {
    fn default() -> Self {
        let function = |operation| Arc::new(checked(operation));
        Self {
            add: function(Operation::Add),
            subtract: function(Operation::Subtract),
            multiply: function(Operation::Multiply),
            divide: function(Operation::Divide),
        }
    }
}

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(|plan| self.rewrite_plan(plan))?.data)
    }
}

impl CheckedArithmetic {
    fn rewrite_plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema = scan.projected_schema.as_ref().clone();
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let (rewritten, _) = self.rewrite_expr(expr, &schema)?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    }

    /// The expression, and its type if it is arithmetic. The type comes from the terms at the ends: to ask each of a sum of
    /// hundreds of terms for its own takes seconds. A column of an outer query has no type in `schema`.
    fn rewrite_expr(&self, expr: Expr, schema: &DFSchema) -> Result<(Transformed<Expr>, Option<DataType>)> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
            return Ok((expr.map_children(|child| Ok(self.rewrite_expr(child, schema)?.0))?, None));
        };
        let (left, left_type) = self.rewrite_expr(*left, schema)?;
        let (right, right_type) = self.rewrite_expr(*right, schema)?;
        let changed = left.transformed || right.transformed;
        let (left, right) = (left.data, right.data);
        let (operation, function) = match op {
            Operator::Plus => (Operation::Add, &self.add),
            Operator::Minus => (Operation::Subtract, &self.subtract),
            Operator::Multiply => (Operation::Multiply, &self.multiply),
            Operator::Divide => (Operation::Divide, &self.divide),
            _ => return Ok((binary(left, op, right, changed), None)),
        };
        let left_type = left_type.or_else(|| left.get_type(schema).ok());
        let right_type = right_type.or_else(|| right.get_type(schema).ok());
        match (left_type, right_type) {
            (Some(left_type), Some(right_type)) if left_type == right_type && operation.takes(&left_type) => {
                let call = ScalarFunction::new_udf(Arc::clone(function), vec![left, right]);
                Ok((Transformed::yes(Expr::ScalarFunction(call)), Some(left_type)))
            }
            _ => Ok((binary(left, op, right, changed), None)),
        }
    }
}

fn binary(left: Expr, op: Operator, right: Expr, changed: bool) -> Transformed<Expr> {
    let expr = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
    if changed { Transformed::yes(expr) } else { Transformed::no(expr) }
}
