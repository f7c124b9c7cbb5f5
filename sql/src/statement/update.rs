//! `UPDATE`: the files that have such rows are written again, all their rows, some changed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    self, Assignment, AssignmentTarget, CaseWhen, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, SetExpr, TableFactor, Update,
    UpdateTableFromKind,
};
use engine::{FILE_COLUMN, TableChanges};

use super::insert::parsed_expression;
use super::joined::{Action, Clause, Joined};
use super::modify::{ATTEMPTS_MAX, Modification, Target, is_default, named_table, replaced, target_query, typed};
use super::names::folded;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner;
use crate::planner::assign::{as_table, identifier};
use crate::planner::build::{aliased, ident};
use crate::response::Response;
use crate::session::Session;
use crate::session::prepared::{Prepared, PreparedStatement};

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    update: &Update,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let (modification, alias) = modification(session, statement, update)?;
    if let Some(joined) = joined(&modification, update, &alias)? {
        let parameter_types = joined.check(&modification, declared).await?;
        return Ok(PreparedStatement::new(Prepared { statement: statement.clone(), parameter_types, plan: None, schema: None, origins: vec![] }));
    }
    let scan = modification.contents().await?.scan(&modification.target.definition)?;
    let target: Arc<dyn TableProvider> = Arc::new(scan);
    let query = changed_rows(&modification, update, &alias, Rows::All)?;
    let planned = modification.plan_part(target, query, declared).await?;
    let assigned = modification.assigned(planned.logical, declared).await?;
    let (mut parameter_types, mut schema, mut origins) = (planned.parameter_types, None, vec![]);
    if let Some(items) = &update.returning {
        let returning = modification.plan_returning(items, &alias, as_table(assigned), None, &parameter_types).await?;
        (parameter_types, schema, origins) = (returning.parameter_types, Some(returning.schema), returning.origins);
    }
    Ok(PreparedStatement::new(Prepared { statement: statement.clone(), parameter_types, plan: None, schema, origins }))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    update: &Update,
    parameters: &[ScalarValue],
) -> Result<Response> {
    let (first, alias) = modification(session, prepared.statement(), update)?;
    if let Some(joined) = joined(&first, update, &alias)? {
        let again = || modification(session, prepared.statement(), update).map(|(modification, _)| modification);
        let rows = joined.execute(again, prepared.parameter_types(), parameters).await?;
        return Ok(Response::Command { tag: "UPDATE".into(), rows: Some(rows) });
    }
    for _ in 0..ATTEMPTS_MAX {
        let (modification, alias) = modification(session, prepared.statement(), update)?;
        let contents = modification.contents().await?;
        let types = prepared.parameter_types();
        let definition = &modification.target.definition;
        let target: Arc<dyn TableProvider> = Arc::new(contents.scan(definition)?.naming_files());
        let query = target_query(&alias, &identifier(FILE_COLUMN), update.selection.clone())?;
        let matching = modification.plan_part(target, query, types).await?;
        let touched = modification.touched(planner::bind(&matching.logical, types, parameters)?).await?;
        let rows = touched.iter().map(|(_, rows)| rows).sum();
        let paths: HashSet<String> = touched.into_iter().map(|(path, _)| path).collect();
        let changes = match paths.is_empty() {
            true => TableChanges::default(),
            false => {
                let target: Arc<dyn TableProvider> = Arc::new(contents.scan(definition)?.of_files(&paths));
                let changed = modification.plan_part(target, changed_rows(&modification, update, &alias, Rows::All)?, types).await?;
                let changed = modification.assigned(changed.logical, types).await?;
                let written = modification.write(planner::bind(&changed, types, parameters)?).await?;
                replaced(&contents, definition, &paths, written)?
            }
        };
        if !modification.apply(&contents, changes).await? {
            continue;
        }
        return match (&update.returning, prepared.schema()) {
            (Some(items), Some(schema)) => {
                let target: Arc<dyn TableProvider> = Arc::new(contents.scan(definition)?.of_files(&paths));
                let query = changed_rows(&modification, update, &alias, Rows::Changed)?;
                let changed = modification.plan_part(target, query, types).await?;
                let changed = as_table(modification.assigned(changed.logical, types).await?);
                let rows = modification.plan_returning(items, &alias, changed, None, types).await?;
                modification.respond(planner::bind(&rows.logical, types, parameters)?, schema, "UPDATE").await
            }
            _ => Ok(Response::Command { tag: "UPDATE".into(), rows: Some(rows) }),
        };
    }
    Err(Error::SerializationFailure)
}

