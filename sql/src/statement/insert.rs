//! `INSERT`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{self, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, BinaryOperator, Expr, Ident, Insert, ObjectName, OnConflictAction, OnInsert, Query, SelectItem, SetExpr, TableObject};
use engine::{Operation, TableChanges};

use super::modify::{Needs, ATTEMPTS_MAX, Modification, Target, is_default, skeleton, typed};
use super::names::folded;
use super::select::current_plan;
use crate::catalog::grants::Privilege;
use crate::catalog::CatalogSnapshot;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner::assign::{as_table, identifier};
use crate::planner::{self, PlannedQuery, TARGET};
use crate::response::Response;
use crate::session::Session;
use crate::session::tables::pin_tables;
use crate::session::prepared::{Prepared, PreparedStatement, QueryPlan, moment};

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    insert: &Insert,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let modification = modification(session, statement, insert)?;
    let planned = plan(&modification, insert, None, declared).await?;
    let (mut parameter_types, mut schema, mut origins) = (planned.parameter_types, None, vec![]);
    if let Some(items) = &insert.returning {
        let table: Arc<dyn TableProvider> = Arc::new(modification.contents().await?.scan(&modification.target.definition)?);
        let returning = modification.plan_returning(items, &alias(insert)?, table, None, &parameter_types).await?;
        (parameter_types, schema, origins) = (returning.parameter_types, Some(returning.schema), returning.origins);
    }
    Ok(PreparedStatement::new(Prepared {
        statement: statement.clone(),
        parameter_types,
        plan: Some(QueryPlan {
            logical: planned.logical,
            catalog_version: planned.catalog_version,
            role: session.role(),
            only_catalog: false,
            tables: planned.tables,
            moment: moment(planned.is_momentary),
        }),
        schema,
        origins,
    }))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    insert: &Insert,
    parameters: &[ScalarValue],
) -> Result<Response> {
    let prepared_plan = prepared.inner();
    for _ in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        let modification = modification(session, prepared.statement(), insert)?;
        let Some(contents) = modification.current().await? else { continue };
        let (logical, types) = match current_plan(session, prepared_plan, &modification.snapshot).await? {
            Some(plan) => (plan.logical.clone(), prepared_plan.parameter_types.clone()),
            None => {
                let planned = plan(&modification, insert, None, &prepared_plan.parameter_types).await?;
                (planned.logical, planned.parameter_types)
            }
        };
        let written = modification.write(planner::bind(&logical, &types, parameters)?).await?;
        let removed = match insert.overwrite {
            true => {
                let scan = contents.scan(&modification.target.definition)?;
                let is_replaced = replaced(&modification.target, insert, &contents.version.partition_columns)?;
                scan.files().filter(|file| is_replaced(file.partition_values())).cloned().collect()
            }
            false => vec![],
        };
        let mut response = Response::Command { tag: "INSERT 0".into(), rows: Some(written.rows) };
        if let (Some(items), Some(schema)) = (&insert.returning, prepared.schema()) {
            let table = modification.of_written(&contents, &written)?;
            let returned = modification.returned(items, &alias(insert)?, table, None, &types, parameters, schema, "INSERT 0").await;
            response = modification.or_discard(returned, &written).await?;
        }
        let operation = if insert.overwrite { Operation::Overwrite } else { Operation::Write };
        let changes = TableChanges { added: written.files, removed, operation, ..TableChanges::default() };
        if modification.apply(&contents, changes).await? {
            return Ok(response);
        }
    }
    Err(Error::SerializationFailure)
}

pub(super) fn modification(session: &Arc<Session>, statement: &Statement, insert: &Insert) -> Result<Modification> {
    refuse_others(insert)?;
    let TableObject::TableName(name) = &insert.table else { return Err(Error::unsupported("INSERT into anything but a table")) };
    let snapshot = session.catalog();
    let target = Target::find(session, name, &snapshot, "insert into", [Needs::SomeColumn(Privilege::Insert)])?;
    Ok(Modification { session: Arc::clone(session), statement: statement.clone(), snapshot, target })
}

/// What RETURNING calls the table.
fn alias(insert: &Insert) -> Result<Ident> {
    let TableObject::TableName(name) = &insert.table else { return Err(Error::unsupported("INSERT into anything but a table")) };
    let last = name.0.last().and_then(|part| part.as_ident()).cloned();
    let alias = insert.table_alias.as_ref().map(|alias| alias.alias.clone()).or(last);
    alias.ok_or_else(|| Error::ImproperName { name: name.to_string() })
}

fn refuse_others(insert: &Insert) -> Result<()> {
    let what = match insert {
        Insert { on: Some(OnInsert::OnConflict(on)), .. } => match (&on.action, &on.conflict_target) {
            // Without unique columns there are no conflicts.
            (OnConflictAction::DoNothing, None) => return Ok(()),
            _ => {
                return Err(Error::Classified {
                    sql_state: crate::SqlState::INVALID_COLUMN_REFERENCE,
                    message: "there is no unique or exclusion constraint matching the ON CONFLICT specification".into(),
                    detail: None,
                    hint: Some("Use MERGE INTO, or DELETE and INSERT in one transaction.".into()),
                    position: None,
                });
            }
        },
        Insert { on: Some(_), .. } | Insert { replace_into: true, .. } | Insert { ignore: true, .. } => "this INSERT",
        _ => return Ok(()),
    };
    Err(Error::unsupported(what))
}

