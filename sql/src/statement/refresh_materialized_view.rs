//! `REFRESH MATERIALIZED VIEW`: its query is run again. Who reads the view meanwhile reads what was there before.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::FunctionArg;
use engine::{Operation, TableChanges};

use super::command;
use super::modify::{ATTEMPTS_MAX, Modification, Target};
use super::names::{relation_in, unquoted};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::parser::dialect::REFRESH_MATERIALIZED_VIEW;
use crate::planner;
use crate::planner::assign::cast_to_columns;
use crate::planner::in_place::table_argument;
use crate::privileges::{Rights, secured_relation};
use crate::response::Response;
use crate::session::Session;
use crate::session::tables::pin_tables;

/// `args` are the view's name.
pub(super) async fn refresh_materialized_view(session: &Arc<Session>, statement: &Statement, args: &[FunctionArg]) -> Result<Response> {
    let name = table_argument(REFRESH_MATERIALIZED_VIEW, args)?;
    for _ in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        let snapshot = session.catalog();
        let undefined = || Error::UndefinedTable { name: unquoted(&name), nearest: None, position: None };
        let (schema, table) = relation_in(session, &name, &snapshot)?.ok_or_else(undefined)?;
        let secured = secured_relation(&snapshot, schema, table);
        Rights::in_session(session, &snapshot).check_owner(&secured)?;
        let owner = secured.owner.clone().into_owned();
        let definition = snapshot.table_definition(table.oid);
        let view = definition.and_then(|definition| Some((definition.clone(), definition.materialized.as_deref()?.clone())));
        let Some((definition, view)) = view else {
            return Err(Error::WrongRelation { name: table.name.clone(), expected: "materialized view", hint: None });
        };
        let target = Target { oid: table.oid, name: table.name.clone(), definition };
        let modification = Modification { session: Arc::clone(session), statement: statement.clone(), snapshot: Arc::clone(&snapshot), target };
        let Some(contents) = modification.current().await? else { continue };
        let planned = {
            let (session, snapshot, name, query) = (Arc::clone(session), Arc::clone(&snapshot), table.name.clone(), view.query.clone());
            planner::aside(&query, async move { planner::plan_view(&owner, &session, &snapshot, &name, &view).await }).await?
        };
        let definition = &modification.target.definition;
        let rows = cast_to_columns(planned.logical, definition, &modification.snapshot)?;
        let written = modification.write(rows).await?;
        let removed = contents.scan(definition)?.files().cloned().collect();
        let changes = TableChanges { added: written.files, removed, operation: Operation::Overwrite, ..TableChanges::default() };
        if modification.apply(&contents, changes).await? {
            return Ok(command("REFRESH MATERIALIZED VIEW"));
        }
    }
    Err(Error::SerializationFailure)
}
