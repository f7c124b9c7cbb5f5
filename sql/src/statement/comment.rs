//! `COMMENT ON`.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{CommentObject, ObjectName};

use super::command;
use super::names::{folded, relation, relation_in, schema_name, unquoted};
use super::roles::{check_may_change_roles, check_superuser};
use crate::catalog::object::{Change, Definition};
use crate::catalog::pg_catalog::objects::COMMENT;
use crate::catalog::{CatalogSnapshot, TableKind};
use crate::error::{Error, Result};
use crate::privileges::{Rights, secured_object, secured_relation};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

/// No text, or an empty one, removes the comment.
pub(super) async fn comment(
    session: &Arc<Session>,
    object: CommentObject,
    name: &ObjectName,
    text: Option<&str>,
) -> Result<Response> {
    if object == CommentObject::Column {
        return comment_on_column(session, name, text.filter(|text| !text.is_empty())).await;
    }
    let find = match object {
        CommentObject::Schema => schema_oid,
        CommentObject::View => view_oid,
        CommentObject::Table => table_oid,
        CommentObject::MaterializedView => materialized_view_oid,
        CommentObject::Role => role_oid,
        _ => return Err(Error::unsupported(format!("COMMENT ON {object}"))),
    };
    let text = text.filter(|text| !text.is_empty()).map(str::to_owned);
    session
        .change_catalog(|snapshot| {
            let object = snapshot.object(find(session, name, snapshot)?);
            let rights = Rights::in_session(session, snapshot);
            let object = object.ok_or_else(|| Error::unsupported("a comment on what the catalog does not keep"))?;
            match (&object.definition, snapshot.table(object.oid)) {
                (Definition::Role(role), _) if role.superuser => check_superuser(&rights, "must be superuser to comment on superusers")?,
                (Definition::Role(_), _) => check_may_change_roles(&rights, "must have CREATEROLE privilege to comment on a role")?,
                (_, Some((schema, table))) => rights.check_owner(&secured_relation(snapshot, schema, table))?,
                (_, None) => rights.check_owner(&secured_object(object))?,
            }
            Ok(vec![Change::alter(object, |object| match &mut object.definition {
                Definition::Schema { comment } => comment.clone_from(&text),
                Definition::View(view) => view.comment.clone_from(&text),
                Definition::Table(table) => table.comment.clone_from(&text),
                Definition::External(table) => table.comment.clone_from(&text),
                Definition::Role(role) => role.comment.clone_from(&text),
                Definition::Served | Definition::Database | Definition::Location { .. } | Definition::Secret(_) | Definition::Defaults { .. } => {}
            })])
        })
        .await?;
    Ok(command("COMMENT"))
}

/// The comment of a column of a table or a view is in its field.
async fn comment_on_column(session: &Arc<Session>, name: &ObjectName, text: Option<&str>) -> Result<Response> {
    let parts = name.0.as_slice();
    let Some((column, relation)) = parts.split_last().filter(|(_, relation)| !relation.is_empty()) else {
        return Err(Error::classified(SqlState::SYNTAX_ERROR, "column name must be qualified"));
    };
    let column = column.as_ident().map_or_else(|| column.to_string(), folded);
    let relation = ObjectName(relation.to_vec());
    session
        .change_catalog(|snapshot| {
            let undefined = || Error::UndefinedTable { name: unquoted(&relation), nearest: None, position: None };
            let (schema, table) = relation_in(session, &relation, snapshot)?.ok_or_else(undefined)?;
            Rights::in_session(session, snapshot).check_owner(&secured_relation(snapshot, schema, table))?;
            if table.schema.index_of(&column).is_err() {
                return Err(Error::UndefinedColumnOf { column: column.clone(), relation: table.name.clone() });
            }
            let object = snapshot.object(table.oid).ok_or_else(|| Error::unsupported("a comment on what the catalog does not keep"))?;
            let commented = |columns: &Schema| {
                let fields = columns.fields().iter().map(|field| match *field.name() == column {
                    true => {
                        let mut metadata = field.metadata().clone();
                        metadata.remove(COMMENT);
                        metadata.extend(text.map(|text| (COMMENT.to_owned(), text.to_owned())));
                        Arc::new(field.as_ref().clone().with_metadata(metadata))
                    }
                    false => Arc::clone(field),
                });
                Schema::new(fields.collect::<Vec<_>>())
            };
            let is_kept = matches!(&object.definition, Definition::Table(_) | Definition::View(_));
            if !is_kept {
                return Err(Error::unsupported("a comment on a column of an external table"));
            }
            Ok(vec![Change::alter(object, |object| match &mut object.definition {
                Definition::Table(table) => table.columns = commented(&table.columns),
                Definition::View(view) => view.columns = commented(&view.columns),
                _ => {}
            })])
        })
        .await?;
    Ok(command("COMMENT"))
}

fn role_oid(_: &Session, name: &ObjectName, snapshot: &CatalogSnapshot) -> Result<u32> {
    let name = unquoted(name);
    let (object, _) = snapshot.role(&name).ok_or(Error::UndefinedRole { name })?;
    Ok(object.oid)
}

fn schema_oid(_: &Session, name: &ObjectName, snapshot: &CatalogSnapshot) -> Result<u32> {
    let name = schema_name(name, snapshot)?;
    let schema = snapshot.schema(&name).ok_or(Error::UndefinedSchema { name })?;
    Ok(schema.oid)
}

fn view_oid(session: &Session, name: &ObjectName, snapshot: &CatalogSnapshot) -> Result<u32> {
    relation_oid(session, name, snapshot, "view", |kind| kind == TableKind::View)
}

fn table_oid(session: &Session, name: &ObjectName, snapshot: &CatalogSnapshot) -> Result<u32> {
    relation_oid(session, name, snapshot, "table", |kind| matches!(kind, TableKind::Table | TableKind::External))
}

fn materialized_view_oid(session: &Session, name: &ObjectName, snapshot: &CatalogSnapshot) -> Result<u32> {
    relation_oid(session, name, snapshot, "materialized view", |kind| kind == TableKind::MaterializedView)
}

fn relation_oid(
    session: &Session,
    name: &ObjectName,
    snapshot: &CatalogSnapshot,
    expected: &'static str,
    is_expected: fn(TableKind) -> bool,
) -> Result<u32> {
    let undefined = || Error::UndefinedTable { name: unquoted(name), nearest: None, position: None };
    let table = relation(session, name, snapshot)?.ok_or_else(undefined)?;
    match is_expected(table.kind) {
        true => Ok(table.oid),
        false => Err(Error::WrongRelation { name: table.name.clone(), expected, hint: None }),
    }
}
