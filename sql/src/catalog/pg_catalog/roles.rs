//! Roles: the owners of schemas, the users who are connected, and PostgreSQL's predefined ones.

use std::collections::BTreeMap;

use udfs::postgres::value::Value;

use super::{Rows, Source, data, oids};

/// A role as far as it is known.
pub struct Role {
    pub oid: u32,
    pub name: String,
    /// One of PostgreSQL's `pg_…` roles, which nobody can log in as.
    pub predefined: bool,
}

/// The role that owns the system: that which owns the schema `public`.
pub fn bootstrap_role(source: &Source<'_>) -> String {
    let schemas = &source.snapshot.schemas;
    let schema = source.snapshot.schema("public").or_else(|| schemas.first());
    schema.map_or_else(|| source.session.user(), |schema| schema.owner.clone())
}

/// The OID of a role's name, whether it exists or not.
pub fn role_oid(source: &Source<'_>, name: &str) -> u32 {
    if name == bootstrap_role(source) {
        return oids::BOOTSTRAP_ROLE;
    }
    match predefined().find(|role| role.name == name) {
        Some(role) => role.oid,
        None => oids::named("role", name),
    }
}

/// Every role, by name.
pub fn roles(source: &Source<'_>) -> Vec<Role> {
    let mut roles: BTreeMap<String, Role> = predefined().map(|role| (role.name.clone(), role)).collect();
    let owners = source.snapshot.schemas.iter().map(|schema| schema.owner.clone());
    let users = source.session.activity().into_iter().map(|activity| activity.user);
    for name in owners.chain(users).chain([bootstrap_role(source), source.session.user()]) {
        let oid = role_oid(source, &name);
        roles.entry(name.clone()).or_insert(Role { oid, name, predefined: false });
    }
    roles.into_values().collect()
}

fn predefined() -> impl Iterator<Item = Role> {
    data::dump("pg_roles")
        .into_iter()
        .flat_map(|dump| dump.column("oid").zip(dump.column("rolname")))
        .filter_map(|(oid, name)| Some(Role { oid: oid?.parse().ok()?, name: name?.to_owned(), predefined: true }))
}

pub(super) fn pg_roles(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source) {
        let mut row = attributes(&role);
        row.push(("rolpassword", "********".into()));
        rows.push(&row);
    }
}

pub(super) fn pg_authid(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source) {
        rows.push(&attributes(&role));
    }
}

/// Until there are grants, everybody who can connect may do everything.
fn attributes(role: &Role) -> Vec<(&'static str, Value)> {
    let may = !role.predefined;
    vec![
        ("oid", role.oid.into()),
        ("rolname", role.name.as_str().into()),
        ("rolsuper", may.into()),
        ("rolinherit", true.into()),
        ("rolcreaterole", may.into()),
        ("rolcreatedb", may.into()),
        ("rolcanlogin", may.into()),
        ("rolreplication", false.into()),
        ("rolconnlimit", Value::Int(-1)),
        ("rolbypassrls", may.into()),
    ]
}

pub(super) fn pg_user(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source).iter().filter(|role| !role.predefined) {
        let mut row = user(role);
        row.push(("passwd", "********".into()));
        rows.push(&row);
    }
}

pub(super) fn pg_shadow(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source).iter().filter(|role| !role.predefined) {
        rows.push(&user(role));
    }
}

fn user(role: &Role) -> Vec<(&'static str, Value)> {
    vec![
        ("usename", role.name.as_str().into()),
        ("usesysid", role.oid.into()),
        ("usecreatedb", true.into()),
        ("usesuper", true.into()),
        ("userepl", false.into()),
        ("usebypassrls", true.into()),
    ]
}

pub(super) fn pg_group(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source).iter().filter(|role| role.predefined) {
        rows.push(&[("groname", role.name.as_str().into()), ("grosysid", role.oid.into()), ("grolist", Value::List(vec![]))]);
    }
}