/// Plans the rows to be written: all columns of the table, in its order. `given` are the rows if they are not in the statement.
pub(super) async fn plan(
    modification: &Modification,
    insert: &Insert,
    given: Option<Arc<dyn TableProvider>>,
    declared: &[Option<DataType>],
) -> Result<PlannedQuery> {
    let Modification { snapshot, target, .. } = modification;
    let fixed = fixed(target, insert)?;
    let columns = given_columns(target, insert, &fixed)?;
    let session = &modification.session;
    if insert.overwrite {
        target.check_privilege(session, snapshot, Privilege::Delete)?;
    }
    if let Some(items) = &insert.returning {
        modification.check_reads(&alias(insert)?, items.clone(), &[], None, declared).await?;
    }
    let is_given = given.is_some();
    let mut planned = match (&insert.source, given) {
        (_, Some(rows)) => modification.plan_part(rows, skeleton(&format!("SELECT * FROM {}", identifier(TARGET)))?, &[]).await?,
        (Some(source), None) => {
            let query = ast::Statement::Query(Box::new(typed_source(target, snapshot, &columns, source)));
            modification.plan_query(query, declared).await?
        }
        // DEFAULT VALUES: one row, of which nothing is taken.
        (None, None) => modification.plan_query(skeleton("SELECT NULL AS \"default\"")?, &[]).await?,
    };
    let width = if insert.source.is_some() { planned.logical.schema().fields().len() } else { 0 };
    if width > columns.len() {
        return Err(Error::InsertWidth { more: "expressions", fewer: "target columns" });
    }
    if width < columns.len() && !(insert.columns.is_empty() && fixed.is_empty()) {
        return Err(Error::InsertWidth { more: "target columns", fewer: "expressions" });
    }
    let written = columns[..width].iter().chain(fixed.keys()).copied();
    target.check_columns(session, snapshot, Privilege::Insert, written)?;
    if !is_given {
        refuse_generated(target, insert, &columns[..width])?;
    }
    let given = |index: usize| format!("\u{1}given {index}");
    let names = planned.logical.schema().iter().enumerate().map(|(index, (qualifier, field))| {
        logical_expr::Expr::Column(Column::from((qualifier, field))).alias(given(index))
    });
    let names: Vec<_> = names.collect();
    let rows = LogicalPlanBuilder::from(planned.logical).project(names)?.build()?;
    let value = |(index, field): (usize, &Arc<arrow::datatypes::Field>)| {
        let position = columns[..width].iter().position(|column| *column == index);
        let other = || fixed.get(&index).map_or_else(|| format!("({})", target.default(field.name())), |value| fixed_value(target, snapshot, index, value));
        let value = position.map_or_else(other, |position| identifier(&given(position)));
        format!("{value} AS {}", identifier(field.name()))
    };
    let values: Vec<String> = target.definition.columns.fields().iter().enumerate().map(value).collect();
    let query = skeleton(&format!("SELECT {} FROM {}", values.join(", "), identifier(TARGET)))?;
    let all = modification.plan_part(as_table(rows), query, declared).await?;
    planned.logical = modification.assigned(all.logical, declared).await?;
    planned.tables.extend(all.tables);
    Ok(planned)
}

/// `PARTITION (day = '2024-05-01', hour)`: the columns that have one value in all rows, and the value.
fn fixed(target: &Target, insert: &Insert) -> Result<BTreeMap<usize, Expr>> {
    let mut fixed = BTreeMap::new();
    for part in insert.partitioned.iter().flatten() {
        let (name, value) = partition(part)?;
        let column = target.column(&name)?;
        if !target.definition.partition_columns.contains(&name) {
            return Err(Error::InvalidParameterValue {
                message: format!("table \"{}\" is not partitioned by column \"{name}\"", target.name),
            });
        }
        if let Some(value) = value {
            fixed.insert(column, value.clone());
        }
    }
    Ok(fixed)
}

/// A value of PARTITION as the column takes it.
fn fixed_value(target: &Target, snapshot: &CatalogSnapshot, column: usize, value: &Expr) -> String {
    typed(value.clone(), target.column_type(column, snapshot).as_ref()).to_string()
}

/// A column of PARTITION, and its value if there is one.
fn partition(part: &Expr) -> Result<(String, Option<&Expr>)> {
    match part {
        Expr::Identifier(name) => Ok((folded(name), None)),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => match left.as_ref() {
            Expr::Identifier(name) => Ok((folded(name), Some(right))),
            other => Err(Error::unsupported(format!("PARTITION ({other} = …)"))),
        },
        other => Err(Error::unsupported(format!("PARTITION ({other})"))),
    }
}

