//! `TRUNCATE`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Truncate;
use engine::{Operation, TableChanges};

use super::command;
use super::modify::{Needs, ATTEMPTS_MAX, Target};
use crate::catalog::grants::Privilege;
use crate::error::{Error, Result};
use crate::response::Response;
use crate::session::tables::pin_tables;
use crate::session::{Session, TransactionStatus};

pub(super) async fn truncate(session: &Arc<Session>, truncate: &Truncate) -> Result<Response> {
    if truncate.partitions.is_some() {
        return Err(Error::unsupported("TRUNCATE of partitions"));
    }
    for _ in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        let snapshot = session.catalog();
        let targets = truncate.table_names.iter().map(|table| Target::find(session, &table.name, &snapshot, "truncate", [Needs::Privilege(Privilege::Truncate)]));
        // All names are looked at before the first table is changed.
        let mut targets = targets.collect::<Result<Vec<_>>>()?;
        targets.sort_by_key(|target| target.oid);
        targets.dedup_by_key(|target| target.oid);
        let mut emptied = Vec::with_capacity(targets.len());
        for target in &targets {
            let contents = session.contents(target.oid, &target.definition).await?;
            let removed = contents.scan(&target.definition)?.files().cloned().collect();
            emptied.push((target.oid, contents, TableChanges { removed, operation: Operation::Delete, ..TableChanges::default() }));
        }
        if session.transaction_status() != TransactionStatus::Idle {
            for (oid, contents, changes) in emptied {
                session.change_table(oid, &contents, changes).await?;
            }
            return Ok(command("TRUNCATE TABLE"));
        }
        let sessions = Arc::clone(session.sessions());
        let commit = async move {
            let emptied = emptied.into_iter().filter(|(_, _, changes)| !changes.is_empty());
            let emptied = emptied.map(|(_, contents, changes)| (contents.version, Arc::new(changes))).collect();
            sessions.catalog.commit_all(sessions.engine.tables(), &[], emptied).await
        };
        match session.committing(commit).await {
            Err(Error::SerializationFailure) => {}
            done => return done.map(|()| command("TRUNCATE TABLE")),
        }
    }
    Err(Error::SerializationFailure)
}
