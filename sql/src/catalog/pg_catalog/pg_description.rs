//! `pg_description`: comments.

use udfs::postgres::value::Value;

use super::objects::{COMMENT, table_comment};
use super::pg_attribute::number;
use super::roles::role_oid;
use super::{PG_CATALOG, Rows, Source, data, oids};
use crate::catalog::object::Object;
use crate::catalog::role::RoleDefinition;

/// OID of the system table `pg_class`.
pub const PG_CLASS: u32 = 1259;
/// OID of the system table `pg_authid`.
const PG_AUTHID: u32 = 1260;
/// OID of the system table `pg_namespace`.
pub const PG_NAMESPACE: u32 = 2615;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (object, class, part, text) in comments(source) {
        rows.push(&[("objoid", object.into()), ("classoid", class.into()), ("objsubid", part.into()), ("description", text)]);
    }
}

/// Comments of what all databases have: roles.
pub(super) fn pg_shdescription(rows: &mut Rows, source: &Source<'_>) {
    for (role, text) in role_comments(source) {
        rows.push(&[("objoid", role.into()), ("classoid", PG_AUTHID.into()), ("description", text)]);
    }
}

pub fn role_comments(source: &Source<'_>) -> Vec<(u32, Value)> {
    let comment = |(object, role): (&Object, &RoleDefinition)| Some((role_oid(source, &object.name), Value::text(role.comment.as_deref()?)));
    source.snapshot.roles().filter_map(comment).collect()
}

/// Every comment: object, its system table, column number or 0, text.
pub fn comments(source: &Source<'_>) -> Vec<(u32, u32, i64, Value)> {
    let class = |name| data::relation(PG_CATALOG, name).map_or(0, |relation| relation.oid);
    debug_assert_eq!((class("pg_class"), class("pg_namespace")), (PG_CLASS, PG_NAMESPACE));
    let mut comments = vec![(oids::PG_CATALOG_SCHEMA, PG_NAMESPACE, 0, Value::text("system catalog schema"))];
    for schema in &source.snapshot.schemas {
        if let Some(comment) = &schema.comment {
            comments.push((schema.oid, PG_NAMESPACE, 0, Value::text(comment)));
        }
    }
    for (_, table) in source.snapshot.tables() {
        let comment = table_comment(table);
        if !comment.is_null() {
            comments.push((table.oid, PG_CLASS, 0, comment));
        }
        for (index, field) in table.schema.fields().iter().enumerate() {
            if let Some(comment) = field.metadata().get(COMMENT) {
                comments.push((table.oid, PG_CLASS, number(index), Value::text(comment)));
            }
        }
    }
    comments
}
