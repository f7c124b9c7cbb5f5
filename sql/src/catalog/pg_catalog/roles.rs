//! Roles: those that were made, PostgreSQL's predefined ones, and as long as none was made, whoever owns something or is
//! connected.

use std::collections::BTreeMap;

use chrono::DateTime;
use udfs::postgres::value::Value;

use super::{Rows, Source, data, oids};
use crate::catalog::BOOTSTRAP_ROLE;
use crate::catalog::role::RoleDefinition;

/// A role that can be named.
pub struct Role {
    pub oid: u32,
    pub name: String,
    pub definition: RoleDefinition,
    /// One of PostgreSQL's `pg_…` roles, which nobody can log in as.
    pub predefined: bool,
}

/// The OID of a role's name, whether it exists or not.
pub fn role_oid(source: &Source<'_>, name: &str) -> u32 {
    if name == BOOTSTRAP_ROLE {
        return oids::BOOTSTRAP_ROLE;
    }
    if let Some((role, _)) = source.snapshot.role(name) {
        return role.oid;
    }
    match predefined().find(|role| role.name == name) {
        Some(role) => role.oid,
        None => oids::named("role", name),
    }
}

/// Every role, by name.
pub fn roles(source: &Source<'_>) -> Vec<Role> {
    let mut roles: BTreeMap<String, Role> = predefined().map(|role| (role.name.clone(), role)).collect();
    let made = source.snapshot.roles().map(|(object, definition)| (object.name.clone(), definition.clone()));
    let made: Vec<(String, RoleDefinition)> = made.collect();
    let mut others = vec![BOOTSTRAP_ROLE.to_owned()];
    if made.is_empty() {
        others.extend(source.snapshot.schemas.iter().map(|schema| schema.owner.clone()));
        others.extend(source.session.activity().into_iter().map(|activity| activity.user));
        others.push(source.session.session_user());
    }
    let superuser = RoleDefinition { bypass_rls: true, ..RoleDefinition::superuser() };
    let others = others.into_iter().map(|name| (name, superuser.clone()));
    for (name, definition) in made.into_iter().chain(others) {
        let oid = role_oid(source, &name);
        roles.entry(name.clone()).or_insert(Role { oid, name, definition, predefined: false });
    }
    roles.into_values().collect()
}

fn predefined() -> impl Iterator<Item = Role> {
    let role = |(oid, name): (Option<&str>, Option<&str>)| {
        let definition = RoleDefinition { inherit: true, ..RoleDefinition::default() };
        Some(Role { oid: oid?.parse().ok()?, name: name?.to_owned(), definition, predefined: true })
    };
    data::dump("pg_roles").into_iter().flat_map(|dump| dump.column("oid").zip(dump.column("rolname"))).filter_map(role)
}

pub(super) fn pg_roles(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source) {
        let mut row = attributes(&role);
        row.push(("rolpassword", "********".into()));
        row.push(("rolconfig", settings(&role)));
        rows.push(&row);
    }
}

/// Verifiers are for superusers.
pub(super) fn pg_authid(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source) {
        let mut row = attributes(&role);
        row.push(("rolpassword", verifier(source, &role)));
        rows.push(&row);
    }
}

fn verifier(source: &Source<'_>, role: &Role) -> Value {
    let shown = role.definition.verifier.as_deref().filter(|_| source.rights().is_superuser());
    shown.map_or(Value::Null, Value::text)
}

fn settings(role: &Role) -> Value {
    let settings = &role.definition.settings;
    match settings.is_empty() {
        true => Value::Null,
        false => Value::List(settings.iter().map(|(name, value)| Value::text(format!("{name}={value}"))).collect()),
    }
}

fn valid_until(role: &Role) -> Value {
    let time = role.definition.valid_until.as_deref().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
    time.map_or(Value::Null, |time| Value::Timestamp(time.timestamp_micros()))
}

fn attributes(role: &Role) -> Vec<(&'static str, Value)> {
    let definition = &role.definition;
    let limit = definition.connection_limit.map_or(-1, i64::from);
    vec![
        ("oid", role.oid.into()),
        ("rolname", role.name.as_str().into()),
        ("rolsuper", definition.superuser.into()),
        ("rolinherit", definition.inherit.into()),
        ("rolcreaterole", definition.create_role.into()),
        ("rolcreatedb", definition.create_db.into()),
        ("rolcanlogin", definition.login.into()),
        ("rolreplication", definition.replication.into()),
        ("rolconnlimit", Value::Int(limit)),
        ("rolbypassrls", definition.bypass_rls.into()),
        ("rolvaliduntil", valid_until(role)),
    ]
}

pub(super) fn pg_user(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source).iter().filter(|role| role.definition.login) {
        let mut row = user(role);
        row.push(("passwd", "********".into()));
        row.push(("useconfig", settings(role)));
        rows.push(&row);
    }
}

pub(super) fn pg_shadow(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source).iter().filter(|role| role.definition.login) {
        let mut row = user(role);
        row.push(("passwd", verifier(source, role)));
        row.push(("useconfig", settings(role)));
        rows.push(&row);
    }
}

fn user(role: &Role) -> Vec<(&'static str, Value)> {
    vec![
        ("usename", role.name.as_str().into()),
        ("usesysid", role.oid.into()),
        ("usecreatedb", role.definition.create_db.into()),
        ("usesuper", role.definition.superuser.into()),
        ("userepl", role.definition.replication.into()),
        ("usebypassrls", role.definition.bypass_rls.into()),
        ("valuntil", valid_until(role)),
    ]
}

/// Roles that nobody can log in as, with their members.
pub(super) fn pg_group(rows: &mut Rows, source: &Source<'_>) {
    for role in roles(source).iter().filter(|role| !role.definition.login) {
        let members = source.snapshot.roles().filter(|(_, member)| member.member_of.contains_key(&role.name));
        let members = members.map(|(member, _)| role_oid(source, &member.name).into()).collect();
        rows.push(&[("groname", role.name.as_str().into()), ("grosysid", role.oid.into()), ("grolist", Value::List(members))]);
    }
}
