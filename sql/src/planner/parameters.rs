//! Parameters `$1`, `$2`, …: their types while planning, their values when a plan is run.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{ParamValues, ScalarValue, internal_err};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;

use super::context::StatementContext;
use crate::error::{Error, Result};

/// Plans a query whose parameters have the declared types where there are any.
pub(super) async fn plan(
    state: &SessionState,
    query: ast::Statement,
    declared: &[Option<DataType>],
) -> DataFusionResult<LogicalPlan> {
    let statement = DataFusionStatement::Statement(Box::new(query));
    let context = StatementContext::new(state, &statement).await?;
    let DataFusionStatement::Statement(query) = statement else {
        return internal_err!("a statement changed its kind");
    };
    let fields = declared.iter().map(|data_type| data_type.as_ref().map(field)).collect();
    let mut planner_context = PlannerContext::new().with_prepare_param_data_types(fields);
    let options = ParserOptions::from(&state.config_options().sql_parser);
    SqlToRel::new_with_options(&context, options).sql_statement_to_plan_with_context(*query, &mut planner_context)
}

/// The type of each parameter: as declared, else as the plan implies, else unknown.
pub(super) fn types(plan: &LogicalPlan, declared: &[Option<DataType>]) -> DataFusionResult<Vec<Option<DataType>>> {
    let fields = plan.get_parameter_fields()?;
    let highest = fields
        .keys()
        .filter_map(|name| name.strip_prefix('$')?.parse::<usize>().ok())
        .max()
        .unwrap_or(0)
        .max(declared.len());
    Ok((1..=highest)
        .map(|number| {
            let declared = declared.get(number - 1).cloned().flatten();
            let inferred = fields.get(&format!("${number}")).cloned().flatten();
            declared.or_else(|| inferred.map(|field: FieldRef| field.data_type().clone()))
        })
        .collect())
}

/// The plan with values in place of its parameters.
pub(crate) fn bind(plan: &LogicalPlan, types: &[Option<DataType>], values: &[ScalarValue]) -> Result<LogicalPlan> {
    if values.len() != types.len() {
        return Err(Error::ParameterCount { expected: types.len(), given: values.len() });
    }
    if values.is_empty() {
        return Ok(plan.clone());
    }
    let values = values
        .iter()
        .zip(types)
        .map(|(value, data_type)| match data_type {
            // The digits of a decimal are its value's own: PostgreSQL's numeric has no precision unless one is declared.
            Some(data_type) if data_type.is_decimal() && value.data_type().is_decimal() => Ok(value.clone()),
            Some(data_type) if *data_type != value.data_type() => value.cast_to(data_type),
            _ => Ok(value.clone()),
        })
        .collect::<DataFusionResult<Vec<_>>>()?;
    Ok(plan.clone().with_param_values(ParamValues::from(values))?)
}

fn field(data_type: &DataType) -> FieldRef {
    Arc::new(Field::new("", data_type.clone(), true))
}
