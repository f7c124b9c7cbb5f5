//! `SHOW TABLES`, `SHOW VIEWS`, `SHOW SCHEMAS`, `SHOW DATABASES`, `SHOW COLUMNS`, `SHOW CREATE` and `DESCRIBE`: each is a query
//! that says what the catalog has.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    self, ObjectName, ShowCreateObject, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementOptions,
};
use udfs::postgres::quote::quoted_literal;

use super::modify::skeleton;
use super::names::{relation, schema_name, unquoted};
use super::select;
use crate::catalog::object::Definition;
use crate::catalog::pg_catalog::objects::{column_default, is_not_null, view_definition};
use crate::catalog::{CatalogSnapshot, ExternalTableDefinition, Table, TableDefinition, TableKind};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner::assign::{identifier, type_name};
use crate::response::Response;
use crate::privileges::{Rights, secured_relation};
use crate::session::Session;
use crate::session::prepared::{Prepared, PreparedStatement};

/// Whether a statement is one of these.
pub(super) fn is_one(statement: &ast::Statement) -> bool {
    use ast::Statement as S;
    matches!(
        statement,
        S::ShowTables { .. }
            | S::ShowViews { .. }
            | S::ShowSchemas { .. }
            | S::ShowDatabases { .. }
            | S::ShowCatalogs { .. }
            | S::ShowColumns { .. }
            | S::ShowCreate { .. }
            | S::ExplainTable { .. }
    )
}

pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    show: &ast::Statement,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let planned = select::prepare(session, statement, &query(session, show)?, declared).await?;
    // What it says is decided when it is executed.
    let Prepared { statement, parameter_types, schema, origins, .. } = planned.inner();
    let (statement, parameter_types) = (statement.clone(), parameter_types.clone());
    Ok(PreparedStatement::new(Prepared { statement, parameter_types, plan: None, schema: schema.clone(), origins: origins.clone() }))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    show: &ast::Statement,
    parameters: &[ScalarValue],
) -> Result<Response> {
    let query = Arc::new(query(session, show)?);
    Ok(Response::Rows(select::rows(session, prepared, query, parameters).await?))
}

fn query(session: &Session, show: &ast::Statement) -> Result<ast::Statement> {
    use ast::Statement as S;
    let snapshot = session.catalog();
    let text = match show {
        S::ShowTables { show_options, .. } => tables(session, &snapshot, show_options, "table_type <> 'VIEW'", "tables")?,
        S::ShowViews { materialized: true, show_options, .. } => {
            return relations(session, &snapshot, show_options, TableKind::MaterializedView);
        }
        S::ShowViews { show_options, .. } => tables(session, &snapshot, show_options, "table_type = 'VIEW'", "views")?,
        S::ShowSchemas { show_options, .. } => {
            let matching = filter("schema_name", show_options)?;
            format!("SELECT schema_name FROM information_schema.schemata WHERE {matching} ORDER BY schema_name")
        }
        S::ShowDatabases { show_options, .. } | S::ShowCatalogs { show_options, .. } => {
            let matching = filter("database_name", show_options)?;
            let database = quoted_literal(&snapshot.database);
            format!("SELECT database_name FROM (SELECT {database} AS database_name) AS d WHERE {matching}")
        }
        S::ShowColumns { show_options, .. } => {
            let matching = filter("column_name", show_options)?;
            let name = show_options.show_in.as_ref().and_then(|show_in| show_in.parent_name.as_ref());
            let name = name.ok_or_else(|| Error::unsupported("SHOW COLUMNS without a table"))?;
            format!("SELECT * FROM ({}) AS columns WHERE {matching}", columns(session, &snapshot, name)?)
        }
        S::ExplainTable { table_name, .. } => columns(session, &snapshot, table_name)?,
        S::ShowCreate { obj_type: ShowCreateObject::Table | ShowCreateObject::View, obj_name } => {
            let table = found(session, &snapshot, obj_name)?;
            format!("SELECT {} AS create_statement", quoted_literal(&create_statement(&snapshot, &table)?))
        }
        other => return Err(Error::unsupported(format!("\"{other}\""))),
    };
    skeleton(&text)
}

/// Relations of one schema, or of those in the search path.
fn tables(session: &Session, snapshot: &CatalogSnapshot, options: &ShowStatementOptions, kind: &str, what: &str) -> Result<String> {
    let matching = filter("table_name", options)?;
    let schemas = schemas(session, snapshot, options)?;
    let schemas = schemas.iter().map(|schema| quoted_literal(schema)).collect::<Vec<_>>().join(", ");
    Ok(format!(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables AS {what}
         WHERE table_schema IN ({schemas}) AND {kind} AND {matching} ORDER BY table_schema, table_name"
    ))
}

