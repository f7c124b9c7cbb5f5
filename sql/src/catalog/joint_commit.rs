//! Transactions that change several tables, or tables and the catalog: all of it, or nothing, also if the process dies.
//!
//! The catalog's store gets a journal of all that is to be done. Then the log of the first table decides, those of the
//! others follow, and the catalog comes last, in one transaction with the end of the journal. A journal whose server has
//! died is completed if it was decided, and else forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{CommitError, DeltaTables, Journal, TableChanges, TableVersion};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Catalog;
use super::object::{Change, Definition};
use super::store::StoreError;
use crate::error::{Error, Result};

/// How long a journal is left alone that could not be ended.
const STUCK_FOR: Duration = Duration::from_secs(10);

/// A journal as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    tables: Journal,
    catalog: Vec<Change>,
}

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
        // One after the other: each holds more than one of the store's few connections.
        let _one_at_a_time = self.joint_commits.lock().await;
        let _other_servers_wait = self.store.lock().await?;
        let joint = delta_tables.begin(tables).await?;
        let id = Uuid::new_v4();
        let entry = Entry { tables: joint.journal(), catalog: changes.to_vec() };
        let journal = serde_json::to_string(&entry).map_err(|error| Error::internal(format!("a journal cannot be written: {error}")))?;
        self.store.write_journal(id, &journal).await?;
        // Nobody sees the catalog without the rows. Whoever refreshes it needs a connection, which others may have that wait
        // for what is prepared: so this comes first.
        let refreshing = self.refreshing.lock().await;
        let prepared = match changes {
            [] => Ok(None),
            changes => self.store.prepare(changes).await.map(Some),
        };
        // Dropped after what is prepared: SQLite has one writer at a time.
        let undone = |error: Error| async move {
            self.forget_journal(id).await;
            Err(error)
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return undone(error.into()).await,
        };
        match joint.decide().await {
            Err(CommitError::Conflict) => {
                drop(prepared);
                return undone(Error::SerializationFailure).await;
            }
            decided => decided?,
        }
        let (made, complete) = joint.complete().await;
        if let Err(error @ CommitError::Unfinished { .. }) = complete {
            return Err(error.into());
        }
        match prepared {
            Some(mut prepared) => {
                let unfinished = |error: StoreError| CommitError::Unfinished { reason: error.to_string() };
                prepared.forget_journal(id).await.map_err(unfinished)?;
                prepared.commit().await.map_err(unfinished)?;
                if let Err(error) = self.refresh_within(&refreshing, || drop(made)).await {
                    // The next one reads what has changed.
                    tracing::warn!(%error, "the catalog was changed, but cannot be read");
                }
            }
            None => {
                drop(made);
                self.forget_journal(id).await;
            }
        }
        Ok(complete?)
    }

    /// Ends the transactions that were begun at least `age` ago by servers that have died since.
    pub async fn finish_journals(&self, delta_tables: &DeltaTables, age: Duration) -> Result<()> {
        let is_due = |(id, _): &(Uuid, String)| self.stuck_journals.lock().get(id).is_none_or(|tried| tried.elapsed() > STUCK_FOR);
        if !self.store.journals(age).await?.iter().any(is_due) {
            return Ok(());
        }
        let _one_at_a_time = self.joint_commits.lock().await;
        // Whoever is alive has it as long as its journal is there.
        let _other_servers_wait = self.store.lock().await?;
        for (id, journal) in self.store.journals(age).await?.into_iter().filter(is_due) {
            let finished = self.finish_journal(delta_tables, id, &journal).await;
            let mut stuck = self.stuck_journals.lock();
            match finished {
                Ok(()) => stuck.remove(&id),
                Err(error) => {
                    tracing::warn!(%id, %error, "a transaction of a server that has died is not complete yet");
                    stuck.insert(id, Instant::now())
                }
            };
        }
        Ok(())
    }

    async fn finish_journal(&self, delta_tables: &DeltaTables, id: Uuid, journal: &str) -> Result<()> {
        let unreadable = |error| Error::internal(format!("a journal cannot be read: {error}"));
        let Entry { tables, catalog } = serde_json::from_str(journal).map_err(unreadable)?;
        self.refresh().await?;
        let snapshot = self.snapshot();
        let objects = || snapshot.objects().map(Arc::as_ref).chain(catalog.iter().map(|change| &change.object));
        let known: Vec<String> = objects().filter_map(|object| match &object.definition {
            Definition::Table(table) => Some(table.location.clone()),
            _ => None,
        }).collect();
        let is_gone = |location: &url::Url| !known.iter().any(|known| known == location.as_str());
        let is_decided = match delta_tables.settle(&tables).await {
            Err(_) if tables.locations().next().is_some_and(is_gone) => false,
            is_decided => is_decided?,
        };
        if !is_decided {
            tracing::info!(%id, "a transaction of a server that has died was not made");
            self.forget_journal(id).await;
            return Ok(());
        }
        delta_tables.complete(&tables, is_gone).await?;
        match catalog.as_slice() {
            [] => self.forget_journal(id).await,
            changes => match self.store.prepare(changes).await {
                Ok(mut prepared) => {
                    prepared.forget_journal(id).await?;
                    prepared.commit().await?;
                    self.refresh().await?;
                }
                Err(StoreError::Conflict) => {
                    tracing::warn!(%id, "of a transaction of a server that has died the changes of the catalog cannot be made any more");
                    self.forget_journal(id).await;
                }
                Err(error) => return Err(error.into()),
            },
        }
        tracing::info!(%id, "a transaction of a server that has died was completed");
        Ok(())
    }

    async fn forget_journal(&self, id: Uuid) {
        if let Err(error) = self.store.forget_journal(id).await {
            tracing::warn!(%id, %error, "a journal stays that is of no use any more");
        }
    }
}
