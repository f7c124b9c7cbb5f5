//! `columns`: every column with its type taken apart.

use udfs::postgres::value::Value;

use super::{INFORMATION_SCHEMA, visible_tables, yes_or_no};
use crate::catalog::TableKind;
use crate::catalog::grants::{Privilege, Securable};
use crate::catalog::pg_catalog::data::relations_of;
use crate::catalog::pg_catalog::format_type::format_type;
use crate::catalog::pg_catalog::objects::{column_default, generation_expression, is_not_null};
use crate::catalog::pg_catalog::types::{ColumnType, TYPES, column_type, type_oid};
use crate::catalog::pg_catalog::{PG_CATALOG, Rows, Source};
use crate::privileges::secured_relation;

/// Bytes of the longest character in UTF-8.
const CHARACTER_BYTES_MAX: i64 = 4;
/// What PostgreSQL says of text without a length.
const TEXT_BYTES_MAX: i64 = 1 << 30;

struct Column<'a> {
    schema: &'a str,
    table: &'a str,
    name: &'a str,
    ordinal: i64,
    column_type: ColumnType,
    default: Value,
    /// Of a column whose values are computed.
    generation: Option<String>,
    nullable: bool,
    updatable: bool,
}

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for schema in [PG_CATALOG, INFORMATION_SCHEMA] {
        for relation in relations_of(schema) {
            for (column, ordinal) in relation.columns.iter().zip(1..) {
                let column = Column {
                    schema,
                    table: relation.name,
                    name: column.name,
                    ordinal,
                    column_type: ColumnType { oid: type_oid(column.type_name), modifier: -1, dimensions: 0 },
                    default: Value::Null,
                    generation: None,
                    nullable: !column.not_null,
                    updatable: false,
                };
                push(rows, source, &column);
            }
        }
    }
    let rights = source.rights();
    for (schema, table) in visible_tables(source).filter(|(_, table)| table.kind != TableKind::MaterializedView) {
        let secured = secured_relation(source.snapshot, schema, table);
        let sees_all = rights.owns(&secured);
        for ((index, field), ordinal) in table.schema.fields().iter().enumerate().zip(1..) {
            let may = |privilege: &Privilege| rights.may_column(&secured, field.name(), *privilege);
            if !sees_all && !Securable::Column.privileges().iter().any(may) {
                continue;
            }
            let column = Column {
                schema: &schema.name,
                table: &table.name,
                name: field.name(),
                ordinal,
                column_type: column_type(field),
                default: column_default(table, field.name()).into(),
                generation: generation_expression(table, field.name()),
                nullable: table.kind == TableKind::View || !is_not_null(table, index),
                updatable: table.kind == TableKind::Table,
            };
            push(rows, source, &column);
        }
    }
}

fn push(rows: &mut Rows, source: &Source<'_>, column: &Column<'_>) {
    let Some(pg_type) = TYPES.get(&column.column_type.oid) else { return };
    let database = || Value::text(&source.snapshot.database);
    let modifier = Some(i64::from(column.column_type.modifier)).filter(|modifier| *modifier >= 0);
    let is_array = pg_type.element != 0 && pg_type.length == -1;
    let data_type = if is_array { "ARRAY".to_owned() } else { format_type(source.snapshot, pg_type.oid, None) };
    let (characters, bytes) = text_lengths(&pg_type.name, modifier);
    let (precision, radix, scale) = numeric_precision(&pg_type.name, modifier);
    rows.push(&[
        ("table_catalog", database()),
        ("table_schema", column.schema.into()),
        ("table_name", column.table.into()),
        ("column_name", column.name.into()),
        ("ordinal_position", column.ordinal.into()),
        ("column_default", column.default.clone()),
        ("is_nullable", yes_or_no(column.nullable)),
        ("data_type", data_type.into()),
        ("character_maximum_length", characters.into()),
        ("character_octet_length", bytes.into()),
        ("numeric_precision", precision.into()),
        ("numeric_precision_radix", radix.into()),
        ("numeric_scale", scale.into()),
        ("datetime_precision", datetime_precision(&pg_type.name, modifier).into()),
        ("udt_catalog", database()),
        ("udt_schema", PG_CATALOG.into()),
        ("udt_name", pg_type.name.as_str().into()),
        ("dtd_identifier", column.ordinal.to_string().into()),
        ("is_self_referencing", yes_or_no(false)),
        ("is_identity", yes_or_no(false)),
        ("identity_cycle", yes_or_no(false)),
        ("is_generated", if column.generation.is_some() { "ALWAYS" } else { "NEVER" }.into()),
        ("generation_expression", column.generation.clone().into()),
        ("is_updatable", yes_or_no(column.updatable)),
    ]);
}

/// The most characters and bytes of a text type.
fn text_lengths(name: &str, modifier: Option<i64>) -> (Option<i64>, Option<i64>) {
    match (name, modifier) {
        ("varchar" | "bpchar", Some(modifier)) => (Some(modifier - 4), Some((modifier - 4) * CHARACTER_BYTES_MAX)),
        ("varchar" | "bpchar" | "text", _) => (None, Some(TEXT_BYTES_MAX)),
        ("bit" | "varbit", Some(modifier)) => (Some(modifier), None),
        _ => (None, None),
    }
}

/// Digits, their base, digits after the point.
fn numeric_precision(name: &str, modifier: Option<i64>) -> (Option<i64>, Option<i64>, Option<i64>) {
    match (name, modifier) {
        ("int2", _) => (Some(16), Some(2), Some(0)),
        ("int4", _) => (Some(32), Some(2), Some(0)),
        ("int8", _) => (Some(64), Some(2), Some(0)),
        ("float4", _) => (Some(24), Some(2), None),
        ("float8", _) => (Some(53), Some(2), None),
        ("numeric", Some(modifier)) => (Some(((modifier - 4) >> 16) & 0xffff), Some(10), Some((modifier - 4) & 0x7ff)),
        ("numeric", None) => (None, Some(10), None),
        _ => (None, None, None),
    }
}

/// Digits of the second.
fn datetime_precision(name: &str, modifier: Option<i64>) -> Option<i64> {
    match name {
        "date" => Some(0),
        "time" | "timetz" | "timestamp" | "timestamptz" => Some(modifier.unwrap_or(6)),
        "interval" => Some(modifier.map(|modifier| modifier & 0xffff).filter(|digits| *digits != 0xffff).unwrap_or(6)),
        _ => None,
    }
}
