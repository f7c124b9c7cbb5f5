//! `GRANT role TO role` and `REVOKE role FROM role`: memberships.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command;
use super::create_role::{check_may_add, membership};
use super::names::role;
use super::roles::warn;
use crate::catalog::CatalogSnapshot;
use crate::catalog::object::{Change, Definition};
use crate::catalog::role::RoleDefinition;
use crate::error::{Error, Result};
use crate::parser::grant::GrantChange;
use crate::privileges::{Rights, memberships};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn grant_role(
    session: &Arc<Session>,
    change: &GrantChange,
    groups: &[datafusion::sql::sqlparser::ast::Ident],
) -> Result<Response> {
    let snapshot = session.catalog();
    let named = |names: &[datafusion::sql::sqlparser::ast::Ident]| names.iter().map(|name| role(session, &snapshot, name)).collect::<Result<Vec<_>>>();
    let (groups, members) = (named(groups)?, named(&change.grantees)?);
    session.change_catalog(|snapshot| changes(session, snapshot, change, &groups, &members)).await?;
    Ok(command(if change.grants { "GRANT ROLE" } else { "REVOKE ROLE" }))
}

fn changes(session: &Session, snapshot: &CatalogSnapshot, change: &GrantChange, groups: &[String], members: &[String]) -> Result<Vec<Change>> {
    let rights = Rights::in_session(session, snapshot);
    let mut changed: BTreeMap<&str, RoleDefinition> = BTreeMap::new();
    for group in groups {
        check_may_add(&rights, group)?;
        for member in members {
            let (_, definition) = snapshot.role(member).ok_or_else(|| Error::UndefinedRole { name: member.clone() })?;
            let definition = changed.entry(member).or_insert_with(|| definition.clone());
            match change.grants {
                true => {
                    if memberships(snapshot, group, false).contains(member) {
                        let message = format!("role \"{group}\" is a member of role \"{member}\"");
                        return Err(Error::classified(SqlState::INVALID_GRANT_OPERATION, message));
                    }
                    let is_admin = definition.member_of.get(group).is_some_and(|membership| membership.admin);
                    definition.member_of.insert(group.clone(), membership(session, change.option || is_admin));
                }
                false => match definition.member_of.get_mut(group) {
                    Some(membership) if change.option => membership.admin = false,
                    Some(_) => {
                        definition.member_of.remove(group);
                    }
                    None => warn(session, SqlState::WARNING, format!("role \"{member}\" is not a member of role \"{group}\"")),
                },
            }
        }
    }
    let change = |(member, definition): (&str, RoleDefinition)| {
        let (object, _) = snapshot.role(member)?;
        Some(Change::alter(object, |object| object.definition = Definition::Role(definition)))
    };
    Ok(changed.into_iter().filter_map(change).collect())
}
