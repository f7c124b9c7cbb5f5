//! `pg_class`: tables, views and indexes, those of the system included.

use udfs::postgres::value::Value;

use super::acl::{list_of, readable_by_all};
use super::data::{Relation, relations_of};
use super::objects::{checks, PAGE_BYTES, keys, relation_kind};
use super::roles::role_oid;
use super::{PG_CATALOG, Rows, Source, oids};
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::{Schema, Table, TableDefinition, TableKind};
use crate::privileges::secured_relation;
use crate::session::temporary::TEMPORARY_SCHEMA_OID;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (schema, oid) in [(PG_CATALOG, oids::PG_CATALOG_SCHEMA), (INFORMATION_SCHEMA, oids::INFORMATION_SCHEMA)] {
        for relation in relations_of(schema) {
            push_system_relation(rows, relation, oid);
        }
    }
    for (schema, table) in source.snapshot.tables() {
        push_table(rows, source, schema, table);
        push_indexes(rows, source, schema, table);
    }
}

fn push_system_relation(rows: &mut Rows, relation: &Relation, schema: u32) {
    let is_table = relation.kind == "r";
    rows.push(&[
        ("oid", relation.oid.into()),
        ("relname", relation.name.into()),
        ("relnamespace", schema.into()),
        ("reltype", relation.row_type.into()),
        ("relowner", oids::BOOTSTRAP_ROLE.into()),
        ("relam", if is_table { oids::HEAP_ACCESS_METHOD } else { 0 }.into()),
        ("reltuples", Value::Int(-1)),
        ("relpersistence", "p".into()),
        ("relkind", relation.kind.into()),
        ("relnatts", count(relation.columns.len())),
        ("relhasrules", (!is_table).into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
        ("relacl", readable_by_all()),
    ]);
}

fn push_table(rows: &mut Rows, source: &Source<'_>, schema: &Schema, table: &Table) {
    let is_table = table.kind != TableKind::View;
    let pages = table.size_bytes.unwrap_or_default().div_ceil(PAGE_BYTES);
    let tuples = match table.row_count {
        _ if !is_table => 0.0,
        Some(count) => count as f64,
        None => -1.0,
    };
    rows.push(&[
        ("oid", table.oid.into()),
        ("relname", table.name.as_str().into()),
        ("relnamespace", schema.oid.into()),
        ("reltype", oids::row_type(table.oid).into()),
        ("relowner", role_oid(source, source.snapshot.owner_of(schema, table)).into()),
        ("relam", if is_table { oids::HEAP_ACCESS_METHOD } else { 0 }.into()),
        ("relfilenode", if is_table { table.oid } else { 0 }.into()),
        ("relpages", Value::Int(i64::from(i32::try_from(pages).unwrap_or(i32::MAX)))),
        ("reltuples", Value::Float(tuples)),
        ("relhasindex", (!keys(table).is_empty()).into()),
        ("relpersistence", if schema.oid == TEMPORARY_SCHEMA_OID { "t" } else { "p" }.into()),
        ("relkind", relation_kind(table).into()),
        ("relnatts", count(table.schema.fields().len())),
        ("relchecks", count(checks(table).len())),
        ("relhasrules", (!is_table).into()),
        ("relispopulated", true.into()),
        ("relreplident", if is_table { "d" } else { "n" }.into()),
        ("relacl", list_of(&secured_relation(source.snapshot, schema, table))),
        ("reloptions", options(table)),
    ]);
}

/// What is in `WITH (…)`.
fn options(table: &Table) -> Value {
    let sorted_by = table.definition.as_ref().and_then(TableDefinition::sorted_by);
    sorted_by.map_or(Value::Null, |sorted_by| Value::List(vec![Value::text(format!("sorted_by={sorted_by}"))]))
}

fn push_indexes(rows: &mut Rows, source: &Source<'_>, schema: &Schema, table: &Table) {
    for key in keys(table) {
        rows.push(&[
            ("oid", key.index.into()),
            ("relname", key.name.as_str().into()),
            ("relnamespace", schema.oid.into()),
            ("relowner", role_oid(source, &schema.owner).into()),
            ("relam", oids::BTREE_ACCESS_METHOD.into()),
            ("relfilenode", key.index.into()),
            ("relpersistence", "p".into()),
            ("relkind", "i".into()),
            ("relnatts", count(key.columns.len())),
            ("relispopulated", true.into()),
            ("relreplident", "n".into()),
        ]);
    }
}

fn count(length: usize) -> Value {
    Value::Int(i64::from(i16::try_from(length).unwrap_or(i16::MAX)))
}
