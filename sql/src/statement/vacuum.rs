//! `VACUUM`: removes files that are no longer part of a table, or of any.

use std::sync::Arc;
use std::time::Duration;

use datafusion::sql::sqlparser::ast::VacuumStatement;

use super::command;
use super::modify::{Needs, Target};
use crate::error::{Error, Result};
use crate::privileges::{Rights, secured_relation};
use crate::response::Response;
use crate::session::{Session, TransactionStatus};

pub(super) async fn vacuum(session: &Arc<Session>, vacuum: &VacuumStatement) -> Result<Response> {
    if session.transaction_status() != TransactionStatus::Idle {
        return Err(Error::ActiveTransaction { command: "VACUUM" });
    }
    let snapshot = session.catalog();
    let targets: Vec<Target> = match &vacuum.table_name {
        Some(name) => vec![Target::find(session, name, &snapshot, "vacuum", [Needs::Ownership])?],
        None => {
            let rights = Rights::in_session(session, &snapshot);
            let own = snapshot.tables().filter(|(schema, table)| rights.owns(&secured_relation(&snapshot, schema, table)));
            let kept = own.filter_map(|(_, table)| Some((table, table.definition.clone()?)));
            kept.map(|(table, definition)| Target { oid: table.oid, name: table.name.clone(), definition }).collect()
        }
    };
    let retention = session.settings(|settings| settings.timeout("arbalest.vacuum_retention")).unwrap_or(Duration::ZERO);
    let tables = session.sessions().engine.tables();
    for target in targets {
        let removed = tables.vacuum(&target.definition.url()?, retention).await?;
        tracing::debug!(table = target.name, removed, "files that are part of no table were removed");
    }
    Ok(command("VACUUM"))
}
