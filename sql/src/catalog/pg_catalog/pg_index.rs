//! `pg_index` and `pg_indexes`: the index that PostgreSQL would have made for each key.

use udfs::postgres::quote::quoted_identifier;
use udfs::postgres::value::Value;

use super::objects::{Key, keys};
use super::pg_constraint::column_list;
use super::types::{TYPES, column_type};
use super::{Rows, Source, data};
use crate::catalog::{Schema, Table};

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (_, table) in source.snapshot.tables() {
        for key in keys(table) {
            let each = |of: fn(u32) -> Value| Value::List(key_types(table, &key).map(of).collect());
            let columns = Value::Int(i64::try_from(key.columns.len()).unwrap_or_default());
            rows.push(&[
                ("indexrelid", key.index.into()),
                ("indrelid", table.oid.into()),
                ("indnatts", columns.clone()),
                ("indnkeyatts", columns),
                ("indisunique", key.unique.into()),
                ("indisprimary", key.primary.into()),
                ("indimmediate", true.into()),
                ("indisvalid", true.into()),
                ("indisready", true.into()),
                ("indislive", true.into()),
                ("indkey", Value::List(key.columns.iter().map(|number| Value::Int(*number)).collect())),
                ("indcollation", each(|oid| TYPES.get(&oid).map_or(0, |pg_type| pg_type.collation).into())),
                ("indclass", each(|oid| btree_operator_class(oid).into())),
                ("indoption", each(|_| Value::Int(0))),
            ]);
        }
    }
}

pub(super) fn pg_indexes(rows: &mut Rows, source: &Source<'_>) {
    for (schema, table) in source.snapshot.tables() {
        for key in keys(table) {
            rows.push(&[
                ("schemaname", schema.name.as_str().into()),
                ("tablename", table.name.as_str().into()),
                ("indexname", key.name.as_str().into()),
                ("indexdef", definition(schema, table, &key).into()),
            ]);
        }
    }
}

/// `pg_get_indexdef()`: the statement that would create the index.
pub fn definition(schema: &Schema, table: &Table, key: &Key) -> String {
    format!(
        "CREATE {}INDEX {} ON {}.{} USING btree ({})",
        if key.unique { "UNIQUE " } else { "" },
        quoted_identifier(&key.name),
        quoted_identifier(&schema.name),
        quoted_identifier(&table.name),
        column_list(key)
    )
}

fn key_types(table: &Table, key: &Key) -> impl Iterator<Item = u32> {
    key.columns
        .iter()
        .filter_map(|number| usize::try_from(number - 1).ok())
        .filter_map(|index| table.schema.fields().get(index))
        .map(|field| column_type(field).oid)
}

/// The default btree operator class of a type; 0 if it has none.
fn btree_operator_class(type_oid: u32) -> u32 {
    // varchar and the reg types have none of their own and use a binary compatible one.
    let type_oid = match type_oid {
        1043 => 25,
        other => other,
    };
    let Some(classes) = data::dump("pg_opclass") else { return 0 };
    let wanted = type_oid.to_string();
    let columns = classes.column("oid").zip(classes.column("opcmethod")).zip(classes.column("opcintype")).zip(classes.column("opcdefault"));
    columns
        .filter(|(((_, method), input), default)| {
            *method == Some("403") && *input == Some(wanted.as_str()) && *default == Some("t")
        })
        .find_map(|(((oid, _), _), _)| oid?.parse().ok())
        .unwrap_or_default()
}
