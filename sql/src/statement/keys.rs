//! What is declared of keys in CREATE TABLE, ALTER TABLE and CREATE INDEX.

use datafusion::sql::sqlparser::ast::{Expr, ForeignKeyConstraint, Ident, IndexColumn, ReferentialAction, TableConstraint};

use super::names::{folded, relation_in, unquoted};
use crate::catalog::pg_catalog::objects;
use crate::catalog::{CatalogSnapshot, KeyDefinition, KeyRole, Reference, TableDefinition};
use crate::error::{Error, Result};
use crate::response::{Notice, Severity};
use crate::session::Session;
use crate::sql_state::SqlState;

/// The columns of an index that are columns of the table, by their names, and expressions as they are written.
pub(super) fn columns(columns: &[IndexColumn]) -> Vec<String> {
    let column = |column: &IndexColumn| match &column.column.expr {
        Expr::Identifier(name) => folded(name),
        other => other.to_string(),
    };
    columns.iter().map(column).collect()
}

/// A constraint that is declared of a table of this name; `None` if it is one that is enforced.
pub(super) fn of_constraint(
    session: &Session,
    snapshot: &CatalogSnapshot,
    table: &str,
    definition: &TableDefinition,
    constraint: &TableConstraint,
) -> Result<Option<KeyDefinition>> {
    let named = |given: Option<&Ident>, other: Option<&Ident>, name: String| given.or(other).map_or(name, folded);
    Ok(Some(match constraint {
        TableConstraint::PrimaryKey(key) => {
            let name = named(key.name.as_ref(), key.index_name.as_ref(), format!("{table}_pkey"));
            KeyDefinition { name, role: KeyRole::Primary, columns: columns(&key.columns), references: None }
        }
        TableConstraint::Unique(key) => {
            let columns = columns(&key.columns);
            let name = named(key.name.as_ref(), key.index_name.as_ref(), format!("{table}_{}_key", columns.join("_")));
            KeyDefinition { name, role: KeyRole::Unique, columns, references: None }
        }
        TableConstraint::ForeignKey(key) => foreign(session, snapshot, table, definition, key)?,
        _ => return Ok(None),
    }))
}

fn foreign(
    session: &Session,
    snapshot: &CatalogSnapshot,
    table: &str,
    definition: &TableDefinition,
    key: &ForeignKeyConstraint,
) -> Result<KeyDefinition> {
    let columns: Vec<String> = key.columns.iter().map(folded).collect();
    let mut referred: Vec<String> = key.referred_columns.iter().map(folded).collect();
    let found = relation_in(session, &key.foreign_table, snapshot)?;
    let is_itself = unquoted(&key.foreign_table).rsplit('.').next() == Some(table);
    let (schema, name) = match found {
        Some((schema, found)) => {
            if referred.is_empty() {
                let primary = objects::keys(found).into_iter().find(|key| key.primary);
                referred = primary.map(|key| key.column_names(found).into_iter().map(str::to_owned).collect()).unwrap_or_default();
            }
            if let Some(missing) = referred.iter().find(|column| found.schema.index_of(column).is_err()) {
                let message = format!("column \"{missing}\" referenced in foreign key constraint does not exist");
                return Err(Error::classified(SqlState::UNDEFINED_COLUMN, message));
            }
            (schema.name.clone(), found.name.clone())
        }
        None if is_itself => {
            if referred.is_empty() {
                let primary = definition.keys.iter().find(|key| key.role == KeyRole::Primary);
                referred = primary.map(|key| key.columns.clone()).unwrap_or_default();
            }
            (String::new(), table.to_owned())
        }
        None => return Err(Error::UndefinedTable { name: unquoted(&key.foreign_table), nearest: None, position: None }),
    };
    if referred.is_empty() {
        let message = format!("there is no primary key for referenced table \"{name}\"");
        return Err(Error::classified(SqlState::UNDEFINED_OBJECT, message));
    }
    if referred.len() != columns.len() {
        let message = "number of referencing and referenced columns for foreign key disagree";
        return Err(Error::classified(SqlState::INVALID_FOREIGN_KEY, message));
    }
    let action = |action: Option<&ReferentialAction>| action.map_or_else(|| "NO ACTION".to_owned(), ToString::to_string);
    let given = key.name.as_ref().or(key.index_name.as_ref()).map(folded);
    Ok(KeyDefinition {
        name: given.unwrap_or_else(|| format!("{table}_{}_fkey", columns.join("_"))),
        role: KeyRole::Foreign,
        columns,
        references: Some(Reference {
            schema,
            table: name,
            columns: referred,
            on_update: action(key.on_update.as_ref()),
            on_delete: action(key.on_delete.as_ref()),
        }),
    })
}

/// Adds a key to a table of this name. The columns of a primary key are not NULL from now on.
pub(super) fn add(session: &Session, table: &str, definition: &mut TableDefinition, key: KeyDefinition) -> Result<()> {
    if key.role.is_constraint()
        && let Some(missing) = key.columns.iter().find(|column| definition.columns.index_of(column).is_err())
    {
        let message = format!("column \"{missing}\" named in key does not exist");
        return Err(Error::classified(SqlState::UNDEFINED_COLUMN, message));
    }
    if key.role == KeyRole::Primary && definition.keys.iter().any(|other| other.role == KeyRole::Primary) {
        let message = format!("multiple primary keys for table \"{table}\" are not allowed");
        return Err(Error::classified(SqlState::INVALID_TABLE_DEFINITION, message));
    }
    if definition.keys.iter().any(|other| other.name == key.name) || definition.checks.contains_key(&key.name) {
        return Err(match key.role.is_constraint() {
            true => Error::DuplicateConstraint { constraint: key.name, relation: table.to_owned() },
            false => Error::DuplicateRelation { name: key.name },
        });
    }
    if key.role == KeyRole::Primary {
        let fields = definition.columns.fields().iter().map(|field| match key.columns.contains(field.name()) {
            true => std::sync::Arc::new(field.as_ref().clone().with_nullable(false)),
            false => std::sync::Arc::clone(field),
        });
        definition.columns = arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
    }
    let what = match key.role {
        KeyRole::Primary => "PRIMARY KEY",
        KeyRole::Unique => "UNIQUE",
        KeyRole::Foreign => "FOREIGN KEY",
        KeyRole::Index | KeyRole::UniqueIndex => "INDEX",
    };
    let effect = if matches!(key.role, KeyRole::Index) { "used" } else { "enforced" };
    session.notify(Notice {
        severity: Severity::Notice,
        sql_state: SqlState::SUCCESSFUL_COMPLETION,
        message: format!("{what} \"{}\" is declared, but not {effect}", key.name),
        detail: None,
        hint: None,
    });
    definition.keys.push(key);
    Ok(())
}
