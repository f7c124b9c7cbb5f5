//! Rows as they are assigned to the columns of a table: cast to their types, and refused if a column or a condition of the
//! table does.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DFSchemaRef};
use datafusion::datasource::ViewTable;
use datafusion::functions::math::expr_fn::round;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, when};
use engine::without_views;
use udfs::postgres::ENFORCE;
use udfs::postgres::pg_type::{PG_TYPMOD, declared_type};

use crate::catalog::{CatalogSnapshot, TableDefinition};
use crate::catalog::pg_catalog::format_type::format_type;
use crate::catalog::pg_catalog::types::column_type;
use crate::error::{Error, Result};

/// Bytes that a length in a type modifier of a text counts besides its characters.
pub(crate) const TYPMOD_HEADER: usize = 4;

/// The columns of `rows` as those of `definition`, in their order and under their names.
pub(crate) fn cast_to_columns(rows: LogicalPlan, definition: &TableDefinition, snapshot: &CatalogSnapshot) -> Result<LogicalPlan> {
    let schema = Arc::clone(rows.schema());
    let columns = definition.columns.fields().iter().enumerate();
    let columns = columns.map(|(index, column)| Ok(assigned(&schema, index, column, snapshot)?.alias(column.name())));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
}

/// The value at `index` of `schema` as `column` takes it.
fn assigned(schema: &DFSchemaRef, index: usize, column: &Field, snapshot: &CatalogSnapshot) -> Result<Expr> {
    let (qualifier, field) = schema.qualified_field(index);
    let value = Expr::Column(Column::from((qualifier, field)));
    let data_type = field.data_type();
    if !is_assignable(data_type, column.data_type()) {
        return Err(Error::WrongType {
            column: column.name().clone(),
            expected: type_name(snapshot, column),
            given: type_name(snapshot, field),
        });
    }
    let has_fraction = data_type.is_floating() || data_type.is_decimal();
    let value = match has_fraction && column.data_type().is_integer() {
        true => round(vec![value]),
        false => value,
    };
    match data_type == column.data_type() || without_views(data_type) == *column.data_type() {
        true => Ok(value),
        false => Ok(value.cast_to(column.data_type(), schema)?),
    }
}

/// In plans of rows that a statement may have changed: whether the column at `index` of the table has a new value.
pub(crate) fn flag_column(index: usize) -> String {
    format!("\u{1}changed {index}")
}

/// And the new value, of a type of its own: an old value must not become one of that type and back.
pub(crate) fn new_column(index: usize) -> String {
    format!("\u{1}new {index}")
}

