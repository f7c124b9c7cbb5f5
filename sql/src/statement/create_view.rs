//! `CREATE VIEW`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{CreateTableOptions, CreateView, ViewColumnDef};

use super::names::{folded, new_relation, parent, temporary_relation};
use super::{command, skipped};
use crate::catalog::grants::Securable;
use crate::catalog::object::{Change, Definition, Object};
use crate::catalog::pg_catalog::format_type::format_type;
use crate::catalog::pg_catalog::objects::COMMENT;
use crate::catalog::pg_catalog::types::column_type;
use crate::catalog::{CatalogSnapshot, ViewDefinition};
use crate::error::{Error, Result};
use crate::parser;
use crate::planner;
use crate::privileges::{Rights, initial_grants, secured_object};
use crate::response::{Notice, Response, Severity};
use crate::session::Session;
use crate::session::temporary::{TEMPORARY_SCHEMA, is_temporary};
use crate::sql_state::SqlState;

pub(super) async fn create_view(session: &Arc<Session>, create: &CreateView) -> Result<Response> {
    refuse_others(create)?;
    let snapshot = session.catalog();
    let definition = define(session, &snapshot, create).await?;
    let reads_temporary = definition.depends_on.iter().filter_map(|oid| snapshot.object(*oid)).any(|object| is_temporary(object));
    let (schema, name) = match create.temporary || reads_temporary {
        true => (TEMPORARY_SCHEMA.to_owned(), temporary_relation(&create.name)?),
        false => new_relation(session, &create.name, &snapshot)?,
    };
    if reads_temporary && !create.temporary {
        let message = format!("view \"{name}\" will be a temporary view");
        let sql_state = SqlState::SUCCESSFUL_COMPLETION;
        session.notify(Notice { severity: Severity::Notice, sql_state, message, detail: None, hint: None });
    }
    let oid = session.sessions().catalog.new_oid().await?;
    let created = session.change_catalog(|snapshot| {
        let (parent, made) = parent(session, snapshot, &schema)?;
        let depends_on = &definition.depends_on;
        let definition = Definition::View(definition.clone());
        let Some(existing) = snapshot.schema(&schema).and_then(|schema| schema.tables.get(&name)) else {
            let mut view = Change::create(oid, parent, &name, &session.role(), definition);
            view.object.grants = initial_grants(snapshot, &session.role(), Securable::Relation, parent);
            return Ok(made.into_iter().chain([view]).collect());
        };
        if !create.or_replace {
            return Err(Error::DuplicateRelation { name: name.clone() });
        }
        let view = snapshot.object(existing.oid).filter(|object| matches!(object.definition, Definition::View(_)));
        let view: &Object = view.ok_or_else(|| Error::WrongRelation { name: name.clone(), expected: "view", hint: None })?;
        Rights::in_session(session, snapshot).check_owner(&secured_object(view))?;
        replaces(snapshot, &existing.schema, &definition)?;
        let dependents = snapshot.with_dependents(&[view.oid]);
        if depends_on.iter().any(|oid| dependents.contains(oid)) {
            return Err(Error::RecursiveView { name: name.clone() });
        }
        let comment = view.definition.view().and_then(|view| view.comment.clone());
        Ok(vec![Change::alter(view, |view| {
            view.definition = definition;
            if let Definition::View(view) = &mut view.definition {
                view.comment = view.comment.take().or(comment);
            }
        })])
    });
    match created.await {
        Err(error @ Error::DuplicateRelation { .. }) if create.if_not_exists => {
            skipped(session, SqlState::DUPLICATE_TABLE, &error);
        }
        outcome => outcome?,
    }
    Ok(command("CREATE VIEW"))
}

fn refuse_others(create: &CreateView) -> Result<()> {
    let what = match create {
        CreateView { or_alter: true, .. } | CreateView { secure: true, .. } | CreateView { to: Some(_), .. } => "this CREATE VIEW",
        CreateView { params: Some(_), .. } | CreateView { copy_grants: true, .. } => "this CREATE VIEW",
        CreateView { options, .. } if *options != CreateTableOptions::None => "CREATE VIEW with options",
        CreateView { cluster_by, .. } if !cluster_by.is_empty() => "CLUSTER BY of a view",
        CreateView { with_no_schema_binding: true, .. } => "WITH NO SCHEMA BINDING",
        _ => return Ok(()),
    };
    Err(Error::unsupported(what))
}

