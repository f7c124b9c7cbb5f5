//! Transactions that change several tables, or tables and the catalog: all of it, or nothing, also if the process dies.
//!
//! The catalog's store decides: in one transaction of its own it gets what changes in the catalog and a journal of what
//! changes in the tables, which is then done. What is in a journal for long was left by a process that has died.

use std::sync::Arc;
use std::time::Duration;

use engine::{CommitError, DeltaTables, TableChanges, TableVersion};
use uuid::Uuid;

use super::Catalog;
use super::object::Change;
use crate::error::Result;

impl Catalog {
    /// Makes changes of the catalog and of `tables`, each made to a version of it.
    pub(crate) async fn commit_all(
        &self,
        delta_tables: &DeltaTables,
        changes: &[Change],
        tables: Vec<(Arc<TableVersion>, Arc<TableChanges>)>,
    ) -> Result<()> {
        match tables.as_slice() {
            [] => return Ok(self.commit(changes).await?),
            [(base, table)] if changes.is_empty() => return Ok(delta_tables.commit(base, table).await?),
            _ => {}
        }
        let held = delta_tables.hold_commits().await;
        let _other_servers_wait = self.store.lock().await?;
        let joint = held.begin(tables).await?;
        // Nobody sees the catalog before the rows.
        let refreshing = self.refreshing.lock().await;
        let (id, is_decided) = (Uuid::new_v4(), !changes.is_empty());
        let journal = joint.journal(is_decided)?;
        match is_decided {
            true => {
                let mut prepared = self.store.prepare(changes).await?;
                prepared.write_journal(id, &journal).await?;
                prepared.commit().await?;
            }
            false => self.store.write_journal(id, &journal).await?,
        }
        let made = joint.make(is_decided).await;
        if !matches!(made, Err(CommitError::Unfinished { .. })) {
            self.forget_journal(id).await;
        }
        if let Err(error) = self.refresh_within(&refreshing).await {
            // The next one reads what has changed.
            tracing::warn!(%error, "the catalog was changed, but cannot be read");
        }
        Ok(made.map(drop)?)
    }

    /// Does what is left of transactions that were decided at least `age` ago.
    pub async fn finish_journals(&self, delta_tables: &DeltaTables, age: Duration) -> Result<()> {
        for (id, journal) in self.store.journals(age).await? {
            match delta_tables.finish(&journal).await {
                Ok(()) => {
                    tracing::info!(%id, "a transaction was completed that had been left");
                    self.forget_journal(id).await;
                }
                Err(error) => tracing::warn!(%id, %error, "a transaction is not complete yet"),
            }
        }
        Ok(())
    }

    async fn forget_journal(&self, id: Uuid) {
        if let Err(error) = self.store.forget_journal(id).await {
            tracing::warn!(%id, %error, "a journal stays that is of no use any more");
        }
    }
}
