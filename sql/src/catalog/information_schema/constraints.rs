//! `table_constraints` and the views of the columns that constraints use.

use udfs::postgres::quote::quoted_identifier;
use udfs::postgres::value::Value;

use super::{visible_tables, yes_or_no};
use crate::catalog::pg_catalog::objects::{ForeignKey, Key, checks, foreign_keys, is_not_null, keys, numbers};
use crate::catalog::pg_catalog::{Rows, Source};
use crate::catalog::{Schema, Table, TableKind};

fn each_key(source: &Source<'_>, mut of: impl FnMut(&Schema, &Table, &Key)) {
    for (schema, table) in visible_tables(source) {
        for key in keys(table).into_iter().filter(|key| key.constraint.is_some()) {
            of(schema, table, &key);
        }
    }
}

pub(super) fn table_constraints(rows: &mut Rows, source: &Source<'_>) {
    let mut push = |schema: &Schema, table: &Table, name: String, kind: &str| {
        let database = Value::text(&source.snapshot.database);
        rows.push(&[
            ("constraint_catalog", database.clone()),
            ("constraint_schema", schema.name.as_str().into()),
            ("constraint_name", name.into()),
            ("table_catalog", database),
            ("table_schema", schema.name.as_str().into()),
            ("table_name", table.name.as_str().into()),
            ("constraint_type", kind.into()),
            ("is_deferrable", yes_or_no(false)),
            ("initially_deferred", yes_or_no(false)),
            ("enforced", yes_or_no(true)),
            ("nulls_distinct", if kind == "UNIQUE" { "YES".into() } else { Value::Null }),
        ]);
    };
    each_key(source, |schema, table, key| {
        push(schema, table, key.name.clone(), if key.primary { "PRIMARY KEY" } else { "UNIQUE" });
    });
    for (schema, table, key) in each_foreign_key(source) {
        push(schema, table, key.name, "FOREIGN KEY");
    }
    for (schema, table, name, _) in each_check(source) {
        push(schema, table, name, "CHECK");
    }
}

fn each_foreign_key<'a>(source: &'a Source<'_>) -> Vec<(&'a Schema, &'a Table, ForeignKey)> {
    let tables = visible_tables(source);
    tables.flat_map(|(schema, table)| foreign_keys(schema, table).into_iter().map(move |key| (&**schema, &**table, key))).collect()
}

pub(super) fn referential_constraints(rows: &mut Rows, source: &Source<'_>) {
    for (schema, _, key) in each_foreign_key(source) {
        let referenced = source.snapshot.schema(&key.references.schema);
        let table = referenced.and_then(|schema| schema.tables.get(&key.references.table));
        let unique = table.and_then(|table| {
            let wanted = numbers(table, &key.references.columns);
            keys(table).into_iter().find(|key| key.constraint.is_some() && key.columns == wanted)
        });
        rows.push(&[
            ("constraint_catalog", source.snapshot.database.as_str().into()),
            ("constraint_schema", schema.name.as_str().into()),
            ("constraint_name", key.name.as_str().into()),
            ("unique_constraint_catalog", unique.as_ref().map(|_| source.snapshot.database.clone()).into()),
            ("unique_constraint_schema", unique.as_ref().map(|_| key.references.schema.clone()).into()),
            ("unique_constraint_name", unique.map(|key| key.name).into()),
            ("match_option", "NONE".into()),
            ("update_rule", key.references.on_update.as_str().into()),
            ("delete_rule", key.references.on_delete.as_str().into()),
        ]);
    }
}

/// Conditions of tables with their names, and NOT NULL, which is a check here, named after the OIDs.
fn each_check<'a>(source: &'a Source<'_>) -> Vec<(&'a Schema, &'a Table, String, String)> {
    let mut found: Vec<(&Schema, &Table, String, String)> = vec![];
    for (schema, table) in visible_tables(source).filter(|(_, table)| matches!(table.kind, TableKind::Table | TableKind::External)) {
        found.extend(checks(table).into_iter().map(|check| (&**schema, &**table, check.name, format!("({})", check.condition))));
        for (index, field) in table.schema.fields().iter().enumerate().filter(|(index, _)| is_not_null(table, *index)) {
            let name = format!("{}_{}_{}_not_null", schema.oid, table.oid, index + 1);
            found.push((schema, table, name, format!("{} IS NOT NULL", quoted_identifier(field.name()))));
        }
    }
    found
}

pub(super) fn check_constraints(rows: &mut Rows, source: &Source<'_>) {
    for (schema, _, name, clause) in each_check(source) {
        rows.push(&[
            ("constraint_catalog", source.snapshot.database.as_str().into()),
            ("constraint_schema", schema.name.as_str().into()),
            ("constraint_name", name.into()),
            ("check_clause", clause.into()),
        ]);
    }
}

pub(super) fn key_column_usage(rows: &mut Rows, source: &Source<'_>) {
    each_key(source, |schema, table, key| {
        for (column, ordinal) in key.column_names(table).into_iter().zip(1_i64..) {
            let mut row = constraint_names(source, schema, &key.name);
            row.extend(column_names(source, schema, table, column));
            row.push(("ordinal_position", ordinal.into()));
            rows.push(&row);
        }
    });
    for (schema, table, key) in each_foreign_key(source) {
        let columns = key.columns.iter().filter_map(|number| usize::try_from(number - 1).ok()).filter_map(|index| table.schema.fields().get(index));
        for (column, ordinal) in columns.zip(1_i64..) {
            let mut row = constraint_names(source, schema, &key.name);
            row.extend(column_names(source, schema, table, column.name()));
            row.push(("ordinal_position", ordinal.into()));
            row.push(("position_in_unique_constraint", ordinal.into()));
            rows.push(&row);
        }
    }
}

pub(super) fn constraint_column_usage(rows: &mut Rows, source: &Source<'_>) {
    each_key(source, |schema, table, key| {
        for column in key.column_names(table) {
            let mut row = column_names(source, schema, table, column);
            row.extend(constraint_names(source, schema, &key.name));
            rows.push(&row);
        }
    });
    for (schema, _, key) in each_foreign_key(source) {
        let referenced = source.snapshot.schema(&key.references.schema);
        let Some((other, table)) = referenced.and_then(|other| Some((other, other.tables.get(&key.references.table)?))) else { continue };
        for column in &key.references.columns {
            let mut row = column_names(source, other, table, column);
            row.extend(constraint_names(source, schema, &key.name));
            rows.push(&row);
        }
    }
}

pub(super) fn constraint_table_usage(rows: &mut Rows, source: &Source<'_>) {
    each_key(source, |schema, table, key| {
        let mut row = column_names(source, schema, table, "");
        row.truncate(3);
        row.extend(constraint_names(source, schema, &key.name));
        rows.push(&row);
    });
}

fn constraint_names(source: &Source<'_>, schema: &Schema, name: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("constraint_catalog", source.snapshot.database.as_str().into()),
        ("constraint_schema", schema.name.as_str().into()),
        ("constraint_name", name.into()),
    ]
}

fn column_names(source: &Source<'_>, schema: &Schema, table: &Table, column: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("table_catalog", source.snapshot.database.as_str().into()),
        ("table_schema", schema.name.as_str().into()),
        ("table_name", table.name.as_str().into()),
        ("column_name", column.into()),
    ]
}
