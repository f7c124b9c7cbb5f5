//! Parameters `$1`, `$2`, …: their types while planning, their values when a plan is run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ResolvedTableReference, ScalarValue, internal_err};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, TableSource, TryCast};
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;

use super::context::StatementContext;
use crate::error::{Error, Result};
use crate::session::system::System;

/// What protocols can count. `$4000000000` is no reason to allocate that many.
const PARAMETERS_MAX: usize = 65_535;

/// Plans a query whose parameters have the declared types where there are any. The functions of `system` come before those
/// of `state`.
pub(super) async fn plan(
    state: &SessionState,
    system: Option<&System>,
    query: ast::Statement,
    declared: &[Option<DataType>],
    views: HashMap<ResolvedTableReference, Arc<dyn TableSource>>,
) -> DataFusionResult<LogicalPlan> {
    let statement = DataFusionStatement::Statement(Box::new(query));
    let context = StatementContext::new(state, system, &statement, views).await?;
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
    let implied = implied_types(plan)?;
    let highest = implied.keys().copied().max().unwrap_or(0).max(declared.len());
    let data_type = |number: usize| {
        let declared = declared.get(number - 1).cloned().flatten();
        let implied = implied.get(&number).cloned().flatten();
        declared.or(implied.filter(|data_type| *data_type != DataType::Null))
    };
    Ok((1..=highest).map(data_type).collect())
}

/// The type that each parameter's places imply, the first of them where they differ: what it is compared with, what it
/// is cast to, and bigint for LIMIT and OFFSET.
fn implied_types(plan: &LogicalPlan) -> DataFusionResult<BTreeMap<usize, Option<DataType>>> {
    let mut implied: BTreeMap<usize, Option<DataType>> = BTreeMap::new();
    let mut imply = |expr: &Expr, data_type: Option<&DataType>| {
        let Expr::Placeholder(Placeholder { id, field }) = expr else { return };
        let number = id.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number.filter(|number| (1..=PARAMETERS_MAX).contains(number)) else { return };
        let data_type = field.as_ref().map(|field| field.data_type()).or(data_type);
        let known = implied.entry(number).or_default();
        *known = known.take().or_else(|| data_type.cloned());
    };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            [&limit.skip, &limit.fetch].into_iter().flatten().for_each(|rows| imply(rows, Some(&DataType::Int64)));
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
                        imply(expr, Some(field.data_type()));
                    }
                    expr => imply(expr, None),
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(implied)
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
