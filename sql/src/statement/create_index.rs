//! `CREATE INDEX`, `DROP INDEX` and `ALTER INDEX … RENAME`: indexes are declared. Files have statistics of their own.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{CreateIndex, ObjectName};

use super::keys;
use super::names::{folded, relation_in, unquoted};
use super::{command, skipped};
use crate::catalog::object::{Change, Definition, Object};
use crate::catalog::{CatalogSnapshot, KeyDefinition, KeyRole, Schema};
use crate::error::{Error, Result};
use crate::privileges::{Rights, secured_object};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn create_index(session: &Arc<Session>, create: &CreateIndex) -> Result<Response> {
    let snapshot = session.catalog();
    let undefined = || Error::UndefinedTable { name: unquoted(&create.table_name), nearest: None, position: None };
    let (schema, table) = relation_in(session, &create.table_name, &snapshot)?.ok_or_else(undefined)?;
    let (schema, oid) = (schema.name.clone(), table.oid);
    let columns = keys::columns(&create.columns);
    let plain: Vec<&str> = columns.iter().map(|column| if column.contains('(') { "expr" } else { column.as_str() }).collect();
    let given = create.name.as_ref().and_then(|name| name.0.last()).and_then(|part| part.as_ident()).map(folded);
    let name = given.unwrap_or_else(|| format!("{}_{}_idx", table.name, plain.join("_")));
    let role = if create.unique { KeyRole::UniqueIndex } else { KeyRole::Index };
    let key = KeyDefinition { name: name.clone(), role, columns, references: None };
    let created = session.change_catalog(|snapshot| {
        let object = snapshot.object(oid).ok_or_else(|| Error::unsupported("an index of a table that the catalog does not keep"))?;
        Rights::in_session(session, snapshot).check_owner(&secured_object(object))?;
        let schema = snapshot.schema(&schema).ok_or_else(|| Error::UndefinedSchema { name: schema.clone() })?;
        if is_taken(schema, &name) {
            return Err(Error::DuplicateRelation { name: name.clone() });
        }
        let Definition::Table(definition) = &object.definition else {
            return Err(Error::WrongRelation { name: object.name.clone(), expected: "table", hint: None });
        };
        let mut definition = definition.clone();
        for column in key.columns.iter().filter(|column| !column.contains('(')) {
            if definition.columns.index_of(column).is_err() {
                return Err(Error::UndefinedColumn { name: column.clone(), nearest: None, position: None });
            }
        }
        keys::add(session, &object.name, &mut definition, key.clone())?;
        Ok(vec![Change::alter(object, |object| object.definition = Definition::Table(definition))])
    });
    match created.await {
        Err(error @ Error::DuplicateRelation { .. }) if create.if_not_exists => skipped(session, SqlState::DUPLICATE_TABLE, &error),
        outcome => outcome?,
    }
    Ok(command("CREATE INDEX"))
}

pub(super) async fn drop_index(session: &Arc<Session>, names: &[ObjectName], if_exists: bool) -> Result<Response> {
    for name in names {
        let dropped = session.change_catalog(|snapshot| {
            let (object, index) = find(session, snapshot, name)?;
            Rights::in_session(session, snapshot).check_owner(&secured_object(object))?;
            Ok(vec![changed(object, &index, |keys, at| {
                keys.remove(at);
            })])
        });
        match dropped.await {
            Err(error @ Error::UndefinedRelation { .. }) if if_exists => skipped(session, SqlState::SUCCESSFUL_COMPLETION, &error),
            outcome => outcome?,
        }
    }
    Ok(command("DROP INDEX"))
}

pub(super) async fn rename_index(session: &Arc<Session>, name: &ObjectName, new_name: &str) -> Result<Response> {
    session
        .change_catalog(|snapshot| {
            let (object, index) = find(session, snapshot, name)?;
            Rights::in_session(session, snapshot).check_owner(&secured_object(object))?;
            if snapshot.table(object.oid).is_some_and(|(schema, _)| is_taken(schema, new_name)) {
                return Err(Error::DuplicateRelation { name: new_name.to_owned() });
            }
            Ok(vec![changed(object, &index, |keys, at| new_name.clone_into(&mut keys[at].name))])
        })
        .await?;
    Ok(command("ALTER INDEX"))
}

/// Whether a relation of the schema, or an index, has this name.
fn is_taken(schema: &Schema, name: &str) -> bool {
    let has_index = |keys: &[KeyDefinition]| keys.iter().any(|key| key.role.has_index() && key.name == name);
    schema.tables.contains_key(name) || schema.tables.values().any(|table| table.definition.as_ref().is_some_and(|table| has_index(&table.keys)))
}

/// The table of an index, and the name of the index.
fn find<'a>(session: &Session, snapshot: &'a CatalogSnapshot, name: &ObjectName) -> Result<(&'a Object, String)> {
    let undefined = || Error::UndefinedRelation { kind: "index", name: unquoted(name) };
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
    let schemas = match parts.as_slice() {
        [_] => session.lookup_path(),
        [.., schema, _] => vec![schema.clone()],
        [] => return Err(undefined()),
    };
    let index = parts.last().cloned().ok_or_else(undefined)?;
    for schema in schemas.iter().filter_map(|name| snapshot.schema(name)) {
        for table in schema.tables.values() {
            let keys = table.definition.as_ref().map(|table| table.keys.as_slice()).unwrap_or_default();
            let Some(key) = keys.iter().find(|key| key.role.has_index() && key.name == index) else { continue };
            if key.role.is_constraint() {
                let message = format!("cannot drop index {index} because constraint {index} on table {} requires it", table.name);
                return Err(Error::Classified {
                    sql_state: SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                    message,
                    detail: None,
                    hint: Some(format!("You can drop constraint {index} on table {} instead.", table.name)),
                    position: None,
                });
            }
            let object = snapshot.object(table.oid).ok_or_else(undefined)?;
            return Ok((object, index));
        }
    }
    Err(undefined())
}

fn changed(object: &Object, index: &str, change: impl FnOnce(&mut Vec<KeyDefinition>, usize)) -> Change {
    Change::alter(object, |object| {
        if let Definition::Table(table) = &mut object.definition
            && let Some(at) = table.keys.iter().position(|key| key.name == index)
        {
            change(&mut table.keys, at);
        }
    })
}
