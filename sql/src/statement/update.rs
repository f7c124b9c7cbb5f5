//! `UPDATE`: the files that have such rows are written again, all their rows, some changed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    self, Assignment, AssignmentTarget, CaseWhen, Expr, Ident, ObjectName, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Update, UpdateTableFromKind,
};
use engine::{FILE_COLUMN, Operation};

use super::insert::parsed_expression;
use super::joined::{Action, Clause, Joined, source_of, truth};
use super::modify::{
    ATTEMPTS_MAX, Modification, Needs, Target, Written, is_default, named_table, refuse_volatile, replaced, select_of, skeleton, target_query, typed,
};
use super::names::folded;
use crate::catalog::grants::Privilege;
use crate::error::{Error, Result};
use crate::parser::{Dialect, Statement};
use crate::planner::assign::{as_table, cast_to_columns, flag_column, identifier, new_column, with_new_values};
use crate::planner::{self, TARGET};
use crate::planner::build::{aliased, ident};
use crate::response::Response;
use crate::session::Session;
use crate::session::tables::pin_tables;
use crate::session::prepared::{Prepared, PreparedStatement};

/// Whether a row changes, as a column. No name in a text can be this one.
const CHANGED: &str = "\u{1}changed";

/// Which rows of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    All,
    Changed,
}

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    update: &Update,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let (modification, alias) = modification(session, statement, update)?;
    check_rights(&modification, update, &alias, declared).await?;
    if let Some(joined) = joined(&modification, update, &alias)? {
        let mut parameter_types = joined.check(&modification, declared).await?;
        let (mut schema, mut origins) = (None, vec![]);
        if let Some(returned) = joined.described(&modification, &parameter_types).await? {
            (parameter_types, schema, origins) = (returned.parameter_types, Some(returned.schema), returned.origins);
        }
        return Ok(PreparedStatement::new(Prepared { statement: statement.clone(), parameter_types, plan: None, schema, origins }));
    }
    let scan = modification.contents().await?.scan(&modification.target.definition)?;
    let target: Arc<dyn TableProvider> = Arc::new(scan);
    let query = changed_rows(&modification, update, &alias, Rows::All)?;
    let planned = modification.plan_part(target, query, declared).await?;
    let scan: Arc<dyn TableProvider> = Arc::new(modification.contents().await?.scan(&modification.target.definition)?);
    let matching = modification.plan_part(scan, target_query(&alias, "1", update.selection.clone())?, &planned.parameter_types).await?;
    refuse_volatile(&matching.logical)?;
    let assigned = updated(&modification, update, planned.logical, declared).await?;
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
    check_rights(&first, update, &alias, prepared.parameter_types()).await?;
    if let Some(joined) = joined(&first, update, &alias)? {
        let again = || modification(session, prepared.statement(), update).map(|(modification, _)| modification);
        let done = joined.execute(again, prepared.parameter_types(), parameters, prepared.schema()).await?;
        return Ok(done.returned.unwrap_or(Response::Command { tag: "UPDATE".into(), rows: Some(done.rows) }));
    }
    for _ in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        let (modification, alias) = modification(session, prepared.statement(), update)?;
        let Some(contents) = modification.current().await? else { continue };
        let types = prepared.parameter_types();
        let definition = &modification.target.definition;
        let bind = |plan: &LogicalPlan| planner::bind(plan, types, parameters);
        let target: Arc<dyn TableProvider> = Arc::new(contents.scan(definition)?.naming_files());
        let query = target_query(&alias, &identifier(FILE_COLUMN), update.selection.clone())?;
        let matching = modification.plan_part(target, query, types).await?;
        let touched = modification.touched(bind(&matching.logical)?).await?;
        let rows = touched.iter().map(|(_, rows)| rows).sum();
        let paths: HashSet<String> = touched.into_iter().map(|(path, _)| path).collect();
        let files: Arc<dyn TableProvider> = Arc::new(contents.scan(definition)?.of_files(&paths));
        let mut written = Written::default();
        let mut response = Response::Command { tag: "UPDATE".into(), rows: Some(rows) };
        if let (Some(items), Some(schema)) = (&update.returning, prepared.schema()) {
            // Rows that change are written apart, so that what is returned is what was stored.
            let query = changed_rows(&modification, update, &alias, Rows::Changed)?;
            let changed = modification.plan_part(Arc::clone(&files), query, types).await?;
            let changed = updated(&modification, update, changed.logical, types).await?;
            written = modification.write(bind(&changed)?).await?;
            let table = modification.of_written(&contents, &written)?;
            let returned = modification.returned(items, &alias, table, None, types, parameters, schema, "UPDATE").await;
            response = modification.or_discard(returned, &written).await?;
            let columns: Vec<String> = definition.columns.fields().iter().map(|field| identifier(field.name())).collect();
            let kept = update.selection.clone().map(|condition| Expr::IsNotTrue(Box::new(Expr::Nested(Box::new(condition)))));
            let kept = kept.unwrap_or_else(|| Expr::Value(ast::Value::Boolean(false).into()));
            let kept = modification.plan_part(files, target_query(&alias, &columns.join(", "), Some(kept))?, types).await?;
            let kept = cast_to_columns(bind(&kept.logical)?, definition, &modification.snapshot)?;
            let kept = modification.write(kept).await;
            written.add(modification.or_discard(kept, &written).await?);
        } else if !paths.is_empty() {
            let query = changed_rows(&modification, update, &alias, Rows::All)?;
            let changed = modification.plan_part(files, query, types).await?;
            let changed = updated(&modification, update, changed.logical, types).await?;
            written = modification.write(bind(&changed)?).await?;
        }
        if modification.apply(&contents, replaced(&contents, definition, &paths, written, Operation::Update)?).await? {
            return Ok(response);
        }
    }
    Err(Error::SerializationFailure)
}