fn modification(session: &Arc<Session>, statement: &Statement, update: &Update) -> Result<(Modification, Ident)> {
    if update.limit.is_some() || !update.order_by.is_empty() || update.or.is_some() {
        return Err(Error::unsupported("this UPDATE"));
    }
    let (name, alias) = named_table(&update.table)?;
    let snapshot = session.catalog();
    let target = Target::find(session, name, &snapshot, "update")?;
    Ok((Modification { session: Arc::clone(session), statement: statement.clone(), snapshot, target }, alias))
}

/// The rows that the statement takes from other tables, if it does.
fn joined(modification: &Modification, update: &Update, alias: &Ident) -> Result<Option<Joined>> {
    let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = &update.from else { return Ok(None) };
    if update.returning.is_some() {
        return Err(Error::unsupported("UPDATE … FROM … RETURNING"));
    }
    let Some((first, others)) = from.split_first() else { return Ok(None) };
    let mut source = first.clone();
    for other in others {
        let relation = match other.joins.is_empty() {
            true => other.relation.clone(),
            false => TableFactor::NestedJoin { table_with_joins: Box::new(other.clone()), alias: None },
        };
        source.joins.push(Join { relation, global: false, join_operator: JoinOperator::CrossJoin(JoinConstraint::None) });
    }
    let on = update.selection.clone().unwrap_or_else(|| Expr::Value(ast::Value::Boolean(true).into()));
    let action = Action::Update(assignments(modification, &update.assignments)?);
    let clauses = vec![Clause { is_matched: true, condition: None, action }];
    Ok(Some(Joined { alias: alias.clone(), source, on, clauses, inserts: vec![], changes_once: false }))
}

/// Which rows of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    All,
    Changed,
}

/// The query of rows of the table as they are afterwards.
fn changed_rows(modification: &Modification, update: &Update, alias: &Ident, rows: Rows) -> Result<ast::Statement> {
    let target = &modification.target;
    let mut values = assignments(modification, &update.assignments)?;
    let columns: Vec<String> = target.definition.columns.fields().iter().map(|field| identifier(field.name())).collect();
    let mut query = target_query(alias, &columns.join(", "), None)?;
    let ast::Statement::Query(body) = &mut query else { return Ok(query) };
    let SetExpr::Select(select) = body.body.as_mut() else { return Ok(query) };
    if rows == Rows::Changed {
        select.selection.clone_from(&update.selection);
    }
    for (index, item) in select.projection.iter_mut().enumerate() {
        let Some(value) = values.remove(&index) else { continue };
        let name = target.definition.columns.field(index).name();
        let value = match &update.selection {
            _ if rows == Rows::Changed => value,
            None => value,
            Some(condition) => Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen { condition: condition.clone(), result: value }],
                else_result: Some(Box::new(Expr::CompoundIdentifier(vec![ident(&folded(alias)), ident(name)]))),
            },
        };
        *item = aliased(value, name);
    }
    Ok(query)
}

/// New values by the index of their columns.
pub(super) fn assignments(modification: &Modification, given: &[Assignment]) -> Result<BTreeMap<usize, Expr>> {
    let mut values = BTreeMap::new();
    let mut assign = |column: &ObjectName, value: &Expr| {
        let target = &modification.target;
        let name = column.0.last().and_then(|part| part.as_ident()).map_or_else(|| column.to_string(), folded);
        let index = target.column(&name)?;
        let value = match is_default(value) {
            true => parsed_expression(target.default(&name)).unwrap_or_else(planner::build::null),
            false => value.clone(),
        };
        let value = typed(value, target.column_type(index, &modification.snapshot).as_ref());
        match values.insert(index, value) {
            Some(_) => Err(Error::Classified {
                sql_state: crate::SqlState::SYNTAX_ERROR,
                message: format!("multiple assignments to same column \"{name}\""),
                detail: None,
                hint: None,
                position: None,
            }),
            None => Ok(()),
        }
    };
    for assignment in given {
        match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(column), value) => assign(column, value)?,
            (AssignmentTarget::Tuple(columns), Expr::Tuple(row)) if columns.len() == row.len() => {
                for (column, value) in columns.iter().zip(row) {
                    assign(column, value)?;
                }
            }
            (AssignmentTarget::Tuple(columns), value) if columns.len() == 1 => assign(&columns[0], value)?,
            _ => return Err(Error::unsupported("this assignment of several columns")),
        }
    }
    Ok(values)
}
