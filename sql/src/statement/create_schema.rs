//! `CREATE SCHEMA`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{SchemaName, Statement};

use super::names::{folded, role, schema_name};
use super::{command, skipped};
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::object::{Change, Definition};
use crate::error::{Error, Result};
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
        SchemaName::Simple(name) => (schema_name(name, &snapshot)?, session.user().to_owned()),
        SchemaName::UnnamedAuthorization(owner) => (folded(owner), role(session, owner)?),
        SchemaName::NamedAuthorization(name, owner) => (schema_name(name, &snapshot)?, role(session, owner)?),
    };
    if name.starts_with("pg_") {
        return Err(Error::ReservedSchemaName { name });
    }
    let oid = session.sessions().catalog.new_oid().await?;
    let created = session.change_catalog(|snapshot| match snapshot.schema(&name).is_some() || name == INFORMATION_SCHEMA {
        true => Err(Error::DuplicateSchema { name: name.clone() }),
        false => Ok(vec![Change::create(oid, 0, &name, &owner, Definition::Schema { comment: None })]),
    });
    match created.await {
        Err(error @ Error::DuplicateSchema { .. }) if *if_not_exists => skipped(session, SqlState::DUPLICATE_SCHEMA, &error),
        outcome => outcome?,
    }
    Ok(command("CREATE SCHEMA"))
}
