//! The schema `information_schema`: the SQL standard's views with PostgreSQL's names and types.

mod columns;
mod constraints;
mod privileges;
mod routines;
mod tables;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use udfs::postgres::value::Value;

use super::pg_catalog::data::Relation;
use super::pg_catalog::{Rows, Source};
use super::{Schema, Table};
use crate::privileges::secured_relation;

pub const INFORMATION_SCHEMA: &str = "information_schema";

/// The rows of a view. What we have nothing of is empty.
pub(super) fn rows_of(relation: &'static Relation, source: &Source<'_>) -> Result<RecordBatch> {
    let mut rows = Rows::new(relation);
    match relation.name {
        "columns" => columns::fill(&mut rows, source),
        "constraint_column_usage" => constraints::constraint_column_usage(&mut rows, source),
        "constraint_table_usage" => constraints::constraint_table_usage(&mut rows, source),
        "enabled_roles" => privileges::enabled_roles(&mut rows, source),
        "applicable_roles" => privileges::applicable_roles(&mut rows, source, false),
        "administrable_role_authorizations" => privileges::applicable_roles(&mut rows, source, true),
        "column_privileges" => privileges::columns(&mut rows, source, true),
        "role_column_grants" => privileges::columns(&mut rows, source, false),
        "information_schema_catalog_name" => rows.push(&[("catalog_name", source.snapshot.database.as_str().into())]),
        "key_column_usage" => constraints::key_column_usage(&mut rows, source),
        "role_table_grants" => privileges::tables(&mut rows, source, false),
        "table_privileges" => privileges::tables(&mut rows, source, true),
        "routines" => routines::fill(&mut rows, source),
        "schemata" => tables::schemata(&mut rows, source),
        "check_constraints" => constraints::check_constraints(&mut rows, source),
        "referential_constraints" => constraints::referential_constraints(&mut rows, source),
        "table_constraints" => constraints::table_constraints(&mut rows, source),
        "tables" => tables::tables(&mut rows, source),
        "views" => tables::views(&mut rows, source),
        _ => {}
    }
    rows.finish()
}

/// Tables that the session's role owns or may do something with.
fn visible_tables<'a>(source: &Source<'a>) -> impl Iterator<Item = (&'a Arc<Schema>, &'a Arc<Table>)> + use<'a> {
    let (rights, snapshot) = (source.rights(), source.snapshot);
    snapshot.tables().filter(move |(schema, table)| {
        rights.sees(&secured_relation(snapshot, schema, table))
    })
}

/// The standard's boolean.
fn yes_or_no(yes: bool) -> Value {
    if yes { "YES" } else { "NO" }.into()
}
