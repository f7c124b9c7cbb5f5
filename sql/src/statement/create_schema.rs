//! `CREATE SCHEMA`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{SchemaName, Statement};

use super::names::{folded, role, schema_name};
use super::{command, skipped};
use crate::catalog::grants::{Privilege, Securable};
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::object::{Change, Definition};
use crate::error::{Error, Result};
use crate::privileges::{Rights, initial_grants, secured_database};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn create_schema(session: &Arc<Session>, statement: &Statement) -> Result<Response> {
    let Statement::CreateSchema { schema_name: name, if_not_exists, with, options, default_collate_spec, clone } = statement else {
        return Err(Error::unsupported("this CREATE SCHEMA"));
    };
    if with.is_some() || options.is_some() || default_collate_spec.is_some() || clone.is_some() {
        return Err(Error::unsupported("CREATE SCHEMA with options"));
    }
    let snapshot = session.catalog();
    let (name, owner) = match name {
        SchemaName::Simple(name) => (schema_name(name, &snapshot)?, session.role()),
        SchemaName::UnnamedAuthorization(owner) => (folded(owner), role(session, &snapshot, owner)?),
        SchemaName::NamedAuthorization(name, owner) => (schema_name(name, &snapshot)?, role(session, &snapshot, owner)?),
    };
    if name.starts_with("pg_") {
        return Err(Error::ReservedSchemaName { name });
    }
    let oid = session.sessions().catalog.new_oid().await?;
    let created = session.change_catalog(|snapshot| {
        let rights = Rights::in_session(session, snapshot);
        rights.check(&secured_database(snapshot), Privilege::Create)?;
        rights.check_member(&owner)?;
        if snapshot.schema(&name).is_some() || name == INFORMATION_SCHEMA {
            return Err(Error::DuplicateSchema { name: name.clone() });
        }
        let mut schema = Change::create(oid, 0, &name, &owner, Definition::Schema { comment: None });
        schema.object.grants = initial_grants(snapshot, &owner, Securable::Schema, 0);
        Ok(vec![schema])
    });
    match created.await {
        Err(error @ Error::DuplicateSchema { .. }) if *if_not_exists => skipped(session, SqlState::DUPLICATE_SCHEMA, &error),
        outcome => outcome?,
    }
    Ok(command("CREATE SCHEMA"))
}
