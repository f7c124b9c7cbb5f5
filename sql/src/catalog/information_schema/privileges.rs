//! What was granted: `table_privileges`, `column_privileges`, `applicable_roles` and their like. Everybody sees what they have
//! or gave.

use std::sync::Arc;

use super::yes_or_no;
use crate::catalog::grants::{Grant, Privilege, Securable};
use crate::catalog::pg_catalog::roles::roles;
use crate::catalog::pg_catalog::{Rows, Source};
use crate::catalog::{Schema, Table, TableKind};
use crate::privileges::{Rights, memberships, secured_relation};

/// The standard knows no materialized views.
fn standard_tables<'a>(source: &Source<'a>) -> impl Iterator<Item = (&'a Arc<Schema>, &'a Arc<Table>)> + use<'a> {
    source.snapshot.tables().filter(|(_, table)| table.kind != TableKind::MaterializedView)
}

/// `everybody`: with what everybody may do.
pub(super) fn tables(rows: &mut Rows, source: &Source<'_>, everybody: bool) {
    let rights = source.rights();
    for (schema, table) in standard_tables(source) {
        let secured = secured_relation(source.snapshot, schema, table);
        for grant in secured.list().iter().filter(|grant| is_shown(&rights, grant, everybody)) {
            for (privilege, option) in &grant.privileges {
                rows.push(&[
                    ("grantor", grant.grantor.as_str().into()),
                    ("grantee", grantee(grant).into()),
                    ("table_catalog", source.snapshot.database.as_str().into()),
                    ("table_schema", schema.name.as_str().into()),
                    ("table_name", table.name.as_str().into()),
                    ("privilege_type", privilege.name().into()),
                    ("is_grantable", yes_or_no(*option || is_owner(grant, &secured.owner))),
                    ("with_hierarchy", yes_or_no(*privilege == Privilege::Select)),
                ]);
            }
        }
    }
}

/// What was granted on a table is granted on its columns.
pub(super) fn columns(rows: &mut Rows, source: &Source<'_>, everybody: bool) {
    let rights = source.rights();
    for (schema, table) in standard_tables(source) {
        let secured = secured_relation(source.snapshot, schema, table);
        let list = secured.list();
        for field in table.schema.fields() {
            let of_column = secured.column_list(field.name()).unwrap_or_default();
            for grant in list.iter().chain(of_column).filter(|grant| is_shown(&rights, grant, everybody)) {
                push_column(rows, source, (schema, table), field.name(), grant, is_owner(grant, &secured.owner));
            }
        }
    }
}

fn push_column(rows: &mut Rows, source: &Source<'_>, (schema, table): (&Arc<Schema>, &Arc<Table>), column: &str, grant: &Grant, owns: bool) {
    for (privilege, option) in grant.privileges.iter().filter(|(privilege, _)| Securable::Column.privileges().contains(privilege)) {
        rows.push(&[
            ("grantor", grant.grantor.as_str().into()),
            ("grantee", grantee(grant).into()),
            ("table_catalog", source.snapshot.database.as_str().into()),
            ("table_schema", schema.name.as_str().into()),
            ("table_name", table.name.as_str().into()),
            ("column_name", column.into()),
            ("privilege_type", privilege.name().into()),
            ("is_grantable", yes_or_no(*option || owns)),
        ]);
    }
}

/// Owners may pass on what is theirs.
fn is_owner(grant: &Grant, owner: &str) -> bool {
    grant.grantee.as_deref() == Some(owner)
}

fn grantee(grant: &Grant) -> &str {
    grant.grantee.as_deref().unwrap_or("PUBLIC")
}

fn is_shown(rights: &Rights<'_>, grant: &Grant, everybody: bool) -> bool {
    match &grant.grantee {
        Some(role) => rights.has_role(role) || rights.has_role(&grant.grantor),
        None => everybody || rights.has_role(&grant.grantor),
    }
}

pub(super) fn enabled_roles(rows: &mut Rows, source: &Source<'_>) {
    let rights = source.rights();
    for role in roles(source).iter().filter(|role| rights.has_role(&role.name)) {
        rows.push(&[("role_name", role.name.as_str().into())]);
    }
}

/// Memberships of the session's role and of its groups; `admin`: those that it may give to others.
pub(super) fn applicable_roles(rows: &mut Rows, source: &Source<'_>, admin: bool) {
    let rights = source.rights();
    let own = memberships(source.snapshot, &source.session.role(), false);
    for (member, role) in source.snapshot.roles().filter(|(member, _)| rights.is_superuser() || own.contains(&member.name)) {
        for (group, membership) in role.member_of.iter().filter(|(_, membership)| membership.admin || !admin) {
            rows.push(&[
                ("grantee", member.name.as_str().into()),
                ("role_name", group.as_str().into()),
                ("is_grantable", yes_or_no(membership.admin)),
            ]);
        }
    }
}
