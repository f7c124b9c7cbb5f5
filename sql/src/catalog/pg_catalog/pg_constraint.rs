//! `pg_constraint`: primary and unique keys, and conditions.

use udfs::postgres::quote::quoted_identifier;
use udfs::postgres::value::Value;

use super::objects::{Check, Key, checks, keys};
use super::{Rows, Source};
use crate::catalog::Table;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (schema, table) in source.snapshot.tables() {
        for key in keys(table) {
            rows.push(&[
                ("oid", key.constraint.into()),
                ("conname", key.name.as_str().into()),
                ("connamespace", schema.oid.into()),
                ("contype", if key.primary { "p" } else { "u" }.into()),
                ("convalidated", true.into()),
                ("conrelid", table.oid.into()),
                ("conindid", key.index.into()),
                ("confupdtype", " ".into()),
                ("confdeltype", " ".into()),
                ("confmatchtype", " ".into()),
                ("conislocal", true.into()),
                ("connoinherit", true.into()),
                ("conkey", Value::List(key.columns.iter().map(|number| Value::Int(*number)).collect())),
            ]);
        }
        for check in checks(table) {
            rows.push(&[
                ("oid", check.oid.into()),
                ("conname", check.name.as_str().into()),
                ("connamespace", schema.oid.into()),
                ("contype", "c".into()),
                ("convalidated", true.into()),
                ("conrelid", table.oid.into()),
                ("confupdtype", " ".into()),
                ("confdeltype", " ".into()),
                ("confmatchtype", " ".into()),
                ("conislocal", true.into()),
            ]);
        }
    }
}

/// `pg_get_constraintdef()`: `CHECK ((a > 0))`.
pub fn check_definition(check: &Check) -> String {
    format!("CHECK (({}))", check.condition)
}

/// `pg_get_constraintdef()`: `PRIMARY KEY (id)`.
pub fn definition(table: &Table, key: &Key) -> String {
    format!("{} ({})", if key.primary { "PRIMARY KEY" } else { "UNIQUE" }, column_list(table, key))
}

/// The key's columns, quoted where needed.
pub fn column_list(table: &Table, key: &Key) -> String {
    key.column_names(table).into_iter().map(quoted_identifier).collect::<Vec<_>>().join(", ")
}
