//! `DROP VIEW`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::ObjectName;

use super::drop_objects::drop_objects;
use super::names::{relation, unquoted};
use super::{command, skipped};
use crate::catalog::TableKind;
use crate::error::{Error, Result};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn drop_view(session: &Arc<Session>, names: &[ObjectName], if_exists: bool, cascade: bool) -> Result<Response> {
    let snapshot = session.catalog();
    let mut oids: Vec<u32> = Vec::with_capacity(names.len());
    for name in names {
        let undefined = || Error::UndefinedRelation { kind: "view", name: unquoted(name) };
        let found = match relation(session, name, &snapshot) {
            Err(error @ Error::UndefinedSchema { .. }) if if_exists => {
                skipped(session, SqlState::SUCCESSFUL_COMPLETION, &error);
                continue;
            }
            found => found?,
        };
        match found {
            None if if_exists => skipped(session, SqlState::SUCCESSFUL_COMPLETION, &undefined()),
            None => return Err(undefined()),
            Some(table) if table.kind != TableKind::View => {
                let hint = Some("Use DROP TABLE to remove a table.");
                return Err(Error::WrongRelation { name: table.name.clone(), expected: "view", hint });
            }
            Some(view) if oids.contains(&view.oid) => {}
            Some(view) => oids.push(view.oid),
        }
    }
    session
        .change_catalog(|snapshot| {
            let there: Vec<u32> = oids.iter().copied().filter(|oid| snapshot.object(*oid).is_some()).collect();
            drop_objects(session, snapshot, &there, cascade)
        })
        .await?;
    Ok(command("DROP VIEW"))
}
