//! `COPY table FROM 'file'`: the rows of files, which are read as a query would read them, become rows of a table.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, CopySource, CopyTarget, Ident, Insert, ObjectName};
use engine::table_format::{FileKind, FileName};
use udfs::postgres::quote::quoted_literal;

use super::copy_to::Given;
use super::{copy_in, insert};
use super::modify::{Needs, Target, skeleton};
use crate::catalog::grants::Privilege;
use crate::catalog::CatalogSnapshot;
use crate::catalog::location::options::file_kind;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner::assign::identifier;
use crate::response::Response;
use crate::session::Session;
use crate::session::prepared::PreparedStatement;

pub(super) async fn prepare(session: &Arc<Session>, statement: &Statement, declared: &[Option<DataType>]) -> Result<PreparedStatement> {
    if copy_in::is_from_client(statement) {
        return copy_in::prepare(session, statement);
    }
    insert::prepare(session, statement, &insert(session, statement)?, declared).await
}

pub(super) async fn execute(session: &Arc<Session>, prepared: &PreparedStatement, parameters: &[ScalarValue]) -> Result<Response> {
    if copy_in::is_from_client(prepared.statement()) {
        return copy_in::execute(session, prepared).await;
    }
    let insert = insert(session, prepared.statement())?;
    match insert::execute(session, prepared, &insert, parameters).await? {
        Response::Command { rows, .. } => Ok(Response::Command { tag: "COPY".into(), rows }),
        _ => Err(Error::internal("COPY FROM gave rows")),
    }
}

/// The INSERT that does the same.
fn insert(session: &Session, statement: &Statement) -> Result<Insert> {
    let Some(ast::Statement::Copy { source: CopySource::Table { table_name, columns }, target, options, legacy_options, .. }) =
        statement.ast.as_deref()
    else {
        return Err(Error::unsupported("this form of COPY"));
    };
    let CopyTarget::File { filename: location } = target else {
        let hint = Some("Use COPY … FROM 'file', INSERT, or a location that the server reads.".into());
        return Err(Error::Unsupported { what: format!("COPY FROM {target}"), hint });
    };
    let given = Given::of(options, legacy_options, None)?;
    let kind = match &given.format_name {
        Some(name) => file_kind(name)?,
        None => kind_of(location)?,
    };
    let snapshot = session.catalog();
    let into = Target::find(session, table_name, &snapshot, "copy to", [Needs::SomeColumn(Privilege::Insert)])?;
    let mut columns = columns.clone();
    if columns.is_empty() && !into.definition.generated.is_empty() {
        // Files do not have what is computed.
        let stored = into.definition.columns.fields().iter().filter(|field| !into.definition.generated.contains_key(field.name()));
        columns = stored.map(|field| Ident::with_quote('"', field.name())).collect();
    }
    let names: Vec<ObjectName> = columns.iter().cloned().map(ObjectName::from).collect();
    let query = match kind {
        FileKind::Csv { delimiter } => {
            let columns = insert::columns(&into, &names)?;
            let mut options = vec![
                format!("columns => {}", columns.len()),
                format!("header => {}", given.header),
                format!("delimiter => {}", quoted_literal(&char_of(given.delimiter, delimiter))),
            ];
            options.extend(given.quote.map(|quote| format!("quote => {}", quoted_literal(&quote.to_string()))));
            options.extend(given.escape.filter(|escape| Some(*escape) != given.quote.or(Some('"'))).map(|escape| format!("escape => {}", quoted_literal(&escape.to_string()))));
            let aliases: Vec<String> = (0..columns.len()).map(column_name).collect();
            // The reader takes what is empty for NULL.
            let null = given.null.as_ref().filter(|null| !null.is_empty());
            let value = |value: &String| match null {
                Some(null) => format!("NULLIF(COALESCE({value}, ''), {})", quoted_literal(null)),
                None => value.clone(),
            };
            let typed: Vec<String> =
                columns.iter().zip(&aliases).map(|(column, name)| typed(&into, &snapshot, *column, &value(name))).collect();
            let files = format!("read_csv({}, {}) AS {} ({})", quoted_literal(location), options.join(", "), identifier("copy"), aliases.join(", "));
            format!("SELECT {} FROM {files}", typed.join(", "))
        }
        // Objects have their columns in any order.
        FileKind::Json => {
            let columns = insert::columns(&into, &names)?;
            let name = |column: usize| identifier(into.definition.columns.field(column).name());
            let columns: Vec<String> = columns.iter().map(|column| typed(&into, &snapshot, *column, &name(*column))).collect();
            format!("SELECT {} FROM read_json({})", columns.join(", "), quoted_literal(location))
        }
        FileKind::Parquet => format!("SELECT * FROM read_parquet({})", quoted_literal(location)),
        FileKind::Arrow => format!("SELECT * FROM read_arrow({})", quoted_literal(location)),
        FileKind::Avro => format!("SELECT * FROM read_avro({})", quoted_literal(location)),
    };
    let columns: Vec<String> = columns.iter().map(Ident::to_string).collect();
    let columns = if columns.is_empty() { String::new() } else { format!("({})", columns.join(", ")) };
    match skeleton(&format!("INSERT INTO {table_name} {columns} {query}"))? {
        ast::Statement::Insert(insert) => Ok(insert),
        _ => Err(Error::internal("the INSERT of a COPY has another form")),
    }
}

/// A value of a file as the column takes it.
fn typed(into: &Target, snapshot: &CatalogSnapshot, column: usize, value: &str) -> String {
    if into.definition.columns.field(column).data_type().is_binary() {
        return format!("CASE WHEN {value} LIKE '\\\\x%' THEN decode(substr({value}, 3), 'hex') ELSE CAST({value} AS bytea) END");
    }
    match into.column_type(column, snapshot) {
        Some(data_type) => format!("CAST({value} AS {data_type})"),
        None => value.to_owned(),
    }
}

/// What the name of a file says, else text as in PostgreSQL.
pub(super) fn kind_of(location: &str) -> Result<FileKind> {
    let last = location.trim_end_matches('/').rsplit('/').next().unwrap_or(location);
    let text = || Error::Unsupported {
        what: "a file in text format".into(),
        hint: Some("Say FORMAT csv, parquet, json, arrow or avro.".into()),
    };
    FileName::parse(last).map(|name| name.kind).ok_or_else(text)
}

fn char_of(given: Option<char>, default: u8) -> String {
    given.unwrap_or(char::from(default)).to_string()
}

fn column_name(index: usize) -> String {
    identifier(&format!("\u{1}{index}"))
}
