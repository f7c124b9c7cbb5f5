//! `pg_attribute`: the columns of tables, views and indexes, those of the system included.

use udfs::postgres::value::Value;

use super::acl::items;
use super::data::{Relation, relations_of};
use super::objects::{Key, column_default, generation_expression, is_not_null, keys};
use super::types::{ColumnType, TYPES, column_type, is_array, type_oid};
use super::{PG_CATALOG, Rows, Source, oids};
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::{Table, TableKind};
use crate::privileges::{Secured, secured_relation};

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for schema in [PG_CATALOG, INFORMATION_SCHEMA] {
        for relation in relations_of(schema) {
            push_system_relation(rows, relation);
        }
    }
    for (schema, table) in source.snapshot.tables() {
        push_table(rows, table, &secured_relation(source.snapshot, schema, table));
        for key in keys(table) {
            push_index(rows, table, &key);
        }
    }
}

struct Attribute<'a> {
    relation: u32,
    number: i64,
    name: &'a str,
    column_type: ColumnType,
    collation: Option<u32>,
    not_null: bool,
    has_default: bool,
    is_generated: bool,
    acl: Value,
    /// Statistics are kept of tables only.
    statistics_target: i64,
}

fn push_system_relation(rows: &mut Rows, relation: &Relation) {
    for (column, number) in relation.columns.iter().zip(1..) {
        let oid = type_oid(column.type_name);
        let is_collatable = TYPES.get(&oid).is_some_and(|pg_type| pg_type.collation != 0);
        push(
            rows,
            &Attribute {
                relation: relation.oid,
                number,
                name: column.name,
                column_type: ColumnType { oid, modifier: -1, dimensions: i32::from(is_array(column.type_name)) },
                // System tables compare text by bytes.
                collation: is_collatable.then_some(oids::C_COLLATION),
                not_null: column.not_null,
                has_default: false,
                is_generated: false,
                acl: Value::Null,
                statistics_target: -1,
            },
        );
    }
}

fn push_table(rows: &mut Rows, table: &Table, secured: &Secured<'_>) {
    for (index, field) in table.schema.fields().iter().enumerate() {
        push(
            rows,
            &Attribute {
                relation: table.oid,
                number: number(index),
                name: field.name(),
                column_type: column_type(field),
                collation: None,
                not_null: table.kind != TableKind::View && is_not_null(table, index),
                has_default: column_default(table, field.name()).or_else(|| generation_expression(table, field.name())).is_some(),
                is_generated: generation_expression(table, field.name()).is_some(),
                acl: secured.column_list(field.name()).map_or(Value::Null, items),
                statistics_target: -1,
            },
        );
    }
}

fn push_index(rows: &mut Rows, table: &Table, key: &Key) {
    for (column, number) in key.columns.iter().zip(1..) {
        let Some(field) = usize::try_from(column - 1).ok().and_then(|index| table.schema.fields().get(index)) else { continue };
        push(
            rows,
            &Attribute {
                relation: key.index,
                number,
                name: field.name(),
                column_type: column_type(field),
                collation: None,
                not_null: false,
                has_default: false,
                is_generated: false,
                acl: Value::Null,
                statistics_target: -1,
            },
        );
    }
}

fn push(rows: &mut Rows, attribute: &Attribute<'_>) {
    let Some(pg_type) = TYPES.get(&attribute.column_type.oid) else { return };
    rows.push(&[
        ("attrelid", attribute.relation.into()),
        ("attname", attribute.name.into()),
        ("atttypid", pg_type.oid.into()),
        ("attstattarget", attribute.statistics_target.into()),
        ("attlen", pg_type.length.into()),
        ("attnum", attribute.number.into()),
        ("attndims", attribute.column_type.dimensions.into()),
        ("attcacheoff", Value::Int(-1)),
        ("atttypmod", attribute.column_type.modifier.into()),
        ("attbyval", pg_type.by_value.into()),
        ("attalign", pg_type.alignment.as_str().into()),
        ("attstorage", pg_type.storage.as_str().into()),
        ("attnotnull", attribute.not_null.into()),
        ("atthasdef", attribute.has_default.into()),
        ("attgenerated", if attribute.is_generated { "s" } else { "" }.into()),
        ("attislocal", true.into()),
        ("attcollation", attribute.collation.unwrap_or(pg_type.collation).into()),
        ("attacl", attribute.acl.clone()),
    ]);
}

/// `attnum` of a field.
pub(super) fn number(index: usize) -> i64 {
    i64::from(i16::try_from(index + 1).unwrap_or(i16::MAX))
}
