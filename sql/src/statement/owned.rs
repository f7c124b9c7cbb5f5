//! `REASSIGN OWNED` and `DROP OWNED`: what belongs to a role that is to be dropped.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Ident;

use super::command;
use super::drop_objects::drop_objects;
use super::drop_schema::refuse_served;
use super::names::role;
use crate::catalog::grants::{Grant, Securable, defaults};
use crate::catalog::role::PREDEFINED;
use crate::catalog::{BOOTSTRAP_ROLE, CatalogSnapshot};
use crate::catalog::object::{Change, Definition, Object};
use crate::error::{Error, Result};
use crate::privileges::Rights;
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

/// What a role may not be able to do.
const DROP: &str = "drop objects";

pub(super) async fn reassign_owned(session: &Arc<Session>, roles: &[Ident], new_owner: &Ident) -> Result<Response> {
    let snapshot = session.catalog();
    let roles = roles.iter().map(|name| role(session, &snapshot, name)).collect::<Result<Vec<_>>>()?;
    let new_owner = role(session, &snapshot, new_owner)?;
    session
        .change_catalog(|snapshot| {
            let rights = Rights::in_session(session, snapshot);
            check(&rights, roles.iter().chain([&new_owner]), "reassign objects")?;
            let is_kept = |object: &Object| is_owned(object) && !matches!(object.definition, Definition::Defaults { .. });
            let owned = snapshot.objects().filter(|object| roles.contains(&object.owner) && is_kept(object));
            Ok(owned.map(|object| change_owner(object, &new_owner)).collect())
        })
        .await?;
    Ok(command("REASSIGN OWNED"))
}

pub(super) async fn drop_owned(session: &Arc<Session>, roles: &[Ident], cascade: bool) -> Result<Response> {
    let snapshot = session.catalog();
    let roles = roles.iter().map(|name| role(session, &snapshot, name)).collect::<Result<Vec<_>>>()?;
    session
        .change_catalog(|snapshot| {
            check(&Rights::in_session(session, snapshot), roles.iter(), DROP)?;
            changes(session, snapshot, &roles, cascade)
        })
        .await?;
    Ok(command("DROP OWNED"))
}

fn check<'a>(rights: &Rights<'_>, roles: impl Iterator<Item = &'a String>, what: &str) -> Result<()> {
    for role in roles {
        if what == DROP && (role == BOOTSTRAP_ROLE || PREDEFINED.contains(&role.as_str())) {
            let message = format!("cannot drop objects owned by role {role} because they are required by the database system");
            return Err(Error::classified(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message));
        }
        if !rights.has_role(role) {
            return Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied to {what}")));
        }
    }
    Ok(())
}

fn changes(session: &Session, snapshot: &CatalogSnapshot, roles: &[String], cascade: bool) -> Result<Vec<Change>> {
    let owned = |object: &&Arc<Object>| roles.contains(&object.owner) && is_owned(object);
    let (dropped, kept): (Vec<&Arc<Object>>, Vec<&Arc<Object>>) = snapshot.objects().filter(owned).partition(|object| {
        object.definition.is_relation() || matches!(object.definition, Definition::Schema { .. })
    });
    for schema in dropped.iter().filter_map(|object| snapshot.schemas.iter().find(|schema| schema.oid == object.oid)) {
        refuse_served(snapshot, schema, cascade)?;
    }
    let oids: Vec<u32> = dropped.iter().map(|object| object.oid).collect();
    let mut changes = drop_objects(session, snapshot, &oids, cascade)?;
    let is_gone = |object: &Object| changes.iter().any(|change| change.object.oid == object.oid);
    let kept: Vec<Change> = kept.into_iter().filter(|object| !is_gone(object)).map(|object| Change::drop(object)).collect();
    changes.extend(kept);
    let gone: Vec<u32> = changes.iter().map(|change| change.object.oid).collect();
    let named = |object: &&Arc<Object>| !gone.contains(&object.oid) && roles.iter().any(|role| object.grants.names(role));
    changes.extend(snapshot.objects().filter(named).map(|object| {
        let mut change = Change::alter(object, |object| {
            let owner = object.owner.clone();
            roles.iter().for_each(|role| object.grants.revoke_all(&owner, role));
        });
        let is_over = |list: &Vec<Grant>, on: Securable| list.is_empty() || *list == defaults(on, &object.owner, false);
        if let Definition::Defaults { on } = object.definition {
            // What is left says nothing.
            change.object.dropped = change.object.grants.object.as_ref().is_none_or(|list| is_over(list, on));
        }
        change
    }));
    Ok(changes)
}

/// Roles are nobody's.
fn is_owned(object: &Object) -> bool {
    !matches!(object.definition, Definition::Role(_))
}

/// The change that gives an object to another role, with what the old one granted on it.
pub(super) fn change_owner(object: &Object, new_owner: &str) -> Change {
    Change::alter(object, |object| {
        object.grants.change_owner(&object.owner, new_owner);
        new_owner.clone_into(&mut object.owner);
    })
}
