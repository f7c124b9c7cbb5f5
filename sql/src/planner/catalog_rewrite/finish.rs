//! What can only be done on a plan, where columns have types: correlated subqueries, types of parameters, names of OIDs.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::metadata::FieldMetadata;
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use udfs::postgres::pg_type::{PG_TYPE, declared_type};
use udfs::postgres::{COMPARE_ALL, COMPARE_ANY};

use crate::catalog::functions::output_function;
use crate::planner::decorrelate::decorrelate;

/// Completes the plan of a catalog statement. `function` finds the session's functions by name.
pub(crate) fn finish_plan(plan: LogicalPlan, function: &dyn Fn(&str) -> Option<Arc<ScalarUDF>>) -> Result<LogicalPlan> {
    let plan = infer_array_parameters(plan)?;
    let plan = decorrelate(plan)?;
    print_object_names(plan, function)
}

/// `x = ANY ($1)`: the parameter is an array of what `x` is.
fn infer_array_parameters(plan: LogicalPlan) -> Result<LogicalPlan> {
    let inferred = plan.transform_up_with_subqueries(|plan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema = scan.projected_schema.as_ref().clone();
        }
        plan.map_expressions(|expr| {
            expr.transform_up(|expr| {
                let Expr::ScalarFunction(mut function) = expr else { return Ok(Transformed::no(expr)) };
                if [COMPARE_ANY, COMPARE_ALL].contains(&function.func.name())
                    && let [left, _, Expr::Placeholder(Placeholder { field: field @ None, .. })] = function.args.as_mut_slice()
                    && let Ok(item) = left.get_type(&schema)
                {
                    let item = Arc::new(Field::new_list_field(item, true));
                    *field = Some(Arc::new(Field::new("", DataType::List(item), true)));
                }
                Ok(Transformed::yes(Expr::ScalarFunction(function)))
            })
        })
    })?;
    Ok(inferred.data)
}

/// Arrays of `UInt32` are of oids: no other type of the catalog is kept so.
fn is_undeclared_oids(field: &Field) -> bool {
    declared_type(field).is_none()
        && matches!(field.data_type(), DataType::List(item) if item.data_type() == &DataType::UInt32 && declared_type(item).is_none())
}

/// Result columns of `regclass` and its kind print as names.
fn print_object_names(plan: LogicalPlan, function: &dyn Fn(&str) -> Option<Arc<ScalarUDF>>) -> Result<LogicalPlan> {
    let mut changed = false;
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::from((qualifier, field));
            let output = declared_type(field).filter(|_| field.data_type() == &DataType::UInt32).and_then(output_function);
            match output.and_then(|name| function(&name)) {
                Some(output) => {
                    changed = true;
                    let printed = Expr::ScalarFunction(ScalarFunction::new_udf(output, vec![column]));
                    printed.alias_qualified(qualifier.cloned(), field.name())
                }
                // An aggregate of oids forgets what they are.
                None if is_undeclared_oids(field) => {
                    changed = true;
                    let oids = FieldMetadata::from(BTreeMap::from([(PG_TYPE.to_owned(), "_oid".to_owned())]));
                    column.alias_qualified_with_metadata(qualifier.cloned(), field.name(), Some(oids))
                }
                None => column,
            }
        })
        .collect();
    if changed { LogicalPlanBuilder::from(plan).project(columns)?.build() } else { Ok(plan) }
}
