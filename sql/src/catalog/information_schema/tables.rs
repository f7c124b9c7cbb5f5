//! `schemata`, `tables` and `views`.

use std::sync::Arc;

use udfs::postgres::value::Value;

use super::{INFORMATION_SCHEMA, visible_tables, yes_or_no};
use crate::catalog::{BOOTSTRAP_ROLE, Schema, TableKind};
use crate::catalog::pg_catalog::data::relations_of;
use crate::catalog::pg_catalog::objects::view_definition;
use crate::catalog::pg_catalog::{PG_CATALOG, Rows, Source};
use crate::privileges::{secured_relation, secured_schema};
use crate::session::temporary::TEMPORARY_SCHEMA_OID;

pub(super) fn schemata(rows: &mut Rows, source: &Source<'_>) {
    let rights = source.rights();
    let may_see = |schema: &&Arc<Schema>| rights.sees(&secured_schema(source.snapshot, schema));
    let system = [INFORMATION_SCHEMA, PG_CATALOG].map(|name| (name.to_owned(), BOOTSTRAP_ROLE.to_owned()));
    let users = source.snapshot.schemas.iter().filter(may_see).map(|schema| (schema.name.clone(), schema.owner.clone()));
    for (name, owner) in system.into_iter().chain(users) {
        rows.push(&[
            ("catalog_name", source.snapshot.database.as_str().into()),
            ("schema_name", name.into()),
            ("schema_owner", owner.into()),
        ]);
    }
}

pub(super) fn tables(rows: &mut Rows, source: &Source<'_>) {
    let mut push = |schema: &str, name: &str, kind: &str, is_writable: bool| {
        rows.push(&[
            ("table_catalog", source.snapshot.database.as_str().into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("table_type", kind.into()),
            ("is_insertable_into", yes_or_no(is_writable)),
            ("is_typed", yes_or_no(false)),
        ]);
    };
    for schema in [PG_CATALOG, INFORMATION_SCHEMA] {
        for relation in relations_of(schema) {
            push(schema, relation.name, if relation.kind == "v" { "VIEW" } else { "BASE TABLE" }, false);
        }
    }
    // The standard knows no materialized views.
    for (schema, table) in visible_tables(source).filter(|(_, table)| table.kind != TableKind::MaterializedView) {
        let kind = match table.kind {
            TableKind::View => "VIEW",
            _ if schema.oid == TEMPORARY_SCHEMA_OID => "LOCAL TEMPORARY",
            _ => "BASE TABLE",
        };
        push(&schema.name, &table.name, kind, table.kind == TableKind::Table);
    }
}

pub(super) fn views(rows: &mut Rows, source: &Source<'_>) {
    let mut push = |schema: &str, name: &str, definition: Value| {
        rows.push(&[
            ("table_catalog", source.snapshot.database.as_str().into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("view_definition", definition),
            ("check_option", "NONE".into()),
            ("is_updatable", yes_or_no(false)),
            ("is_insertable_into", yes_or_no(false)),
            ("is_trigger_updatable", yes_or_no(false)),
            ("is_trigger_deletable", yes_or_no(false)),
            ("is_trigger_insertable_into", yes_or_no(false)),
        ]);
    };
    for schema in [PG_CATALOG, INFORMATION_SCHEMA] {
        for relation in relations_of(schema).filter(|relation| relation.kind == "v") {
            push(schema, relation.name, Value::Null);
        }
    }
    let rights = source.rights();
    for (schema, table) in visible_tables(source).filter(|(_, table)| table.kind == TableKind::View) {
        let owns = rights.owns(&secured_relation(source.snapshot, schema, table));
        push(&schema.name, &table.name, if owns { view_definition(table).into() } else { Value::Null });
    }
}
