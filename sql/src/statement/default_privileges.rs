//! `ALTER DEFAULT PRIVILEGES`: what is granted on tables and schemas when they are made.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

use super::command;
use super::grant::{change_grants, grantees, wanted};
use super::names::{role, schema_name};
use crate::catalog::CatalogSnapshot;
use crate::catalog::grants::{Grants, Securable, defaults};
use crate::catalog::object::{Change, Definition, Object};
use crate::error::{Error, Result};
use crate::parser::grant::{GrantChange, GrantedOn};
use crate::privileges::{Rights, Secured};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn alter_default_privileges(
    session: &Arc<Session>,
    roles: &[Ident],
    schemas: &[ObjectName],
    change: &GrantChange,
) -> Result<Response> {
    let on = match change.on {
        GrantedOn::NewTables => Securable::Relation,
        GrantedOn::NewSchemas if schemas.is_empty() => Securable::Schema,
        GrantedOn::NewSchemas => {
            let message = "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS";
            return Err(Error::classified(SqlState::INVALID_GRANT_OPERATION, message));
        }
        // There are no sequences, functions and types to be made.
        _ => return Ok(command("ALTER DEFAULT PRIVILEGES")),
    };
    let snapshot = session.catalog();
    let grantees = grantees(session, &snapshot, change)?;
    let roles = match roles.is_empty() {
        true => vec![session.role()],
        false => roles.iter().map(|name| role(session, &snapshot, name)).collect::<Result<Vec<_>>>()?,
    };
    let parent = |name: &ObjectName| {
        let name = schema_name(name, &snapshot)?;
        snapshot.schema(&name).map(|schema| schema.oid).ok_or(Error::UndefinedSchema { name })
    };
    let parents = if schemas.is_empty() { vec![0] } else { schemas.iter().map(parent).collect::<Result<Vec<_>>>()? };
    let has_columns = change.privileges.iter().flatten().any(|given| !given.columns.is_empty()) || !change.all_columns.is_empty();
    let wanted = wanted(change, on, |_| true, "")?;
    if has_columns {
        return Err(Error::classified(SqlState::INVALID_GRANT_OPERATION, "default privileges cannot be set for columns"));
    }
    let count = u32::try_from(roles.len() * parents.len()).unwrap_or(u32::MAX);
    let oids = session.sessions().catalog.new_oids(count).await?;
    session
        .change_catalog(|snapshot| {
            let rights = Rights::in_session(session, snapshot);
            let mut oids = oids.clone();
            let mut changes = vec![];
            for role in &roles {
                rights.check_member(role)?;
                for parent in &parents {
                    let oid = oids.next().ok_or_else(|| Error::internal("too few oids"))?;
                    let existing = find(snapshot, role, on, *parent);
                    let mut object = match existing {
                        Some(object) => Change::alter(object, |_| {}),
                        None => Change::create(oid, *parent, role, role, Definition::Defaults { on }),
                    };
                    let initial = if *parent == 0 { defaults(on, role, false) } else { vec![] };
                    let before = object.object.grants.object.take().unwrap_or_else(|| initial.clone());
                    let secured = Secured::of_list(on, role, &before);
                    let grants = Grants { object: Some(before.clone()), ..Grants::default() };
                    let grants = change_grants(grants, change, &grantees, &secured, &wanted, role)?;
                    let list = grants.object.unwrap_or_else(|| defaults(on, role, false));
                    match (list == initial, existing) {
                        (true, Some(existing)) => changes.push(Change::drop(existing)),
                        (true, None) => {}
                        (false, _) => {
                            object.object.grants = Grants { object: Some(list), ..Grants::default() };
                            changes.push(object);
                        }
                    }
                }
            }
            Ok(changes)
        })
        .await?;
    Ok(command("ALTER DEFAULT PRIVILEGES"))
}

fn find<'a>(snapshot: &'a CatalogSnapshot, role: &str, on: Securable, parent: u32) -> Option<&'a Arc<Object>> {
    snapshot.objects().find(|object| object.owner == role && object.parent == parent && object.definition == Definition::Defaults { on })
}