fn modification(session: &Arc<Session>, statement: &Statement, update: &Update) -> Result<(Modification, Ident)> {
    if update.limit.is_some() || !update.order_by.is_empty() || update.or.is_some() {
        return Err(Error::unsupported("this UPDATE"));
    }
    let (name, alias) = named_table(&update.table)?;
    let snapshot = session.catalog();
    let target = Target::find(session, name, &snapshot, "update", [Needs::SomeColumn(Privilege::Update)])?;
    Ok((Modification { session: Arc::clone(session), statement: statement.clone(), snapshot, target }, alias))
}

/// Fails for columns that the session's role may not change, or not read.
async fn check_rights(modification: &Modification, update: &Update, alias: &Ident, declared: &[Option<DataType>]) -> Result<()> {
    let Modification { session, snapshot, target, .. } = modification;
    let values = assignments(modification, &update.assignments)?;
    target.check_columns(session, snapshot, Privilege::Update, values.keys().copied())?;
    let mut items: Vec<SelectItem> = values.into_values().map(SelectItem::UnnamedExpr).collect();
    items.extend(update.returning.iter().flatten().cloned());
    let from = match &update.from {
        Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => from.as_slice(),
        None => &[],
    };
    modification.check_reads(alias, items, from, update.selection.clone(), declared).await
}

/// The rows that the statement takes from other tables, if it does.
fn joined(modification: &Modification, update: &Update, alias: &Ident) -> Result<Option<Joined>> {
    let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = &update.from else { return Ok(None) };
    let Some(source) = source_of(from) else { return Ok(None) };
    let on = update.selection.clone().unwrap_or_else(|| truth(true));
    let action = Action::Update(assignments(modification, &update.assignments)?);
    let clauses = vec![Clause { is_matched: true, condition: None, action }];
    Ok(Some(Joined { alias: alias.clone(), source, on, clauses, inserts: vec![], operation: Operation::Update, returning: update.returning.clone() }))
}

/// The rows of the table, all or only those that change, with their new values beside the old ones.
fn changed_rows(modification: &Modification, update: &Update, alias: &Ident, which: Rows) -> Result<ast::Statement> {
    let target = &modification.target;
    let values = assignments(modification, &update.assignments)?;
    let name = identifier(&folded(alias));
    let changed = identifier(CHANGED);
    let mut columns: Vec<String> = target.definition.columns.fields().iter().map(|field| identifier(field.name())).collect();
    let old = columns.len();
    columns.extend(values.keys().map(|index| format!("{changed} IS TRUE AS {}", identifier(&flag_column(*index)))));
    columns.extend(values.keys().map(|index| format!("1 AS {}", identifier(&new_column(*index)))));
    let condition = if which == Rows::Changed { format!("WHERE {changed}") } else { String::new() };
    // The condition is a column, so that it is evaluated once for each row.
    let mut query = skeleton(&format!(
        "SELECT {} FROM (SELECT {name}.*, TRUE AS {changed} FROM {} AS {name}) AS {name} {condition}",
        columns.join(", "),
        identifier(TARGET),
    ))?;
    let select = select_of(&mut query)?;
    for (item, (index, value)) in select.projection[old + values.len()..].iter_mut().zip(&values) {
        let value = Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition: Expr::Identifier(ident(CHANGED)), result: value.clone() }],
            else_result: None,
        };
        *item = aliased(value, &new_column(*index));
    }
    if let Some(condition) = &update.selection {
        let unexpected = || Error::internal("the query of an UPDATE has another form");
        let [TableWithJoins { relation: TableFactor::Derived { subquery, .. }, .. }] = select.from.as_mut_slice() else {
            return Err(unexpected());
        };
        let SetExpr::Select(inner) = subquery.body.as_mut() else { return Err(unexpected()) };
        *inner.projection.last_mut().ok_or_else(unexpected)? = aliased(condition.clone(), CHANGED);
    }
    Ok(query)
}

/// The rows of a plan of [`changed_rows`] as the table takes them.
async fn updated(modification: &Modification, update: &Update, rows: LogicalPlan, types: &[Option<DataType>]) -> Result<LogicalPlan> {
    let changed: Vec<usize> = assignments(modification, &update.assignments)?.into_keys().collect();
    let rows = with_new_values(rows, &modification.target.definition, &modification.snapshot, &changed)?;
    modification.assigned(rows, types).await
}

/// New values by the index of their columns.
pub(super) fn assignments(modification: &Modification, given: &[Assignment]) -> Result<BTreeMap<usize, Expr>> {
    let mut values = BTreeMap::new();
    let mut assign = |column: &ObjectName, value: &Expr| {
        let target = &modification.target;
        if let ([first, _, ..], Dialect::Postgres) = (column.0.as_slice(), modification.session.dialect()) {
            // What comes after a column is a field of it.
            target.column(&first.as_ident().map_or_else(|| first.to_string(), folded))?;
            return Err(Error::unsupported("setting a field of a column"));
        }
        let name = column.0.last().and_then(|part| part.as_ident()).map_or_else(|| column.to_string(), folded);
        let index = target.column(&name)?;
        if !is_default(value) {
            target.refuse_generated(index, |name| format!("column \"{name}\" can only be updated to DEFAULT"))?;
        }
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