fn relations(session: &Session, snapshot: &CatalogSnapshot, options: &ShowStatementOptions, kind: TableKind) -> Result<ast::Statement> {
    let matching = filter("table_name", options)?;
    let schemas = schemas(session, snapshot, options)?;
    let rights = Rights::in_session(session, snapshot);
    let found = snapshot.tables().filter(|(schema, table)| {
        table.kind == kind && schemas.contains(&schema.name) && rights.sees(&secured_relation(snapshot, schema, table))
    });
    let rows: Vec<String> = found.map(|(schema, table)| format!("({}, {})", quoted_literal(&schema.name), quoted_literal(&table.name))).collect();
    let rows = if rows.is_empty() { "(NULL, NULL)".to_owned() } else { rows.join(", ") };
    skeleton(&format!(
        "SELECT table_schema, table_name FROM (VALUES {rows}) AS views (table_schema, table_name)
         WHERE table_name IS NOT NULL AND {matching} ORDER BY table_schema, table_name"
    ))
}

/// The schemas of `IN schema`, or those of the search path.
fn schemas(session: &Session, snapshot: &CatalogSnapshot, options: &ShowStatementOptions) -> Result<Vec<String>> {
    match options.show_in.as_ref().and_then(|show_in| show_in.parent_name.as_ref()) {
        Some(name) => {
            let name = schema_name(name, snapshot)?;
            match snapshot.schema(&name).is_some() || session.system().schemas().contains_key(&name) {
                true => Ok(vec![name]),
                false => Err(Error::UndefinedSchema { name }),
            }
        }
        None => Ok(session.lookup_path()),
    }
}

/// `LIKE 'pattern'` as a condition on a column.
fn filter(column: &str, options: &ShowStatementOptions) -> Result<String> {
    let filter = match &options.filter_position {
        Some(ShowStatementFilterPosition::Infix(filter) | ShowStatementFilterPosition::Suffix(filter)) => filter,
        None => return Ok("true".into()),
    };
    match filter {
        // As in a shell, which is what Spark's clients write.
        ShowStatementFilter::Like(pattern) if pattern.contains('*') => {
            Ok(format!("{column} LIKE {}", quoted_literal(&pattern.replace('*', "%"))))
        }
        ShowStatementFilter::Like(pattern) | ShowStatementFilter::NoKeyword(pattern) => Ok(format!("{column} LIKE {}", quoted_literal(pattern))),
        ShowStatementFilter::ILike(pattern) => Ok(format!("{column} ILIKE {}", quoted_literal(pattern))),
        ShowStatementFilter::Where(condition) => Ok(condition.to_string()),
    }
}

fn found(session: &Session, snapshot: &CatalogSnapshot, name: &ObjectName) -> Result<Arc<Table>> {
    let undefined = || Error::UndefinedTable { name: unquoted(name), nearest: None, position: None };
    relation(session, name, snapshot)?.cloned().ok_or_else(undefined)
}

/// A query for the columns of a relation: name, type, whether they can be NULL, and default.
fn columns(session: &Session, snapshot: &CatalogSnapshot, name: &ObjectName) -> Result<String> {
    let names = "column_name, data_type, nullable, column_default";
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident().map(super::names::folded)).collect();
    if let [.., schema, table] = parts.as_slice()
        && session.system().schemas().contains_key(schema)
    {
        return Ok(format!(
            "SELECT column_name, data_type, is_nullable AS nullable, column_default FROM information_schema.columns
             WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
            quoted_literal(schema),
            quoted_literal(table)
        ));
    }
    let table = found(session, snapshot, name)?;
    let row = |(index, field): (usize, &Arc<Field>)| {
        let nullable = if is_not_null(&table, index) { "NO" } else { "YES" };
        let default = column_default(&table, field.name()).map_or_else(|| "CAST(NULL AS text)".into(), |default| quoted_literal(&default));
        format!("({index}, {}, {}, '{nullable}', {default})", quoted_literal(field.name()), quoted_literal(&type_name(snapshot, field)))
    };
    let rows: Vec<String> = table.schema.fields().iter().enumerate().map(row).collect();
    Ok(format!("SELECT {names} FROM (VALUES {}) AS columns (number, {names}) ORDER BY number", rows.join(", ")))
}

