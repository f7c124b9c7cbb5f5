//! `pg_constraint`: primary and unique keys, and conditions.

use udfs::postgres::quote::quoted_identifier;
use udfs::postgres::value::Value;

use super::objects::{Check, ForeignKey, Key, checks, foreign_keys, keys, numbers};
use super::{Rows, Source};
use crate::catalog::{Reference, Table};

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (schema, table) in source.snapshot.tables() {
        for key in keys(table) {
            let Some(constraint) = key.constraint else { continue };
            rows.push(&[
                ("oid", constraint.into()),
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
        for key in foreign_keys(schema, table) {
            let referenced = source.snapshot.schema(&key.references.schema).and_then(|schema| schema.tables.get(&key.references.table));
            let list = |numbers: &[i64]| Value::List(numbers.iter().map(|number| Value::Int(*number)).collect());
            rows.push(&[
                ("oid", key.constraint.into()),
                ("conname", key.name.as_str().into()),
                ("connamespace", schema.oid.into()),
                ("contype", "f".into()),
                ("convalidated", true.into()),
                ("conrelid", table.oid.into()),
                ("conindid", referenced.map_or(0, |table| index_of(table, &key.references.columns)).into()),
                ("confrelid", referenced.map_or(0, |table| table.oid).into()),
                ("confupdtype", action(&key.references.on_update).into()),
                ("confdeltype", action(&key.references.on_delete).into()),
                ("confmatchtype", "s".into()),
                ("conislocal", true.into()),
                ("connoinherit", true.into()),
                ("conkey", list(&key.columns)),
                ("confkey", referenced.map_or(Value::Null, |table| list(&numbers(table, &key.references.columns)))),
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

/// The index of the key of these columns; 0 if there is none.
fn index_of(table: &Table, columns: &[String]) -> u32 {
    let wanted = numbers(table, columns);
    keys(table).into_iter().find(|key| key.constraint.is_some() && key.columns == wanted).map_or(0, |key| key.index)
}

/// The letter of what happens to rows that refer to one that goes.
fn action(words: &str) -> &'static str {
    match words {
        "RESTRICT" => "r",
        "CASCADE" => "c",
        "SET NULL" => "n",
        "SET DEFAULT" => "d",
        _ => "a",
    }
}

/// `pg_get_constraintdef()`: `FOREIGN KEY (a) REFERENCES t(b)`.
pub fn foreign_definition(source: &Source<'_>, table: &Table, key: &ForeignKey) -> String {
    let list = |names: &mut dyn Iterator<Item = &str>| names.map(quoted_identifier).collect::<Vec<_>>().join(", ");
    let own = key.columns.iter().filter_map(|number| usize::try_from(number - 1).ok()).filter_map(|index| table.schema.fields().get(index));
    let Reference { schema, table: other, columns, on_update, on_delete } = &key.references;
    let path = source.session.search_path();
    let is_visible = path.iter().find(|name| source.snapshot.schema(name).is_some_and(|schema| schema.tables.contains_key(other))) == Some(schema);
    let place = if is_visible { String::new() } else { format!("{}.", quoted_identifier(schema)) };
    let mut text = format!(
        "FOREIGN KEY ({}) REFERENCES {place}{}({})",
        list(&mut own.map(|field| field.name().as_str())),
        quoted_identifier(other),
        list(&mut columns.iter().map(String::as_str)),
    );
    for (words, action) in [(" ON UPDATE ", on_update), (" ON DELETE ", on_delete)] {
        if action != "NO ACTION" {
            text.push_str(words);
            text.push_str(action);
        }
    }
    text
}

/// `pg_get_constraintdef()`: `CHECK ((a > 0))`.
pub fn check_definition(check: &Check) -> String {
    format!("CHECK (({}))", check.condition)
}

/// `pg_get_constraintdef()`: `PRIMARY KEY (id)`.
pub fn definition(key: &Key) -> String {
    format!("{} ({})", if key.primary { "PRIMARY KEY" } else { "UNIQUE" }, column_list(key))
}

/// The key's columns, quoted where needed.
pub fn column_list(key: &Key) -> String {
    let term = |(term, number): (&String, &i64)| if *number == 0 { term.clone() } else { quoted_identifier(term) };
    key.terms.iter().zip(&key.columns).map(term).collect::<Vec<_>>().join(", ")
}
