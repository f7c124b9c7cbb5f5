//! What `DROP VIEW`, `DROP MATERIALIZED VIEW` and `DROP TABLE` have in common: which relations are meant.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::ObjectName;

use super::drop_objects::drop_objects;
use super::names::{relation_in, unquoted};
use super::{command, skipped};
use crate::catalog::TableKind;
use crate::error::{Error, Result};
use crate::privileges::Rights;
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

/// What is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    View,
    MaterializedView,
    Table,
}

impl Dropped {
    fn kind(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Table => "table",
        }
    }

    fn tag(self) -> &'static str {
        match self {
            Self::View => "DROP VIEW",
            Self::MaterializedView => "DROP MATERIALIZED VIEW",
            Self::Table => "DROP TABLE",
        }
    }
}

pub(super) async fn drop_relation(
    session: &Arc<Session>,
    dropped: Dropped,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<Response> {
    let snapshot = session.catalog();
    let mut oids: Vec<u32> = Vec::with_capacity(names.len());
    for name in names {
        let undefined = || Error::UndefinedRelation { kind: dropped.kind(), name: unquoted(name) };
        let found = match relation_in(session, name, &snapshot) {
            Err(error @ Error::UndefinedSchema { .. }) if if_exists => {
                skipped(session, SqlState::SUCCESSFUL_COMPLETION, &error);
                continue;
            }
            found => found?,
        };
        let Some((schema, found)) = found else {
            if if_exists {
                skipped(session, SqlState::SUCCESSFUL_COMPLETION, &undefined());
                continue;
            }
            return Err(undefined());
        };
        match (dropped, found.kind) {
            (Dropped::View, TableKind::View)
            | (Dropped::MaterializedView, TableKind::MaterializedView)
            | (Dropped::Table, TableKind::Table) => {}
            // What the server was told at its start is not in the catalog.
            (Dropped::Table, TableKind::External) if snapshot.object(found.oid).is_some() => {}
            (Dropped::Table, TableKind::External) => return Err(Error::Served { table: found.name.clone() }),
            (_, kind) => {
                let hint = match kind {
                    TableKind::View => "Use DROP VIEW to remove a view.",
                    TableKind::MaterializedView => "Use DROP MATERIALIZED VIEW to remove a materialized view.",
                    TableKind::Table | TableKind::External => "Use DROP TABLE to remove a table.",
                };
                return Err(Error::WrongRelation { name: found.name.clone(), expected: dropped.kind(), hint: Some(hint) });
            }
        }
        Rights::in_session(session, &snapshot).check_drop(schema, found)?;
        if !oids.contains(&found.oid) {
            oids.push(found.oid);
        }
    }
    session
        .change_catalog(|snapshot| {
            let rights = Rights::in_session(session, snapshot);
            for (schema, table) in oids.iter().filter_map(|oid| snapshot.table(*oid)) {
                rights.check_drop(schema, table)?;
            }
            let there: Vec<u32> = oids.iter().copied().filter(|oid| snapshot.object(*oid).is_some()).collect();
            drop_objects(session, snapshot, &there, cascade)
        })
        .await?;
    Ok(command(dropped.tag()))
}