/// Plans the query as it will be planned whenever the view is used, from its text.
pub(super) async fn define(session: &Arc<Session>, snapshot: &Arc<CatalogSnapshot>, create: &CreateView) -> Result<ViewDefinition> {
    let query = create.query.to_string();
    let statement = parser::parse(&query, session.dialect())?.remove(0);
    let ast = statement.ast.clone().ok_or_else(|| Error::unsupported("a view without a query"))?;
    let state = planner::session_state(session, snapshot);
    let planned = {
        let (session, snapshot, statement) = (Arc::clone(session), Arc::clone(snapshot), statement.clone());
        planner::aside(&query, async move {
            planner::plan_query(&session, &state, &snapshot, &statement, &ast, &[]).await
        })
        .await?
    };
    if !planned.parameter_types.is_empty() {
        return Err(Error::UndefinedParameter { number: 1 });
    }
    let reads_own = |oid: &u32| snapshot.object(*oid).is_some_and(|object| is_temporary(object));
    // What others read must not be what a session has under the same name.
    let search_path = match create.temporary || planned.relations.iter().any(reads_own) {
        true => session.lookup_path(),
        false => session.search_path(),
    };
    Ok(ViewDefinition {
        query,
        dialect: session.dialect(),
        search_path,
        outputs: planned.schema.fields().iter().map(|field| field.name().clone()).collect(),
        columns: columns(&planned.schema, planned.logical.schema().inner(), &create.columns)?,
        reads: planned.relations.iter().filter_map(|oid| snapshot.table(*oid)).map(|(schema, table)| (schema.name.clone(), table.name.clone())).collect(),
        depends_on: planned.relations,
        comment: create.comment.clone(),
    })
}

/// The view's columns: those of the query under the names that are given, or their own.
fn columns(names: &SchemaRef, types: &SchemaRef, given: &[ViewColumnDef]) -> Result<Schema> {
    if given.len() > names.fields().len() {
        return Err(Error::TooManyColumnNames);
    }
    let mut seen = HashSet::new();
    let mut fields = Vec::with_capacity(names.fields().len());
    for (index, field) in types.fields().iter().enumerate() {
        let name = given.get(index).map_or_else(|| names.field(index).name().clone(), |column| folded(&column.name));
        if !seen.insert(name.clone()) {
            return Err(Error::DuplicateColumn { name });
        }
        let mut metadata = names.field(index).metadata().clone();
        metadata.remove(COMMENT);
        fields.push(Field::new(name, field.data_type().clone(), true).with_metadata(metadata));
    }
    Ok(Schema::new(fields))
}

/// A view is replaced by one that has its columns, and perhaps more.
fn replaces(snapshot: &CatalogSnapshot, before: &Schema, after: &Definition) -> Result<()> {
    let Definition::View(after) = after else { return Ok(()) };
    if after.columns.fields().len() < before.fields().len() {
        return Err(Error::ChangedView { message: "cannot drop columns from view".into() });
    }
    for (before, after) in before.fields().iter().zip(after.columns.fields()) {
        let message = if before.name() != after.name() {
            format!("cannot change name of view column \"{}\" to \"{}\"", before.name(), after.name())
        } else if before.data_type() != after.data_type() {
            format!(
                "cannot change data type of view column \"{}\" from {} to {}",
                before.name(),
                type_name(snapshot, before),
                type_name(snapshot, after)
            )
        } else {
            continue;
        };
        return Err(Error::ChangedView { message });
    }
    Ok(())
}

fn type_name(snapshot: &CatalogSnapshot, field: &Field) -> String {
    let column = column_type(field);
    format_type(snapshot, column.oid, Some(column.modifier.into()))
}
