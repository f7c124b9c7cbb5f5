//! `ALTER SCHEMA`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{AlterSchema, AlterSchemaOperation};

use super::command;
use super::names::{owner, schema_name};
use super::owned::change_owner;
use crate::catalog::grants::Privilege;
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::object::Change;
use crate::error::{Error, Result};
use crate::privileges::{Rights, secured_database, secured_object};
use crate::response::Response;
use crate::session::Session;
use crate::session::temporary::TEMPORARY_SCHEMA;

pub(super) async fn alter_schema(session: &Arc<Session>, alter: &AlterSchema) -> Result<Response> {
    let [operation] = alter.operations.as_slice() else { return Err(Error::unsupported("ALTER SCHEMA with several changes")) };
    let snapshot = session.catalog();
    let name = schema_name(&alter.name, &snapshot)?;
    if name == TEMPORARY_SCHEMA {
        return Err(Error::unsupported("ALTER SCHEMA of temporary tables"));
    }
    let (new_name, new_owner) = match operation {
        AlterSchemaOperation::Rename { name } => (Some(schema_name(name, &snapshot)?), None),
        AlterSchemaOperation::OwnerTo { owner: role } => (None, Some(owner(session, &snapshot, role)?)),
        other => return Err(Error::unsupported(format!("ALTER SCHEMA … {other}"))),
    };
    session
        .change_catalog(|snapshot| {
            let schema = snapshot.schema(&name).and_then(|schema| snapshot.object(schema.oid));
            let schema = schema.ok_or_else(|| Error::UndefinedSchema { name: name.clone() })?;
            let rights = Rights::in_session(session, snapshot);
            rights.check_owner(&secured_object(schema))?;
            if let Some(new_owner) = &new_owner {
                rights.check_member(new_owner)?;
                rights.check(&secured_database(snapshot), Privilege::Create)?;
                return Ok(vec![change_owner(schema, new_owner)]);
            }
            rights.check(&secured_database(snapshot), Privilege::Create)?;
            if let Some(new_name) = &new_name {
                if new_name.starts_with("pg_") {
                    return Err(Error::ReservedSchemaName { name: new_name.clone() });
                }
                if snapshot.schema(new_name).is_some() || new_name == INFORMATION_SCHEMA {
                    return Err(Error::DuplicateSchema { name: new_name.clone() });
                }
            }
            Ok(vec![Change::alter(schema, |schema| {
                schema.name = new_name.clone().unwrap_or_else(|| schema.name.clone());
            })])
        })
        .await?;
    Ok(command("ALTER SCHEMA"))
}
