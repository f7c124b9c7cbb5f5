//! Names in statements that make and change objects.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Owner};

use crate::catalog::object::Change;
use crate::catalog::{CatalogSnapshot, Table};
use crate::error::{Error, Result};
pub(super) use crate::planner::output_names::folded;
use crate::session::Session;
use crate::session::temporary::{TEMPORARY_SCHEMA, temporary_schema};
use crate::sql_state::SqlState;

/// A name as messages show it.
pub(super) fn unquoted(name: &ObjectName) -> String {
    let parts = name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), folded));
    parts.collect::<Vec<_>>().join(".")
}

/// `schema` or `database.schema`.
pub(super) fn schema_name(name: &ObjectName, snapshot: &CatalogSnapshot) -> Result<String> {
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(folded)).collect();
    match parts.as_deref() {
        Some([schema]) => Ok(schema.clone()),
        Some([database, schema]) if *database == snapshot.database => Ok(schema.clone()),
        Some([database, _]) => Err(Error::UndefinedDatabase { name: database.clone() }),
        _ => Err(Error::ImproperName { name: name.to_string() }),
    }
}

/// Schema and name of `relation`, `schema.relation` or `database.schema.relation`; `None` for the schema of the first.
fn relation_parts(name: &ObjectName, snapshot: &CatalogSnapshot) -> Result<(Option<String>, String)> {
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(folded)).collect();
    match parts.as_deref() {
        Some([relation]) => Ok((None, relation.clone())),
        Some([schema, relation]) => Ok((Some(schema.clone()), relation.clone())),
        Some([database, schema, relation]) if *database == snapshot.database => Ok((Some(schema.clone()), relation.clone())),
        Some([_, _, _]) => Err(Error::unsupported(format!("a reference to another database: {name}"))),
        _ => Err(Error::ImproperName { name: name.to_string() }),
    }
}

/// Schema and name of a relation that is to be made: in the first schema of the search path unless it says where.
pub(super) fn new_relation(session: &Session, name: &ObjectName, snapshot: &CatalogSnapshot) -> Result<(String, String)> {
    let (schema, relation) = relation_parts(name, snapshot)?;
    let first = || session.search_path().into_iter().find(|schema| snapshot.schema(schema).is_some());
    let schema = schema.or_else(first).ok_or(Error::NoSchema)?;
    if session.system().schemas().contains_key(&schema) {
        return Err(Error::SystemSchema { schema, relation });
    }
    match snapshot.schema(&schema) {
        None if schema != TEMPORARY_SCHEMA => Err(Error::UndefinedSchema { name: schema }),
        _ => Ok((schema, relation)),
    }
}

/// The name of a temporary relation that is to be made, which has no schema or that of its session.
pub(super) fn temporary_relation(name: &ObjectName) -> Result<String> {
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(folded)).collect();
    match parts.as_deref() {
        Some([relation]) => Ok(relation.clone()),
        Some([schema, relation]) if schema == TEMPORARY_SCHEMA => Ok(relation.clone()),
        _ => Err(Error::classified(SqlState::INVALID_TABLE_DEFINITION, "cannot create temporary relation in non-temporary schema")),
    }
}

/// The schema that something new is in, and what makes it if it is the session's own and not there yet.
pub(super) fn parent(session: &Session, snapshot: &CatalogSnapshot, schema: &str) -> Result<(u32, Option<Change>)> {
    if schema == TEMPORARY_SCHEMA {
        return Ok(temporary_schema(snapshot, session.user()));
    }
    let undefined = || Error::UndefinedSchema { name: schema.to_owned() };
    Ok((snapshot.schema(schema).ok_or_else(undefined)?.oid, None))
}

/// The relation that a name means, if there is one.
pub(super) fn relation<'a>(
    session: &Session,
    name: &ObjectName,
    snapshot: &'a CatalogSnapshot,
) -> Result<Option<&'a Arc<Table>>> {
    let (schema, relation) = relation_parts(name, snapshot)?;
    let path = match schema {
        Some(schema) if snapshot.schema(&schema).is_none() => return Err(Error::UndefinedSchema { name: schema }),
        Some(schema) => vec![schema],
        None => session.lookup_path(),
    };
    Ok(path.iter().filter_map(|schema| snapshot.schema(schema)).find_map(|schema| schema.tables.get(&relation)))
}

/// The role of `AUTHORIZATION role`.
pub(super) fn role(session: &Session, ident: &Ident) -> Result<String> {
    let name = folded(ident);
    let is_current = ident.quote_style.is_none() && ["current_user", "current_role", "session_user"].contains(&name.as_str());
    match is_current || name == session.user() {
        true => Ok(session.user().to_owned()),
        false => Err(Error::UndefinedRole { name }),
    }
}

/// The role of `OWNER TO role`.
pub(super) fn owner(session: &Session, owner: &Owner) -> Result<String> {
    match owner {
        Owner::Ident(ident) => role(session, ident),
        Owner::CurrentRole | Owner::CurrentUser | Owner::SessionUser => Ok(session.user().to_owned()),
    }
}
