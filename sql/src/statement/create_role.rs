//! `CREATE ROLE` and `CREATE USER`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{CreateRole, Ident};

use super::names::{folded, role};
use super::roles::{FirstRoles, check_may_change_roles, check_name, check_superuser, connection_limit, valid_until, verifier};
use super::{command, skipped};
use crate::catalog::BOOTSTRAP_ROLE;
use crate::catalog::object::{Change, Definition};
use crate::catalog::role::{Membership, RoleDefinition};
use crate::error::{Error, Result};
use crate::privileges::{Rights, memberships};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn create_role(session: &Arc<Session>, create: &CreateRole) -> Result<Response> {
    let [name] = create.names.as_slice() else { return Err(Error::unsupported("CREATE ROLE of several roles")) };
    let [part] = name.0.as_slice() else { return Err(Error::ImproperName { name: name.to_string() }) };
    let name = part.as_ident().map_or_else(|| part.to_string(), folded);
    check_name(&name)?;
    if create.authorization_owner.is_some() {
        return Err(Error::unsupported("AUTHORIZATION of a role"));
    }
    let snapshot = session.catalog();
    let existing = |groups: &[Ident]| groups.iter().map(|group| role(session, &snapshot, group)).collect::<Result<Vec<_>>>();
    let groups = [existing(&create.in_role)?, existing(&create.in_group)?].concat();
    let members = [existing(&create.role)?, existing(&create.user)?].concat();
    let admins = existing(&create.admin)?;
    for group in &groups {
        let above = memberships(&snapshot, group, false);
        if let Some(member) = members.iter().chain(&admins).find(|member| above.contains(*member)) {
            let message = format!("role \"{member}\" is a member of role \"{name}\"");
            return Err(Error::classified(SqlState::INVALID_GRANT_OPERATION, message));
        }
    }
    let definition = RoleDefinition {
        superuser: create.superuser.unwrap_or(false),
        inherit: create.inherit.unwrap_or(true),
        create_role: create.create_role.unwrap_or(false),
        create_db: create.create_db.unwrap_or(false),
        login: create.login.unwrap_or(false),
        replication: create.replication.unwrap_or(false),
        bypass_rls: create.bypassrls.unwrap_or(false),
        connection_limit: create.connection_limit.as_ref().map(connection_limit).transpose()?.flatten(),
        verifier: create.password.as_ref().map(|password| verifier(session, password)).transpose()?.flatten(),
        valid_until: create.valid_until.as_ref().map(valid_until).transpose()?.flatten(),
        member_of: groups.iter().map(|group| (group.clone(), membership(session, false))).collect(),
        settings: BTreeMap::new(),
        comment: None,
    };
    let first = FirstRoles::prepare(session, &snapshot).await?;
    let oid = session.sessions().catalog.new_oid().await?;
    let created = session.change_catalog(|snapshot| {
        let rights = Rights::in_session(session, snapshot);
        check_may_change_roles(&rights, "permission denied to create role")?;
        if definition.superuser || definition.replication || definition.bypass_rls {
            check_superuser(&rights, "must be superuser to create superusers, replication users or roles that bypass row security")?;
        }
        for group in &groups {
            check_may_add(&rights, group)?;
        }
        let is_there = snapshot.role(&name).is_some() || name == session.user();
        if is_there {
            return Err(Error::classified(SqlState::DUPLICATE_OBJECT, format!("role \"{name}\" already exists")));
        }
        let mut changes = first.changes(snapshot, &name);
        let plain = members.iter().map(|member| (member, false));
        let all: BTreeMap<&String, bool> = plain.chain(admins.iter().map(|member| (member, true))).collect();
        for (member, admin) in all {
            let (object, _) = snapshot.role(member).ok_or_else(|| Error::UndefinedRole { name: member.clone() })?;
            changes.push(Change::alter(object, |object| {
                if let Definition::Role(role) = &mut object.definition {
                    role.member_of.insert(name.clone(), membership(session, admin));
                }
            }));
        }
        changes.push(Change::create(oid, 0, &name, BOOTSTRAP_ROLE, Definition::Role(definition.clone())));
        Ok(changes)
    });
    match created.await {
        Err(error) if create.if_not_exists && error.sql_state() == SqlState::DUPLICATE_OBJECT => {
            skipped(session, SqlState::DUPLICATE_OBJECT, &error);
        }
        outcome => outcome?,
    }
    Ok(command("CREATE ROLE"))
}

pub(super) fn membership(session: &Session, admin: bool) -> Membership {
    Membership { admin, grantor: session.role() }
}

/// Fails unless the session's role may make others members of `group`, or end that.
pub(super) fn check_may_add(rights: &Rights<'_>, group: &str) -> Result<()> {
    let is_superuser = rights.snapshot.role(group).is_none_or(|(_, role)| role.superuser);
    let creates = rights.snapshot.role(&rights.role).is_some_and(|(_, role)| role.create_role);
    let is_admin = rights.snapshot.role(&rights.role).and_then(|(_, role)| role.member_of.get(group)).is_some_and(|membership| membership.admin);
    match (rights.is_superuser() || is_admin, is_superuser) {
        (true, _) => Ok(()),
        (false, false) if creates => Ok(()),
        (false, true) => check_superuser(rights, "must be superuser to alter superusers"),
        (false, false) => {
            Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, format!("must have admin option on role \"{group}\"")))
        }
    }
}
