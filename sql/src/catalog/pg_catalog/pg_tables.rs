//! `pg_tables`, `pg_views` and `pg_matviews`: tables and views by name.

use super::data::{Relation, relations_of};
use super::objects::{keys, view_definition};
use super::{PG_CATALOG, Rows, Source};
use crate::catalog::{BOOTSTRAP_ROLE, TableKind};
use crate::catalog::information_schema::INFORMATION_SCHEMA;

pub(super) fn pg_tables(rows: &mut Rows, source: &Source<'_>) {
    let owner = BOOTSTRAP_ROLE;
    for relation in system_relations("r") {
        rows.push(&[
            ("schemaname", relation.schema.into()),
            ("tablename", relation.name.into()),
            ("tableowner", owner.into()),
            ("hasindexes", false.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]);
    }
    for (schema, table) in source.snapshot.tables().filter(|(_, table)| matches!(table.kind, TableKind::Table | TableKind::External)) {
        rows.push(&[
            ("schemaname", schema.name.as_str().into()),
            ("tablename", table.name.as_str().into()),
            ("tableowner", source.snapshot.owner_of(schema, table).into()),
            ("hasindexes", (!keys(table).is_empty()).into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]);
    }
}

pub(super) fn pg_views(rows: &mut Rows, source: &Source<'_>) {
    let owner = BOOTSTRAP_ROLE;
    for relation in system_relations("v") {
        rows.push(&[("schemaname", relation.schema.into()), ("viewname", relation.name.into()), ("viewowner", owner.into())]);
    }
    for (schema, table) in source.snapshot.tables().filter(|(_, table)| table.kind == TableKind::View) {
        rows.push(&[
            ("schemaname", schema.name.as_str().into()),
            ("viewname", table.name.as_str().into()),
            ("viewowner", source.snapshot.owner_of(schema, table).into()),
            ("definition", view_definition(table).into()),
        ]);
    }
}

pub(super) fn pg_matviews(rows: &mut Rows, source: &Source<'_>) {
    for (schema, table) in source.snapshot.tables().filter(|(_, table)| table.kind == TableKind::MaterializedView) {
        rows.push(&[
            ("schemaname", schema.name.as_str().into()),
            ("matviewname", table.name.as_str().into()),
            ("matviewowner", source.snapshot.owner_of(schema, table).into()),
            ("hasindexes", false.into()),
            ("ispopulated", true.into()),
            ("definition", view_definition(table).into()),
        ]);
    }
}

fn system_relations(kind: &'static str) -> impl Iterator<Item = &'static Relation> {
    [PG_CATALOG, INFORMATION_SCHEMA].into_iter().flat_map(relations_of).filter(move |relation| relation.kind == kind)
}