/// Columns of `definition` from rows that have them under their names, with the new values of those that are in `changed`.
pub(crate) fn with_new_values(
    rows: LogicalPlan,
    definition: &TableDefinition,
    snapshot: &CatalogSnapshot,
    changed: &[usize],
) -> Result<LogicalPlan> {
    let schema = Arc::clone(rows.schema());
    let position = |name: &str| {
        let found = schema.fields().iter().position(|field| field.name() == name);
        found.ok_or_else(|| Error::unsupported(format!("a column named {name:?}")))
    };
    let columns = definition.columns.fields().iter().enumerate().map(|(index, column)| {
        let old = assigned(&schema, position(column.name())?, column, snapshot)?;
        if !changed.contains(&index) {
            return Ok(old.alias(column.name()));
        }
        let (qualifier, flag) = schema.qualified_field(position(&flag_column(index))?);
        let flag = Expr::Column(Column::from((qualifier, flag)));
        let new = assigned(&schema, position(&new_column(index))?, column, snapshot)?;
        Ok(when(flag, new).otherwise(old)?.alias(column.name()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
}

/// A column's type as PostgreSQL names it.
pub(crate) fn type_name(snapshot: &CatalogSnapshot, field: &Field) -> String {
    let column = column_type(field);
    format_type(snapshot, column.oid, Some(column.modifier.into()))
}

/// Whether PostgreSQL would cast a value in an assignment without being told.
fn is_assignable(from: &DataType, to: &DataType) -> bool {
    let is_time = |data_type: &DataType| matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
    let is_text = |data_type: &DataType| data_type.is_string();
    match (from, to) {
        (DataType::Null, _) => true,
        (DataType::Dictionary(_, values), to) => is_assignable(values, to),
        (_, to) if is_text(to) => true,
        (from, to) if from.is_numeric() && to.is_numeric() => true,
        (from, to) if is_time(from) && is_time(to) => true,
        (from, to) if from.is_binary() && to.is_binary() => true,
        (DataType::List(from) | DataType::LargeList(from) | DataType::FixedSizeList(from, _), DataType::List(to)) => {
            is_assignable(from.data_type(), to.data_type())
        }
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| is_assignable(from.data_type(), to.data_type()))
        }
        (from, to) => from == to,
    }
}

/// `rows` as a table to plan further queries over.
pub(crate) fn as_table(rows: LogicalPlan) -> Arc<dyn TableProvider> {
    Arc::new(ViewTable::new(rows, None))
}

/// The query that takes rows of a table from the relation `from` and computes the columns that are generated; `None` if there
/// are none.
pub(crate) fn generating_query(definition: &TableDefinition, from: &str) -> Option<String> {
    if definition.generated.is_empty() {
        return None;
    }
    let column = |name: &String| match definition.generated.get(name) {
        Some(expression) => format!("({expression}) AS {}", identifier(name)),
        None => identifier(name),
    };
    let columns: Vec<String> = definition.columns.fields().iter().map(|field| column(field.name())).collect();
    Some(format!("SELECT {} FROM {}", columns.join(", "), identifier(from)))
}

/// Rows that a rule of their table is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enforced {
    /// Rows to be written.
    New,
    /// Rows that are there, for which the rule is new.
    Existing,
}

/// The query that takes rows of `table` from the relation `from`, and fails for those that must not be in it; `None` if any
/// row may.
pub(crate) fn enforcing_query(table: &str, definition: &TableDefinition, from: &str, rows: Enforced) -> Option<String> {
    let mut is_needed = !definition.checks.is_empty();
    let mut columns = Vec::with_capacity(definition.columns.fields().len());
    for (index, field) in definition.columns.fields().iter().enumerate() {
        let column = identifier(field.name());
        let mut value = column.clone();
        if let Some(length) = length_max(field) {
            is_needed = true;
            let of_type = if declared_type(field) == Some("bpchar") { "character" } else { "character varying" };
            let condition = format!("char_length(rtrim({column}, ' ')) <= {length}");
            let message = format!("value too long for type {of_type}({length})");
            value = enforced(&format!("left({value}, {length})"), &condition, "22001", &message);
            if of_type == "character" {
                value = format!("rpad({value}, {length})");
            }
        }
        if !field.is_nullable() {
            is_needed = true;
            let name = field.name();
            let message = match rows {
                Enforced::New => format!("null value in column \"{name}\" of relation \"{table}\" violates not-null constraint"),
                Enforced::Existing => format!("column \"{name}\" of relation \"{table}\" contains null values"),
            };
            value = enforced(&value, &format!("{column} IS NOT NULL"), "23502", &message);
        }
        if index == 0 {
            for (name, condition) in &definition.checks {
                let message = match rows {
                    Enforced::New => format!("new row for relation \"{table}\" violates check constraint \"{name}\""),
                    Enforced::Existing => format!("check constraint \"{name}\" of relation \"{table}\" is violated by some row"),
                };
                value = enforced(&value, condition, "23514", &message);
            }
        }
        columns.push(format!("{value} AS {column}"));
    }
    is_needed.then(|| format!("SELECT {} FROM {}", columns.join(", "), identifier(from)))
}

fn enforced(value: &str, condition: &str, sql_state: &str, message: &str) -> String {
    format!("{ENFORCE}({value}, ({condition}), '{sql_state}', '{}')", message.replace('\'', "''"))
}

/// The characters that a text of this column has at most.
fn length_max(field: &Field) -> Option<usize> {
    let is_text = matches!(declared_type(field), Some("varchar" | "bpchar"));
    let modifier = field.metadata().get(PG_TYPMOD).filter(|_| is_text)?.parse::<usize>().ok()?;
    modifier.checked_sub(TYPMOD_HEADER)
}

/// A name in a text.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
