//! Names in statements that make and change objects.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Owner};

use crate::catalog::grants::Privilege;
use crate::catalog::object::Change;
use crate::catalog::role::PREDEFINED;
use crate::catalog::{BOOTSTRAP_ROLE, CatalogSnapshot, Schema, Table};
use crate::error::{Error, Result};
pub(super) use crate::planner::output_names::folded;
use crate::privileges::{Rights, secured_database};
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
    let rights = Rights::in_session(session, snapshot);
    let may_look = |schema: &String| snapshot.schema(schema).is_some_and(|schema| rights.check_usage(schema).is_ok());
    let first = || session.search_path().into_iter().find(may_look);
    let schema = schema.or_else(first).ok_or(Error::NoSchema)?;
    if session.system().schemas().contains_key(&schema) {
        return Err(Error::SystemSchema { schema, relation });
    }
    match snapshot.schema(&schema) {
        None if schema != TEMPORARY_SCHEMA => Err(Error::UndefinedSchema { name: schema }),
        None => Ok((schema, relation)),
        Some(found) => {
            Rights::in_session(session, snapshot).check_create_in(found)?;
            Ok((schema, relation))
        }
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
        Rights::in_session(session, snapshot).check(&secured_database(snapshot), Privilege::Temporary)?;
        return Ok(temporary_schema(snapshot, &session.role()));
    }
    let found = snapshot.schema(schema).ok_or_else(|| Error::UndefinedSchema { name: schema.to_owned() })?;
    // Perhaps that was another's a moment ago.
    Rights::in_session(session, snapshot).check_create_in(found)?;
    Ok((found.oid, None))
}

/// The relation that a name means, if there is one.
pub(super) fn relation<'a>(
    session: &Session,
    name: &ObjectName,
    snapshot: &'a CatalogSnapshot,
) -> Result<Option<&'a Arc<Table>>> {
    Ok(relation_in(session, name, snapshot)?.map(|(_, table)| table))
}

/// The same with its schema. A schema that is named must be one in which the role may look.
pub(super) fn relation_in<'a>(
    session: &Session,
    name: &ObjectName,
    snapshot: &'a CatalogSnapshot,
) -> Result<Option<(&'a Arc<Schema>, &'a Arc<Table>)>> {
    let (schema, relation) = relation_parts(name, snapshot)?;
    let rights = Rights::in_session(session, snapshot);
    let path: Vec<&Arc<Schema>> = match schema {
        Some(schema) => {
            let schema = snapshot.schema(&schema).ok_or(Error::UndefinedSchema { name: schema })?;
            rights.check_usage(schema)?;
            vec![schema]
        }
        None => {
            let schemas = session.lookup_path().into_iter().filter_map(|schema| snapshot.schema(&schema));
            schemas.filter(|schema| rights.check_usage(schema).is_ok()).collect()
        }
    };
    Ok(path.into_iter().find_map(|schema| Some((schema, schema.tables.get(&relation)?))))
}

/// A role that is there, such as that of `AUTHORIZATION role`.
pub(super) fn role(session: &Session, snapshot: &CatalogSnapshot, ident: &Ident) -> Result<String> {
    let name = folded(ident);
    let name = match name.as_str() {
        "current_user" | "current_role" if ident.quote_style.is_none() => session.role(),
        "session_user" if ident.quote_style.is_none() => session.settings(|settings| settings.session_authorization().to_owned()),
        _ => name,
    };
    // Before there are roles, whoever is connected is one.
    let is_implied = || name == session.user() && snapshot.roles().next().is_none();
    let is_there = snapshot.role(&name).is_some() || name == BOOTSTRAP_ROLE || PREDEFINED.contains(&name.as_str()) || is_implied();
    match is_there {
        true => Ok(name),
        false => Err(Error::UndefinedRole { name }),
    }
}

/// The role of `OWNER TO role`.
pub(super) fn owner(session: &Session, snapshot: &CatalogSnapshot, owner: &Owner) -> Result<String> {
    match owner {
        Owner::Ident(ident) => role(session, snapshot, ident),
        Owner::CurrentRole | Owner::CurrentUser => Ok(session.role()),
        Owner::SessionUser => Ok(session.settings(|settings| settings.session_authorization().to_owned())),
    }
}