/// The statement that would make a relation.
fn create_statement(snapshot: &CatalogSnapshot, table: &Table) -> Result<String> {
    let object = snapshot.object(table.oid);
    let schema = object.and_then(|object| snapshot.object(object.parent)).map(|schema| identifier(&schema.name));
    let name = match schema {
        Some(schema) => format!("{schema}.{}", identifier(&table.name)),
        None => identifier(&table.name),
    };
    let query = || view_definition(table).unwrap_or_default();
    let columns: Vec<String> = table.schema.fields().iter().map(|field| identifier(field.name())).collect();
    let columns = columns.join(", ");
    Ok(match object.map(|object| &object.definition) {
        Some(Definition::View(_)) => format!("CREATE VIEW {name} ({columns}) AS\n{}", query()),
        Some(Definition::Table(definition)) if definition.materialized.is_some() => {
            format!("CREATE MATERIALIZED VIEW {name} ({columns}) AS\n{}", query())
        }
        Some(Definition::Table(definition)) => create_table(snapshot, &name, definition),
        Some(Definition::External(definition)) => create_external_table(snapshot, &name, definition),
        Some(_) => return Err(Error::internal("something else was taken for a table")),
        // Served from the command line: the statement that would keep it in the catalog.
        None => {
            let location = quoted_literal(table.location.as_deref().unwrap_or_default());
            let format = if table.delta.is_some() { " STORED AS DELTA" } else { "" };
            format!("CREATE EXTERNAL TABLE {name}{format} LOCATION {location};")
        }
    })
}

fn create_table(snapshot: &CatalogSnapshot, name: &str, definition: &TableDefinition) -> String {
    let column = |field: &Arc<Field>| {
        let mut column = format!("    {} {}", identifier(field.name()), type_name(snapshot, field));
        if let Some(default) = definition.defaults.get(field.name()) {
            column.push_str(&format!(" DEFAULT {default}"));
        }
        if let Some(expression) = definition.generated.get(field.name()) {
            column.push_str(&format!(" GENERATED ALWAYS AS ({expression}) STORED"));
        }
        if !field.is_nullable() {
            column.push_str(" NOT NULL");
        }
        column
    };
    let check = |(name, condition): (&String, &String)| format!("    CONSTRAINT {} CHECK ({condition})", identifier(name));
    let lines: Vec<String> = definition.columns.fields().iter().map(column).chain(definition.checks.iter().map(check)).collect();
    let partitions: Vec<String> = definition.partition_columns.iter().map(|column| identifier(column)).collect();
    let partitions = if partitions.is_empty() { String::new() } else { format!("\nPARTITIONED BY ({})", partitions.join(", ")) };
    let sorted = definition.sorted_by();
    let sorted = sorted.map_or_else(String::new, |sorted| format!("\nWITH (sorted_by = {})", quoted_literal(&sorted)));
    format!("CREATE TABLE {name} (\n{}\n){partitions}{sorted};", lines.join(",\n"))
}

fn create_external_table(snapshot: &CatalogSnapshot, name: &str, definition: &ExternalTableDefinition) -> String {
    let is_partition = |field: &&Arc<Field>| definition.partition_columns.contains(field.name());
    let column = |field: &Arc<Field>| format!("    {} {}", identifier(field.name()), type_name(snapshot, field));
    let lines: Vec<String> = definition.columns.fields().iter().filter(|field| !is_partition(field)).map(column).collect();
    let partitions: Vec<String> = definition.columns.fields().iter().filter(is_partition).map(column).collect();
    let mut statement = format!("CREATE EXTERNAL TABLE {name}");
    if definition.format != crate::catalog::DELTA {
        statement.push_str(&format!(" (\n{}\n)", lines.join(",\n")));
    }
    statement.push_str(&format!("\nSTORED AS {}", definition.format.to_ascii_uppercase()));
    if !partitions.is_empty() && definition.format != crate::catalog::DELTA {
        let partitions: Vec<&str> = partitions.iter().map(|column| column.trim()).collect();
        statement.push_str(&format!("\nPARTITIONED BY ({})", partitions.join(", ")));
    }
    let byte = |byte: Option<u8>| byte.map(|byte| quoted_literal(&char::from(byte).to_string()));
    let options = &definition.options;
    let given = [
        ("delimiter", byte(options.delimiter)),
        ("quote", byte(options.quote)),
        ("escape", byte(options.escape)),
        ("header", options.header.map(|header| header.to_string())),
        ("all_text", options.all_text.then(|| true.to_string())),
    ];
    let given: Vec<String> = given.into_iter().filter_map(|(key, value)| Some(format!("{key} {}", value?))).collect();
    if !given.is_empty() {
        statement.push_str(&format!("\nOPTIONS ({})", given.join(", ")));
    }
    format!("{statement}\nLOCATION {};", quoted_literal(&definition.location))
}
