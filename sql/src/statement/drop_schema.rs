//! `DROP SCHEMA`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::ObjectName;

use super::drop_objects::drop_objects;
use super::names::schema_name;
use super::{command, skipped};
use crate::catalog::{CatalogSnapshot, Schema};
use crate::catalog::object::Change;
use crate::error::{Error, Result};
use crate::privileges::{Rights, secured_schema};
use crate::response::Response;
use crate::session::Session;
use crate::session::temporary::TEMPORARY_SCHEMA;
use crate::sql_state::SqlState;

pub(super) async fn drop_schema(
    session: &Arc<Session>,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<Response> {
    let snapshot = session.catalog();
    let mut wanted: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let name = schema_name(name, &snapshot)?;
        if session.system().schemas().contains_key(&name) || name == TEMPORARY_SCHEMA {
            return Err(Error::Required { what: format!("schema {name}") });
        }
        match snapshot.schema(&name) {
            None if if_exists => skipped(session, SqlState::SUCCESSFUL_COMPLETION, &Error::UndefinedSchema { name }),
            None => return Err(Error::UndefinedSchema { name }),
            Some(_) if wanted.contains(&name) => {}
            Some(_) => wanted.push(name),
        }
    }
    session.change_catalog(|snapshot| changes(session, snapshot, &wanted, cascade)).await?;
    Ok(command("DROP SCHEMA"))
}

fn changes(session: &Session, snapshot: &CatalogSnapshot, names: &[String], cascade: bool) -> Result<Vec<Change>> {
    let mut oids = vec![];
    for name in names {
        let schema = snapshot.schema(name).ok_or_else(|| Error::UndefinedSchema { name: name.clone() })?;
        Rights::in_session(session, snapshot).check_owner(&secured_schema(snapshot, schema))?;
        refuse_served(snapshot, schema, cascade)?;
        oids.push(schema.oid);
    }
    drop_objects(session, snapshot, &oids, cascade)
}

/// Fails for a schema that has tables which the server was told of.
pub(super) fn refuse_served(snapshot: &CatalogSnapshot, schema: &Schema, cascade: bool) -> Result<()> {
    let Some(table) = schema.tables.values().find(|table| snapshot.object(table.oid).is_none()) else { return Ok(()) };
    Err(match cascade {
        true => Error::Served { table: table.name.clone() },
        false => Error::Dependents {
            what: format!("schema {}", schema.name),
            dependents: vec![format!("table {} depends on schema {}", table.name, schema.name)],
        },
    })
}
