//! `DROP ROLE` and `DROP USER`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::ObjectName;

use super::drop_objects::described;
use super::names::folded;
use super::roles::{check_may_change_roles, check_superuser};
use super::{command, skipped};
use crate::catalog::role::{PREDEFINED, RoleDefinition};
use crate::catalog::{BOOTSTRAP_ROLE, CatalogSnapshot};
use crate::catalog::object::{Change, Definition, Object};
use crate::error::{Error, Result};
use crate::privileges::Rights;
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn drop_role(session: &Arc<Session>, names: &[ObjectName], if_exists: bool) -> Result<Response> {
    let snapshot = session.catalog();
    let mut wanted: Vec<String> = vec![];
    for name in names {
        let [part] = name.0.as_slice() else { return Err(Error::ImproperName { name: name.to_string() }) };
        let name = part.as_ident().map_or_else(|| part.to_string(), folded);
        if name == BOOTSTRAP_ROLE || PREDEFINED.contains(&name.as_str()) {
            return Err(Error::Required { what: format!("role {name}") });
        }
        match snapshot.role(&name) {
            Some(_) if wanted.contains(&name) => {}
            Some(_) => wanted.push(name),
            None if if_exists => skipped(session, SqlState::SUCCESSFUL_COMPLETION, &Error::UndefinedRole { name }),
            None => return Err(Error::UndefinedRole { name }),
        }
    }
    session.change_catalog(|snapshot| changes(session, snapshot, &wanted)).await?;
    Ok(command("DROP ROLE"))
}

fn changes(session: &Session, snapshot: &CatalogSnapshot, names: &[String]) -> Result<Vec<Change>> {
    let rights = Rights::in_session(session, snapshot);
    check_may_change_roles(&rights, "permission denied to drop role")?;
    let mut changes: Vec<Change> = vec![];
    for name in names {
        let (object, role) = snapshot.role(name).ok_or_else(|| Error::UndefinedRole { name: name.clone() })?;
        if role.superuser {
            check_superuser(&rights, "must be superuser to drop superusers")?;
        }
        if *name == session.role() || *name == session.user() {
            return Err(Error::classified(SqlState::OBJECT_IN_USE, "current user cannot be dropped"));
        }
        let dependents = snapshot.objects().flat_map(|object| dependents(session, snapshot, object, name));
        let mut dependents: Vec<String> = dependents.collect();
        dependents.dedup();
        if !dependents.is_empty() {
            return Err(Error::Classified {
                sql_state: SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                message: format!("role \"{name}\" cannot be dropped because some objects depend on it"),
                detail: Some(dependents.join("\n")),
                hint: Some("Use REASSIGN OWNED and DROP OWNED first.".into()),
                position: None,
            });
        }
        changes.push(Change::drop(object));
    }
    let is_member = |role: &RoleDefinition| names.iter().any(|name| role.member_of.contains_key(name));
    for (object, _) in snapshot.roles().filter(|(object, role)| !names.contains(&object.name) && is_member(role)) {
        changes.push(Change::alter(object, |object| {
            if let Definition::Role(role) = &mut object.definition {
                role.member_of.retain(|group, _| !names.contains(group));
            }
        }));
    }
    Ok(changes)
}

/// Why a role must stay because of an object.
fn dependents(session: &Session, snapshot: &CatalogSnapshot, object: &Object, role: &str) -> Vec<String> {
    if matches!(object.definition, Definition::Role(_)) {
        return vec![];
    }
    if object.owner != role && !object.grants.names(role) {
        return vec![];
    }
    let what = described(session, snapshot, object);
    let mut reasons = vec![];
    if object.owner == role {
        reasons.push(format!("owner of {what}"));
    }
    if object.grants.names(role) && object.owner != role {
        reasons.push(format!("privileges for {what}"));
    }
    reasons
}
