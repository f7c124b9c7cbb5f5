//! `PREPARE`, `EXECUTE`, `DEALLOCATE`. Their names are shared with the protocols' prepared statements.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{self, Ident, ObjectName};

use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner;
use crate::planner::output_names::folded;
use crate::response::Response;
use crate::session::Session;
use crate::session::prepared::PreparedStatement;

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    name: &Ident,
    data_types: &[ast::DataType],
    body: &ast::Statement,
) -> Result<Response> {
    let mut declared = Vec::with_capacity(data_types.len());
    for data_type in data_types {
        declared.push(Some(resolve_type(session, data_type).await?));
    }
    let body = statement.with_ast(body.clone());
    // A statement inside PREPARE can be anything but PREPARE itself.
    if matches!(body.ast.as_deref(), Some(ast::Statement::Prepare { .. } | ast::Statement::Execute { .. })) {
        return Err(Error::unsupported("PREPARE of this statement"));
    }
    let prepared = Box::pin(super::prepare(session, &body, &declared)).await?;
    session.store_prepared(&folded(name), prepared)?;
    Ok(Response::Command { tag: "PREPARE".into(), rows: None })
}

/// The schema of the statement that EXECUTE names.
pub(super) fn schema(session: &Arc<Session>, execute: &ast::Statement) -> Result<Option<SchemaRef>> {
    Ok(find(session, execute)?.schema().cloned())
}

pub(super) async fn execute(session: &Arc<Session>, execute: &ast::Statement) -> Result<Response> {
    let prepared = find(session, execute)?;
    let ast::Statement::Execute { parameters, .. } = execute else {
        return Err(Error::unsupported("this form of EXECUTE"));
    };
    let mut values = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        values.push(evaluate(session, parameter).await?);
    }
    if values.len() != prepared.parameter_types().len() {
        return Err(Error::ParameterCount { expected: prepared.parameter_types().len(), given: values.len() });
    }
    Box::pin(super::execute(session, &prepared, &values)).await
}

pub(super) fn deallocate(session: &Arc<Session>, name: &Ident) -> Result<Response> {
    if name.value.eq_ignore_ascii_case("all") && name.quote_style.is_none() {
        session.deallocate_all();
        return Ok(Response::Command { tag: "DEALLOCATE ALL".into(), rows: None });
    }
    let name = folded(name);
    match session.deallocate(&name) {
        true => Ok(Response::Command { tag: "DEALLOCATE".into(), rows: None }),
        false => Err(Error::UndefinedPreparedStatement { name }),
    }
}

fn find(session: &Arc<Session>, execute: &ast::Statement) -> Result<PreparedStatement> {
    let ast::Statement::Execute { name: Some(ObjectName(parts)), .. } = execute else {
        return Err(Error::unsupported("this form of EXECUTE"));
    };
    let name = parts.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default();
    session.prepared(&name).ok_or(Error::UndefinedPreparedStatement { name })
}

/// The Arrow type that the planner gives a SQL type.
async fn resolve_type(session: &Arc<Session>, data_type: &ast::DataType) -> Result<DataType> {
    let plan = plan_expression(session, &format!("CAST(NULL AS {data_type})")).await?;
    Ok(plan.schema().field(0).data_type().clone())
}

/// The value of a constant expression.
async fn evaluate(session: &Arc<Session>, expression: &ast::Expr) -> Result<ScalarValue> {
    let plan = plan_expression(session, &expression.to_string()).await?;
    let not_constant = || Error::unsupported(format!("the parameter {expression}, which is not constant,"));
    match plan {
        LogicalPlan::Projection(projection) => match projection.expr.first() {
            Some(Expr::Literal(value, _)) => Ok(value.clone()),
            Some(Expr::Alias(alias)) => match alias.expr.as_ref() {
                Expr::Literal(value, _) => Ok(value.clone()),
                _ => Err(not_constant()),
            },
            _ => Err(not_constant()),
        },
        _ => Err(not_constant()),
    }
}

async fn plan_expression(session: &Arc<Session>, expression: &str) -> Result<LogicalPlan> {
    let sql = format!("SELECT {expression}");
    let statement = crate::parser::parse(&sql, session.dialect())?.remove(0);
    let query = statement.ast.clone().ok_or_else(|| Error::unsupported("this expression"))?;
    let snapshot = session.catalog();
    let state = planner::session_state(session, &snapshot);
    let planned = planner::plan_query(session, &state, &snapshot, &statement, &query, &[]).await?;
    Ok(state.optimize(&planned.logical)?)
}