/// Which files INSERT OVERWRITE replaces, by their values of `partition_columns`: all, or those of the partition that is named.
fn replaced(target: &Target, insert: &Insert, partition_columns: &[String]) -> Result<impl Fn(&[ScalarValue]) -> bool> {
    let mut wanted: Vec<(usize, ScalarValue)> = vec![];
    for (column, value) in fixed(target, insert)? {
        let field = target.definition.columns.field(column);
        let text = match &value {
            Expr::Value(ast::ValueWithSpan { value: ast::Value::SingleQuotedString(text), .. }) => Some(text.clone()),
            Expr::Value(ast::ValueWithSpan { value: ast::Value::Null, .. }) => None,
            Expr::Value(other) => Some(other.to_string()),
            other => return Err(Error::unsupported(format!("PARTITION ({} = {other})", field.name()))),
        };
        let value = match text {
            Some(text) => ScalarValue::try_from_string(text, field.data_type())?,
            None => ScalarValue::try_new_null(field.data_type())?,
        };
        let position = partition_columns.iter().position(|name| name == field.name());
        wanted.push((position.ok_or_else(|| Error::internal("a partition column is none of the table's"))?, value));
    }
    Ok(move |values: &[ScalarValue]| wanted.iter().all(|(position, wanted)| values.get(*position) == Some(wanted)))
}

/// The columns that the source has values for: those that are named, or all others in the order of the table, those that
/// PARTITION names without a value last.
fn given_columns(target: &Target, insert: &Insert, fixed: &BTreeMap<usize, Expr>) -> Result<Vec<usize>> {
    let named = columns(target, &insert.columns)?;
    if let Some(twice) = named.iter().find(|column| !insert.columns.is_empty() && fixed.contains_key(column)) {
        return Err(Error::DuplicateColumn { name: target.definition.columns.field(*twice).name().clone() });
    }
    let mut last = vec![];
    for part in insert.partitioned.iter().flatten().filter(|_| insert.columns.is_empty()) {
        if let (name, None) = partition(part)? {
            last.push(target.column(&name)?);
        }
    }
    let first = named.into_iter().filter(|column| !fixed.contains_key(column) && !last.contains(column));
    Ok(first.chain(last.iter().copied()).collect())
}

/// A column whose values are computed is given none, or DEFAULT.
fn refuse_generated(target: &Target, insert: &Insert, columns: &[usize]) -> Result<()> {
    let given = |index: usize| match insert.source.as_deref().map(|source| source.body.as_ref()) {
        None => false,
        Some(SetExpr::Values(values)) => values.rows.iter().any(|row| row.content.get(index).is_some_and(|value| !is_default(value))),
        Some(_) => true,
    };
    for (_, column) in columns.iter().enumerate().filter(|(index, _)| given(*index)) {
        target.refuse_generated(*column, |name| format!("cannot insert a non-DEFAULT value into column \"{name}\""))?;
    }
    Ok(())
}

/// The indexes of the columns that values are given for.
pub(super) fn columns(target: &Target, names: &[ObjectName]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..target.definition.columns.fields().len()).collect());
    }
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let [part] = name.0.as_slice() else { return Err(Error::unsupported("INSERT into a part of a column")) };
        let name = part.as_ident().map_or_else(|| part.to_string(), folded);
        let column = target.column(&name)?;
        if columns.contains(&column) {
            return Err(Error::DuplicateColumn { name });
        }
        columns.push(column);
    }
    Ok(columns)
}

/// The source with parameters and quoted texts of the types of the columns that they are for, and with defaults.
fn typed_source(target: &Target, snapshot: &CatalogSnapshot, columns: &[usize], source: &Query) -> Query {
    let types: Vec<_> = columns.iter().map(|column| target.column_type(*column, snapshot)).collect();
    let default = |index: usize| {
        let field = target.definition.columns.field(*columns.get(index)?);
        parsed_expression(target.default(field.name()))
    };
    let mut query = source.clone();
    match query.body.as_mut() {
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                for (index, value) in row.content.iter_mut().enumerate() {
                    if is_default(value)
                        && let Some(default) = default(index)
                    {
                        *value = default;
                    }
                    let data_type = types.get(index).and_then(Option::as_ref);
                    *value = typed(std::mem::replace(value, planner::build::null()), data_type);
                }
            }
        }
        SetExpr::Select(select) => {
            let is_column = |item: &&mut SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            // After a wildcard nobody knows yet which column is next.
            for (item, data_type) in select.projection.iter_mut().take_while(is_column).zip(&types) {
                if let SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. } = item {
                    *value = typed(std::mem::replace(value, planner::build::null()), data_type.as_ref());
                }
            }
        }
        _ => {}
    }
    query
}

/// The syntax tree of an expression that was checked when its table was made.
pub(super) fn parsed_expression(text: &str) -> Option<Expr> {
    let ast::Statement::Query(query) = skeleton(&format!("SELECT ({text})")).ok()? else { return None };
    let SetExpr::Select(select) = *query.body else { return None };
    match select.projection.into_iter().next()? {
        SelectItem::UnnamedExpr(expr) => Some(expr),
        _ => None,
    }
}
