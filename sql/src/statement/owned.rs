//! `REASSIGN OWNED` and `DROP OWNED`: what belongs to a role that is to be dropped.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Ident;

use super::command;
use super::drop_objects::drop_objects;
use super::names::role;
use crate::catalog::CatalogSnapshot;
use crate::catalog::object::{Change, Definition, Object};
use crate::error::{Error, Result};
use crate::privileges::Rights;
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn reassign_owned(session: &Arc<Session>, roles: &[Ident], new_owner: &Ident) -> Result<Response> {
    let snapshot = session.catalog();
    let roles = roles.iter().map(|name| role(session, &snapshot, name)).collect::<Result<Vec<_>>>()?;
    let new_owner = role(session, &snapshot, new_owner)?;
    session
        .change_catalog(|snapshot| {
            let rights = Rights::in_session(session, snapshot);
            check(&rights, roles.iter().chain([&new_owner]), "reassign objects")?;
            let owned = snapshot.objects().filter(|object| roles.contains(&object.owner) && is_owned(object));
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
            check(&Rights::in_session(session, snapshot), roles.iter(), "drop objects")?;
            changes(session, snapshot, &roles, cascade)
        })
        .await?;
    Ok(command("DROP OWNED"))
}

fn check<'a>(rights: &Rights<'_>, roles: impl Iterator<Item = &'a String>, what: &str) -> Result<()> {
    for role in roles {
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
    let oids: Vec<u32> = dropped.iter().map(|object| object.oid).collect();
    let mut changes = drop_objects(session, snapshot, &oids, cascade)?;
    changes.extend(kept.into_iter().map(|object| Change::drop(object)));
    let gone: Vec<u32> = changes.iter().map(|change| change.object.oid).collect();
    let named = |object: &&Arc<Object>| !gone.contains(&object.oid) && roles.iter().any(|role| object.grants.names(role));
    changes.extend(snapshot.objects().filter(named).map(|object| {
        Change::alter(object, |object| roles.iter().for_each(|role| object.grants.revoke_all(role)))
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
        if matches!(object.definition, Definition::Defaults { .. }) {
            new_owner.clone_into(&mut object.name);
        }
    })
}
